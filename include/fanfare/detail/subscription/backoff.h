// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_BACKOFF_H_
#define FANFARE_DETAIL_SUBSCRIPTION_BACKOFF_H_

// A Backoff says how long to wait between attempts that fail: pure arithmetic,
// no clock.

#include <stdexcept>

#include <fanfare/detail/base/duration.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class Backoff {
 public:
  using Duration = std::chrono::nanoseconds;

  // Throws std::invalid_argument unless `longest` is positive.
  template <typename Rep, typename Period>
  explicit Backoff(std::chrono::duration<Rep, Period> longest)
      : longest_(Saturated<Duration>(longest)) {
    if (longest_ <= Duration::zero()) {
      throw std::invalid_argument("fanfare: backoff_max must be positive");
    }
  }

  // Returns the wait after a failed attempt that has lasted `lasted`. The first
  // wait is a tenth of the longest, each later one twice the one before, and
  // none exceeds the longest. If the attempt had lasted longer than the longest
  // wait, the wait is a tenth again.
  [[nodiscard]] Duration AfterFailure(Duration lasted) noexcept {
    if (next_ == Duration::zero() || lasted > longest_) {
      next_ = longest_ < Duration(10) ? Duration(1) : longest_ / 10;
    }
    const Duration wait = next_;
    next_ = wait > longest_ / 2 ? longest_ : wait * 2;
    return wait;
  }

 private:
  Duration longest_;
  Duration next_{0};  // zero: nothing has failed yet
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_BACKOFF_H_
