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
    operation.claim = &claim;
    operation.waker = this;
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

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_WAITER_H_
