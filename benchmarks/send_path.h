// SPDX-License-Identifier: MIT
//
// W1: Send into channels that have room, while nobody receives; and apart from
// it what it takes to receive from them.
#ifndef FANFARE_BENCHMARKS_SEND_PATH_H_
#define FANFARE_BENCHMARKS_SEND_PATH_H_

#include <cstddef>
#include <cstdint>

#include "audience.h"
#include "measure.h"

namespace bench {

enum class Half { kSend, kDrain };

// Fills all channels and drains them, over and over; one half is timed.
template <typename Rival, typename Feed = typename Rival::template Feed<Event>>
void SendOrDrain(benchmark::State& state, Half timed) {
  constexpr std::size_t kCapacity = 128;
  const auto subscribers = static_cast<std::size_t>(state.range(0));
  Audience<Rival, Event, Feed> audience(subscribers, kCapacity);
  std::uint64_t number = 0;
  const auto batch = [&]() -> Clock::duration {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < kCapacity; ++i) {
      audience.feed().Send(Event(number + i));
    }
    const auto filled = Clock::now();
    for (auto& channel : audience.channels()) {
      for (std::size_t i = 0; i < kCapacity; ++i) {
        Expect(channel.Receive().Is(number + i));
      }
    }
    const auto drained = Clock::now();
    number += kCapacity;
    return timed == Half::kSend ? filled - start : drained - filled;
  };
  static_cast<void>(batch());  // The first one touches all memory.
  const auto run = [&](std::size_t batches) {
    Clock::duration time{};
    for (std::size_t i = 0; i < batches; ++i) time += batch();
    return time;
  };
  Measure(state, static_cast<double>(kCapacity * subscribers), run);
}

template <typename Rival>
void RegisterSend() {
  Register(
      "W1_Send",
      [](benchmark::State& state) { SendOrDrain<Rival>(state, Half::kSend); })
      ->ArgName("subscribers")
      ->RangeMultiplier(10)
      ->Range(1, 1000);
}

template <typename Rival>
void RegisterDrain() {
  Register(
      "W1_Drain",
      [](benchmark::State& state) { SendOrDrain<Rival>(state, Half::kDrain); })
      ->ArgName("subscribers")
      ->RangeMultiplier(10)
      ->Range(1, 1000);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_SEND_PATH_H_
