// SPDX-License-Identifier: MIT
//
// What the tests of feeds are made of.
#ifndef FANFARE_TESTS_SUPPORT_FEEDS_H_
#define FANFARE_TESTS_SUPPORT_FEEDS_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "await.h"
#include "in_thread.h"
#include "manual_clock.h"

// Cases that are run for int and for std::string see both ways in which a feed
// hands a value out: as bytes, and through a copy constructor.
template <typename T>
T Value(int number);
template <>
inline int Value<int>(int number) {
  return number;
}
template <>
inline std::string Value<std::string>(int number) {
  return "a text that is too long for its own place: " + std::to_string(number);
}

// Channels and their subscriptions.
template <typename T>
struct Audience {
  Audience(fanfare::Feed<T>& feed, const std::vector<std::size_t>& capacities) {
    for (const std::size_t capacity : capacities) {
      channels.emplace_back(capacity);
      subscriptions.push_back(feed.Subscribe(channels.back()));
    }
  }
  Audience(fanfare::Feed<T>& feed, std::size_t count, std::size_t capacity)
      : Audience(feed, std::vector<std::size_t>(count, capacity)) {}

  // How many channels have a send that waits.
  [[nodiscard]] std::size_t blocked() const {
    return Count([](const auto& c) { return c.waiting_senders() == 1; });
  }
  // How many channels hold a value.
  [[nodiscard]] std::size_t served() const {
    return Count([](const auto& c) { return c.size() > 0; });
  }
  [[nodiscard]] bool ended() const {
    return std::all_of(subscriptions.begin(), subscriptions.end(),
                       [](const auto& s) { return s.Err().drained(); });
  }

  std::vector<fanfare::Channel<T>> channels;
  std::vector<fanfare::Subscription> subscriptions;

 private:
  template <typename F>
  std::size_t Count(F is) const {
    return static_cast<std::size_t>(
        std::count_if(channels.begin(), channels.end(), is));
  }
};

// A Send in a thread of its own.
class Sending {
 public:
  explicit Sending(std::function<std::size_t()> send)
      : thread_([this, send = std::move(send)] {
          const std::size_t count = send();
          returned_ = true;
          return count;
        }) {}

  [[nodiscard]] bool returned() const { return returned_; }
  [[nodiscard]] std::size_t Get() { return thread_.Get(); }

 private:
  std::atomic<bool> returned_{false};
  InThread<std::function<std::size_t()>> thread_;
};

// Sends `numbers` one behind the other, and returns when all but the first
// wait for their turn behind `waiting` others.
inline void Queue(fanfare::Feed<int>& feed, std::deque<Sending>& sends,
                  const std::vector<int>& numbers) {
  for (const int number : numbers) {
    const std::size_t waiting = feed.waiting_senders();
    sends.emplace_back([&feed, number] { return feed.Send(number); });
    AwaitThat([&] { return feed.waiting_senders() == waiting + 1; });
  }
}

// A Send that gives up when the test says so: by its stop or by its deadline.
class Impatient {
 public:
  enum Way { kByStop, kByDeadline };
  explicit Impatient(Way way) : way_(way) {}

  template <typename T, typename U>
  std::size_t Send(fanfare::Feed<T>& feed, U&& value) const {
    return way_ == kByStop
               ? feed.Send(std::forward<U>(value), stop_.get_token())
               : feed.SendUntil(std::forward<U>(value), moment_);
  }
  void GiveUp() {
    if (way_ == kByStop) {
      stop_.request_stop();
    } else {
      Clock::Advance();
    }
  }

 private:
  using Clock = ManualClock<Impatient>;

  Way way_;
  std::stop_source stop_;
  Clock::time_point moment_ = Clock::Soon();
};

// The calls that never wait.
inline constexpr int kWaysNotToWait = 6;
template <typename T, typename U>
std::size_t SendWithoutWaiting(int way, fanfare::Feed<T>& feed, U&& value) {
  std::stop_source stopped;
  stopped.request_stop();
  switch (way) {
    case 0:
      return feed.TrySend(std::forward<U>(value));
    case 1:
      return feed.Send(std::forward<U>(value), stopped.get_token());
    case 2:
      return feed.SendFor(std::forward<U>(value), std::chrono::seconds(0));
    case 3:
      return feed.SendFor(std::forward<U>(value), std::chrono::hours(-1));
    case 4:
      return feed.SendUntil(
          std::forward<U>(value),
          std::chrono::steady_clock::now() - std::chrono::seconds(1));
    default:
      return feed.SendUntil(std::forward<U>(value),
                            std::chrono::system_clock::time_point());
  }
}

// The calls that wait, for longer than any test.
inline constexpr int kWaysToWait = 7;
template <typename T, typename U>
std::size_t SendWaiting(int way, fanfare::Feed<T>& feed, U&& value) {
  const std::stop_source never;
  switch (way) {
    case 0:
      return feed.Send(std::forward<U>(value));
    case 1:
      return feed.Send(std::forward<U>(value), never.get_token());
    case 2:
      return feed.Send(std::forward<U>(value), std::stop_token());
    case 3:
      return feed.SendFor(std::forward<U>(value), std::chrono::hours(24));
    case 4:
      return feed.SendFor(std::forward<U>(value),
                          std::chrono::milliseconds::max());
    case 5:
      return feed.SendUntil(
          std::forward<U>(value),
          std::chrono::steady_clock::now() + std::chrono::hours(24));
    default:
      return feed.SendUntil(
          std::forward<U>(value),
          std::chrono::system_clock::now() + std::chrono::hours(24));
  }
}

// What became of the values of a test.
struct Ledger {
  std::atomic<int> alive{0};       // all, moved-from ones included
  std::atomic<int> copies{0};      // begun
  std::atomic<bool> armed{false};  // whether on_destroy is called
  // Called before a copy is made, with how many were begun before it. May
  // throw.
  std::function<void(int)> on_copy;
  // Called once after it was armed, when a value is destroyed that was not
  // moved from.
  std::function<void()> on_destroy;

  std::mutex mutex;
  std::vector<std::thread::id> copied_in;  // guarded by mutex
};

class Tracked {
 public:
  Tracked(Ledger& ledger, int number) : ledger_(&ledger), number_(number) {
    ++ledger_->alive;
  }
  Tracked(const Tracked& other)
      : ledger_(other.ledger_), number_(other.number_) {
    const int before = ledger_->copies++;
    {
      const std::lock_guard lock(ledger_->mutex);
      ledger_->copied_in.push_back(std::this_thread::get_id());
    }
    if (ledger_->on_copy) ledger_->on_copy(before);
    ++ledger_->alive;
  }
  Tracked(Tracked&& other) noexcept
      : ledger_(other.ledger_), number_(std::exchange(other.number_, kGone)) {
    ++ledger_->alive;
  }
  ~Tracked() {
    --ledger_->alive;
    if (number_ != kGone && ledger_->armed.exchange(false)) {
      ledger_->on_destroy();
    }
  }

  static constexpr int kGone = -1;
  [[nodiscard]] int number() const { return number_; }

 private:
  Ledger* ledger_;
  int number_;
};

struct CopyFailed : std::runtime_error {
  CopyFailed() : std::runtime_error("a copy") {}
};

template <typename T>
int Number(const std::optional<T>& value) {
  return value.has_value() ? value->number() : Tracked::kGone;
}

#endif  // FANFARE_TESTS_SUPPORT_FEEDS_H_
