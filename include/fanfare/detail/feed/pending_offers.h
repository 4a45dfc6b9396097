// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_PENDING_OFFERS_H_
#define FANFARE_DETAIL_FEED_PENDING_OFFERS_H_

// The subscribers whose channels were not ready for a Send, each with the offer
// that it was made.
//
// A channel that is still not ready keeps its offer in its queue; the operation
// lives in the subscription. The receiver that makes room takes the value by
// itself and counts down; the last one wakes the sender. So a Send to N
// subscribers that lag costs O(N) and one wake-up.

#include <cstddef>
#include <utility>

#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/feed_subscription.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/completion_latch.h>
#include <fanfare/detail/wait/parker.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename T>
class PendingOffers {
 public:
  using Member = FeedSubscription<T>;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

  void Add(Member& member, T& offered) noexcept {
    member.offer_.value = std::addressof(offered);
    member.next_pending_ = nullptr;
    (empty() ? first_ : last_->next_pending_) = &member;
    last_ = &member;
  }

  // Destroys the copies that were made for them.
  void DestroyCopy() noexcept { DestroyCopies(first_); }

  // Blocks until all have taken their offers, or the deadline or a stop; then
  // the value is taken back. Adds those that took it to `taken`. `refused` is
  // called with each member whose channel does not take it, and the outcome.
  template <typename Refused>
  void Await(const Deadline& deadline, const std::stop_token& stop,
             Refused refused, std::size_t& taken) {
    if (first_->channel_->batches()) Poll(deadline, stop, refused, taken);
    Enqueue(deadline, stop, refused, taken);
  }

 private:
  // Most lag because they wait for the processor. Each time it looks only at
  // the first that still lags.
  template <typename Refused>
  void Poll(const Deadline& deadline, const std::stop_token& stop,
            Refused& refused, std::size_t& taken) {
    PollBeforeQueueing(deadline, stop, [&] {
      for (; first_ != nullptr; first_ = first_->next_pending_) {
        const Outcome outcome = first_->channel_->TrySend(first_->offer_);
        if (outcome == Outcome::kPending) return outcome;
        if (outcome == Outcome::kDone) {
          ++taken;
        } else {
          refused(*first_, outcome);
        }
      }
      return Outcome::kDone;
    });
  }

  // Leaves the offers to the channels.
  template <typename Refused>
  void Enqueue(const Deadline& deadline, const std::stop_token& stop,
               Refused& refused, std::size_t& taken) {
    CompletionLatch latch;
    Member* pending = nullptr;
    std::ptrdiff_t kept = 0;
    while (first_ != nullptr) {
      Member& member = *first_;
      first_ = member.next_pending_;
      member.offer_.waker = &latch;
      const Outcome outcome = member.channel_->StartSend(member.offer_);
      if (outcome == Outcome::kPending) {
        member.next_pending_ = std::exchange(pending, &member);
        ++kept;
      } else if (outcome == Outcome::kDone) {
        ++taken;
      } else {
        refused(member, outcome);
      }
    }
    if (kept == 0) return;
    std::size_t withdrawn = 0;
    if (!latch.Expect(kept) && !latch.Wait(deadline, stop)) {
      withdrawn = Withdraw(latch, pending);
    }
    taken += static_cast<std::size_t>(kept) - latch.refused() - withdrawn;
    if (latch.refused() > 0) EndRefused(pending, refused);
  }

  // What is left to do for offers that were refused meanwhile, with which no
  // other thread has to do any more: the copies are still there, and a
  // subscription whose channel was closed has to end.
  template <typename Refused>
  static void EndRefused(Member* pending, Refused& refused) {
    while (pending != nullptr) {
      Member& member = *std::exchange(pending, pending->next_pending_);
      member.DestroyCopy();
      if (member.offer_.outcome == Outcome::kClosed) {
        refused(member, Outcome::kClosed);
      }
    }
  }

  // Takes the value back from the channels that still keep it, waits for those
  // that are just being served, and returns how many were taken back.
  static std::size_t Withdraw(CompletionLatch& latch,
                              Member* pending) noexcept {
    std::ptrdiff_t withdrawn = 0;
    for (Member* m = pending; m != nullptr; m = m->next_pending_) {
      if (m->channel_->CancelSend(m->offer_)) {
        m->DestroyCopy();
        ++withdrawn;
      }
    }
    // If none was taken back, whoever completed the last one says so.
    if (withdrawn == 0 || !latch.Withdraw(withdrawn)) latch.WaitForAll();
    return static_cast<std::size_t>(withdrawn);
  }

  static void DestroyCopies(Member* members) noexcept {
    for (Member* m = members; m != nullptr; m = m->next_pending_)
      m->DestroyCopy();
  }

  Member* first_ = nullptr;
  Member* last_ = nullptr;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_PENDING_OFFERS_H_
