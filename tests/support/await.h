// SPDX-License-Identifier: MIT
//
// Waiting for a situation without a sleep.
#ifndef FANFARE_TESTS_SUPPORT_AWAIT_H_
#define FANFARE_TESTS_SUPPORT_AWAIT_H_

#include <thread>

// Blocks until `condition()` is true, giving way to other threads meanwhile.
// A condition that never comes true ends in the test's TIMEOUT.
template <class F>
void AwaitThat(F condition) {
  while (!condition()) std::this_thread::yield();
}

#endif  // FANFARE_TESTS_SUPPORT_AWAIT_H_
