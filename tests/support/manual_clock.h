// SPDX-License-Identifier: MIT
//
// A clock for `…Until` that only the test moves.
#ifndef FANFARE_TESTS_SUPPORT_MANUAL_CLOCK_H_
#define FANFARE_TESTS_SUPPORT_MANUAL_CLOCK_H_

#include <atomic>
#include <chrono>
#include <cstdint>

// Every `Tag` makes a clock of its own, which stands at 0 at first.
template <typename Tag>
struct ManualClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<ManualClock>;
  static constexpr bool is_steady = false;

  static time_point now() noexcept { return time_point(duration(time_)); }
  static void Set(duration time) noexcept { time_ = time.count(); }
  static void Advance(duration by) noexcept { time_ += by.count(); }

  // A moment that is ahead until Advance(): whoever waits for it looks again
  // all the time, because only a nanosecond is left.
  static time_point Soon() noexcept { return now() + duration(1); }
  static void Advance() noexcept { Advance(duration(1)); }

 private:
  static inline std::atomic<std::int64_t> time_{0};
};

#endif  // FANFARE_TESTS_SUPPORT_MANUAL_CLOCK_H_
