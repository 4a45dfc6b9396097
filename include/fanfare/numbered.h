// SPDX-License-Identifier: MIT
#ifndef FANFARE_NUMBERED_H_
#define FANFARE_NUMBERED_H_

// Numbered<T>: a value with its number in the order of a feed, so that a
// receiver sees how many values it has missed.
//
//   Feed<Numbered<Tick>> ticks;
//   ticks.Send(tick);  // numbers the values 1, 2, 3, ...
//
//   for (std::uint64_t last = 0; const auto& [number, tick] : channel) {
//     if (number != last + 1) Warn(number - last - 1, "ticks are missing");
//     last = number;
//   }

#include <cstdint>

#include <fanfare/detail/base/config.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Holds a value and its number.
///
/// Feed<Numbered<T>>::Send() takes a T, and numbers the values in the order in
/// which all subscribers see them. A receiver that received the number `last`
/// before has missed exactly `number - last - 1` values in between, whatever
/// the cause. If `last` is 0 at first, the values that were sent before the
/// channel was subscribed count as well.
/// (N3)
template <typename T>
struct Numbered {
  /// The position of the value among all values of its feed, from 1 on.
  std::uint64_t number = 0;
  /// The value.
  T value;

  /// Compares both members.
  friend bool operator==(const Numbered&, const Numbered&) = default;
};

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_NUMBERED_H_
