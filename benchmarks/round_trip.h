// SPDX-License-Identifier: MIT
//
// W4 and W5: an event goes out through a feed, and replies come back through a
// channel before the next event goes out.
#ifndef FANFARE_BENCHMARKS_ROUND_TRIP_H_
#define FANFARE_BENCHMARKS_ROUND_TRIP_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "audience.h"
#include "measure.h"

namespace bench {

// Sends `count` events to one consumer, which sends each back. Calls
// `observe()` before each one and after the last.
template <typename Rival, typename Observe>
Clock::duration TimeRoundTrips(std::size_t capacity, std::size_t count,
                               Observe observe) {
  Audience<Rival, Event> audience(1, capacity);
  typename Rival::template Channel<Event> replies(capacity);
  typename Rival::Latch running(1);
  typename Rival::Task consumer([&] {
    running.count_down();
    for (std::size_t i = 0; i < count; ++i) {
      replies.Send(audience.channels().front().Receive());
    }
  });
  running.wait();
  const auto start = Clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    observe();
    audience.feed().Send(Event(i));
    Expect(replies.Receive().Is(i));
  }
  observe();
  return Clock::now() - start;
}

template <typename Rival>
void RoundTrip(benchmark::State& state) {
  const auto capacity = static_cast<std::size_t>(state.range(0));
  Measure(state, 1, [&](std::size_t count) {
    return TimeRoundTrips<Rival>(capacity, count, [] {});
  });
}

template <typename Rival>
void RoundTripLatency(benchmark::State& state) {
  const auto capacity = static_cast<std::size_t>(state.range(0));
  std::vector<Clock::time_point> times;
  Measure(state, 1, [&](std::size_t count) {
    times.reserve(count + 1);
    return TimeRoundTrips<Rival>(capacity, count,
                                 [&] { times.push_back(Clock::now()); });
  });
  std::vector<Clock::duration> taken;
  for (std::size_t i = 1; i < times.size(); ++i) {
    taken.push_back(times[i] - times[i - 1]);
  }
  ReportLatency(state, std::move(taken));
}

// Capacities 0 and 1, or as many of them as the rival has.
template <typename Rival>
void RegisterRoundTrips(const std::vector<std::int64_t>& capacities) {
  Register("W4_RoundTrip", RoundTrip<Rival>)
      ->ArgName("capacity")
      ->ArgsProduct({capacities});
  Register("W4_RoundTripLatency", RoundTripLatency<Rival>)
      ->ArgName("capacity")
      ->ArgsProduct({capacities});
}

// W5: three consumers acknowledge each event through a rendezvous channel that
// it brings along, a new one in every round.
template <typename Rival>
void Acknowledged(benchmark::State& state) {
  using Replies = decltype(Rival::template Share<Event>());
  struct Question {
    Event event;
    Replies replies;
  };
  constexpr std::size_t kConsumers = 3;
  const auto run = [&](std::size_t rounds) {
    Audience<Rival, Question> audience(kConsumers, 0);
    typename Rival::Latch running(kConsumers);
    std::deque<typename Rival::Task> consumers;
    for (auto& channel : audience.channels()) {
      consumers.emplace_back([&] {
        running.count_down();
        for (std::uint64_t i = 0; i < rounds; ++i) {
          const Question question = channel.Receive();
          Expect(question.event.Is(i));
          question.replies->Send(question.event);
        }
      });
    }
    running.wait();
    const auto start = Clock::now();
    for (std::uint64_t i = 0; i < rounds; ++i) {
      const Replies replies = Rival::template Share<Event>();
      audience.feed().Send(Question{Event(i), replies});
      for (std::size_t reply = 0; reply < kConsumers; ++reply) {
        Expect(replies->Receive().Is(i));
      }
    }
    return Clock::now() - start;
  };
  Measure(state, 1, run);
}

template <typename Rival>
void RegisterAcknowledged() {
  Register("W5_Acknowledged", Acknowledged<Rival>);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_ROUND_TRIP_H_
