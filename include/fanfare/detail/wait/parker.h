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

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_PARKER_H_
