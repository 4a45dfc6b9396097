// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_BIASED_LOCK_H_
#define FANFARE_DETAIL_CHANNEL_BIASED_LOCK_H_

// The lock of a channel's back, which can be lent to a feed. ("Biased locking",
// Kawachiya, Koseki and Onodera, 2002, but to whoever has a feed's turn instead
// of to a thread.)
//
// While it is lent, whoever has the feed's turn has the back, too, and takes no
// lock for it: a Send to N channels costs one exchange instead of 1 + N.
// Anybody else who locks it takes the turn for a moment, and ends the loan;
// from then on it is a lock like any other, until it is lent again. A thread
// that finds the turn taken leaves word, and the holder ends all loans before
// it gives the turn back. A thread that waits is counted, and the lock is not
// lent again while the count is above zero. It holds no lock while it waits.
//
// So each thread that waits for the end of a loan waits for one Send, and that
// Send does not wait: the holder of a turn and of loans waits for nothing but
// locks that are not lent. It ends all loans before it waits for another feed's
// turn or for a receiver, runs code of the user's, or leaves the turn to a
// thread that still has to wake up. So two feeds never wait for each other.
//
// The feed is still there when its turn is looked at: a subscription leaves it
// only after it was revoked, with this lock held.

#include <cstdint>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/feed/turnstile.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class BiasedLock {
 public:
  FANFARE_ALWAYS_INLINE void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      LockBiased();
  }
  FANFARE_ALWAYS_INLINE void unlock() noexcept { lock_.unlock(); }

  // False: it is lent, and was not locked.
  FANFARE_ALWAYS_INLINE bool try_lock() noexcept {
    lock_.lock();
    if (owner_.load(std::memory_order_acquire) == nullptr) [[likely]]
      return true;
    lock_.unlock();
    return false;
  }

  // The two halves of lock() where the lock is lent, for a thread that must
  // take another lock in between. Ends the loan, or waits for its end; the lock
  // is not lent again before the second half.
  FANFARE_COLD void RevokeBias() noexcept {
    SpinWait<Platform> turn_taken;
    for (bool counted = false;; turn_taken.Wait()) {
      const LockGuard lock(lock_);
      if (!counted) ++waiters_;
      counted = true;
      Turnstile* const turnstile = owner_.load(std::memory_order_acquire);
      if (turnstile == nullptr) return;
      if (turnstile->TryEnterIfFree()) {
        Unbias(*turnstile);
        turnstile->LeaveAfterRevoke();
        return;
      }
      turnstile->RequestRevoke();
    }
  }
  void LockRevoked() noexcept {
    lock_.lock();
    --waiters_;
  }

  // The rest is for the thread that has the turn.

  [[nodiscard]] FANFARE_ALWAYS_INLINE bool BiasedTo(
      const Turnstile& turnstile) const noexcept {
    return owner_.load(std::memory_order_relaxed) == &turnstile;
  }
  // Called with the lock held, which is unlocked as ever. Does nothing while a
  // thread waits for the lock.
  void Bias(Turnstile& turnstile) noexcept {
    if (waiters_ > 0) return;
    turnstile.AddBiased();
    owner_.store(&turnstile, std::memory_order_relaxed);
  }
  // Release: as an unlock.
  void Unbias(Turnstile& turnstile) noexcept {
    if (!BiasedTo(turnstile)) return;
    turnstile.RemoveBiased();
    owner_.store(nullptr, std::memory_order_release);
  }

 private:
  FANFARE_COLD void LockBiased() noexcept {
    RevokeBias();
    LockRevoked();
  }

  // Whose turn guards the back; changed only by who has that turn.
  Platform::Atomic<Turnstile*> owner_{nullptr};
  Platform::Lock lock_;
  // How many threads wait for the end of a loan. Guarded by lock_. (Beyond
  // 65,535 it may be lent again too early, which is late for them and no
  // worse.)
  std::uint16_t waiters_ = 0;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_BIASED_LOCK_H_
