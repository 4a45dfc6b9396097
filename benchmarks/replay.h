// SPDX-License-Identifier: MIT
//
// W19: a late subscriber receives the latest values of a feed, and leaves.
#ifndef FANFARE_BENCHMARKS_REPLAY_H_
#define FANFARE_BENCHMARKS_REPLAY_H_

#include <cstddef>
#include <cstdint>

#include "audience.h"
#include "measure.h"

namespace bench {

// How many values a rival's ReplayFeed keeps.
inline constexpr std::size_t kReplay = 16;

// Reports the time to subscribe a channel that is there already, to receive the
// values, and to unsubscribe.
template <typename Rival>
void Replay(benchmark::State& state) {
  typename Rival::template ReplayFeed<Event> feed;
  typename Rival::template Channel<Event> channel(kReplay);
  std::uint64_t sent = 0;
  while (sent < kReplay) feed.Send(Event(sent++));
  const auto run = [&](std::size_t count) {
    feed.Send(Event(sent++));
    const std::uint64_t first = sent - kReplay;
    const auto start = Clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      const auto subscription = feed.Subscribe(channel);
      benchmark::DoNotOptimize(subscription);
      for (std::uint64_t number = first; number < sent; ++number) {
        Expect(channel.Receive().Is(number));
      }
    }
    return Clock::now() - start;
  };
  Measure(state, 1, run);
}

template <typename Rival>
void RegisterReplay() {
  Register("W19_Replay", Replay<Rival>);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_REPLAY_H_
