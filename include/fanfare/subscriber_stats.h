// SPDX-License-Identifier: MIT
#ifndef FANFARE_SUBSCRIBER_STATS_H_
#define FANFARE_SUBSCRIBER_STATS_H_

// SubscriberStats: what became of the values that a feed offered to one
// subscription.

#include <cstddef>
#include <cstdint>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Says what became of the values that a feed offered to one subscription.
///
/// `offered == delivered + dropped + missed` always. If the channel receives
/// values from this subscription alone, then `replayed + delivered - evicted`
/// values have been received or are in the channel. A value counts as offered
/// once it is decided what becomes of it, so a value that a Send still waits
/// with does not count. While a Send passes over its subscribers, `delivered`
/// may be one ahead for those that it has not reached. While a value is
/// replaced or replayed, `evicted` or `replayed` may be one behind.
/// (N1)
struct SubscriberStats {
  /// How many values became one of the next three.
  std::uint64_t offered = 0;
  /// How many values the channel accepted.
  std::uint64_t delivered = 0;
  /// How many values the subscription's own Overflow policy did not deliver.
  std::uint64_t dropped = 0;
  /// How many values were not delivered because the Send did not wait (longer).
  std::uint64_t missed = 0;
  /// How many values were taken out of the channel to make room for later ones.
  std::uint64_t evicted = 0;
  /// How many earlier values were delivered when the channel was subscribed.
  std::uint64_t replayed = 0;
  /// How many values are in the channel.
  std::size_t queued = 0;
  /// The capacity of the channel.
  std::size_t capacity = 0;
  /// Whether a Send waits for this channel now.
  bool blocks = false;
  /// If so, for how long that Send has waited for channels.
  std::chrono::nanoseconds blocking{};
  /// For how long Sends have waited where this was the last channel, without
  /// the wait in progress.
  std::chrono::nanoseconds blocked{};
};

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SUBSCRIBER_STATS_H_
