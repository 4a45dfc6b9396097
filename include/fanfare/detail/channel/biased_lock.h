// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_BIASED_LOCK_H_
#define FANFARE_DETAIL_CHANNEL_BIASED_LOCK_H_

// A BiasedLock is the lock of a channel's back, which can be biased to an
// owner. (After Kawachiya, Koseki and Onodera, "Lock reservation", OOPSLA 2002;
// but the owner is a critical section, a feed's turnstile, instead of a
// thread.)
//
// While the lock is biased, the thread that has entered its owner has the back
// as well, and takes no lock for it: a Send to N channels costs one exchange
// instead of 1 + N. Any other thread that needs the lock enters the owner
// briefly and revokes the bias. From then on it is an ordinary lock, until it
// is biased again. A thread that finds the owner entered leaves a request
// there, and the holder revokes all biases before it leaves. A thread that
// waits is counted, and the lock is not biased again while the count is above
// zero. A thread holds no lock while it waits for a revocation.
//
// Deadlock freedom: each thread that waits for a revocation waits for one Send,
// and that Send does not block. A holder that has biased locks waits for
// nothing but locks that are not biased. The holder revokes all biases before
// it waits for another owner or for a receiver, and before it runs user code.
// It also does so before it hands its owner to a thread that still has to wake
// up. So two owners never wait for each other.
//
// Lifetime: the owner still exists when it is accessed through the lock. A
// subscription leaves its feed only after its send was revoked, with this lock
// held.

#include <cstddef>
#include <cstdint>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/spin_lock.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// A BiasOwner is what a lock can be biased to: a critical section that one
// thread at a time has entered, its holder.
class BiasOwner {
 public:
  // Enters unless another thread has entered. Returns whether it did.
  bool TryEnter() noexcept {
    return entered_.exchange(1, std::memory_order_acquire) == 0;
  }
  // Like TryEnter(), for a thread that polls.
  bool TryEnterIfFree() noexcept {
    return entered_.load(std::memory_order_relaxed) == 0 && TryEnter();
  }

  // For a thread that has found the owner entered: asks the holder to revoke
  // all biases. The request may get lost, so it is repeated at each poll.
  void RequestRevoke() noexcept {
    if (revoke_requested()) return;
    requests_.fetch_or(kRevoke, std::memory_order_relaxed);
  }

  // The remaining functions are for the holder.

  // Leaves, after the thread has entered only to revoke one bias. A request for
  // another revocation is repeated by the thread that made it.
  void LeaveAfterRevoke() noexcept {
    static_cast<void>(TakeRevokeRequest());
    entered_.store(0, std::memory_order_release);
  }
  // Returns whether a revocation was requested since the last call.
  bool TakeRevokeRequest() noexcept {
    if (!revoke_requested()) return false;
    requests_.fetch_and(~kRevoke, std::memory_order_relaxed);
    return true;
  }
  // Returns how many locks are biased to this owner.
  [[nodiscard]] std::size_t biased() const noexcept { return biased_; }

 protected:
  BiasOwner() = default;
  ~BiasOwner() = default;

  static constexpr unsigned kRevoke = 1;

  Platform::Atomic<unsigned> entered_{0};  // 1: by the holder
  // 0 if the holder can leave without further checks. The bits other than
  // kRevoke belong to the derived class.
  Platform::Atomic<unsigned> requests_{0};

 private:
  friend class BiasedLock;

  [[nodiscard]] bool revoke_requested() const noexcept {
    return (requests_.load(std::memory_order_relaxed) & kRevoke) != 0;
  }

  std::uint32_t biased_ = 0;  // for the holder
};

// Says what the holder of an owner does about biases to it.
enum class Biases : std::uint8_t {
  kMake,  // it may make more
  kKeep,  // it makes no more, and may have some
  kNone,  // it has revoked all, and may wait for other owners
};

class BiasedLock {
 public:
  FANFARE_ALWAYS_INLINE void lock() noexcept {
    if (!LockUnlessBiased()) [[unlikely]]
      LockBiased();
  }
  FANFARE_ALWAYS_INLINE void unlock() noexcept { lock_.unlock(); }

  // Waits for the lock, but not for a revocation: if the lock is biased,
  // returns false without it.
  FANFARE_ALWAYS_INLINE bool LockUnlessBiased() noexcept {
    lock_.lock();
    if (owner_.load(std::memory_order_acquire) == nullptr) [[likely]]
      return true;
    lock_.unlock();
    return false;
  }

  // The next two functions are the two halves of lock() for a biased lock, for
  // a thread that must take another lock in between. The first half revokes the
  // bias or waits until it is revoked. The lock is not biased again before the
  // second half.
  FANFARE_COLD void RevokeBias() noexcept {
    SpinWait<Platform> owner_entered;
    for (bool counted = false;; owner_entered.Wait()) {
      const LockGuard lock(lock_);
      if (!counted && waiters_ < kUncounted) ++waiters_;
      counted = true;
      BiasOwner* const owner = owner_.load(std::memory_order_acquire);
      if (owner == nullptr) return;
      if (owner->TryEnterIfFree()) {
        Unbias(*owner);
        owner->LeaveAfterRevoke();
        return;
      }
      owner->RequestRevoke();
    }
  }
  void LockRevoked() noexcept {
    lock_.lock();
    if (waiters_ < kUncounted) --waiters_;
  }

  // The remaining functions are for the holder of the owner.

  [[nodiscard]] FANFARE_ALWAYS_INLINE bool BiasedTo(
      const BiasOwner& owner) const noexcept {
    return owner_.load(std::memory_order_relaxed) == &owner;
  }
  // Biases the lock, which must be held; the caller unlocks it as usual. Does
  // nothing while another thread waits for a revocation.
  void Bias(BiasOwner& owner) noexcept {
    if (waiters_ > 0) return;
    ++owner.biased_;
    owner_.store(&owner, std::memory_order_relaxed);
  }
  // Release: the store acts as an unlock.
  void Unbias(BiasOwner& owner) noexcept {
    if (!BiasedTo(owner)) return;
    --owner.biased_;
    owner_.store(nullptr, std::memory_order_release);
  }

 private:
  FANFARE_COLD void LockBiased() noexcept {
    RevokeBias();
    LockRevoked();
  }

  // The critical section that guards the back; only its holder changes this.
  Platform::Atomic<BiasOwner*> owner_{nullptr};
  Platform::Lock lock_;
  // How many threads wait for a revocation. Guarded by lock_. Once there were
  // too many to be counted, the count stays at kUncounted, and the lock is not
  // biased again.
  std::uint16_t waiters_ = 0;
  static constexpr std::uint16_t kUncounted = 0xffff;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_BIASED_LOCK_H_
