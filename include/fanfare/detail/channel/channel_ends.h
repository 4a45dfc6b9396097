// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_CHANNEL_ENDS_H_
#define FANFARE_DETAIL_CHANNEL_CHANNEL_ENDS_H_

// ChannelEnds are the two ends of a channel, with everything that does not
// depend on the type of its values.
//
// Values go in at the back and come out at the front. Each end has a lock. A
// thread that holds one lock alone may use that end, and most operations need
// no more. An operation that involves both ends (to queue, to take out, to
// match what is queued, to close) takes both locks, the front's first. The
// queue of receives is kept with the back's lock, and that of sends with the
// front's. So one lock is enough to tell whether an operation waits on the
// other side. No thread ever holds the locks of two channels. But the back's
// lock can be biased to a feed, which then takes no lock (biased_lock.h).
//
// While a feed replaces values that no thread receives, the ends are *joined*:
// the ring is full, and the back's lock guards the front as well. Values that
// are copied as bytes are then overwritten without moving the front, which lags
// behind. A receive takes both locks and separates the ends first.
//
// These invariants hold whenever both locks are free. They leave out operations
// that have lost their claim, and those of a Select that is still starting its
// cases:
//   - a receive is queued only while the ring is empty and no send is queued;
//   - a send is queued only while the ring is full;
//   - nothing is queued in a closed channel.
// So the front of a queue is always served before a newcomer on its side. (Only
// a value that replaces another passes the sends that are queued.)

#include <cstddef>
#include <cstdint>
#include <mutex>

#include <fanfare/detail/base/cache.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/biased_lock.h>
#include <fanfare/detail/channel/ring.h>
#include <fanfare/detail/channel/sole_thread.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/wait_queue.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class ChannelEnds;

// ValueMoves are how a channel moves values of its type.
struct ValueMoves {
  // From a send into the ring, which has room.
  void (*store)(ChannelEnds& channel, Operation& send) noexcept;
  // From the ring, which has a value, to a receive.
  void (*take)(ChannelEnds& channel, Operation& receive) noexcept;
  // From a send to a receive.
  void (*hand_over)(Operation& send, Operation& receive) noexcept;
};

class alignas(kCacheLine) ChannelEnds : public RefCounted {
 public:
  // These verbs are for any waiter: a thread (blocking.h), a Select, a feed.
  // `moves` are always those of the channel's type.

  // Completes the operation if that needs no waiting. Otherwise returns
  // kPending and has no effect.
  FANFARE_DECL Outcome TrySend(Operation& send,
                               const ValueMoves& moves) noexcept;
  FANFARE_DECL Outcome TryReceive(Operation& receive,
                                  const ValueMoves& moves) noexcept;

  // Completes the operation, or queues it and returns kPending. An operation
  // with a claim is claimed when it completes. Returns kLost if the waiter was
  // claimed for another operation meanwhile. A result of kClosed claims
  // nothing.
  FANFARE_DECL Outcome StartSend(Operation& send,
                                 const ValueMoves& moves) noexcept;
  FANFARE_DECL Outcome StartReceive(Operation& receive,
                                    const ValueMoves& moves) noexcept;

  // Does what ChannelCore::TryStore() has left to do after kCounterpartWaits:
  // hands the value to the receive that waits. Returns kBiasedElsewhere, and
  // has no effect, if the lock of the back is biased now.
  FANFARE_DECL Outcome MatchReceiver(Operation& send,
                                     const ValueMoves& moves) noexcept;
  // Does what ChannelCore::ReceiveAtFront() has left to do after
  // kCounterpartWaits.
  FANFARE_DECL Outcome MatchSender(Operation& receive,
                                   const ValueMoves& moves) noexcept;

  // Closes the channel, and completes all queued operations with kClosed.
  FANFARE_COLD FANFARE_DECL void Close() noexcept;

