// SPDX-License-Identifier: MIT
//
// Which sanitizers a test is built with, as 0 or 1: FANFARE_TESTS_ASAN and
// FANFARE_TESTS_TSAN.
#ifndef FANFARE_TESTS_SUPPORT_SANITIZERS_H_
#define FANFARE_TESTS_SUPPORT_SANITIZERS_H_

#define FANFARE_TESTS_ASAN 0
#define FANFARE_TESTS_TSAN 0

#if defined(__SANITIZE_ADDRESS__)
#undef FANFARE_TESTS_ASAN
#define FANFARE_TESTS_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#undef FANFARE_TESTS_TSAN
#define FANFARE_TESTS_TSAN 1
#endif

// Older clang++ has no such macros.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#undef FANFARE_TESTS_ASAN
#define FANFARE_TESTS_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#undef FANFARE_TESTS_TSAN
#define FANFARE_TESTS_TSAN 1
#endif
#endif

#endif  // FANFARE_TESTS_SUPPORT_SANITIZERS_H_
