// SPDX-License-Identifier: MIT
//
// F4, F9, C8: what a Send costs and where user code runs, told by a platform
// that counts locks and wake-ups.

#define FANFARE_PLATFORM ::counting::Platform
#define FANFARE_ABI counting

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>
#include <version>

#include <fanfare/detail/base/spin_lock.h>

#include "support/real_parts.h"

namespace counting {

// Of this thread: the locks of the library that it holds, and has ever taken.
inline thread_local std::size_t held = 0;
inline thread_local std::size_t taken = 0;
// What it does with the lock that brings `taken` to `due`.
inline thread_local std::size_t due = 0;
inline thread_local std::function<void()> then;
// Called where this thread waits for another one to let go.
inline thread_local std::function<void()> on_pause;
// Called once where this thread gives way to others before it sleeps.
inline thread_local std::function<void()> on_yield;
// Of all threads.
inline std::atomic<std::size_t> wake_ups{0};
inline std::atomic<std::size_t> sleeps{0};

template <typename Base>
class Counted : public Base {
 public:
  void lock() {
    Base::lock();
    ++held;
    if (++taken == due) then();
  }
  void unlock() {
    --held;
    Base::unlock();
  }
};

class ConditionVariable : public std::condition_variable_any {
 public:
  void notify_one() noexcept {
    ++wake_ups;
    std::condition_variable_any::notify_one();
  }
  void notify_all() noexcept {
    ++wake_ups;
    std::condition_variable_any::notify_all();
  }
  // A thread that wakes this one has to take the lock, which is free from here
  // on.
  template <typename Locked>
  void wait(Locked& lock) {
    ++sleeps;
    std::condition_variable_any::wait(lock);
  }
};

struct Platform : RealParts {
  using Lock = Counted<fanfare::detail::SpinLock<Platform>>;
  using Mutex = Counted<std::mutex>;
  using ConditionVariable = counting::ConditionVariable;

  static void CpuRelax() noexcept {
    if (on_pause) on_pause();
  }
  static void YieldThread() noexcept {
    if (on_yield) std::exchange(on_yield, nullptr)();
    RealParts::YieldThread();
  }
};

}  // namespace counting

#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/feeds.h"
#include "support/in_thread.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Subscription;

// Where it is copied, and where it is destroyed while it is live, no lock may
// be held by this thread.
class Watched {
 public:
  Watched() = default;
  Watched(const Watched& other) : fails_at_(other.fails_at_) {
    Look();
    if (fails_at_ != nullptr && (*fails_at_)-- == 0) {
      throw std::runtime_error("a copy");
    }
  }
  Watched(Watched&& other) noexcept
      : live_(std::exchange(other.live_, false)), fails_at_(other.fails_at_) {}
  ~Watched() {
    if (live_) Look();
  }

  void FailAt(int* copy) { fails_at_ = copy; }

  static inline std::atomic<std::size_t> seen{0};
  static inline std::atomic<std::size_t> under_a_lock{0};

 private:
  static void Look() {
    ++seen;
    if (counting::held > 0) ++under_a_lock;
  }

  bool live_ = true;
  int* fails_at_ = nullptr;
};

}  // namespace

TEMPLATE_TEST_CASE("F4: a Send is woken once, by the last that takes its value",
                   "", int, std::string) {
  constexpr std::size_t kCount = 1000;
  Feed<TestType> feed;
  Audience<TestType> audience(feed, kCount, 0);
  const auto value = Value<TestType>(1);
  const std::size_t slept = counting::sleeps;
  Sending sending([&] { return feed.Send(value); });
  AwaitThat([&] { return counting::sleeps > slept; });
  const std::size_t before = counting::wake_ups;
  for (std::size_t i = 0; i + 1 < kCount; ++i) {
    static_cast<void>(audience.channels[i].TryReceive());
  }
  CHECK(counting::wake_ups == before);
  static_cast<void>(audience.channels.back().TryReceive());
  CHECK(counting::wake_ups == before + 1);
  CHECK(sending.Get() == kCount);
}