  // Takes an operation out of its queue. Returns false if the operation is no
  // longer queued.
  FANFARE_COLD FANFARE_DECL bool CancelSend(Operation& send) noexcept;
  FANFARE_COLD FANFARE_DECL bool CancelReceive(Operation& receive) noexcept;
  // Like CancelSend(), but every later attempt of this send returns kClosed.
  FANFARE_COLD FANFARE_DECL bool RevokeSend(Operation& send) noexcept;

  // Marks a channel that reports the end of a subscription. A Select receives
  // from it only if no other receive is ready. Called before the channel is
  // shared.
  void MarkAsEnd() noexcept { back_.reports_end = true; }
  [[nodiscard]] bool reports_end() const noexcept { return back_.reports_end; }

  // For the holder of `owner` (see BiasedLock).
  void Unbias(BiasOwner& owner) noexcept { back_.lock.Unbias(owner); }

  [[nodiscard]] bool closed() const noexcept {
    const std::lock_guard lock(front_.lock);
    return front_.closed;
  }
  [[nodiscard]] bool drained() const noexcept {
    const BothLocks locked(*this);
    return front_.closed && used() == 0;
  }
  [[nodiscard]] std::size_t size() const noexcept {
    const BothLocks locked(*this);
    return used();
  }
  [[nodiscard]] std::size_t capacity() const noexcept {
    return front_.end.capacity();
  }
  // Returns whether values, or room for them, can accumulate while a thread is
  // away. A thread that finds such a channel not ready yields and retries a few
  // times before it queues. By then many values or much room have accumulated,
  // so that it rarely queues.
  [[nodiscard]] bool batches() const noexcept { return capacity() > 1; }
  // Returns about how many values are in the ring, without its locks. Reads the
  // front first: values that pass meanwhile then count too much, but do not
  // make the difference negative. (The loads are relaxed, so it is checked,
  // too.)
  [[nodiscard]] std::size_t ApproximateSize() const noexcept {
    const std::size_t front = front_.end.passed();
    const std::size_t back = back_.end.passed();
    return back > front ? Within(back - front) : 0;
  }

