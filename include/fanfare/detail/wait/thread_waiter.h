// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_THREAD_WAITER_H_
#define FANFARE_DETAIL_WAIT_THREAD_WAITER_H_

// A ThreadWaiter is a thread as a waiter.

#include <stop_token>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/function_ref.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/parker.h>
#include <fanfare/detail/wait/waiter.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class ThreadWaiter final : public Waiter {
 public:
  void Completed(Operation&) noexcept override { parker_.Signal(1); }

  // Blocks until an operation has been claimed and completed. Returns false if
  // the deadline came first.
  bool Wait(const Deadline& deadline) noexcept {
    return parker_.Wait(1, deadline);
  }

  // Claims for `give_up`, unless another operation was claimed before; in that
  // case blocks until that operation is completed. Returns the winner.
  Operation& GiveUp(Operation& give_up) noexcept {
    if (!claim.Try(give_up)) Wait(Deadline::Never());
    return winner();
  }

  // Blocks until an operation has been claimed and completed, and returns it.
  // Returns `give_up` if the deadline came first.
  Operation& Wait(const Deadline& deadline, Operation& give_up) noexcept {
    return Wait(deadline) ? winner() : GiveUp(give_up);
  }

  // For the time after an operation has won.
  [[nodiscard]] Operation& winner() const noexcept { return *claim.winner(); }

 private:
  Parker parker_;
};

// Blocks the calling thread until `operation` has completed. `start` completes
// or queues the operation, `cancel` takes it out of its queue. Returns kPending
// if the deadline or the stop came first.
Outcome WaitFor(Operation& operation, const Deadline& deadline,
                const std::stop_token& stop,
                FunctionRef<Outcome(Operation&)> start,
                FunctionRef<void(Operation&)> cancel) noexcept;

// Blocks until the deadline or the stop, as an operation on a nil channel does.
void WaitForNothing(const Deadline& deadline = Deadline::Never(),
                    const std::stop_token& stop = {});

}}}  // namespace fanfare::FANFARE_ABI::detail

#ifdef FANFARE_HEADER_ONLY
#include <fanfare/detail/wait/thread_waiter.ipp>
#endif

#endif  // FANFARE_DETAIL_WAIT_THREAD_WAITER_H_
