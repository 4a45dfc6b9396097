// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_PARKER_H_
#define FANFARE_DETAIL_WAIT_PARKER_H_

// How a thread waits: the one place in the library where one sleeps until it is
// woken.

#include <mutex>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/uncancelled.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Lives on the stack of the thread that waits and takes signals of other
// threads.
//
// Whoever signals a waiter that is awake touches the parker once and never
// again, so that the waiter may leave, and destroy the parker, as soon as it
// sees the signal. Once the waiter has gone to sleep, signals are set and seen
// under the lock: then it cannot leave before the one who signals has let go of
// the lock, which is the last that it touches.
class Parker {
 public:
  // Sets the bits of `signal` and wakes the waiter.
  void Signal(unsigned signal) noexcept {
    unsigned bits = signals_.load(std::memory_order_relaxed);
    while ((bits & kAsleep) == 0) {
      if (signals_.compare_exchange_weak(bits, bits | signal,
                                         std::memory_order_acq_rel,
                                         std::memory_order_relaxed)) {
        return;
      }
    }
    const std::lock_guard lock(mutex_);
    signals_.fetch_or(signal, std::memory_order_release);
    signalled_.notify_one();
  }

  // Blocks until one of `wanted` has been signalled (true) or until the
  // deadline (false).
  bool Wait(unsigned wanted, Deadline deadline) noexcept {
    bool expired = deadline.Expired();
    if (!expired) {
      const auto ready = [&] {
        return Signalled(wanted) || (expired = deadline.Expired());
      };
      AdaptiveSpin::OfThisThread().Poll(ready);
      if (Signalled(wanted)) return true;
    }
    for (;;) {
      std::unique_lock lock(mutex_);
      const unsigned bits =
          signals_.fetch_or(kAsleep, std::memory_order_acquire);
      if ((bits & wanted) != 0) return true;
      if (expired) return false;
      const auto start = Platform::Clock::now();
      [[maybe_unused]] const Uncancelled uncancelled;
      if (deadline.bounded()) {
        signalled_.wait_until(lock, deadline.time_point());
      } else {
        signalled_.wait(lock);
      }
      lock.unlock();
      AdaptiveSpin::OfThisThread().Slept(Platform::Clock::now() - start);
      // Without the lock: it may ask a clock of the user's.
      expired = deadline.Expired();
    }
  }

  // For the thread that waits.
  [[nodiscard]] bool Signalled(unsigned signal) noexcept {
    unsigned bits = signals_.load(std::memory_order_acquire);
    if ((bits & kAsleep) != 0) {
      const std::lock_guard lock(mutex_);
      bits = signals_.load(std::memory_order_relaxed);
    }
    return (bits & signal) != 0;
  }

 private:
  static constexpr unsigned kAsleep = 1U << 31;

  Platform::Mutex mutex_;
  Platform::ConditionVariable signalled_;  // with mutex_
  // kAsleep, once set, stays; from then on, changed under mutex_ alone.
  Platform::Atomic<unsigned> signals_{0};
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

  // Blocks until an operation has been claimed and completed (true) or until
  // the deadline (false).
  bool Wait(const Deadline& deadline) noexcept {
    return parker_.Wait(1, deadline);
  }

  // Claims for `give_up`, unless another operation was claimed before; then
  // blocks until that is completed. Returns the winner.
  Operation& GiveUp(Operation& give_up) noexcept {
    if (!claim.Try(give_up)) Wait(Deadline::Never());
    return winner();
  }

  // Blocks until an operation has been claimed and completed, which is
  // returned, or until the deadline; then it is `give_up`.
  Operation& Wait(const Deadline& deadline, Operation& give_up) noexcept {
    return Wait(deadline) ? winner() : GiveUp(give_up);
  }

  // Once one has won.
  [[nodiscard]] Operation& winner() const noexcept { return *claim.winner(); }

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
template <typename = void>
void WaitForNothing(const Deadline& deadline = Deadline::Never(),
                    const std::stop_token& stop = {}) {
  Operation never;
  WaitFor(
      never, deadline, stop, [](Operation&) { return Outcome::kPending; },
      [](Operation&) {});
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_PARKER_H_
