// SPDX-License-Identifier: MIT
//
// W16: several feeds and a sender without a feed fill one channel.
#ifndef FANFARE_BENCHMARKS_MANY_FEEDS_H_
#define FANFARE_BENCHMARKS_MANY_FEEDS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "audience.h"
#include "measure.h"

namespace bench {

inline constexpr std::size_t kFeeds = 4;

// A channel that is subscribed to all the feeds.
template <typename Rival>
class Junction {
 public:
  using Channel = typename Rival::template Channel<Event>;
  using Feed = typename Rival::template Feed<Event>;

  static constexpr std::size_t kSenders = kFeeds + 1;

  Junction() {
    for (Feed& feed : feeds_)
      subscriptions_.push_back(feed.Subscribe(channel_));
  }

  Channel& channel() { return channel_; }

  // Through one of the feeds; the last sender has none.
  void Send(std::size_t sender, const Event& event) {
    if (sender < kFeeds) {
      feeds_[sender].Send(event);
    } else {
      channel_.Send(event);
    }
  }

 private:
  using Subscription =
      decltype(std::declval<Feed&>().Subscribe(std::declval<Channel&>()));

  Channel channel_{128};
  std::array<Feed, kFeeds> feeds_;
  std::vector<Subscription> subscriptions_;  // last: they use what is above
};

// One thread sends through each in turn until the channel is nearly full, and
// then receives all.
template <typename Rival>
void FeedsInTurn(benchmark::State& state) {
  constexpr std::size_t kSenders = Junction<Rival>::kSenders;
  constexpr std::size_t kTurns = 128 / kSenders;
  Junction<Rival> junction;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  const auto run = [&](std::size_t count) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t turn = 0; turn < kTurns; ++turn) {
        for (std::size_t sender = 0; sender < kSenders; ++sender) {
          junction.Send(sender, Event(sent++));
        }
      }
      while (received < sent) {
        Expect(junction.channel().Receive().Is(received++));
      }
    }
    return Clock::now() - start;
  };
  Measure(state, static_cast<double>(kTurns * kSenders), run);
}

template <typename Rival>
void RegisterFeedsInTurn() {
  Register("W16_FeedsInTurn", FeedsInTurn<Rival>);
}

// Each sender runs beside the others, and one consumer receives all. It sees
// the values of each sender in order.
template <typename Rival>
void FeedsAtOnce(benchmark::State& state) {
  constexpr std::size_t kSenders = Junction<Rival>::kSenders;
  constexpr unsigned kSenderShift = 56;
  Junction<Rival> junction;
  const auto run = [&](std::size_t values) {
    typename Rival::Latch running(kSenders);
    typename Rival::Latch go(1);
    std::deque<typename Rival::Task> tasks;
    for (std::uint64_t sender = 0; sender < kSenders; ++sender) {
      tasks.emplace_back([&, sender, values] {
        running.count_down();
        go.wait();
        for (std::uint64_t i = 0; i < values; ++i) {
          junction.Send(sender, Event((sender << kSenderShift) + i));
        }
      });
    }
    running.wait();
    const auto start = Clock::now();
    go.count_down();
    std::array<std::uint64_t, kSenders> next{};
    for (std::size_t i = 0; i < values * kSenders; ++i) {
      const Event event = junction.channel().Receive();
      const std::uint64_t sender = event.number() >> kSenderShift;
      Expect(sender < kSenders &&
             event.Is((sender << kSenderShift) + next[sender]++));
    }
    const auto time = Clock::now() - start;
    for (const std::uint64_t count : next) Expect(count == values);
    return time;
  };
  Measure(state, static_cast<double>(kSenders), run);
}

template <typename Rival>
void RegisterFeedsAtOnce() {
  Register("W16_FeedsAtOnce", FeedsAtOnce<Rival>);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_MANY_FEEDS_H_
