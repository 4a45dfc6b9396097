// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_SEND_WAIT_H_
#define FANFARE_DETAIL_FEED_SEND_WAIT_H_

// A SendWait is the wait of a Send for channels that are full. What options
// make the Send do meanwhile is in SlowActionFunctions (slow_actions.h), so
// that a program without options does not contain it (unless it uses src.h).

#include <cstddef>
#include <stop_token>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/feed/feed_core.h>
#include <fanfare/detail/feed/feed_extras.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/subscription/owner_tree.h>
#include <fanfare/detail/wait/completion_latch.h>
#include <fanfare/detail/wait/deferred_wake.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class SendWait {
 public:
  using Clock = Platform::Clock;

  // `pending` are queued, and notify `latch`. Adds to `taken` the number of
  // channels that take the value because a policy acts.
  SendWait(FeedCore& feed, PendingOffers& pending, CompletionLatch& latch,
           std::size_t& taken) noexcept
      : feed_(feed),
        pending_(pending),
        latch_(latch),
        taken_(taken),
        actions_(pending.actions()) {
    feed.BeginWait(start_);
    const FeedExtras* const extras = feed.extras();
    if (extras != nullptr) {
      actions_ = extras->actions;
      stall_after_ = stall_interval_ = extras->stall_after;
    }
  }
  ~SendWait() { feed_.EndWait(); }
  SendWait(const SendWait&) = delete;
  SendWait& operator=(const SendWait&) = delete;

  // Blocks until all offers are completed, or until the deadline or a stop.
  // Returns how many offers a channel did not complete: they were taken out of
  // its queue.
  std::ptrdiff_t Run(Deadline deadline, const std::stop_token& stop) {
    for (;;) {
      WakeHold::RunBeforeWait();
      // Expired() asks a user's clock again, at the latest at time_point().
      if (stop.stop_requested() || deadline.Expired()) return GiveUp();
      const Deadline own = deadline.bounded()
                               ? Deadline::At(deadline.time_point())
                               : Deadline::Never();
      const Deadline next = actions_ != nullptr ? actions_->next_deadline(*this)
                                                : Deadline::Never();
      const bool acts_first = next.Before(own);
      // Except for the channels of which a policy will act.
      const bool endless = !own.bounded() && !stop.stop_possible() &&
                           stall_after_ == Clock::duration::max();
      if (endless) {
        CheckThatOthersReceive();
        feed_.deadlocks.Begin(pending_);
      }
      const bool complete = latch_.Wait(acts_first ? next : own, stop);
      if (endless) feed_.deadlocks.End();
      if (complete) break;
      if (!acts_first || stop.stop_requested()) continue;
      if (actions_->on_wake(*this)) return withdrawn_;
    }
    AllTaken();
    return withdrawn_;
  }

  // Called once all offers have been completed by channels: the wait was for
  // the last one.
  void AllTaken() noexcept {
    Member::Of(*latch_.last()).tally.CountBlocked(waited());
  }

  // Withdraws the value. An offer that is just being taken is waited for.
  // Returns what Run() does.
  std::ptrdiff_t GiveUp() noexcept {
    const std::ptrdiff_t missed = pending_.Withdraw(waited());
    // If none was taken back, the thread that completes the last one signals.
    if (missed == 0 || !latch_.Withdraw(missed)) latch_.WaitForAll();
    if (missed == 0) AllTaken();
    return withdrawn_ + missed;
  }

 private:
  friend class SlowActionFunctions;

  [[nodiscard]] Clock::duration waited() const noexcept {
    return Clock::now() - start_;
  }

  // For a wait without limits: throws if no other thread can receive from one
  // of the channels, so that the wait would never end.
  void CheckThatOthersReceive() const {
    // To pass over thousands of members takes longer than many of their
    // receives.
    if (!MayBeTheOnlyReceiver()) return;
    for (Member* m = pending_.first(); m != nullptr; m = m->next_pending) {
      if (NoOtherThreadReceives(m->channel()) && !m->policy_will_act() &&
          m->channel().Look(m->offer()).queued) {
        feed_.deadlocks.ThrowIfListed(*m);
      }
    }
  }

  FeedCore& feed_;
  PendingOffers& pending_;
  CompletionLatch& latch_;
  std::size_t& taken_;
  const SlowActions* actions_;  // null: nothing
  const Clock::time_point start_ = Clock::now();
  std::ptrdiff_t withdrawn_ = 0;
  // After which time of waiting the stall is reported next.
  Clock::duration stall_after_ = Clock::duration::max();
  Clock::duration stall_interval_ = Clock::duration::max();
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_SEND_WAIT_H_
