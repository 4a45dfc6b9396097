// SPDX-License-Identifier: MIT
//
// What the library needs of the compiler, and in which order its headers come:
// one line says what is wrong.

#ifdef NO_STOP_TOKEN
// expect: fanfare: needs std::stop_token (libc++ 18 and 19:
// -fexperimental-library)
#include <version>
#undef __cpp_lib_jthread
#endif

#ifdef NO_EXCEPTIONS
// expect: fanfare: needs exceptions (compile without -fno-exceptions)
// flags: -fno-exceptions
#endif

#ifdef OLDER_STANDARD
// expect: fanfare: needs C++20 (-std=c++20)
// flags: -std=c++17
#endif

#ifdef MANUAL_CLOCK_COMES_LATE
// expect: fanfare: include <fanfare/testing/manual_clock.h> before the other
// headers
#include <fanfare/fwd.h>

#include <fanfare/testing/manual_clock.h>
#endif

#ifdef MANUAL_CLOCK_BESIDE_ANOTHER_PLATFORM
// expect: fanfare: include <fanfare/testing/manual_clock.h> before the other
// headers
#define FANFARE_PLATFORM ::MyPlatform
#include <fanfare/testing/manual_clock.h>
#endif

#include <fanfare/fanfare.h>
