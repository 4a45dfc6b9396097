// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_CHANNEL_ENDS_H_
#define FANFARE_DETAIL_CHANNEL_CHANNEL_ENDS_H_

// ChannelEnds are the two ends of a channel, with everything that does not
// depend on the type of its values.
//
// Values go in at the back and come out at the front. Each end has a lock. A
// thread that holds one lock alone may use that end, and most operations need
// no more. An operation that involves both ends (queueing, matching a queued
// operation, closing) takes both locks, the front's first. The queue of
// receives is kept with the back's lock, and that of sends with the front's. So
// one lock is enough to tell whether an operation waits on the other side. No
// thread ever holds the locks of two channels. But the back's lock can be
// biased to a feed, which then takes no lock (biased_lock.h).
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

class alignas(kCacheLine) ChannelEnds : public RefCounted {
 public:
  // An attempt at an operation, made with both locks held. It sets `partner` to
  // the queued operation that it completed, if any, which is not notified yet.
  using Attempt = Outcome(ChannelEnds& channel, Operation& operation,
                          Claim* claim, Operation*& partner) noexcept;

  // Closes the channel, and completes all queued operations with kClosed.
  FANFARE_COLD void Close() noexcept {
    IntrusiveList<Operation> refused;
    {
      const BothLocks locked(*this);
      if (front_.closed) return;
      front_.closed = back_.closed = back_.refuses = true;
      front_.waiting.CloseAll(refused);
      back_.waiting.CloseAll(refused);
    }
    CompleteAll(refused);
  }

  // Takes an operation out of its queue. Returns false if the operation is no
  // longer queued.
  FANFARE_COLD bool CancelSend(Operation& send) noexcept {
    const BothLocks locked(*this);
    return front_.waiting.Remove(send);
  }
  FANFARE_COLD bool CancelReceive(Operation& receive) noexcept {
    const BothLocks locked(*this);
    return back_.waiting.Remove(receive);
  }
  // Like CancelSend(), but every later attempt of this send returns kClosed.
  FANFARE_COLD bool RevokeSend(Operation& send) noexcept {
    const BothLocks locked(*this);
    send.revoked = back_.refuses = true;
    if (!front_.waiting.Remove(send)) return false;
    send.outcome = Outcome::kClosed;
    return true;
  }

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
  // Returns how many values are in the ring, without its locks. Reads the front
  // first, which never overtakes the back.
  [[nodiscard]] std::size_t ApproximateSize() const noexcept {
    const std::size_t front = front_.end.passed();
    const std::size_t back = back_.end.passed();
    return back > front ? back - front : 0;
  }

  // Returns how many values have been received from the ring.
  [[nodiscard]] std::size_t received() const noexcept {
    const std::lock_guard lock(front_.lock);
    return front_.end.passed() - front_.evicted;
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
    return front_.waiting.size();
  }
  [[nodiscard]] std::size_t waiting_receivers() const noexcept {
    const std::lock_guard lock(back_.lock);
    return back_.waiting.size();
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
      if (back.try_lock()) return true;
      if (locks == Locks::kTryBack) return false;
      // A receive must not wait until a bias is revoked, so the front's lock is
      // released meanwhile.
      front.unlock();
      back.RevokeBias();
      front.lock();
      back.LockRevoked();
      return true;
    }

    const ChannelEnds& channel_;
    const bool held_;
  };

  // Makes an attempt with both locks held. If the attempt did not complete the
  // operation and `queue` is not null, queues the operation there. Notifies the
  // partner after the locks were released.
  FANFARE_COLD Outcome UnderBothLocks(Attempt attempt, Operation& operation,
                                      Claim* claim, WaitQueue* queue,
                                      Locks locks = Locks::kNone) noexcept {
    Operation* partner = nullptr;
    Outcome outcome;
    {
      const BothLocks locked(*this, locks);
      if (!locked.held()) return Outcome::kBiasedElsewhere;
      outcome = attempt(*this, operation, claim, partner);
      operation.outcome = outcome;
      if (outcome == Outcome::kPending && queue != nullptr) {
        queue->Append(operation);
      }
    }
    if (partner != nullptr) partner->waker->Completed(*partner);
    return outcome;
  }

  // Returns whether a send could complete now.
  [[nodiscard]] bool MayTake() noexcept {
    const LockGuard lock(back_.lock);
    return !back_.closed &&
           (!back_.waiting.empty() || back_.end.HasRoom(front_.end));
  }

  [[nodiscard]] std::size_t used() const noexcept {
    return back_.end.passed() - front_.end.passed();
  }

  // One end of the ring, and the operations of the other side that wait for
  // what is done here. Each end has a cache line to itself. A send or a receive
  // touches nothing else but the value.
  template <typename Lock, typename Receiver>
  struct Side {
    explicit Side(std::size_t capacity) noexcept : end(capacity) {}

    [[no_unique_address]] mutable Lock lock;  // the flags fit into its padding
    bool closed = false;  // equal on both sides; both locks to change
    // The channel is closed, or a send was revoked: a send reads its own memory
    // only in this case. For the back only; both locks to change.
    bool refuses = false;
    [[no_unique_address]] Receiver receiver;
    RingEnd end;
    WaitQueue waiting;  // both locks to change
  };

  struct NoReceiver {};
  using Back = Side<BiasedLock, NoReceiver>;
  struct Front : Side<Platform::Lock, SoleThread> {
    using Side<Platform::Lock, SoleThread>::Side;
    // How many values later ones have replaced.
    std::size_t evicted = 0;
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

#endif  // FANFARE_DETAIL_CHANNEL_CHANNEL_ENDS_H_
