// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_PARKER_H_
#define FANFARE_DETAIL_WAIT_PARKER_H_

// A Parker is where a thread waits: the one place in the library where a thread
// sleeps until it is woken.

#include <mutex>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/uncancelled.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// A Parker lives on the stack of the thread that waits, and takes signals of
// other threads.
//
// Lifetime: a signaller touches the parker of an awake waiter exactly once. So
// the waiter may leave, and destroy the parker, as soon as it sees the signal.
// Once the waiter has gone to sleep, signals are set and seen under the mutex.
// So the waiter cannot leave before the signaller has unlocked the mutex, which
// is the signaller's last access.
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

  // Blocks until one of the bits of `wanted` has been signalled. Returns false
  // if the deadline came first.
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
      // Without the mutex, because this may call a user-defined clock.
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
  Platform::ConditionVariable signalled_;  // used with mutex_
  // kAsleep, once set, stays set; from then on the bits are changed only under
  // mutex_.
  Platform::Atomic<unsigned> signals_{0};
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_PARKER_H_