TEST_CASE(
    "F4: a Send to subscribers that lag takes three locks for each and few "
    "more") {
  constexpr std::size_t kFew = 16;
  const std::size_t count = GENERATE(10U, 100U, 1000U);
  CAPTURE(count);
  Feed<int> feed;
  Audience<int> audience(feed, count, 0);
  std::size_t by_sender = 0;
  Sending sending([&] {
    const std::size_t before = counting::taken;
    const std::size_t served = feed.Send(1);
    by_sender = counting::taken - before;
    return served;
  });
  for (const auto& channel : audience.channels) AwaitSenders(channel, 1);
  const std::size_t before = counting::taken;
  for (const auto& channel : audience.channels) {
    static_cast<void>(channel.TryReceive());
  }
  CHECK(counting::taken - before <= 3 * count + kFew);
  CHECK(sending.Get() == count);
  CHECK(by_sender <= 3 * count + kFew);
}

TEST_CASE(
    "F5: subscribing and unsubscribing take few locks however many there are") {
  constexpr std::size_t kFew = 8;
  const bool during_send = GENERATE(false, true);
  Feed<int> feed;
  Audience<int> audience(feed, 1000, 0);
  std::unique_ptr<Sending> sending;
  if (during_send) {
    sending = std::make_unique<Sending>([&] { return feed.Send(1); });
    for (const auto& channel : audience.channels) AwaitSenders(channel, 1);
  }
  const Channel<int> channel;
  std::size_t before = counting::taken;
  const Subscription subscription = feed.Subscribe(channel);
  CHECK(counting::taken - before <= kFew);
  before = counting::taken;
  subscription.Unsubscribe();
  CHECK(counting::taken - before <= kFew);
  before = counting::taken;
  audience.subscriptions[500].Unsubscribe();
  CHECK(counting::taken - before <= kFew);
  feed.Close();
  if (sending != nullptr) CHECK(sending->Get() == 0);
}

TEST_CASE("F1 F5: no Send keeps others off its list for long") {
  const std::size_t count = GENERATE(200U, 2000U);
  const bool wait = GENERATE(false, true);
  Feed<int> feed;
  Audience<int> audience(feed, count, 0);
  const Channel<int> late;
  Subscription made;
  std::atomic<bool> changed{false};
  Sending sending([&] {
    // While it holds the lock of a channel in the middle, it waits for others.
    counting::due = counting::taken + count / 2;
    counting::then = [&] {
      InThread change([&] {
        made = feed.Subscribe(late);
        audience.subscriptions.back().Unsubscribe();
      });
      change.Get();
      changed = true;
    };
    return wait ? feed.Send(1) : feed.TrySend(1);
  });
  AwaitThat([&] { return changed.load(); });
  CHECK(feed.subscriber_count() == count);
  feed.Close();
  CHECK(sending.Get() == 0);
}

TEST_CASE("F9 C8: no copy is made and no live value destroyed under a lock") {
  enum { kReady, kServed, kGivesUp, kUnsubscribed, kChannelsClosed, kClosed };
  const int how = GENERATE(range(0, 6));
  const bool rvalue = GENERATE(false, true);
  CAPTURE(how, rvalue);
  Watched::seen = 0;
  Watched::under_a_lock = 0;
  {
    Feed<Watched> feed;
    Audience<Watched> audience(feed, 4, how == kReady ? 1 : 0);
    Watched value;
    std::stop_source stop;
    Sending sending([&] {
      return rvalue ? feed.Send(std::move(value), stop.get_token())
                    : feed.Send(value, stop.get_token());
    });
    AwaitThat([&] { return audience.blocked() + audience.served() == 4; });
    switch (how) {
      case kReady:
        break;
      case kServed:
        for (const auto& channel : audience.channels) {
          static_cast<void>(channel.TryReceive());
        }
        break;
      case kGivesUp:
        stop.request_stop();
        break;
      case kUnsubscribed:
        for (const auto& one : audience.subscriptions) one.Unsubscribe();
        break;
      case kChannelsClosed:
        for (const auto& channel : audience.channels) channel.Close();
        break;
      default:
        feed.Close();
    }
    CHECK(sending.Get() == (how == kReady || how == kServed ? 4 : 0));
    // Some are still in the channels: they are destroyed with them.
  }
  CHECK(Watched::seen >= 6);
  CHECK(Watched::under_a_lock == 0);
}

TEST_CASE("F9 C8: no value is destroyed under a lock when a copy throws") {
  const int at = GENERATE(0, 1, 2, 3);
  CAPTURE(at);
  Watched::under_a_lock = 0;
  int fails_at = at;
  {
    Feed<Watched> feed;
    Audience<Watched> audience(feed, {0, 1, 0, 1});
    Watched value;
    value.FailAt(&fails_at);
    CHECK_THROWS_AS(feed.Send(value), std::runtime_error);
    CHECK(audience.blocked() == 0);
  }
  CHECK(Watched::under_a_lock == 0);
  CHECK(counting::held == 0);
}

