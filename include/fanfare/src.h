// SPDX-License-Identifier: MIT
#ifndef FANFARE_SRC_H_
#define FANFARE_SRC_H_

// Most of what does not depend on a type of values, for programs that compile
// it once, and not in each of their files. For a file with one type of events,
// this saves the compiler two thirds of what the library costs beyond its
// headers:
//   - Define FANFARE_SEPARATE_COMPILATION for all files of the program, those
//   of
//     its libraries included.
//   - Include this header in one of them, which is compiled with the options of
//     the others: NDEBUG, sanitizers.
//
// With CMake, a target that links `fanfare::compiled` has both, if the library
// is part of the build (FetchContent, add_subdirectory) and not an installed
// package. Programs are as fast either way. They are larger, because they
// contain the code for all options.

#ifndef FANFARE_SEPARATE_COMPILATION
#error \
    "fanfare/src.h: compile all files with -DFANFARE_SEPARATE_COMPILATION, or do without this header"
#endif

#include <fanfare/detail/channel/blocking.ipp>
#include <fanfare/detail/channel/channel_ends.ipp>
#include <fanfare/detail/feed/feed_core.ipp>
#include <fanfare/detail/feed/slow_actions.ipp>
#include <fanfare/detail/feed/slow_channels.ipp>
#include <fanfare/detail/subscription/scope_core.ipp>
#include <fanfare/detail/subscription/subscription_state.ipp>
#include <fanfare/detail/subscription/task_listener.ipp>
#include <fanfare/detail/wait/thread_waiter.ipp>

#endif  // FANFARE_SRC_H_
