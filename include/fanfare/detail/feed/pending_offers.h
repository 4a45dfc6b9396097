// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_PENDING_OFFERS_H_
#define FANFARE_DETAIL_FEED_PENDING_OFFERS_H_

// PendingOffers are the offers of one Send to members that have channels
// without room.
//
// A channel that stays full queues its offer; the operation lives in the
// member. The receiver that makes room also takes the value and notifies the
// Send's waker, which counts. So a Send to N full channels costs O(N) and one
// wake-up. These functions block on nothing: SlowChannels::Await() says what a
// thread does in between.

#include <cstddef>
#include <utility>

#include <fanfare/detail/base/function_ref.h>
#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class PendingOffers {
 public:
  // Called with a member if its channel refuses the value, because the channel
  // is closed or the subscription has ended.
  using Refused = FunctionRef<void(Member&)>;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] Member* first() const noexcept { return first_; }
  // Returns what to do about members that have a policy, or null if none has.
  [[nodiscard]] const SlowActions* actions() const noexcept { return actions_; }

  void Add(Member& member) noexcept {
    member.next_pending = nullptr;
    (empty() ? first_ : last_->next_pending) = &member;
    last_ = &member;
    if (const Policy* policy = member.acting_policy())
      actions_ = policy->actions;
  }

  // Counts all offers as missed, and destroys the copies made for them. They
  // must not be queued.
  void Drop() noexcept {
    for (Member* m = first_; m != nullptr; m = m->next_pending) {
      m->Miss();
    }
  }

  // Makes the offers again, up to the first to a channel that is still full.
  // Returns kPending if there is one. Adds to `taken` the number of channels
  // that took the value.
  Outcome Retry(const ValueMoves& moves, Refused refused, std::size_t& taken) {
    for (; first_ != nullptr; first_ = first_->next_pending) {
      const Outcome outcome = first_->channel().TrySend(first_->offer(), moves);
      if (outcome == Outcome::kPending) return outcome;
      if (outcome == Outcome::kDone) {
        ++taken;
      } else {
        refused(*first_);
      }
    }
    return Outcome::kDone;
  }

  // Queues the offers in the channels that are still full, and keeps only these
  // in the list. `waker` is notified of each. Returns how many there are, and
  // adds to `taken` the number of channels that took the value meanwhile.
  std::ptrdiff_t Start(const ValueMoves& moves, Waker& waker, Refused refused,
                       std::size_t& taken) {
    Member* queued = nullptr;
    std::ptrdiff_t count = 0;
    while (first_ != nullptr) {
      Member& member = *first_;
      first_ = member.next_pending;
      member.offer().waker = &waker;
      const Outcome outcome = member.channel().StartSend(member.offer(), moves);
      if (outcome == Outcome::kPending) {
        member.next_pending = std::exchange(queued, &member);
        ++count;
      } else if (outcome == Outcome::kDone) {
        ++taken;
      } else {
        refused(member);
      }
    }
    first_ = queued;
    return count;
  }

  // Takes the value back from the channels that still keep it, for which the
  // Send has `waited`. Those count as missed. Returns how many there were.
  std::ptrdiff_t Withdraw(Platform::Clock::duration waited) noexcept {
    std::ptrdiff_t withdrawn = 0;
    for (Member* m = first_; m != nullptr; m = m->next_pending) {
      if (m->channel().CancelSend(m->offer())) {
        m->tally.missed.Add();
        m->tally.CountBlocked(waited);
        m->DestroyCopy();
        ++withdrawn;
      }
    }
    return withdrawn;
  }

  // Moves the members for which `chosen` returns true to another list, which it
  // returns.
  PendingOffers Extract(FunctionRef<bool(Member&)> chosen) noexcept {
    PendingOffers extracted;
    Member** link = &first_;
    while (Member* const m = *link) {
      if (chosen(*m)) {
        *link = m->next_pending;
        m->next_pending = std::exchange(extracted.first_, m);
      } else {
        link = &m->next_pending;
      }
    }
    return extracted;
  }

  // Notes that the Send has `waited` for all of these in the end.
  void CountBlocked(Platform::Clock::duration waited) noexcept {
    for (Member* m = first_; m != nullptr; m = m->next_pending) {
      m->tally.CountBlocked(waited);
    }
  }
  // Called once no other thread touches the offers: calls `refused` for those
  // that were refused.
  void EndRefused(Refused refused) {
    while (first_ != nullptr) {
      Member& member = *std::exchange(first_, first_->next_pending);
      if (member.offer().outcome == Outcome::kClosed) refused(member);
    }
  }

 private:
  Member* first_ = nullptr;
  Member* last_ = nullptr;
  const SlowActions* actions_ = nullptr;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_PENDING_OFFERS_H_
