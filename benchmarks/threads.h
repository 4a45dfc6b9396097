// SPDX-License-Identifier: MIT
//
// What runs beside the main function in rivals that block threads.
#ifndef FANFARE_BENCHMARKS_THREADS_H_
#define FANFARE_BENCHMARKS_THREADS_H_

#include <chrono>
#include <latch>
#include <thread>

namespace bench {

struct Threads {
  using Task = std::jthread;
  using Latch = std::latch;
  static void Yield() { std::this_thread::yield(); }
  // Returns when a thread that has nothing to do sleeps.
  static void AwaitSleep() {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
};

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_THREADS_H_
