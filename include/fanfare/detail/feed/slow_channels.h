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
#include <fanfare/detail/feed/send_wait.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/completion_latch.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class SlowChannels {
 public:
  // Settles what becomes of an offer that the channel did not take at once, for
  // which `outcome` says the cause. Once biases had to be revoked, or if the
  // Send will wait, the rest of the pass makes no new ones: `may_bias` is set
  // to false, so that each is revoked only once.
  FANFARE_COLD static Fate Settle(FeedCore& feed, Member& member,
                                  Outcome outcome, bool may_wait,
                                  bool& may_bias,
                                  const ValueMoves& moves) noexcept {
    const FeedCore::Hold hold(feed);
    member.channel().Unbias(feed.turnstile);
    if (outcome == Outcome::kCounterpartWaits) {
      outcome = member.channel().MatchReceiver(member.offer(), moves);
    }
    // Another feed may have made a bias since.
    if (outcome == Outcome::kBiasedElsewhere) {
      feed.LeaveFastPath();
      may_bias = false;
      outcome = member.channel().TrySend(member.offer(), moves);
    }
    if (outcome == Outcome::kDone) return Fate::kTaken;
    if (outcome == Outcome::kClosed) {
      may_bias = false;
      feed.EndClosed(member);
      return Fate::kNotTaken;
    }
    Policy* const policy = member.acting_policy();
    if (policy != nullptr) {
      const Fate fate =
          policy->actions->on_full(feed, member, *policy, may_bias);
      if (fate != Fate::kWaits) return fate;
    }
    if (may_wait) {
      may_bias = false;
      feed.turnstile.MarkSlowExit();
      if (policy != nullptr) policy->waited_for = true;
      return Fate::kWaits;
    }
    member.Miss();
    return Fate::kNotTaken;
  }

  // Blocks until the channels have taken the offers. If the deadline or a stop
  // comes first, takes the value back. Adds to `taken` the number of channels
  // that took the value. Throws what the user's stall handler throws.
  FANFARE_COLD static void Await(FeedCore& feed, PendingOffers pending,
                                 const ValueMoves& moves, std::size_t& taken,
                                 const Deadline& deadline = Deadline::Never(),
                                 const std::stop_token& stop = {}) {
    const FeedCore::Hold hold(feed);
    const auto refused = [&feed](Member& m) { feed.EndClosed(m); };
    // Most channels are full because their receiver is runnable but not
    // running.
    if (pending.first()->channel().batches()) {
      PollBeforeQueueing(deadline, stop,
                         [&] { return pending.Retry(moves, refused, taken); });
    }
    CompletionLatch latch;
    // The wait begins before the offers are queued: a thread that sees one
    // queued sees a wait.
    SendWait wait(feed, pending, latch, taken);
    const std::ptrdiff_t queued = pending.Start(moves, latch, refused, taken);
    if (queued == 0) return;
    const auto finish = [&](std::ptrdiff_t withdrawn) {
      taken += static_cast<std::size_t>(queued - withdrawn) - latch.refused();
      if (latch.refused() > 0) pending.EndRefused(refused);
    };
    // Some may be complete already. Expect() returns whether all are.
    if (latch.Expect(queued)) return finish(0);
    std::ptrdiff_t withdrawn;
    try {
      withdrawn = wait.Run(deadline, stop);
    } catch (...) {
      finish(wait.GiveUp());
      throw;
    }
    finish(withdrawn);
  }
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_SLOW_CHANNELS_H_
