// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_PENDING_OFFERS_H_
#define FANFARE_DETAIL_FEED_PENDING_OFFERS_H_

// PendingOffers are the offers of one Send to members that have channels
// without room.
//
// A channel that stays full queues its offer; the operation lives in the
// member. The receiver that makes room also takes the value and counts down,
// and the one that reaches zero wakes the sender. So a Send to N full channels
// costs O(N) and one wake-up.

#include <cstddef>
#include <stop_token>
#include <utility>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/function_ref.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/completion_latch.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class PendingOffers {
 public:
  // Called with a member and the outcome if the member's channel does not take
  // the value.
  using Refused = FunctionRef<void(Member&, Outcome)>;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

  void Add(Member& member, void* offered) noexcept {
    member.offer.value = offered;
    member.next_pending = nullptr;
    (empty() ? first_ : last_->next_pending) = &member;
    last_ = &member;
  }

  // Destroys the copies that were made for these offers.
  void DestroyCopies() noexcept {
    for (Member* m = first_; m != nullptr; m = m->next_pending) {
      m->DestroyCopy();
    }
  }

  // Blocks until all channels have taken their offers. If the deadline or a
  // stop comes first, takes the value back. Adds the number of channels that
  // took it to `taken`. If a member's channel does not take the value, calls
  // `refused` with the member and the outcome.
  void Await(const ChannelVerbs& verbs, const Deadline& deadline,
             const std::stop_token& stop, Refused refused, std::size_t& taken) {
    if (first_->channel().batches()) {
      Poll(verbs, deadline, stop, refused, taken);
    }
    Enqueue(verbs, deadline, stop, refused, taken);
  }

 private:
  // Most channels are full because their receiver is runnable but not running.
  // Each attempt begins with the first channel that is still full.
  void Poll(const ChannelVerbs& verbs, const Deadline& deadline,
            const std::stop_token& stop, Refused refused, std::size_t& taken) {
    PollBeforeQueueing(deadline, stop, [&] {
      for (; first_ != nullptr; first_ = first_->next_pending) {
        const Outcome outcome =
            verbs.try_send(first_->channel(), first_->offer);
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

  // Queues the offers in the channels, and waits.
  void Enqueue(const ChannelVerbs& verbs, const Deadline& deadline,
               const std::stop_token& stop, Refused refused,
               std::size_t& taken) {
    CompletionLatch latch;
    Member* pending = nullptr;
    std::ptrdiff_t kept = 0;
    while (first_ != nullptr) {
      Member& member = *first_;
      first_ = member.next_pending;
      member.offer.waker = &latch;
      const Outcome outcome = verbs.start_send(member.channel(), member.offer);
      if (outcome == Outcome::kPending) {
        member.next_pending = std::exchange(pending, &member);
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

  // Does what is left to do for offers that were refused meanwhile, which no
  // other thread touches any more. Their copies still exist, and a subscription
  // must end if its channel was closed.
  static void EndRefused(Member* pending, Refused refused) {
    while (pending != nullptr) {
      Member& member = *std::exchange(pending, pending->next_pending);
      member.DestroyCopy();
      if (member.offer.outcome == Outcome::kClosed) {
        refused(member, Outcome::kClosed);
      }
    }
  }

  // Takes the value back from the channels that still keep it, and waits for
  // those that are just taking it. Returns how many offers were taken back.
  static std::size_t Withdraw(CompletionLatch& latch,
                              Member* pending) noexcept {
    std::ptrdiff_t withdrawn = 0;
    for (Member* m = pending; m != nullptr; m = m->next_pending) {
      if (m->channel().CancelSend(m->offer)) {
        m->DestroyCopy();
        ++withdrawn;
      }
    }
    // If none was taken back, the thread that completed the last one signals.
    if (withdrawn == 0 || !latch.Withdraw(withdrawn)) latch.WaitForAll();
    return static_cast<std::size_t>(withdrawn);
  }

  Member* first_ = nullptr;
  Member* last_ = nullptr;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_PENDING_OFFERS_H_
