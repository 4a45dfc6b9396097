// SPDX-License-Identifier: MIT
//
// What runs beside the main function in rivals that block threads.
#ifndef FANFARE_BENCHMARKS_THREADS_H_
#define FANFARE_BENCHMARKS_THREADS_H_

#include <latch>
#include <thread>

namespace bench {

struct Threads {
  using Task = std::jthread;
  using Latch = std::latch;
  static void Yield() { std::this_thread::yield(); }
};

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_THREADS_H_
