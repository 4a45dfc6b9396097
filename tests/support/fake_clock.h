// SPDX-License-Identifier: MIT
//
// A platform whose clock only the test moves: the very waits, without waiting.
// A test program that uses it defines, before this header,
//
//   #define FANFARE_PLATFORM ::FakeTime  // or a type derived from it
//   #define FANFARE_ABI fake_clock
//
// and includes the library's headers after it.
#ifndef FANFARE_TESTS_SUPPORT_FAKE_CLOCK_H_
#define FANFARE_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>

#include <fanfare/detail/base/spin_lock.h>

#include "real_parts.h"

// Time, which stands still until it is moved on.
class FakeClock {
 public:
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<FakeClock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept {
    const std::lock_guard lock(world().mutex);
    ++world().reads;
    return world().now;
  }

  // How often the time was read.
  static std::size_t reads() noexcept {
    const std::lock_guard lock(world().mutex);
    return world().reads;
  }

  // Moves time on and wakes the threads that have waited for it.
  static void Advance(duration by) {
    const std::lock_guard lock(world().mutex);
    world().now += by;
    world().changed.notify_all();
  }

  // How long the thread has to wait that wakes first of those that sleep to a
  // moment in the future; std::nullopt where there is none.
  static std::optional<duration> Sleeper() {
    const std::lock_guard lock(world().mutex);
    const auto first = world().sleepers.upper_bound(world().now);
    if (first == world().sleepers.end()) return std::nullopt;
    return *first - world().now;
  }

  // Blocks until some thread sleeps to a moment in the future; tells how long
  // the one that wakes first has to wait.
  static duration AwaitSleeper() {
    std::unique_lock lock(world().mutex);
    for (;;) {
      const auto first = world().sleepers.upper_bound(world().now);
      if (first != world().sleepers.end()) return *first - world().now;
      world().changed.wait(lock);
    }
  }

 private:
  friend class FakeConditionVariable;

  // One lock and one signal for all is slow and simple.
  struct World {
    std::mutex mutex;
    std::condition_variable changed;
    time_point now{std::chrono::hours(1)};
    std::size_t reads = 0;
    std::multiset<time_point> sleepers;
  };
  static World& world() {
    static World& one = *new World;
    return one;
  }
};

class FakeConditionVariable {
 public:
  void notify_one() noexcept { notify_all(); }
  void notify_all() noexcept {
    const std::lock_guard lock(FakeClock::world().mutex);
    ++signals_;
    FakeClock::world().changed.notify_all();
  }
  void wait(std::unique_lock<std::mutex>& user) { Wait(user, nullptr); }
  std::cv_status wait_until(std::unique_lock<std::mutex>& user,
                            FakeClock::time_point until) {
    return Wait(user, &until);
  }

 private:
  std::cv_status Wait(std::unique_lock<std::mutex>& user,
                      const FakeClock::time_point* until) {
    auto& world = FakeClock::world();
    auto status = std::cv_status::no_timeout;
    {
      std::unique_lock lock(world.mutex);
      const std::uint64_t seen = signals_;
      user.unlock();
      auto place = world.sleepers.end();
      if (until != nullptr) place = world.sleepers.insert(*until);
      world.changed.notify_all();
      while (signals_ == seen && (until == nullptr || world.now < *until)) {
        world.changed.wait(lock);
      }
      if (signals_ == seen) status = std::cv_status::timeout;
      if (until != nullptr) world.sleepers.erase(place);
    }
    user.lock();
    return status;
  }

  std::uint64_t signals_ = 0;  // guarded by the world's mutex
};

struct FakeTime : RealParts {
  using Lock = fanfare::detail::SpinLock<FakeTime>;
  using ConditionVariable = FakeConditionVariable;
  using Clock = FakeClock;
};

#endif  // FANFARE_TESTS_SUPPORT_FAKE_CLOCK_H_
