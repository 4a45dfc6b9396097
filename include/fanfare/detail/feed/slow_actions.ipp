// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_SLOW_ACTIONS_IPP_
#define FANFARE_DETAIL_FEED_SLOW_ACTIONS_IPP_

#include <cstddef>
#include <cstdint>

#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/feed/feed_core.h>
#include <fanfare/detail/feed/feed_extras.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/feed/send_wait.h>
#include <fanfare/detail/feed/slow_actions.h>
#include <fanfare/detail/wait/deferred_wake.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

Fate SlowActionFunctions::OnFull(FeedCore& feed, Member& member, Policy& policy,
                                 bool& may_bias) noexcept {
  return RunsOut(feed, member, policy) ? Act(feed, member, policy, may_bias)
                                       : Fate::kWaits;
}

bool SlowActionFunctions::ReplaceAtOnce(FeedCore& feed, Member& member,
                                        Policy& policy,
                                        Biases biases) noexcept {
  const FeedCore::Hold hold(feed);
  // No channel is biased for values of which the destructor is user code.
  if (biases == Biases::kNone) feed.turnstile.MarkSlowExit();
  return Replace(feed, member, policy, biases) == Outcome::kDone;
}

Deadline SlowActionFunctions::NextDeadline(const SendWait& wait) noexcept {
  Deadline next = wait.stall_after_ < Clock::time_point::max() - wait.start_
                      ? Deadline::At(wait.start_ + wait.stall_after_)
                      : Deadline::Never();
  if (wait.pending_.actions() == nullptr) return next;
  for (Member* m = wait.pending_.first(); m != nullptr; m = m->next_pending) {
    const Policy* const policy = m->acting_policy();
    if (policy == nullptr || !policy->waited_for) continue;
    const Deadline acts = policy->RunsOutAt();
    if (acts.Before(next)) next = acts;
  }
  return next;
}

bool SlowActionFunctions::OnWake(SendWait& wait) {
  if (ActOnSlow(wait)) return true;
  ReportStall(wait);
  return false;
}

bool SlowActionFunctions::ActOnSlow(SendWait& wait) noexcept {
  if (wait.pending_.actions() == nullptr) return false;
  const Clock::duration time = wait.waited();
  std::ptrdiff_t count = 0;
  PendingOffers acted = wait.pending_.Extract([&](Member& m) {
    Policy* const policy = m.acting_policy();
    if (policy == nullptr || !policy->waited_for) return false;
    // A channel that has taken the value meanwhile needs no patience until
    // the next Send finds it full.
    policy->waited_for = m.channel().Look(m.offer()).queued;
    if (!policy->waited_for || !RunsOut(wait.feed_, m, *policy) ||
        !m.channel().CancelSend(m.offer())) {
      return false;
    }
    bool may_bias = false;
    if (Act(wait.feed_, m, *policy, may_bias) == Fate::kTaken) ++wait.taken_;
    ++count;
    return true;
  });
  wait.withdrawn_ += count;
  if (count == 0 || !wait.latch_.Withdraw(count)) return false;
  acted.CountBlocked(time);
  return true;
}

void SlowActionFunctions::ReportStall(SendWait& wait) {
  if (wait.waited() < wait.stall_after_) return;
  {
    const WakeHold::Suspended suspended;
    wait.feed_.extras()->OnStall(wait.feed_);
  }
  wait.stall_interval_ = Sum(wait.stall_interval_, wait.stall_interval_);
  wait.stall_after_ = Sum(wait.waited(), wait.stall_interval_);
}

SlowActionFunctions::Clock::duration SlowActionFunctions::Sum(
    Clock::duration a, Clock::duration b) noexcept {
  return a < Clock::duration::max() - b ? a + b : Clock::duration::max();
}

bool SlowActionFunctions::RunsOut(const FeedCore& feed, const Member& member,
                                  Policy& policy) noexcept {
  if (!policy.has_patience()) return true;
  // Without a buffer, a value was received if it was delivered.
  ChannelEnds& channel = member.channel();
  const std::uint64_t received = channel.capacity() > 0
                                     ? channel.received()
                                     : member.tally.Offered(feed.sent()) -
                                           member.tally.missed.Get() -
                                           policy.dropped.Get();
  return policy.RunsOut(received);
}

Fate SlowActionFunctions::Act(FeedCore& feed, Member& member, Policy& policy,
                              bool& may_bias) noexcept {
  feed.turnstile.MarkSlowExit();  // a value's destructor is user code
  if (policy.when_full == WhenFull::kReplace) {
    return ReplaceOrEnd(feed, member, policy, may_bias);
  }
  policy.dropped.Add();
  member.DestroyCopy();
  if (policy.when_full == WhenFull::kEnd) {
    may_bias = false;
    feed.LeaveFastPath();
    feed.End(member, policy.slow_error(policy, member.channel().size()));
  }
  return Fate::kNotTaken;
}

Fate SlowActionFunctions::ReplaceOrEnd(FeedCore& feed, Member& member,
                                       Policy& policy,
                                       bool& may_bias) noexcept {
  Outcome outcome =
      Replace(feed, member, policy, may_bias ? Biases::kMake : Biases::kKeep);
  if (outcome == Outcome::kBiasedElsewhere) {
    feed.LeaveFastPath();
    may_bias = false;
    outcome = Replace(feed, member, policy, Biases::kNone);
  }
  if (outcome == Outcome::kDone) return Fate::kTaken;
  feed.EndClosed(member);
  may_bias = false;
  return Fate::kNotTaken;
}

Outcome SlowActionFunctions::Replace(FeedCore& feed, Member& member,
                                     Policy& policy, Biases biases) noexcept {
  bool evicted = false;
  const Outcome outcome = policy.replace(member.channel(), member.offer(),
                                         feed.turnstile, biases, evicted);
  if (evicted) policy.evicted.Add();
  return outcome;
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_SLOW_ACTIONS_IPP_
