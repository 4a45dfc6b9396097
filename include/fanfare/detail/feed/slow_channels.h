// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_SLOW_CHANNELS_H_
#define FANFARE_DETAIL_FEED_SLOW_CHANNELS_H_

// SlowChannels are what a Send does about channels that do not take its value
// at once: the one place where that is decided, and the one where a Send waits.
// (Delivery::ReplaceAtOnce is a short cut for policies without patience.) All
// functions are for the holder of the turn.

#include <cstddef>
#include <cstdint>
#include <stop_token>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/feed_core.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/feed/policy.h>
#include <fanfare/detail/subscription/owner_tree.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/completion_latch.h>
#include <fanfare/detail/wait/deferred_wake.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class SlowChannels {
 public:
  enum class Fate {
    kTaken,     // the channel has the value
    kNotTaken,  // it does not get it
    kWaits,     // the Send has to wait for it
  };

  // Settles what becomes of an offer that the channel did not take at once, for
  // which `outcome` says the cause. Once biases had to be revoked, or if the
  // Send will wait, the rest of the pass makes no new ones: `may_bias` is set
  // to false, so that each is revoked only once.
  FANFARE_COLD static Fate Settle(FeedCore& feed, Member& member,
                                  Outcome outcome, bool may_wait,
                                  bool& may_bias,
                                  const ChannelVerbs& verbs) noexcept {
    const FeedCore::Hold hold(feed);
    member.channel().Unbias(feed.turnstile);
    if (outcome == Outcome::kCounterpartWaits) {
      outcome = verbs.match_receiver(member.channel(), member.offer);
    }
    if (outcome == Outcome::kBiasedElsewhere) {
      feed.LeaveFastPath();
      may_bias = false;
      outcome = verbs.try_send(member.channel(), member.offer);
    }
    if (outcome == Outcome::kDone) return Fate::kTaken;
    if (outcome == Outcome::kClosed) {
      may_bias = false;
      EndClosed(feed, member);
      return Fate::kNotTaken;
    }
    Policy* const policy = PolicyOf(member);
    if (policy != nullptr && RunsOut(feed, member, *policy)) {
      return Act(feed, member, *policy, may_bias);
    }
    may_bias = may_bias && !may_wait;
    if (may_wait) {
      feed.turnstile.MarkSlowExit();
      if (policy != nullptr) policy->waited_for = true;
      return Fate::kWaits;
    }
    member.tally.missed.Add();
    member.DestroyCopy();
    return Fate::kNotTaken;
  }

  // Blocks until the channels have taken the offers. If the deadline or a stop
  // comes first, takes the value back. Adds to `taken` the number of channels
  // that took the value. Throws what the user's stall handler throws.
  FANFARE_COLD static void Await(FeedCore& feed, PendingOffers pending,
                                 const ChannelVerbs& verbs, std::size_t& taken,
                                 const Deadline& deadline = Deadline::Never(),
                                 const std::stop_token& stop = {}) {
    const FeedCore::Hold hold(feed);
    const auto refused = [&feed](Member& m) { EndClosed(feed, m); };
    // Most channels are full because their receiver is runnable but not
    // running.
    if (pending.first()->channel().batches()) {
      PollBeforeQueueing(deadline, stop,
                         [&] { return pending.Retry(verbs, refused, taken); });
    }
    CompletionLatch latch;
    const std::ptrdiff_t queued = pending.Start(verbs, latch, refused, taken);
    if (queued == 0) return;
    const auto finish = [&](std::ptrdiff_t withdrawn) {
      taken += static_cast<std::size_t>(queued - withdrawn) - latch.refused();
      if (latch.refused() > 0) pending.EndRefused(refused);
    };
    if (latch.Expect(queued)) return finish(0);
    Wait wait(feed, pending, latch, taken);
    std::ptrdiff_t withdrawn;
    try {
      withdrawn = wait.Run(deadline, stop);
    } catch (...) {
      finish(wait.GiveUp());
      throw;
    }
    finish(withdrawn);
  }

 private:
  using Clock = Platform::Clock;

  // One wait for offers that are queued.
  class Wait {
   public:
    Wait(FeedCore& feed, PendingOffers& pending, CompletionLatch& latch,
         std::size_t& taken) noexcept
        : feed_(feed), pending_(pending), latch_(latch), taken_(taken) {
      feed.BeginWait(start_);
      const FeedExtras* const extras = feed.extras();
      if (extras != nullptr) {
        stall_after_ = stall_interval_ = extras->stall_after;
      }
    }
    ~Wait() { feed_.EndWait(); }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    // Returns how many offers were taken out of their queues.
    std::ptrdiff_t Run(Deadline deadline, const std::stop_token& stop) {
      for (;;) {
        WakeHold::RunBeforeWait();
        // A deadline of another clock is asked again at its time_point().
        if (stop.stop_requested() || deadline.Expired()) return GiveUp();
        const Deadline own = deadline.bounded()
                                 ? Deadline::At(deadline.time_point())
                                 : Deadline::Never();
        const Deadline next = Next();
        const bool acts_first = next.Before(own);
        if (!acts_first && !own.bounded() && !stop.stop_possible()) {
          CheckThatOthersReceive();
        }
        if (latch_.Wait(acts_first ? next : own, stop)) break;
        if (!acts_first || stop.stop_requested()) continue;
        if (ActOnSlow()) return withdrawn_;
        TellIfStalled();
      }
      pending_.CountBlocked(*latch_.last(), waited());
      return withdrawn_;
    }

    // Withdraws the value. An offer that is just being taken is waited for.
    // Returns what Run() does.
    std::ptrdiff_t GiveUp() noexcept {
      const std::ptrdiff_t missed = pending_.Withdraw(waited());
      // If none was taken back, the thread that completes the last one signals.
      if (missed == 0 || !latch_.Withdraw(missed)) latch_.WaitForAll();
      return withdrawn_ + missed;
    }

   private:
    [[nodiscard]] Clock::duration waited() const noexcept {
      return Clock::now() - start_;
    }

    // Returns when a policy has to act, or a stall is to be reported.
    [[nodiscard]] Deadline Next() const noexcept {
      Deadline next = stall_after_ < Clock::time_point::max() - start_
                          ? Deadline::At(start_ + stall_after_)
                          : Deadline::Never();
      if (!pending_.has_policy()) return next;
      for (Member* m = pending_.first(); m != nullptr; m = m->next_pending) {
        const Policy* const policy = PolicyOf(*m);
        if (policy == nullptr || !policy->waited_for) continue;
        const Deadline acts = policy->RunsOutAt();
        if (acts.Before(next)) next = acts;
      }
      return next;
    }

    // Throws if only this thread can receive from one of the channels, so that
    // the wait would never end.
    void CheckThatOthersReceive() const {
      for (Member* m = pending_.first(); m != nullptr; m = m->next_pending) {
        if (OnlyThisThreadReceives(m->channel()) &&
            m->channel().Look(m->offer).queued) {
          feed_.ThrowDeadlock(*m);
        }
      }
    }

    // Lets the policies act that have no patience left. Returns true if that
    // completed the last offers.
    bool ActOnSlow() noexcept {
      if (!pending_.has_policy()) return false;
      const Clock::duration time = waited();
      std::ptrdiff_t count = 0;
      PendingOffers acted = pending_.Extract([&](Member& m) {
        Policy* const policy = PolicyOf(m);
        if (policy == nullptr || !policy->waited_for) return false;
        // A channel that has taken the value meanwhile needs no patience until
        // the next Send finds it full.
        policy->waited_for = m.channel().Look(m.offer).queued;
        if (!policy->waited_for || !RunsOut(feed_, m, *policy) ||
            !m.channel().CancelSend(m.offer)) {
          return false;
        }
        bool may_bias = false;
        if (Act(feed_, m, *policy, may_bias) == Fate::kTaken) ++taken_;
        ++count;
        return true;
      });
      withdrawn_ += count;
      if (count == 0 || !latch_.Withdraw(count)) return false;
      acted.CountBlocked(time);
      return true;
    }

    // At s, 3s, 7s, ... after the start, if s is the time that the user gave.
    void TellIfStalled() {
      if (waited() < stall_after_) return;
      feed_.extras()->OnStall(feed_);
      stall_interval_ = Sum(stall_interval_, stall_interval_);
      stall_after_ = Sum(waited(), stall_interval_);
    }
    static Clock::duration Sum(Clock::duration a, Clock::duration b) noexcept {
      return a < Clock::duration::max() - b ? a + b : Clock::duration::max();
    }

    FeedCore& feed_;
    PendingOffers& pending_;
    CompletionLatch& latch_;
    std::size_t& taken_;
    const Clock::time_point start_ = Clock::now();
    std::ptrdiff_t withdrawn_ = 0;
    // After which time of waiting the stall is reported next.
    Clock::duration stall_after_ = Clock::duration::max();
    Clock::duration stall_interval_ = Clock::duration::max();
  };

  // Returns the member's policy if it acts at some time, else null.
  [[nodiscard]] static Policy* PolicyOf(const Member& member) noexcept {
    Policy* const policy = member.policy();
    if (policy == nullptr || policy->when_full == WhenFull::kWait) {
      return nullptr;
    }
    return policy;
  }

  // Returns whether the policy acts, now that the member's channel is full.
  [[nodiscard]] static bool RunsOut(const FeedCore& feed, const Member& member,
                                    Policy& policy) noexcept {
    // What an eviction takes out is not received. Without a buffer, a value was
    // received if it was delivered.
    const ChannelEnds& channel = member.channel();
    const std::uint64_t received =
        channel.capacity() > 0
            ? channel.taken_out() - policy.evicted.Get()
            : member.tally.Offered(feed.sent()) - member.tally.missed.Get() -
                  policy.dropped.Get();
    return policy.RunsOut(received);
  }

  // Does what the member's policy says. The offer must not be queued. Sets
  // `may_bias` to false if biases had to be revoked.
  static Fate Act(FeedCore& feed, Member& member, Policy& policy,
                  bool& may_bias) noexcept {
    feed.turnstile.MarkSlowExit();  // a value's destructor is user code
    if (policy.when_full == WhenFull::kReplace) {
      return Replace(feed, member, policy, may_bias);
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
  static Fate Replace(FeedCore& feed, Member& member, Policy& policy,
                      bool& may_bias) noexcept {
    bool evicted = false;
    const auto replace = [&](Biases biases) {
      return policy.replace(member.channel(), member.offer, feed.turnstile,
                            biases, evicted);
    };
    Outcome outcome = replace(may_bias ? Biases::kMake : Biases::kKeep);
    if (outcome == Outcome::kBiasedElsewhere) {
      feed.LeaveFastPath();
      may_bias = false;
      outcome = replace(Biases::kNone);
    }
    if (evicted) policy.evicted.Add();
    if (outcome == Outcome::kDone) return Fate::kTaken;
    EndClosed(feed, member);
    may_bias = false;
    return Fate::kNotTaken;
  }

  // Ends a member after its channel refused the value.
  static void EndClosed(FeedCore& feed, Member& member) noexcept {
    member.DestroyCopy();
    feed.LeaveFastPath();
    feed.End(member);
  }
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_SLOW_CHANNELS_H_
