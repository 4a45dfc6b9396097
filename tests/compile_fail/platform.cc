// SPDX-License-Identifier: MIT
//
// What the library needs of the compiler: one line says which is missing.

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

#include <fanfare/fanfare.h>
