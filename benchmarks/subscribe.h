// SPDX-License-Identifier: MIT
//
// W7 and W10: what it costs to come and go beside many others, and how many
// bytes a subscription with its channel takes.
#ifndef FANFARE_BENCHMARKS_SUBSCRIBE_H_
#define FANFARE_BENCHMARKS_SUBSCRIBE_H_

#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "audience.h"
#include "measure.h"

namespace bench {

// W7: subscribes and unsubscribes a channel that is there already.
template <typename Rival>
void Subscribe(benchmark::State& state) {
  const auto others = static_cast<std::size_t>(state.range(0));
  auto& audience = Audience<Rival, Event>::Lasting(others, 1);
  typename Rival::template Channel<Event> channel(1);
  const auto run = [&](std::size_t pairs) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < pairs; ++i) {
      const auto subscription = audience.feed().Subscribe(channel);
      benchmark::DoNotOptimize(subscription);
    }
    return Clock::now() - start;
  };
  Measure(state, 1, run);
}

template <typename Rival>
void RegisterSubscribe() {
  Register("W7_Subscribe", Subscribe<Rival>)
      ->ArgName("others")
      ->Arg(0)
      ->Arg(100)
      ->Arg(10000)
      ->Arg(100000);
}

// W7: unsubscribes the one channel that a Send is blocked on, and waits until
// that Send has returned.
template <typename Rival>
void UnsubscribeBlocked(benchmark::State& state) {
  typename Rival::template Feed<Event> feed;
  typename Rival::template Channel<Event> channel(1);
  channel.Send(Event(0));
  const auto run = [&](std::size_t count) {
    std::atomic<std::size_t> asked{0};
    std::atomic<std::size_t> returned{0};
    typename Rival::Task sender([&] {
      for (std::size_t i = 1; i <= count; ++i) {
        Await<Rival>([&] { return asked == i; });
        feed.Send(Event(i));
        returned = i;
      }
    });
    Clock::duration time{};
    for (std::size_t i = 1; i <= count; ++i) {
      auto subscription = feed.Subscribe(channel);
      asked = i;
      AwaitBlockedSender<Rival>(channel);
      const auto start = Clock::now();
      subscription.Unsubscribe();
      Await<Rival>([&] { return returned == i; });
      time += Clock::now() - start;
    }
    return time;
  };
  Measure(state, 1, run);
  Expect(channel.Receive().Is(0));
}

template <typename Rival>
void RegisterUnsubscribeBlocked() {
  Register("W7_UnsubscribeBlocked", UnsubscribeBlocked<Rival>);
}

// W10: the bytes that the allocator has given out for a subscription with its
// channel, once that has been full.
template <typename Rival>
void Memory(benchmark::State& state) {
  constexpr std::size_t kSubscribers = 1000;
  const auto capacity = static_cast<std::size_t>(state.range(0));
  const auto allocated = [] {
    const auto info = mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
  };
  const auto run = [&](std::size_t count) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      const double before = allocated();
      Audience<Rival, Event> audience(kSubscribers, capacity);
      for (std::uint64_t number = 0; number < capacity; ++number) {
        audience.feed().Send(Event(number));
      }
      state.counters["bytes"] = (allocated() - before) / kSubscribers;
    }
    return Clock::now() - start;
  };
  Measure(state, kSubscribers, run);
}

template <typename Rival>
void RegisterMemory() {
  Register("W10_Memory", Memory<Rival>)->ArgName("capacity")->Arg(1)->Arg(128);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_SUBSCRIBE_H_
