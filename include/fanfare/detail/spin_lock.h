// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SPIN_LOCK_H_
#define FANFARE_DETAIL_SPIN_LOCK_H_

// A lock for a few instructions: one exchange to take it, one store to give it
// back, a byte of memory. No user code but nothrow moves of values runs under
// it, and nobody sleeps while holding it.

#include <atomic>
#include <chrono>
#include <mutex>

#include <fanfare/version.h>

// For what a call seldom comes to, so that the rest of it can be inlined.
#if defined(__GNUC__)
#define FANFARE_SELDOM [[gnu::cold, gnu::noinline]]
#else
#define FANFARE_SELDOM
#endif

namespace fanfare::inline FANFARE_ABI::detail {

// P is the platform (platform.h), of which this is a part.
template <typename P>
class SpinLock {
 public:
  void lock() noexcept {
    if (held_.exchange(true, std::memory_order_acquire)) [[unlikely]] {
      LockHeld();
    }
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
  // Whoever holds it is about to let go, unless it lost its processor: so a few
  // looks, then way for others, and in the end sleep, because a thread of a
  // higher priority could keep the holder from running for ever.
  FANFARE_SELDOM void LockHeld() noexcept {
    constexpr int kLooks = 64;
    constexpr int kYields = 1000;
    for (int tries = 0;; ++tries) {
      if (!held_.load(std::memory_order_relaxed) &&
          !held_.exchange(true, std::memory_order_acquire)) {
        return;
      }
      if (tries < kLooks) {
        P::Pause();
      } else if (tries < kYields) {
        P::Yield();
      } else {
        Sleep();
      }
    }
  }

  static void Sleep() noexcept {
    typename P::Mutex mutex;
    typename P::ConditionVariable never;
    std::unique_lock lock(mutex);
    never.wait_until(lock, P::Clock::now() + std::chrono::microseconds(50));
  }

  typename P::template Atomic<bool> held_{false};
};

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SPIN_LOCK_H_
