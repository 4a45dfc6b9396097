// SPDX-License-Identifier: MIT
//
// W13 and W15: one thread sends values to a channel and receives them again.
#ifndef FANFARE_BENCHMARKS_ONE_THREAD_H_
#define FANFARE_BENCHMARKS_ONE_THREAD_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "audience.h"
#include "measure.h"

namespace bench {

// W13: sends a burst of values, receives them, and starts again. A burst of one
// is the channel of a consumer that keeps up, without a second thread.
template <typename Rival>
void Bursts(benchmark::State& state) {
  const auto burst = static_cast<std::size_t>(state.range(0));
  typename Rival::template Channel<Event> channel(128);
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  const auto run = [&](std::size_t bursts) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < bursts; ++i) {
      for (std::size_t j = 0; j < burst; ++j) channel.Send(Event(sent++));
      for (std::size_t j = 0; j < burst; ++j) {
        Expect(channel.Receive().Is(received++));
      }
    }
    return Clock::now() - start;
  };
  Measure(state, static_cast<double>(burst), run);
}

template <typename Rival>
void RegisterBursts() {
  Register("W13_Bursts", Bursts<Rival>)
      ->ArgName("burst")
      ->Arg(1)
      ->Arg(2)
      ->Arg(10)
      ->Arg(100);
}

// W15: sends a value and takes it with `receive(channel)`, which returns it.
// The time is that of both.
template <typename Rival, typename Receive>
void ReceiveOne(benchmark::State& state, Receive receive) {
  typename Rival::template Channel<Event> channel(128);
  std::uint64_t number = 0;
  const auto run = [&](std::size_t count) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < count; ++i, ++number) {
      channel.Send(Event(number));
      Expect(receive(channel).Is(number));
    }
    return Clock::now() - start;
  };
  Measure(state, 1, run);
}

template <typename Rival>
void RegisterReceiveOne() {
  Register("W15_Receive", [](benchmark::State& state) {
    ReceiveOne<Rival>(state, [](auto& channel) { return channel.Receive(); });
  });
  Register("W15_TryReceive", [](benchmark::State& state) {
    ReceiveOne<Rival>(state, [](auto& channel) {
      const std::optional<Event> value = channel.TryReceive();
      Expect(value.has_value());
      return *value;
    });
  });
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_ONE_THREAD_H_