  // Returns how many values have been received from the ring, modulo 2^32.
  [[nodiscard]] std::uint32_t received() noexcept {
    const std::lock_guard lock(front_.lock);
    // A biased back does not move the front.
    if (front_.joined && back_.lock.LockUnlessBiased()) {
      Separate();
      back_.lock.unlock();
    }
    return taken();
  }
  // Returns whether the calling thread is known to be the only one that has
  // received.
  [[nodiscard]] bool OnlyCallerHasReceived() const noexcept {
    const std::lock_guard lock(front_.lock);
    return front_.receiver.IsCaller();
  }
  // Returns how many values are in the ring, and in which state a send is.
  struct Snapshot {
    std::size_t size;
    bool queued;   // the send waits
    bool refused;  // the channel was closed, or the send revoked, before it
  };
  [[nodiscard]] Snapshot Look(const Operation& send) const noexcept {
    return Look(send, [] {});
  }
  // Calls `read()` as well, while no send can pass.
  template <typename Read>
  [[nodiscard]] Snapshot Look(const Operation& send, Read read) const noexcept {
    const BothLocks locked(*this);
    read();
    return {used(), send.queued, send.outcome == Outcome::kClosed};
  }

  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    const std::lock_guard lock(front_.lock);
    return front_.waiting_sends.size();
  }
  [[nodiscard]] std::size_t waiting_receivers() const noexcept {
    const std::lock_guard lock(back_.lock);
    return back_.waiting_receives.size();
  }

 protected:
  explicit ChannelEnds(std::size_t capacity) noexcept
      : back_(capacity), front_(capacity) {}
  ~ChannelEnds() = default;

  // Says which locks a thread already holds, or how it takes them.
  enum class Locks {
    kNone,     // it takes both
    kFront,    // it holds the front's
    kTryBack,  // it takes both, but does not wait until a bias is revoked
  };

  // For a thread that holds the front's lock, and has found the back biased:
  // locks the back as well. A receive must not wait until a bias is revoked, so
  // the front's lock is released meanwhile.
  FANFARE_COLD FANFARE_DECL static void LockBiased(
      const ChannelEnds& channel) noexcept;

  class BothLocks {
   public:
    explicit BothLocks(const ChannelEnds& channel,
                       Locks locks = Locks::kNone) noexcept
        : channel_(channel), held_(Lock(channel, locks)) {}
    ~BothLocks() {
      if (held_) channel_.back_.lock.unlock();
      channel_.front_.lock.unlock();
    }
    BothLocks(const BothLocks&) = delete;
    BothLocks& operator=(const BothLocks&) = delete;

    // Returns false after kTryBack if the back is biased.
    [[nodiscard]] bool held() const noexcept { return held_; }

   private:
    // Returns whether the back's lock was taken.
    FANFARE_COLD static bool Lock(const ChannelEnds& channel,
                                  Locks locks) noexcept {
      Platform::Lock& front = channel.front_.lock;
      BiasedLock& back = channel.back_.lock;
      if (locks != Locks::kFront) front.lock();
      if (back.LockUnlessBiased()) return true;
      if (locks == Locks::kTryBack) return false;
      LockBiased(channel);
      return true;
    }

    const ChannelEnds& channel_;
    const bool held_;
  };

  // Locks the front, and separates it from the back.
  FANFARE_ALWAYS_INLINE void LockFront() noexcept {
    front_.lock.lock();
    if (front_.joined) [[unlikely]]
      SeparateAlone();
  }
  // Called with the front's lock held.
  FANFARE_COLD FANFARE_DECL void SeparateAlone() noexcept;

  // Joins the ends if no value was received since this function last looked,
  // or ever. Both locks must be held, and the front must not lag.
  void JoinIfNotReceived() noexcept {
    if (back_.end.passed() % Platform::kBiasEvery != 0) return;
    front_.joined = taken() == front_.taken_then;
    front_.taken_then = taken();
  }
  // Both locks must be held.
  void Separate() noexcept {
    if (!front_.joined) return;
    front_.joined = false;
    CatchUp();
  }
  // Ends the lag of the front. Its lock must be held, or the ends be joined.
  FANFARE_WRAPS void CatchUp() noexcept {
    front_.evicted += static_cast<std::uint32_t>(front_.end.CatchUp(back_.end));
  }

  // Returns how many values have been received from the ring, modulo 2^32.
  [[nodiscard]] FANFARE_WRAPS std::uint32_t taken() const noexcept {
    return static_cast<std::uint32_t>(front_.end.passed()) - front_.evicted;
  }

  // An attempt at an operation. Sets `partner` to the queued operation that it
  // completed, if any, which is not notified yet.
  using Attempt = Outcome (ChannelEnds::*)(Operation& operation,
                                           const ValueMoves& moves,
                                           Claim* claim,
                                           Operation*& partner) noexcept;

  // Makes an attempt with both locks held. If the attempt did not complete the
  // operation and `queue` is not null, queues the operation there. Notifies the
  // partner after the locks were released.
  FANFARE_COLD FANFARE_DECL Outcome
  UnderBothLocks(Attempt attempt, Operation& operation, const ValueMoves& moves,
                 WaitQueue* queue, Locks locks = Locks::kNone) noexcept;

  FANFARE_DECL Outcome MatchReceiver(Operation& send, const ValueMoves& moves,
                                     Locks locks) noexcept;

  // Hands the value to the first receive that waits, or else puts it into the
  // ring. Called with both locks held, as the next function.
  FANFARE_DECL Outcome SendNow(Operation& send, const ValueMoves& moves,
                               Claim* claim, Operation*& partner) noexcept;
  // Takes the value at the ring's front, and gives the room to the first send
  // that waits. If the ring is empty, takes the value of that send.
  FANFARE_DECL Outcome ReceiveNow(Operation& receive, const ValueMoves& moves,
                                  Claim* claim, Operation*& partner) noexcept;

  // Returns whether a send can be completed at the back alone, of which the
  // lock must be held: kDone if there is room.
  FANFARE_ALWAYS_INLINE Outcome CheckBack(Operation& send) noexcept {
    if (back_.refuses && (back_.closed || send.revoked)) return Refuse(send);
    if (!back_.waiting_receives.empty()) [[unlikely]]
      return Outcome::kCounterpartWaits;
    return back_.end.HasRoom(front_.end) ? Outcome::kDone : Outcome::kPending;
  }
  FANFARE_COLD static Outcome Refuse(Operation& send) noexcept {
    return send.outcome = Outcome::kClosed;
  }
  // Returns the same for a receive and the front: kDone if there is a value.
  // Locks the front, which stays locked whatever is returned.
  FANFARE_ALWAYS_INLINE Outcome LockAndCheckFront() noexcept {
    LockFront();
    if (!front_.waiting_sends.empty()) return Outcome::kCounterpartWaits;
    if (front_.end.HasValue(back_.end)) return Outcome::kDone;
    return front_.closed ? Outcome::kClosed : Outcome::kPending;
  }
  // Moves the value at the front to the receive.
  void Take(Operation& receive, const ValueMoves& moves) noexcept {
    moves.take(*this, receive);
    front_.receiver.Note();
  }

  // Returns whether a send could complete now.
  [[nodiscard]] bool MayTake() noexcept {
    const LockGuard lock(back_.lock);
    return !back_.closed &&
           (!back_.waiting_receives.empty() || back_.end.HasRoom(front_.end));
  }

  // Returns how many values are in the ring if the back is so far ahead of the
  // front, which may lag.
  [[nodiscard]] std::size_t Within(std::size_t ahead) const noexcept {
    return ahead < capacity() ? ahead : capacity();
  }
  [[nodiscard]] std::size_t used() const noexcept {
    return Within(back_.end.passed() - front_.end.passed());
  }

  // An end of the ring, and the operations of the other side that wait for what
  // is done here. The ends are in different cache lines (in that of the front,
  // slots may follow). A send or a receive touches nothing else but the value,
  // unless the channel seems full or empty.
  struct Back {
    explicit Back(std::size_t capacity) noexcept : end(capacity) {}

    // The flags fit into its padding.
    [[no_unique_address]] mutable BiasedLock lock;
    bool closed : 1 = false;  // equal to the front's; both locks to change
    // The channel is closed, or a send was revoked: a send reads its own memory
    // only in this case. Both locks to change.
    bool refuses : 1 = false;
    // Constant once the channel is shared, and read without a lock.
    bool reports_end = false;
    RingEnd end;
    WaitQueue waiting_receives;  // both locks to change
  };
  struct Front {
    explicit Front(std::size_t capacity) noexcept : end(capacity) {}

    mutable Platform::Lock lock;
    bool closed = false;
    bool joined = false;  // both locks to change
    SoleThread receiver;
    RingEnd end;
    WaitQueue waiting_sends;  // both locks to change
    // How many of the values that have passed were replaced, not received.
    std::uint32_t evicted = 0;
    // What taken() was when JoinIfNotReceived() last looked.
    std::uint32_t taken_then = 0;
  };

  // Where values go in, and the receives that wait.
  Back back_;
  // Where values come out, and the sends that wait.
  alignas(kCacheLine) Front front_;

  // Returns how many bytes this object uses from its address on. The rest of
  // its last cache line can hold slots.
  static constexpr std::size_t Used() noexcept;
};

constexpr std::size_t ChannelEnds::Used() noexcept {
  constexpr auto kUp = [](std::size_t offset, std::size_t alignment) {
    return (offset + alignment - 1) / alignment * alignment;
  };
  constexpr std::size_t kBack = kUp(sizeof(RefCounted), alignof(Back));
  constexpr std::size_t kFront = kUp(kBack + sizeof(Back), kCacheLine);
  return kFront + sizeof(Front);
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#ifdef FANFARE_HEADER_ONLY
#include <fanfare/detail/channel/channel_ends.ipp>
#endif

#endif  // FANFARE_DETAIL_CHANNEL_CHANNEL_ENDS_H_
