// SPDX-License-Identifier: MIT
//
// The one include through which tests see Catch2. It works with 2.13, which is
// a single header, and with 3.x, which is a library.
//
// Names that only one of them has are not used in tests: the matcher Contains
// (3.x: ContainsSubstring), Approx without Catch::, and generators other than
// GENERATE(values...).

#ifndef FANFARE_TESTS_SUPPORT_CATCH_H_
#define FANFARE_TESTS_SUPPORT_CATCH_H_

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#endif  // FANFARE_TESTS_SUPPORT_CATCH_H_
