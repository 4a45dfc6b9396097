// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_SPIN_LOCK_H_
#define FANFARE_DETAIL_BASE_SPIN_LOCK_H_

// A SpinLock is a lock for critical sections of a few instructions.
//
// It costs one exchange to lock, one store to unlock, and a word of memory (to
// exchange a byte takes longer). The only user code that runs under it is
// nothrow moves of values, and the destructors of values that were moved from.
// Its holder waits for nothing but the next such lock, a held claim (claim.h)
// or the mark of a slow exit (turnstile.h). Each of these is about to come.

#include <atomic>
#include <mutex>  // std::adopt_lock

#include <fanfare/detail/base/config.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// SpinWait is how to wait for a thread that will be done soon, unless it was
// preempted: spin, then yield, in the end sleep. Without the sleep, a waiting
// thread of a higher priority could keep the other one from running forever. P
// is the platform (platform.h).
template <typename P>
class SpinWait {
 public:
  // Waits between two polls.
  void Wait() noexcept {
    constexpr int kSpins = 64;
    constexpr int kYields = 1000;
    if (tries_ >= kYields) return P::SleepBriefly();
    if (tries_++ < kSpins) {
      P::CpuRelax();
    } else {
      P::YieldThread();
    }
  }

 private:
  int tries_ = 0;
};

template <typename P>
class SpinLock {
 public:
  FANFARE_ALWAYS_INLINE void lock() noexcept {
    if (held_.exchange(1, std::memory_order_acquire) != 0) [[unlikely]] {
      LockHeld();
    }
  }
  FANFARE_ALWAYS_INLINE void unlock() noexcept {
    held_.store(0, std::memory_order_release);
  }

 private:
  FANFARE_COLD void LockHeld() noexcept {
    SpinWait<P> held;
    while (held_.load(std::memory_order_relaxed) != 0 ||
           held_.exchange(1, std::memory_order_acquire) != 0) {
      held.Wait();
    }
  }

  typename P::template Atomic<unsigned> held_{0};  // 1: held
};

// Like std::lock_guard, but always inlined.
template <typename Lock>
class LockGuard {
 public:
  FANFARE_ALWAYS_INLINE explicit LockGuard(Lock& lock) noexcept : lock_(lock) {
    lock_.lock();
  }
  LockGuard(Lock& locked, std::adopt_lock_t) noexcept : lock_(locked) {}
  FANFARE_ALWAYS_INLINE ~LockGuard() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_SPIN_LOCK_H_