TEST_CASE("F7 C8: no value is destroyed under a lock when nobody waits") {
  Watched::seen = 0;
  Watched::under_a_lock = 0;
  {
    Feed<Watched> feed;
    Audience<Watched> audience(feed, {0, 1, 0, 1, 0});
    const Watched value;
    audience.channels[2].Close();
    CHECK(feed.TrySend(value) == 2);
    CHECK(feed.TrySend(value) == 0);
  }
  CHECK(Watched::seen >= 8);
  CHECK(Watched::under_a_lock == 0);
}

// The feed has the lock of the first channel (a loan is made after every second
// value). While a Send is under way, another thread comes to want that lock,
// and is kept from looking again.
TEST_CASE(
    "F4 C7: a Send leaves no lock with the feed that a thread waits for") {
  Feed<int> feed;
  const Channel<int> lent(64), other(64);
  const Subscription subscription = feed.Subscribe(lent);
  feed.Send(1);
  const Subscription other_subscription = feed.Subscribe(other);
  feed.Send(2);
  std::atomic<bool> wanted{false};
  std::atomic<bool> go{false};
  std::optional<InThread<std::function<std::size_t()>>> asks;
  const auto send = [&] {
    const std::size_t before = counting::taken;
    CHECK(feed.Send(3) == 2);
    return counting::taken - before;
  };
  // In its one lock, the other channel's.
  counting::due = counting::taken + 1;
  counting::then = [&] {
    asks.emplace([&] {
      counting::on_pause = [&] {
        wanted = true;
        AwaitThat([&] { return go.load(); });
      };
      return lent.size();
    });
    AwaitThat([&] { return wanted.load(); });
  };
  CHECK(send() >= 1);
  // Both are locked again, once and once more.
  CHECK(send() >= 2);
  CHECK(send() >= 2);
  go = true;
  CHECK(asks->Get() == 5);
}

TEST_CASE("F3: a Send delivers for no more than sixteen others") {
  constexpr int kQueued = 60;
  Feed<int> feed;
  const Channel<int> gate(0), channel(64);
  const Subscription gate_subscription = feed.Subscribe(gate);
  std::size_t locks = 0;
  Sending first([&] {
    const std::size_t before = counting::taken;
    const std::size_t count = feed.Send(0);
    locks = counting::taken - before;
    return count;
  });
  AwaitSenders(gate, 1);
  const Subscription subscription = feed.Subscribe(channel);
  std::deque<Sending> sends;
  std::vector<int> numbers;
  for (int i = 1; i <= kQueued; ++i) numbers.push_back(i);
  Queue(feed, sends, numbers);
  gate_subscription.Unsubscribe();
  CHECK(first.Get() == 0);
  for (Sending& sending : sends) CHECK(sending.Get() == 1);
  for (int i = 1; i <= kQueued; ++i) CHECK(channel.TryReceive() == i);
  // For each: the feed's, at most the channel's, and the one of its wake-up.
  CHECK(locks > 16);
  CHECK(locks <= 3 * 17 + 12);
}

TEST_CASE(
    "F6, F9: a copy is destroyed if its channel ends while a Send polls") {
  enum class End { kClose, kUnsubscribe };
  const End end = GENERATE(End::kClose, End::kUnsubscribe);
  const bool first = GENERATE(false, true);
  CAPTURE(static_cast<int>(end), first);
  using Value = std::shared_ptr<int>;
  Feed<Value> feed;
  const Channel<Value> full(2);
  const Channel<Value> room(9);
  Subscription subscriptions[2];
  subscriptions[first ? 0 : 1] = feed.Subscribe(full);
  subscriptions[first ? 1 : 0] = feed.Subscribe(room);
  while (full.TrySend(nullptr)) {
  }

  counting::on_yield = [&] {
    if (end == End::kClose) {
      full.Close();
    } else {
      subscriptions[first ? 0 : 1].Unsubscribe();
    }
  };
  const Value value = std::make_shared<int>(1);
  CHECK(feed.Send(value) == 1);
  CHECK(counting::on_yield == nullptr);
  CHECK(value.use_count() == 2);  // `room` has the other one
  CHECK(feed.subscriber_count() == 1);
}
