// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_SPIN_LOCK_H_
#define FANFARE_DETAIL_BASE_SPIN_LOCK_H_

// A lock for a few instructions: one exchange to take it, one store to give it
// back, a word of memory (to exchange a byte takes longer). No user code but
// nothrow moves of values runs under it; who holds it waits for nothing but the
// next such lock, a held claim (operation.h) or a turn's promise (turnstile.h),
// each of which is about to come.

#include <atomic>
#include <mutex>  // std::adopt_lock

#include <fanfare/detail/base/config.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// How to wait for a thread that is about to let go, unless it lost its
// processor: a few looks, then way for others, and in the end sleep, because a
// thread of a higher priority could keep it from running for ever. P is the
// platform (platform.h).
template <typename P>
class SpinWait {
 public:
  // Called between two looks.
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

// std::lock_guard, but always inlined.
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
