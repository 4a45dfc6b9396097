// SPDX-License-Identifier: MIT
//
// main() for Catch2 2.13, which is built from its header; 3.x brings its own.

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>

#include <cstdio>

// CMake reads the list of the test cases, and takes a line's end to be "\n".
[[maybe_unused]] static const int plain_lines =
    _setmode(_fileno(stdout), _O_BINARY);
#endif

#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
