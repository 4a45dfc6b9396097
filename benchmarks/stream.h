// SPDX-License-Identifier: MIT
//
// W2, W3, W6 and W8: values stream to consumers that each run by themselves.
#ifndef FANFARE_BENCHMARKS_STREAM_H_
#define FANFARE_BENCHMARKS_STREAM_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "audience.h"
#include "measure.h"

namespace bench {

// Starts a task per channel that calls `consume(channel, place)`, then
// `send()`, and returns how long it took from when all tasks run until all have
// returned.
template <typename Rival, typename T, typename Consume, typename Send>
Clock::duration TimeStream(Audience<Rival, T>& audience, Consume consume,
                           Send send) {
  const auto subscribers =
      static_cast<std::ptrdiff_t>(audience.channels().size());
  typename Rival::Latch running(subscribers);
  typename Rival::Latch done(subscribers);
  std::deque<typename Rival::Task> consumers;
  for (std::size_t i = 0; i < audience.channels().size(); ++i) {
    // Copies: what the consumers read does not lie beside what the sender
    // writes.
    consumers.emplace_back([&, i, consume] {
      running.count_down();
      consume(audience.channels()[i], i);
      done.count_down();
    });
  }
  running.wait();
  const auto start = Clock::now();
  send();
  done.wait();
  return Clock::now() - start;
}

// How many values go through the channels for each iteration that Google
// Benchmark asks for. A rival that is slow at first gets beyond that; at
// capacity 0 all values are alike.
inline std::size_t Batch(std::size_t capacity) {
  return capacity == 0 ? 1 : 128;
}

// W2, W3, W8: one sender.
template <typename Rival, typename T>
void Stream(benchmark::State& state, std::size_t capacity,
            std::size_t subscribers) {
  Audience<Rival, T> audience(subscribers, capacity);
  const std::size_t batch = Batch(capacity);
  const auto run = [&](std::size_t batches) {
    const std::uint64_t values = batches * batch;
    const auto consume = [values](auto& channel, std::size_t) {
      for (std::uint64_t i = 0; i < values; ++i) {
        Expect(channel.Receive().Is(i));
      }
    };
    const auto send = [&] {
      T value;
      for (std::uint64_t i = 0; i < values; ++i) {
        value.Set(i);
        audience.feed().Send(value);
      }
    };
    return TimeStream(audience, consume, send);
  };
  Measure(state, static_cast<double>(batch * subscribers), run);
}

// W2: how long every 64th value takes from its Send to each Receive.
template <typename Rival>
void StreamLatency(benchmark::State& state, std::size_t capacity,
                   std::size_t subscribers) {
  constexpr std::size_t kEvery = 64;
  Audience<Rival, Event> audience(subscribers, capacity);
  std::vector<std::vector<Clock::duration>> taken(subscribers);
  const std::size_t batch = Batch(capacity);
  const auto run = [&](std::size_t batches) {
    const std::uint64_t values = batches * batch;
    // A time is written before its value is sent, and read after.
    std::vector<Clock::time_point> sent(values / kEvery + 1);
    for (auto& samples : taken) samples.reserve(sent.size());
    const auto consume = [&, values](auto& channel, std::size_t place) {
      for (std::uint64_t i = 0; i < values; ++i) {
        Expect(channel.Receive().Is(i));
        if (i % kEvery == 0) {
          taken[place].push_back(Clock::now() - sent[i / kEvery]);
        }
      }
    };
    const auto send = [&] {
      for (std::uint64_t i = 0; i < values; ++i) {
        if (i % kEvery == 0) sent[i / kEvery] = Clock::now();
        audience.feed().Send(Event(i));
      }
    };
    return TimeStream(audience, consume, send);
  };
  Measure(state, static_cast<double>(batch * subscribers), run);
  std::vector<Clock::duration> all;
  for (const auto& samples : taken) {
    all.insert(all.end(), samples.begin(), samples.end());
  }
  ReportLatency(state, std::move(all));
}

// W6: four senders on one feed. A consumer sees each sender's values in order.
template <typename Rival>
void FourSenders(benchmark::State& state) {
  constexpr std::size_t kSenders = 4;
  constexpr std::size_t kSubscribers = 10;
  constexpr unsigned kSenderShift = 56;
  Audience<Rival, Event> audience(kSubscribers, 128);
  const auto run = [&](std::size_t values) {
    const auto consume = [values](auto& channel, std::size_t) {
      std::array<std::uint64_t, kSenders> next{};
      for (std::size_t i = 0; i < values * kSenders; ++i) {
        const Event event = channel.Receive();
        const std::uint64_t sender = event.number() >> kSenderShift;
        Expect(sender < kSenders &&
               event.Is((sender << kSenderShift) + next[sender]++));
      }
      for (const std::uint64_t count : next) Expect(count == values);
    };
    std::deque<typename Rival::Task> senders;
    const auto send = [&] {
      for (std::uint64_t sender = 0; sender < kSenders; ++sender) {
        senders.emplace_back([&, sender] {
          for (std::uint64_t i = 0; i < values; ++i) {
            audience.feed().SendBesideOthers(
                Event((sender << kSenderShift) + i));
          }
        });
      }
    };
    return TimeStream(audience, consume, send);
  };
  Measure(state, static_cast<double>(kSenders * kSubscribers), run);
}

template <typename Rival>
void RegisterStreams() {
  Register("W2_Stream",
           [](benchmark::State& state) {
             Stream<Rival, Event>(state,
                                  static_cast<std::size_t>(state.range(0)),
                                  static_cast<std::size_t>(state.range(1)));
           })
      ->ArgNames({"capacity", "subscribers"})
      ->ArgsProduct({{128, 1024}, {1, 10, 100, 1000}})
      ->Args({200, 1000});
  Register("W2_StreamLatency",
           [](benchmark::State& state) {
             StreamLatency<Rival>(state,
                                  static_cast<std::size_t>(state.range(0)),
                                  static_cast<std::size_t>(state.range(1)));
           })
      ->ArgNames({"capacity", "subscribers"})
      ->ArgsProduct({{128}, {1, 10, 100, 1000}});
  Register("W6_FourSenders", FourSenders<Rival>);
  Register("W8_Kilobyte",
           [](benchmark::State& state) {
             Stream<Rival, Kilobyte>(
                 state, static_cast<std::size_t>(state.range(0)), 10);
           })
      ->ArgName("capacity")
      ->Arg(128)
      ->Arg(1024);
}

template <typename Rival>
void RegisterRendezvous() {
  Register("W3_Rendezvous",
           [](benchmark::State& state) {
             Stream<Rival, Event>(state, 0,
                                  static_cast<std::size_t>(state.range(0)));
           })
      ->ArgName("subscribers")
      ->RangeMultiplier(10)
      ->Range(1, 1000);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_STREAM_H_
