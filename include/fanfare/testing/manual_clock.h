// SPDX-License-Identifier: MIT
#ifndef FANFARE_TESTING_MANUAL_CLOCK_H_
#define FANFARE_TESTING_MANUAL_CLOCK_H_

// ManualClock: a clock for tests, which only the test moves. All timeouts of
// the library then follow it: those of Send, Receive and Select, the patience
// of a subscription, and the backoff of Resubscribe. A test of an hour takes a
// millisecond.
//
//   #include <fanfare/testing/manual_clock.h>  // before every other header
//   #include <fanfare/fanfare.h>
//
//   using fanfare::testing::ManualClock;
//
//   TEST(Feed, GivesUpAfterAnHour) {
//     fanfare::Feed<int> feed;
//     fanfare::Channel<int> stuck;
//     fanfare::Subscription subscription = feed.Subscribe(stuck);
//     auto sent = std::async([&] { return feed.SendFor(1, 1h); });
//     EXPECT_EQ(ManualClock::AwaitSleeper(), 1h);  // the Send is blocked
//     ManualClock::Advance(1h);
//     EXPECT_EQ(sent.get(), 0);
//   }
//
// A test program must include this header before every other header of the
// library, in all of its files alike. The header replaces the library's clock
// and condition variables, for the whole program. The names of the library are
// then in another inline namespace, so that files that do not include the
// header do not link with those that do.
//
// Time stands still between two calls of Advance(). A test must therefore wait
// until the other thread is blocked before it moves the clock. Otherwise that
// thread would measure its timeout from the new time. Two kinds of calls are
// such barriers:
// - AwaitSleeper(), for a thread that is blocked with a timeout;
// - waiting_receivers() and waiting_senders() of a channel, and
//   waiting_senders() of a feed: a loop that yields until the count is the
//   expected one. Once a call is counted, it is queued, and no later call on
//   its side overtakes it. (The counts do not need this header.)
//
// A time point for a call such as SendUntil() must be one of ManualClock. The
// library reads any other clock once per second of ManualClock.
//
// Thread safety: all member functions may be called concurrently.

#if defined(FANFARE_PLATFORM) || defined(FANFARE_DETAIL_BASE_CONFIG_H_)
#error \
    "fanfare: include <fanfare/testing/manual_clock.h> before the other headers"
#endif

#define FANFARE_PLATFORM ::fanfare::testing::ManualPlatform
#define FANFARE_ABI manual_clock

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>

#include <fanfare/detail/base/config.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace testing {
struct ManualPlatform;
}}}  // namespace fanfare::FANFARE_ABI::testing

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace testing {

class ManualConditionVariable;

/// A clock that stands still until it is moved on.
///
/// It starts at one hour.
class ManualClock {
 public:
  /// The clock counts in nanoseconds.
  using duration = std::chrono::nanoseconds;
  /// The type of a count of nanoseconds.
  using rep = duration::rep;
  /// The unit of a count.
  using period = duration::period;
  /// A time point of this clock.
  using time_point = std::chrono::time_point<ManualClock>;
  /// The clock never goes back.
  static constexpr bool is_steady = true;

  /// Returns the time. Never blocks.
  static time_point now() noexcept {
    World& world = TheWorld();
    const std::lock_guard lock(world.mutex);
    return world.now;
  }

  /// Moves time on by `by`, and wakes the threads that sleep until then.
  ///
  /// Never blocks: the threads may still be about to wake up when the call
  /// returns.
  static void Advance(duration by);

  /// Waits for a thread that sleeps in the library with a timeout.
  ///
  /// Blocks until there is such a thread. A thread does not count any more if
  /// its timeout has passed, or if another event has woken it.
  /// \returns how long the thread that wakes up first has to sleep.
  static duration AwaitSleeper() {
    World& world = TheWorld();
    std::unique_lock lock(world.mutex);
    for (;;) {
      const auto first = world.sleepers.upper_bound(world.now);
      if (first != world.sleepers.end()) return first->first - world.now;
      world.asleep.wait(lock);
    }
  }

 private:
  friend class ManualConditionVariable;

  struct World {
    std::mutex mutex;                // guards all that follows
    std::condition_variable asleep;  // signalled when a sleeper is added
    time_point now{std::chrono::hours(1)};
    // Those that were not notified.
    std::multimap<time_point, std::condition_variable*> sleepers;
  };

  // The object is never destroyed, so that threads that outlive main() can use
  // it.
  FANFARE_SHARED static World& TheWorld() {
    static World* const world = new World;
    return *world;
  }
};

/// \cond

// A condition variable that waits until a time of ManualClock.
class ManualConditionVariable {
 public:
  void notify_one() noexcept { notify_all(); }
  void notify_all() noexcept {
    const std::lock_guard lock(ManualClock::TheWorld().mutex);
    ++notified_;
    std::erase_if(ManualClock::TheWorld().sleepers, [&](const auto& sleeper) {
      return sleeper.second == &changed_;
    });
    changed_.notify_all();
  }
  void wait(std::unique_lock<std::mutex>& user) {
    Wait(user, [&](std::unique_lock<std::mutex>& lock, std::uint64_t seen) {
      while (notified_ == seen) changed_.wait(lock);
    });
  }
  void wait_until(std::unique_lock<std::mutex>& user,
                  ManualClock::time_point until) {
    Wait(user, [&](std::unique_lock<std::mutex>& lock, std::uint64_t seen) {
      ManualClock::World& world = ManualClock::TheWorld();
      const auto place = world.sleepers.emplace(until, &changed_);
      world.asleep.notify_all();
      while (notified_ == seen && world.now < until) changed_.wait(lock);
      if (notified_ == seen) world.sleepers.erase(place);
    });
  }

 private:
  // The world's mutex takes over from the user's, so that no notification and
  // no Advance() is missed in between.
  template <typename F>
  void Wait(std::unique_lock<std::mutex>& user, F wait) {
    {
      std::unique_lock lock(ManualClock::TheWorld().mutex);
      user.unlock();
      wait(lock, notified_);
    }
    user.lock();
  }

  std::condition_variable changed_;  // used with the world's mutex
  std::uint64_t notified_ = 0;       // guarded by the world's mutex
};

inline void ManualClock::Advance(duration by) {
  World& world = TheWorld();
  const std::lock_guard lock(world.mutex);
  world.now += by;
  for (const auto& [until, sleeper] : world.sleepers) {
    if (until > world.now) break;
    sleeper->notify_all();
  }
}

// The platform of the library (detail/base/platform.h). A thread polls once
// before it sleeps, because the time that it may poll for never passes.
struct ManualPlatform : detail::StdPlatform {
  using ConditionVariable = ManualConditionVariable;
  using Clock = ManualClock;

  static constexpr std::chrono::nanoseconds kSpinTime{0};
  static constexpr std::chrono::nanoseconds kLongestPoll{0};
  static constexpr std::chrono::nanoseconds kBetweenAttempts{0};
};

/// \endcond

}}}  // namespace fanfare::FANFARE_ABI::testing

#endif  // FANFARE_TESTING_MANUAL_CLOCK_H_
