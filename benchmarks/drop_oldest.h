// SPDX-License-Identifier: MIT
//
// W17: Send to full channels of consumers that are stuck. The value takes the
// place of the oldest one in each.
#ifndef FANFARE_BENCHMARKS_DROP_OLDEST_H_
#define FANFARE_BENCHMARKS_DROP_OLDEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "audience.h"
#include "measure.h"

namespace bench {

// Ends the program with an error unless the channel holds the values before
// `end`, at least `capacity` of them, and is empty then.
template <typename Channel>
void ExpectLatest(Channel& channel, std::size_t capacity, std::uint64_t end) {
  std::optional<Event> event = channel.TryReceive();
  Expect(event && event->number() + capacity <= end);
  for (std::uint64_t number = event->number(); number < end; ++number) {
    Expect(event && event->Is(number));
    event = channel.TryReceive();
  }
  Expect(!event);
}

template <typename Rival>
void DropOldest(benchmark::State& state) {
  const auto capacity = static_cast<std::size_t>(state.range(0));
  const auto subscribers = static_cast<std::size_t>(state.range(1));
  Audience<Rival, Event, typename Rival::template LossyFeed<Event>> audience(
      subscribers, capacity);
  std::uint64_t number = 0;
  // Some channels hold up to twice what they are asked for, rounded up.
  while (number < 2 * capacity + 2) audience.feed().Send(Event(number++));
  const auto run = [&](std::size_t sends) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < sends; ++i) {
      audience.feed().Send(Event(number++));
    }
    return Clock::now() - start;
  };
  Measure(state, static_cast<double>(subscribers), run);
  for (auto& channel : audience.channels()) {
    ExpectLatest(channel, capacity, number);
  }
}

template <typename Rival>
void RegisterDropOldest() {
  Register("W17_DropOldest", DropOldest<Rival>)
      ->ArgNames({"capacity", "subscribers"})
      ->ArgsProduct({{1, 64}, {10, 100}});
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_DROP_OLDEST_H_
