// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_DEADLINE_H_
#define FANFARE_DETAIL_DEADLINE_H_

// When a blocking call gives up: never, or at a moment of any clock.

#include <fanfare/detail/duration.h>
#include <fanfare/detail/platform.h>

namespace fanfare::inline FANFARE_ABI::detail {

class Deadline {
 public:
  using Clock = Platform::Clock;

  [[nodiscard]] static Deadline Never() noexcept { return Deadline(); }

  // `duration` from now. A negative one is past at once; one too long for the
  // clock (`duration::max()` of any unit) never ends.
  template <typename Rep, typename Period>
  [[nodiscard]] static Deadline After(
      std::chrono::duration<Rep, Period> duration) {
    Deadline deadline;
    deadline.moment_ = Clock::now();
    const auto wait = Saturated<Clock::duration>(duration);
    deadline.bounded_ = wait < Clock::time_point::max() - deadline.moment_;
    if (deadline.bounded_) deadline.moment_ += wait;
    return deadline;
  }

  // A moment of any clock, which is asked again whenever the time that was left
  // by it has passed. Refers to `moment`.
  template <typename OtherClock, typename Duration>
  [[nodiscard]] static Deadline At(
      const std::chrono::time_point<OtherClock, Duration>& moment) {
    Deadline deadline;
    deadline.foreign_ = &moment;
    deadline.left_ = Left<OtherClock, Duration>;
    deadline.bounded_ = true;
    deadline.moment_ = Clock::now();  // Expired() moves it on
    return deadline;
  }

  // False: Never().
  [[nodiscard]] bool bounded() const noexcept { return bounded_; }

  // When to look at Expired() again.
  [[nodiscard]] Clock::time_point moment() const noexcept { return moment_; }

  // Whether it has passed. Moves moment() on where another clock says that time
  // is left.
  [[nodiscard]] bool Expired() {
    if (!bounded_) return false;
    const auto now = Clock::now();
    if (now < moment_) return false;
    if (left_ == nullptr) return true;
    const Clock::duration left = left_(foreign_);
    moment_ = now + left;
    return left == Clock::duration::zero();
  }

  // Whether it ends before `other` does.
  [[nodiscard]] bool Before(const Deadline& other) const noexcept {
    return bounded_ && (!other.bounded_ || moment_ < other.moment_);
  }

 private:
  Deadline() = default;

  // How long it is until a moment of another clock; none, if that has passed.
  // At most an hour: a moment beyond the steady clock's range, or a wall clock
  // that is set forward, must not be slept through.
  template <typename OtherClock, typename Duration>
  static Clock::duration Left(const void* moment) {
    const auto& end =
        *static_cast<const std::chrono::time_point<OtherClock, Duration>*>(
            moment);
    const auto now = OtherClock::now();
    Seconds left =
        Seconds(end.time_since_epoch()) - Seconds(now.time_since_epoch());
    if constexpr (kMultiples<Duration, typename OtherClock::duration>) {
      // Exact where it matters.
      constexpr Seconds kNear{1};
      if (-kNear < left && left < kNear) left = Seconds(end - now);
    }
    constexpr Seconds kLongest = std::chrono::hours(1);
    return Saturated<Clock::duration>(kLongest < left ? kLongest : left);
  }

  bool bounded_ = false;
  Clock::time_point moment_{};
  const void* foreign_ = nullptr;
  Clock::duration (*left_)(const void*) = nullptr;
};

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_DEADLINE_H_
