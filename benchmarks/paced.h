// SPDX-License-Identifier: MIT
//
// W14: a consumer that keeps up: events come at a steady pace, each with a
// little work, and no queue builds up.
#ifndef FANFARE_BENCHMARKS_PACED_H_
#define FANFARE_BENCHMARKS_PACED_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <utility>
#include <vector>

#include "audience.h"
#include "measure.h"
#include "stream.h"

namespace bench {

// A value that says when it was sent.
class Stamped {
 public:
  Stamped() = default;
  Stamped(std::uint64_t number, Clock::time_point sent)
      : number_(number), sent_(sent) {}
  [[nodiscard]] bool Is(std::uint64_t number) const {
    return number_ == number;
  }
  [[nodiscard]] Clock::time_point sent() const { return sent_; }

 private:
  std::uint64_t number_ = 0;
  Clock::time_point sent_;
};

// Spins until `time`, and returns the time that it is then.
inline Clock::time_point SpinUntil(Clock::time_point time) {
  auto now = Clock::now();
  while (now < time) now = Clock::now();
  return now;
}

// Sends an event every `interval` to one consumer, which spins for `work` after
// each. An event that comes late moves those after it. Reports the time from
// before Send until after Receive, and as the counter "cpu" the processor time
// of the process for an event: the sender spins between two events, so that it
// alone uses the whole interval.
template <typename Rival>
void Paced(benchmark::State& state) {
  const std::chrono::nanoseconds interval(state.range(0));
  const std::chrono::nanoseconds work(state.range(1));
  Audience<Rival, Stamped> audience(1, 128);
  std::vector<Clock::duration> taken;
  const auto run = [&](std::size_t values) {
    // Writes all of the memory, so that no page is missing later.
    taken.assign(values, Clock::duration::max());
    const auto consume = [&, values, work](auto& channel, std::size_t) {
      for (std::uint64_t i = 0; i < values; ++i) {
        const Stamped value = channel.Receive();
        const auto received = Clock::now();
        Expect(value.Is(i));
        taken[i] = received - value.sent();
        if (work.count() > 0) SpinUntil(received + work);
      }
    };
    const auto send = [&] {
      auto due = Clock::now();
      for (std::uint64_t i = 0; i < values; ++i) {
        const auto now = SpinUntil(due);
        audience.feed().Send(Stamped(i, now));
        due = now + interval;
      }
    };
    const std::clock_t before = std::clock();
    const auto time = TimeStream(audience, consume, send);
    const auto used = static_cast<double>(std::clock() - before) /
                      static_cast<double>(CLOCKS_PER_SEC);
    state.counters["cpu"] = used * 1e9 / static_cast<double>(values);
    return time;
  };
  Measure(state, 1, run);
  ReportLatency(state, std::move(taken));
}

template <typename Rival>
void RegisterPaced() {
  auto* const paced = Register("W14_Paced", Paced<Rival>);
  paced->ArgNames({"every_ns", "work_ns"});
  for (const std::int64_t interval : {200, 1000, 5000, 20000, 100000}) {
    for (const std::int64_t work : {0, 700, 4000}) {
      if (work < interval) paced->Args({interval, work});
    }
  }
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_PACED_H_
