// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_SLOW_CHANNELS_IPP_
#define FANFARE_DETAIL_FEED_SLOW_CHANNELS_IPP_

#include <fanfare/detail/feed/send_wait.h>
#include <fanfare/detail/feed/slow_channels.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/completion_latch.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

Fate SlowChannels::Settle(FeedCore& feed, Member& member, Outcome outcome,
                          bool may_wait, bool& may_bias,
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
    const Fate fate = policy->actions->on_full(feed, member, *policy, may_bias);
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

void SlowChannels::Await(FeedCore& feed, PendingOffers pending,
                         const ValueMoves& moves, std::size_t& taken,
                         const Deadline& deadline,
                         const std::stop_token& stop) {
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
  if (latch.Expect(queued)) {
    wait.AllTaken();
    return finish(0);
  }
  std::ptrdiff_t withdrawn;
  try {
    withdrawn = wait.Run(deadline, stop);
  } catch (...) {
    finish(wait.GiveUp());
    throw;
  }
  finish(withdrawn);
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_SLOW_CHANNELS_IPP_
