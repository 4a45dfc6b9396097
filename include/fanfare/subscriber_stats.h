// SPDX-License-Identifier: MIT
#ifndef FANFARE_SUBSCRIBER_STATS_H_
#define FANFARE_SUBSCRIBER_STATS_H_

// SubscriberStats: what became of the values that a feed offered to one
// subscription. Subscription::Stats() and Feed::Report() return it.
//
//   if (auto stats = subscription.Stats(); stats && stats->dropped > 0) {
//     Warn(stats->dropped, "values were dropped");
//   }

#include <cstddef>
#include <cstdint>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Tells what became of the values that a feed offered to one subscription.
///
/// `offered == delivered + dropped + missed` always holds. If the channel gets
/// values from this subscription alone, then `replayed + delivered - evicted`
/// values have been received or are in the channel.
///
/// A value counts once it is decided what becomes of it. So a value that a Send
/// waits to deliver does not count yet. While a Send offers its value to one
/// channel after the other, `offered` and `delivered` may be one ahead for
/// those that it has not reached. While a value is replaced or replayed,
/// `evicted` or `replayed` may be one behind. (N1)
struct SubscriberStats {
  /// How many values were delivered, dropped or missed.
  std::uint64_t offered = 0;
  /// How many values the channel accepted.
  std::uint64_t delivered = 0;
  /// How many values the subscription's own policy (Overflow) did not deliver.
  std::uint64_t dropped = 0;
  /// How many values were not delivered for another reason: the Send did not
  /// wait, or no longer, or it threw an exception.
  std::uint64_t missed = 0;
  /// How many values were taken out of the channel to make room for later ones.
  std::uint64_t evicted = 0;
  /// How many values the feed had kept and delivered first. They do not count
  /// as offered.
  std::uint64_t replayed = 0;
  /// How many values are in the channel.
  std::size_t queued = 0;
  /// The capacity of the channel.
  std::size_t capacity = 0;
  /// Whether a Send waits for this channel now.
  bool blocks = false;
  /// If so, how long that Send has waited for channels.
  std::chrono::nanoseconds blocking{};
  /// How long Sends have waited in all for waits that ended with this channel:
  /// it took the value as the last one, or its policy acted as the last one, or
  /// the Send gave up while this channel had not taken the value. The wait in
  /// progress does not count.
  std::chrono::nanoseconds blocked{};
};

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SUBSCRIBER_STATS_H_
