// SPDX-License-Identifier: MIT
//
// main() for Catch2 2.13, which is built from its header; 3.x brings its own.

#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
