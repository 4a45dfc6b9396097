// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_CONFIG_H_
#define FANFARE_DETAIL_BASE_CONFIG_H_

// What the compiler is asked and told: the checks that it can compile the
// library, the library's inline namespace, and all attributes.

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

// The inline namespace that every name of the library lives in, called after
// the major and the minor version (CMake checks that), so that two of them in
// one program never mistake each other's types. A program that replaces the
// platform (detail/base/platform.h) renames it too.
#ifndef FANFARE_ABI
#define FANFARE_ABI v0_1
#endif

// For what a call seldom comes to, so that the rest of it can be inlined; and
// for that rest, which compilers would rather call where it stands often.
#if defined(__GNUC__)
#define FANFARE_COLD [[gnu::cold, gnu::noinline]]
#define FANFARE_ALWAYS_INLINE [[gnu::always_inline]] inline
#else
#define FANFARE_COLD
#define FANFARE_ALWAYS_INLINE inline
#endif

// For what must not be doubled in a program whose libraries hide their symbols.
#if defined(__GNUC__) && !defined(_WIN32)
#define FANFARE_SHARED [[gnu::visibility("default")]]
#else
#define FANFARE_SHARED
#endif

// For arithmetic that is meant to wrap, which clang++'s -fsanitize=integer
// would report.
#if defined(__clang__)
#define FANFARE_WRAPS [[clang::no_sanitize("integer")]]
#else
#define FANFARE_WRAPS
#endif

#endif  // FANFARE_DETAIL_BASE_CONFIG_H_
