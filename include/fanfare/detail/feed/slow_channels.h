// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_SLOW_CHANNELS_H_
#define FANFARE_DETAIL_FEED_SLOW_CHANNELS_H_

// SlowChannels are what a Send does about channels that TryStore() cannot
// serve: they are full, closed or biased to another feed, or a receive waits
// there. Here it is decided what becomes of the value, and here the Send waits.
// (Delivery has two short cuts: a value that is missed, and one that replaces
// another at once.) All functions are for the holder of the turn.

#include <cstddef>
#include <stop_token>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/feed/feed_core.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/feed/policy.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class SlowChannels {
 public:
  // Settles what becomes of an offer that the channel did not take at once, for
  // which `outcome` says the cause. Once biases had to be revoked, or if the
  // Send will wait, the rest of the pass makes no new ones: `may_bias` is set
  // to false, so that each is revoked only once.
  FANFARE_COLD FANFARE_DECL static Fate Settle(
      FeedCore& feed, Member& member, Outcome outcome, bool may_wait,
      bool& may_bias, const ValueMoves& moves) noexcept;

  // Blocks until the channels have taken the offers. If the deadline or a stop
  // comes first, takes the value back. Adds to `taken` the number of channels
  // that took the value. Throws what the user's stall handler throws.
  FANFARE_COLD FANFARE_DECL static void Await(
      FeedCore& feed, PendingOffers pending, const ValueMoves& moves,
      std::size_t& taken, const Deadline& deadline = Deadline::Never(),
      const std::stop_token& stop = {});
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#ifdef FANFARE_HEADER_ONLY
#include <fanfare/detail/feed/slow_channels.ipp>
#endif

#endif  // FANFARE_DETAIL_FEED_SLOW_CHANNELS_H_
