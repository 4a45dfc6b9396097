// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_CONFIG_H_
#define FANFARE_DETAIL_BASE_CONFIG_H_

// This header holds all that concerns the compiler: the checks that it can
// compile the library, the library's inline namespace, and all attributes.

#if defined(_MSVC_LANG) ? _MSVC_LANG < 202002L : __cplusplus < 202002L
#error "fanfare: needs C++20 (-std=c++20)"
#endif
#if !defined(__cpp_exceptions)
#error "fanfare: needs exceptions (compile without -fno-exceptions)"
#endif

#include <version>

#if !defined(__cpp_lib_jthread)
#error \
    "fanfare: needs std::stop_token (libc++ 18 and 19: -fexperimental-library)"
#endif

// The inline namespace that every name of the library lives in. It is named
// after the major and the minor version (CMake checks that), so that two
// versions in one program never mistake each other's types. A program that
// replaces the platform (detail/base/platform.h) must rename it as well.
#ifndef FANFARE_ABI
#define FANFARE_ABI v0_1
#endif

// FANFARE_COLD marks slow paths, which are kept out of line so that the fast
// path can be inlined. FANFARE_ALWAYS_INLINE marks fast paths, which compilers
// would not inline if they are called in many places. FANFARE_NOINLINE marks
// what is inlined nowhere.
#if defined(__GNUC__)
#define FANFARE_COLD [[gnu::cold, gnu::noinline]]
#define FANFARE_NOINLINE [[gnu::noinline]]
#define FANFARE_ALWAYS_INLINE [[gnu::always_inline]] inline
#else
#define FANFARE_COLD
#define FANFARE_NOINLINE
#define FANFARE_ALWAYS_INLINE inline
#endif

// FANFARE_DECL marks what is defined in an .ipp file. The header includes that
// file, unless the program compiles all of them apart (fanfare/src.h), which it
// cannot if it replaces the platform. (A function that is no member has this
// and FANFARE_COLD at the definition, because g++ warns otherwise.)
#if defined(FANFARE_SEPARATE_COMPILATION) && !defined(FANFARE_PLATFORM)
#define FANFARE_DECL
#else
#define FANFARE_HEADER_ONLY
#define FANFARE_DECL inline
#endif

// FANFARE_SHARED marks what must be unique in a program even if its libraries
// hide their symbols.
#if defined(__GNUC__) && !defined(_WIN32)
#define FANFARE_SHARED [[gnu::visibility("default")]]
#else
#define FANFARE_SHARED
#endif

// FANFARE_WRAPS marks arithmetic that is meant to wrap, which clang++'s
// -fsanitize=integer would report.
#if defined(__clang__)
#define FANFARE_WRAPS [[clang::no_sanitize("integer")]]
#else
#define FANFARE_WRAPS
#endif

#endif  // FANFARE_DETAIL_BASE_CONFIG_H_
