// SPDX-License-Identifier: MIT
//
// W18: one value that a writer sets, and subscribers that receive the latest.
//
// A rival's State<T> has these members:
//
//   explicit State(const T&)
//   void Set(const T&)          by one writer; does not wait for subscribers
//   Subscribe()                 a subscriber, which ends when it is destroyed:
//     T Next()                  blocks until there is a value that it has not
//                               seen; returns the latest
#ifndef FANFARE_BENCHMARKS_LATEST_H_
#define FANFARE_BENCHMARKS_LATEST_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include "audience.h"
#include "measure.h"

namespace bench {

// The State of a rival whose channels and LossyFeed do what is needed.
template <typename Rival, typename T>
class QueueState {
 public:
  // The channel of one subscriber, which gets the value now as the first.
  class Subscriber {
   public:
    explicit Subscriber(QueueState& state) {
      const std::lock_guard lock(state.mutex_);
      channel_.Send(state.value_);
      subscription_ = state.feed_.Subscribe(channel_);
    }
    T Next() { return channel_.Receive(); }

   private:
    using Feed = typename Rival::template LossyFeed<T>;
    typename Rival::template Channel<T> channel_{1};
    typename Feed::Subscription subscription_;
  };

  explicit QueueState(const T& value) : value_(value) {}
  void Set(const T& value) {
    const std::lock_guard lock(mutex_);
    value_ = value;
    feed_.SendBesideOthers(value);
  }
  Subscriber Subscribe() { return Subscriber(*this); }

 private:
  std::mutex mutex_;
  T value_;  // guarded by mutex_
  typename Rival::template LossyFeed<T> feed_;
};

// Reports the time of a Set(). Each subscriber must see ever later values, and
// the last one.
template <typename Rival>
void SetLatest(benchmark::State& state) {
  const auto subscribers = static_cast<std::ptrdiff_t>(state.range(0));
  typename Rival::template State<Event> latest(Event(0));
  std::uint64_t number = 0;
  const auto run = [&](std::size_t sets) {
    const std::uint64_t last = number + sets;
    typename Rival::Latch ready(subscribers);
    std::deque<typename Rival::Task> tasks;
    for (std::ptrdiff_t i = 0; i < subscribers; ++i) {
      tasks.emplace_back([&, before = number] {
        auto subscriber = latest.Subscribe();
        std::uint64_t seen = subscriber.Next().number();
        Expect(seen == before);
        ready.count_down();
        while (seen < last) {
          const std::uint64_t next = subscriber.Next().number();
          Expect(next > seen && next <= last);
          seen = next;
        }
      });
    }
    ready.wait();
    const auto start = Clock::now();
    while (number < last) latest.Set(Event(++number));
    return Clock::now() - start;
  };
  Measure(state, 1, run);
}

template <typename Rival>
void RegisterLatest() {
  Register("W18_SetLatest", SetLatest<Rival>)
      ->ArgName("subscribers")
      ->Arg(1)
      ->Arg(10)
      ->Arg(100);
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_LATEST_H_
