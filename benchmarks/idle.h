// SPDX-License-Identifier: MIT
//
// W12: consumers that have nothing to do use no processor.
#ifndef FANFARE_BENCHMARKS_IDLE_H_
#define FANFARE_BENCHMARKS_IDLE_H_

#include <chrono>
#include <cstddef>
#include <ctime>
#include <deque>
#include <latch>
#include <thread>

#include "audience.h"
#include "measure.h"

namespace bench {

// Reports, as the counter "ns", the processor time that a consumer uses in a
// second while no value comes.
template <typename Rival>
void Idle(benchmark::State& state) {
  constexpr std::size_t kConsumers = 100;
  Audience<Rival, Event> audience(kConsumers, 128);
  std::latch ready(kConsumers);
  std::deque<typename Rival::Task> tasks;
  for (auto& channel : audience.channels()) {
    tasks.emplace_back([&] {
      ready.count_down();
      Expect(channel.Receive().Is(1));
    });
  }
  ready.wait();
  // Until the last of them sleeps.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  constexpr std::chrono::milliseconds kTime(500);
  while (state.KeepRunningBatch(state.max_iterations)) {
    const std::clock_t before = std::clock();
    std::this_thread::sleep_for(kTime);
    const auto used = static_cast<double>(std::clock() - before) /
                      static_cast<double>(CLOCKS_PER_SEC);
    const double seconds = std::chrono::duration<double>(kTime).count();
    state.counters["ns"] =
        used * 1e9 / seconds / static_cast<double>(kConsumers);
    state.SetIterationTime(seconds);
  }
  audience.feed().Send(Event(1));
}

template <typename Rival>
void RegisterIdle() {
  Register("W12_Idle", Idle<Rival>);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_IDLE_H_
