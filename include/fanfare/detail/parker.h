// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_PARKER_H_
#define FANFARE_DETAIL_PARKER_H_

// How a thread waits: the one place in the library where a thread sleeps.

#include <mutex>

#include <fanfare/detail/deadline.h>
#include <fanfare/detail/operation.h>
#include <fanfare/detail/platform.h>

namespace fanfare::inline FANFARE_ABI::detail {

// Lives on the stack of the thread that waits and takes signals of other
// threads. Signal notifies while it holds the lock: the waiter cannot leave,
// and so cannot destroy the parker, before the one who signals has let go of
// the lock, which is the last that it touches.
class Parker {
 public:
  // Sets the bits of `signal` and wakes the waiter.
  void Signal(unsigned signal) noexcept {
    const std::lock_guard lock(mutex_);
    signals_ |= signal;
    signalled_.notify_one();
  }

  // Blocks until one of `wanted` has been signalled (true) or until the
  // deadline (false).
  bool Wait(unsigned wanted, Deadline deadline) noexcept {
    for (;;) {
      // Before the lock: it may ask a clock of the user's.
      const bool expired = deadline.Expired();
      std::unique_lock lock(mutex_);
      if ((signals_ & wanted) != 0) return true;
      if (expired) return false;
      if (deadline.bounded()) {
        signalled_.wait_until(lock, deadline.moment());
      } else {
        signalled_.wait(lock);
      }
    }
  }

  // For the thread that waits.
  [[nodiscard]] bool Signalled(unsigned signal) noexcept {
    const std::lock_guard lock(mutex_);
    return (signals_ & signal) != 0;
  }

 private:
  Platform::Mutex mutex_;
  Platform::ConditionVariable signalled_;  // with mutex_
  unsigned signals_ = 0;                   // guarded by mutex_
};

// A thread that waits for one of several operations: a blocked Send or Receive
// has one, a Select many.
class ThreadWaiter final : public Waker {
 public:
  Claim claim;

  void Completed(Outcome) noexcept override { parker_.Signal(1); }

  // Makes `operation` one of those that this thread waits for.
  void Adopt(Operation& operation) noexcept {
    operation.claim = &claim;
    operation.waker = this;
    operation.outcome = Outcome::kPending;
  }

  // Claims for `winner` in place of a counterpart and wakes the thread.
  void Interrupt(Operation& winner) noexcept {
    if (claim.Try(winner)) Completed(Outcome::kDone);
  }

  // Blocks until somebody has claimed and completed an operation, which is
  // returned, or until the deadline; then it is `give_up`.
  Operation& Wait(const Deadline& deadline, Operation& give_up) noexcept {
    if (!parker_.Wait(1, deadline) && !claim.Try(give_up)) {
      // Somebody was faster and is about to complete.
      parker_.Wait(1, Deadline::Never());
    }
    return *claim.winner();
  }

 private:
  Parker parker_;
};

// Waits for one operation: `start(operation)` completes or queues it,
// `cancel(operation)` takes it out of its queue. Returns kPending if the
// deadline or the stop came first.
template <typename Start, typename Cancel>
Outcome WaitFor(Operation& operation, const Deadline& deadline,
                const std::stop_token& stop, Start start, Cancel cancel) {
  ThreadWaiter waiter;
  waiter.Adopt(operation);
  const Outcome outcome = start(operation);
  if (outcome != Outcome::kPending) return outcome;
  Operation give_up;
  {
    const std::stop_callback on_stop(
        stop, [&]() noexcept { waiter.Interrupt(give_up); });
    waiter.Wait(deadline, give_up);
  }
  if (waiter.claim.winner() == &give_up) {
    cancel(operation);
    return Outcome::kPending;
  }
  return operation.outcome;
}

// Waits for nothing but the deadline and the stop, as an operation on a nil
// channel does.
inline void WaitForNothing(const Deadline& deadline,
                           const std::stop_token& stop) {
  Operation never;
  WaitFor(
      never, deadline, stop, [](Operation&) { return Outcome::kPending; },
      [](Operation&) {});
}

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_PARKER_H_
