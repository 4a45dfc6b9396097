// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_WAITER_H_
#define FANFARE_DETAIL_WAIT_WAITER_H_

// A Waiter waits for one of several operations: a blocked Send or Receive has
// one operation, a Select has many.
//
// A waiter is a claim, which its operations share, and a waker, which is
// notified once one of them was claimed and completed. A thread is one kind of
// waiter (thread_waiter.h). Channels and cases know no other type than this
// one.

#include <fanfare/detail/wait/claim.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class Waiter : public Waker {
 public:
  // Makes `operation` one of the operations that this waiter waits for.
  void Attach(Operation& operation) noexcept {
    operation.waker = this;
    operation.has_claim = true;
    operation.outcome = Outcome::kPending;
  }

  // Claims for `winner` in place of a counterpart, and wakes the waiter.
  void Interrupt(Operation& winner) noexcept {
    if (claim.Try(winner)) Completed(winner);
  }

  Claim claim;

 protected:
  ~Waiter() = default;
};

inline Claim* Operation::claim() const noexcept {
  return has_claim ? &static_cast<Waiter*>(waker)->claim : nullptr;
}

// Claims `theirs`, found in a queue, on behalf of `mine`, which is not queued.
// `claim` is the claim of `mine` if `mine` may be claimed elsewhere meanwhile,
// and null otherwise.
inline Claim::Pair ClaimTogether(Claim* claim, Operation& mine,
                                 Operation& theirs) noexcept {
  Claim* const their_claim = theirs.claim();
  if (claim == nullptr) {
    return their_claim == nullptr || their_claim->Try(theirs)
               ? Claim::Pair::kClaimed
               : Claim::Pair::kTheirsLost;
  }
  if (their_claim == nullptr) {
    return claim->Try(mine) ? Claim::Pair::kClaimed : Claim::Pair::kMineLost;
  }
  return Claim::TryBoth(*claim, mine, *their_claim, theirs);
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_WAITER_H_
