// SPDX-License-Identifier: MIT
//
// W9: one Send is blocked on many subscribers, which become ready one by one.
#ifndef FANFARE_BENCHMARKS_LAG_H_
#define FANFARE_BENCHMARKS_LAG_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "audience.h"
#include "measure.h"

namespace bench {

// All channels are full with the last value while the next one is sent; they
// are emptied in random order by the thread that measures. So each Send leaves
// them full for the next. With `one_by_one`, no channel is emptied before the
// one before is full again, so that whoever fills it cannot serve many at a
// time.
template <typename Rival>
void Lag(benchmark::State& state, bool one_by_one) {
  using Lagging = Audience<Rival, Event>;
  auto& audience =
      Lagging::Lasting(static_cast<std::size_t>(state.range(0)), 1);
  std::vector<typename Lagging::Channel*> order;
  for (auto& channel : audience.channels()) order.push_back(&channel);
  auto& last = *order.back();
  std::shuffle(order.begin(), order.end(),
               std::mt19937(1));  // NOLINT(cert-msc51-cpp): the same each time

  const auto run = [&](std::size_t sends) {
    audience.feed().Send(Event(0));
    std::atomic<std::size_t> returned{0};
    typename Rival::Task sender([&] {
      for (std::uint64_t i = 1; i <= sends; ++i) {
        audience.feed().Send(Event(i));
        returned = i;
      }
    });
    Clock::duration time{};
    for (std::uint64_t i = 1; i <= sends; ++i) {
      AwaitBlockedSender<Rival>(last);
      Rival::AwaitSleep();
      const auto start = Clock::now();
      for (auto* const channel : order) {
        Expect(channel->Receive().Is(i - 1));
        if constexpr (requires { channel->size(); }) {
          if (one_by_one) Await<Rival>([&] { return channel->size() == 1; });
        }
      }
      Await<Rival>([&] { return returned >= i; });
      time += Clock::now() - start;
    }
    for (auto* const channel : order) Expect(channel->Receive().Is(sends));
    return time;
  };
  Measure(state, static_cast<double>(order.size()), run);
}

template <typename Rival>
void RegisterLag() {
  Register("W9_Lag", [](auto& state) { Lag<Rival>(state, false); })
      ->ArgName("subscribers")
      ->RangeMultiplier(10)
      ->Range(10, 100000);
}

// For a rival whose channels have a size().
template <typename Rival>
void RegisterLagOneByOne() {
  Register("W9_LagOneByOne", [](auto& state) { Lag<Rival>(state, true); })
      ->ArgName("subscribers")
      ->RangeMultiplier(10)
      ->Range(10, 100000);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_LAG_H_
