// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_DEADLINE_H_
#define FANFARE_DETAIL_BASE_DEADLINE_H_

// A Deadline is when a blocking call gives up: never, after a duration, or at a
// time point of any clock.

#include <exception>
#include <type_traits>

#include <fanfare/detail/base/duration.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/uncancelled.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// A time point of a user-defined clock, for the call that waits for it.
//
// If the clock's now() throws, the wait ends as it does at the time point, so
// that nothing in between has to expect an exception. After the call has given
// up, it passes the exception on with Rethrow().
template <typename UserClock, typename Duration>
class TimePoint {
 public:
  using Clock = Platform::Clock;

  explicit TimePoint(const std::chrono::time_point<UserClock, Duration>& end)
      : end_(end) {}
  TimePoint(const TimePoint&) = delete;
  TimePoint& operator=(const TimePoint&) = delete;

  // Returns how long to wait before the next call, or zero if the time point
  // has passed.
  Clock::duration Left() noexcept {
    // now() may contain a cancellation point.
    [[maybe_unused]] const Uncancelled uncancelled;
    if (thrown_ != nullptr) return Clock::duration::zero();
    try {
      const Seconds left = Until(UserClock::now());
      return Saturated<Clock::duration>(kLongest < left ? kLongest : left);
    } catch (...) {
      thrown_ = std::current_exception();
      return Clock::duration::zero();
    }
  }

  void Rethrow() const {
    if (thrown_ != nullptr) std::rethrow_exception(thrown_);
  }

 private:
  // A clock may be set forward, which is noticed at the next call. The steady
  // clock is never set, but a time point beyond its range must not be slept
  // through.
  static constexpr Seconds kLongest{std::is_same_v<UserClock, Clock> ? 3600
                                                                     : 1};

  [[nodiscard]] Seconds Until(const typename UserClock::time_point& now) const {
    const Seconds left =
        Seconds(end_.time_since_epoch()) - Seconds(now.time_since_epoch());
    if constexpr (kMultiples<Duration, typename UserClock::duration>) {
      // Exact when the time point is near.
      constexpr Seconds kNear{1};
      if (-kNear < left && left < kNear) return Seconds(end_ - now);
    }
    return left;
  }

  const std::chrono::time_point<UserClock, Duration> end_;
  std::exception_ptr thrown_;
};

class Deadline {
 public:
  using Clock = Platform::Clock;

  [[nodiscard]] static Deadline Never() noexcept { return Deadline(); }

  // Returns the deadline `duration` from now. A negative duration expires at
  // once. A duration that is too long for the clock (`duration::max()` of any
  // unit) never expires.
  template <typename Rep, typename Period>
  [[nodiscard]] static Deadline After(
      std::chrono::duration<Rep, Period> duration) {
    Deadline deadline;
    deadline.time_point_ = Clock::now();
    const auto wait = Saturated<Clock::duration>(duration);
    deadline.bounded_ = wait < Clock::time_point::max() - deadline.time_point_;
    if (deadline.bounded_) deadline.time_point_ += wait;
    return deadline;
  }

  [[nodiscard]] static Deadline At(Clock::time_point time_point) noexcept {
    Deadline deadline;
    deadline.time_point_ = time_point;
    deadline.bounded_ = true;
    return deadline;
  }

  // Returns a deadline that refers to `end`. `end` is asked again whenever the
  // time that it said was left has passed.
  template <typename UserClock, typename Duration>
  [[nodiscard]] static Deadline At(
      TimePoint<UserClock, Duration>& end) noexcept {
    Deadline deadline;
    deadline.end_ = &end;
    deadline.left_ = [](void* asked) noexcept {
      return static_cast<TimePoint<UserClock, Duration>*>(asked)->Left();
    };
    deadline.bounded_ = true;
    deadline.time_point_ = Clock::now();  // Expired() moves it on
    return deadline;
  }

  // Returns false for Never().
  [[nodiscard]] bool bounded() const noexcept { return bounded_; }

  // Returns when to call Expired() again.
  [[nodiscard]] Clock::time_point time_point() const noexcept {
    return time_point_;
  }

  // Returns whether the deadline has passed. If another clock says that time is
  // left, moves time_point() on.
  [[nodiscard]] bool Expired() noexcept {
    if (!bounded_) return false;
    const auto now = Clock::now();
    if (now < time_point_) return false;
    if (left_ == nullptr) return true;
    const Clock::duration left = left_(end_);
    time_point_ = now + left;
    return left == Clock::duration::zero();
  }

  // Returns whether this deadline ends before `other` does.
  [[nodiscard]] bool Before(const Deadline& other) const noexcept {
    return bounded_ && (!other.bounded_ || time_point_ < other.time_point_);
  }

 private:
  Deadline() = default;

  bool bounded_ = false;
  Clock::time_point time_point_{};
  void* end_ = nullptr;  // a TimePoint
  Clock::duration (*left_)(void*) noexcept = nullptr;
};

// Calls `wait(deadline)` for a time point of any clock, and returns its result.
// If the result is false and the clock threw, throws that exception.
template <typename UserClock, typename Duration, typename Wait>
auto WaitUntil(const std::chrono::time_point<UserClock, Duration>& time_point,
               Wait wait) {
  TimePoint end(time_point);
  auto result = wait(Deadline::At(end));
  if (!result) end.Rethrow();
  return result;
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_DEADLINE_H_
