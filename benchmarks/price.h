// SPDX-License-Identifier: MIT
//
// W20: what options, reports and histories cost those that do not use them. For
// fanfare alone, next to an earlier version of it (compare.py). W1, W9 and W10
// are a part of it.
#ifndef FANFARE_BENCHMARKS_PRICE_H_
#define FANFARE_BENCHMARKS_PRICE_H_

#include <malloc.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "audience.h"
#include "lag.h"
#include "measure.h"
#include "send_path.h"

namespace bench {

// Sends short strings, which are copied by user code, into channels with room.
template <typename Rival>
void SendString(benchmark::State& state) {
  constexpr std::size_t kCapacity = 128;
  const auto subscribers = static_cast<std::size_t>(state.range(0));
  std::array<std::string, kCapacity> values;
  for (std::size_t i = 0; i < kCapacity; ++i) {
    values[i] = "value " + std::to_string(i);
  }
  Audience<Rival, std::string> audience(subscribers, kCapacity);
  const auto batch = [&] {
    const auto start = Clock::now();
    for (const auto& value : values) audience.feed().Send(value);
    const auto time = Clock::now() - start;
    for (auto& channel : audience.channels()) {
      for (const auto& value : values) Expect(channel.Receive() == value);
    }
    return time;
  };
  static_cast<void>(batch());  // The first one touches all memory.
  const auto run = [&](std::size_t batches) {
    Clock::duration time{};
    for (std::size_t i = 0; i < batches; ++i) time += batch();
    return time;
  };
  Measure(state, static_cast<double>(kCapacity * subscribers), run);
}

// Sends without waiting to channels that are full.
template <typename Rival>
void TrySendFull(benchmark::State& state) {
  const auto subscribers = static_cast<std::size_t>(state.range(0));
  Audience<Rival, Event> audience(subscribers, 1);
  audience.feed().Send(Event(0));
  const auto run = [&](std::size_t sends) {
    const auto start = Clock::now();
    for (std::uint64_t i = 1; i <= sends; ++i) {
      Expect(audience.feed().TrySend(Event(i)) == 0);
    }
    return Clock::now() - start;
  };
  Measure(state, static_cast<double>(subscribers), run);
  for (auto& channel : audience.channels()) Expect(channel.Receive().Is(0));
}

// Reports the bytes of a subscription to a channel that is there already.
template <typename Rival, typename Feed>
void SubscriptionBytes(benchmark::State& state) {
  constexpr std::size_t kSubscriptions = 1000;
  const auto allocated = [] {
    const auto info = mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
  };
  typename Rival::template Channel<Event> channel(1);
  Feed feed;
  const auto run = [&](std::size_t count) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      std::deque<decltype(feed.Subscribe(channel))> subscriptions(
          kSubscriptions);
      const double before = allocated();
      for (auto& one : subscriptions) one = feed.Subscribe(channel);
      state.counters["bytes"] = (allocated() - before) / kSubscriptions;
    }
    return Clock::now() - start;
  };
  Measure(state, kSubscriptions, run);
}

template <typename Rival>
void RegisterPrice() {
  Register("W20_SendString", SendString<Rival>)
      ->ArgName("subscribers")
      ->RangeMultiplier(10)
      ->Range(1, 100);
  Register("W20_TrySendFull", TrySendFull<Rival>)
      ->ArgName("subscribers")
      ->RangeMultiplier(10)
      ->Range(1, 100);
  Register("W20_BlockedSend",
           [](benchmark::State& state) { Lag<Rival>(state, false); })
      ->ArgName("subscribers")
      ->Arg(1);
  Register("W20_Memory",
           SubscriptionBytes<Rival, typename Rival::template Feed<Event>>);
}

// Sends into channels with room, whose subscriptions have options.
template <typename Rival>
void RegisterPriceOfOptions() {
  Register("W20_SendWithOptions",
           [](benchmark::State& state) {
             SendOrDrain<Rival, typename Rival::template LossyFeed<Event>>(
                 state, Half::kSend);
           })
      ->ArgName("subscribers")
      ->RangeMultiplier(10)
      ->Range(1, 100);
  Register("W20_MemoryWithOptions",
           SubscriptionBytes<Rival, typename Rival::template LossyFeed<Event>>);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_PRICE_H_
