// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_DURATION_H_
#define FANFARE_DETAIL_BASE_DURATION_H_

// Durations of any unit, which the integers of <chrono> overflow on the way to
// another one. Floating point does not.

#include <ratio>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

using Seconds = std::chrono::duration<long double>;

// Whether one of two units is a multiple of the other: then integers are exact,
// and overflow only where the result does.
template <typename A, typename B>
inline constexpr bool kMultiples = [] {
  using Factor = std::ratio_divide<typename A::period, typename B::period>;
  return Factor::num == 1 || Factor::den == 1;
}();

// Rounded up to the unit of To; the longest, if it is longer than that; none,
// if it is negative or not a number.
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
