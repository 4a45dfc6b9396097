// SPDX-License-Identifier: MIT
#ifndef FANFARE_TESTS_GDB_STATES_H_
#define FANFARE_TESTS_GDB_STATES_H_

// What states.cc waits with.

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>
#include <thread>

// Where gdb stops the program.
extern "C" [[gnu::noinline]] inline void AllStatesReached() {
  asm volatile("");
}

// Waits until `count` returns `wanted`.
template <typename Count>
void AwaitBlocked(Count count, std::size_t wanted) {
  while (count() != wanted) std::this_thread::yield();
}

// Waits for the stop.
inline void AwaitStop(const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait(lock, stop, [] { return false; });
}

#endif  // FANFARE_TESTS_GDB_STATES_H_
