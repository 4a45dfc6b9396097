// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_DURATION_H_
#define FANFARE_DETAIL_BASE_DURATION_H_

// Saturated() converts a duration of any unit, which the integers of <chrono>
// may overflow on the way to another unit. Floating point does not overflow
// there.

#include <ratio>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

using Seconds = std::chrono::duration<long double>;

// Whether one of two units is a multiple of the other. If so, integers are
// exact, and overflow only where the result does.
template <typename A, typename B>
inline constexpr bool kMultiples = [] {
  using Factor = std::ratio_divide<typename A::period, typename B::period>;
  return Factor::num == 1 || Factor::den == 1;
}();

// Rounds up to the unit of To. Returns To::max() if the duration is longer than
// that, and zero if it is negative or not a number.
template <typename To, typename Rep, typename Period>
[[nodiscard]] To Saturated(std::chrono::duration<Rep, Period> duration) {
  const Seconds seconds(duration);
  if (!(seconds > Seconds::zero())) return To::zero();
  if (seconds >= Seconds(To::max())) return To::max();
  if constexpr (kMultiples<decltype(duration), To>) {
    return std::chrono::ceil<To>(duration);
  } else {
    return std::chrono::ceil<To>(seconds);
  }
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_DURATION_H_
