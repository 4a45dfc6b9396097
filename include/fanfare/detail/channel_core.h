// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_CORE_H_
#define FANFARE_DETAIL_CHANNEL_CORE_H_

// The memory behind a channel: the values, the operations that wait, one lock.
//
// It offers a few verbs to any waiter (Try, Start, Cancel, and Retire for a
// feed) and does not know who it is. Invariants, whenever the lock is free and
// operations that have lost their claim, or belong to the Select that is being
// looked at, are left out:
//   - a receive waits only while the ring is empty and no send waits;
//   - a send waits only while the ring is full;
//   - nothing waits in a closed channel.
// So the front of a queue is always served before a newcomer on its side.
// No thread ever holds the locks of two channels.

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/operation.h>
#include <fanfare/detail/parker.h>
#include <fanfare/detail/ref.h>
#include <fanfare/detail/ring.h>

namespace fanfare::inline FANFARE_ABI::detail {

template <typename T>
class ChannelCore final : public RefCounted {
  static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>> &&
                    std::is_nothrow_move_constructible_v<T> &&
                    std::is_nothrow_destructible_v<T>,
                "fanfare: the T of a Channel<T> must be an object type that is "
                "moved and destroyed without throwing");

 public:
  explicit ChannelCore(std::size_t capacity) : ring_(capacity) {}

  // Completes the operation if that needs no waiting, else returns kPending
  // and has done nothing.
  Outcome TrySend(Operation& send) noexcept {
    return Begin<&ChannelCore::SendNow>(send, nullptr, nullptr);
  }
  Outcome TryReceive(Operation& receive) noexcept {
    return Begin<&ChannelCore::ReceiveNow>(receive, nullptr, nullptr);
  }

  // Completes the operation or, where it returns kPending, queues it. An
  // operation with a claim is claimed when it completes; kLost says that its
  // waiter was claimed for another operation meanwhile. kClosed claims nothing.
  Outcome StartSend(Operation& send) noexcept {
    return Begin<&ChannelCore::SendNow>(send, send.claim, &senders_);
  }
  Outcome StartReceive(Operation& receive) noexcept {
    return Begin<&ChannelCore::ReceiveNow>(receive, receive.claim, &receivers_);
  }

  // Takes a started operation back; false: it was not in the queue any more.
  bool CancelSend(Operation& send) noexcept {
    const std::lock_guard lock(mutex_);
    return Unqueue(senders_, send);
  }
  bool CancelReceive(Operation& receive) noexcept {
    const std::lock_guard lock(mutex_);
    return Unqueue(receivers_, receive);
  }

  // As CancelSend; besides, every later attempt returns kClosed.
  bool RetireSend(Operation& send) noexcept {
    const std::lock_guard lock(mutex_);
    send.retired = true;
    send.outcome = Outcome::kClosed;
    return Unqueue(senders_, send);
  }

  // The calls of a thread. Send moves from `value` only if it returns true.
  bool TrySend(T& value) noexcept {
    Operation send;
    send.value = std::addressof(value);
    return TrySend(send) == Outcome::kDone;
  }
  std::optional<T> TryReceive() noexcept {
    std::optional<T> value;
    Operation receive;
    receive.value = &value;
    TryReceive(receive);
    return value;
  }
  bool Send(T& value, const Deadline& deadline, const std::stop_token& stop) {
    Operation send;
    send.value = std::addressof(value);
    Outcome outcome = TrySend(send);
    if (outcome == Outcome::kPending) {
      outcome = WaitFor(
          send, deadline, stop, [this](Operation& o) { return StartSend(o); },
          [this](Operation& o) { CancelSend(o); });
    }
    return outcome == Outcome::kDone;
  }
  std::optional<T> Receive(const Deadline& deadline,
                           const std::stop_token& stop) {
    std::optional<T> value;
    Operation receive;
    receive.value = &value;
    if (TryReceive(receive) == Outcome::kPending) {
      WaitFor(
          receive, deadline, stop,
          [this](Operation& o) { return StartReceive(o); },
          [this](Operation& o) { CancelReceive(o); });
    }
    return value;
  }

  void Close() noexcept {
    OperationQueue refused;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      closed_ = true;
      Refuse(senders_, refused);
      Refuse(receivers_, refused);
    }
    while (Operation* operation = refused.PopFront()) {
      operation->waker->Completed(Outcome::kClosed);
    }
  }

  [[nodiscard]] bool closed() const noexcept {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  [[nodiscard]] bool drained() const noexcept {
    const std::lock_guard lock(mutex_);
    return closed_ && ring_.empty();
  }
  [[nodiscard]] std::size_t size() const noexcept {
    const std::lock_guard lock(mutex_);
    return ring_.size();
  }
  [[nodiscard]] std::size_t capacity() const noexcept {
    return ring_.capacity();
  }
  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    const std::lock_guard lock(mutex_);
    return senders_.size();
  }
  [[nodiscard]] std::size_t waiting_receivers() const noexcept {
    const std::lock_guard lock(mutex_);
    return receivers_.size();
  }

 private:
  // A trivially copyable value is copied, not moved: a feed has many
  // subscribers copy one and the same.
  static constexpr bool kCopies =
      std::is_trivially_copyable_v<T> && std::is_copy_constructible_v<T>;

  // One attempt under the lock, then the wake-up of the counterpart outside.
  template <auto kAttempt>
  Outcome Begin(Operation& operation, Claim* claim,
                OperationQueue* queue) noexcept {
    Operation* partner = nullptr;
    Outcome outcome;
    {
      const std::lock_guard lock(mutex_);
      outcome = (this->*kAttempt)(operation, claim, partner);
      operation.outcome = outcome;
      if (outcome == Outcome::kPending && queue != nullptr) {
        queue->PushBack(operation);
        operation.queued = true;
      }
    }
    if (partner != nullptr) partner->waker->Completed(Outcome::kDone);
    return outcome;
  }

  // Hands the value to the first receive that waits, else puts it into the
  // ring. As all that follow, called with the lock held.
  Outcome SendNow(Operation& send, Claim* claim, Operation*& partner) noexcept {
    if (closed_ || send.retired) return Outcome::kClosed;
    const Outcome met = Meet(receivers_, send, claim, partner);
    if (met == Outcome::kDone) HandOver(send, *partner);
    if (met != Outcome::kPending) return met;
    if (ring_.full()) return Outcome::kPending;
    if (claim != nullptr && !claim->Try(send)) return Outcome::kLost;
    Store(send);
    return Outcome::kDone;
  }

  // Takes the ring's front, whose room goes to the first send that waits; with
  // an empty ring, takes the value of that send.
  Outcome ReceiveNow(Operation& receive, Claim* claim,
                     Operation*& partner) noexcept {
    if (ring_.empty()) {
      const Outcome met = Meet(senders_, receive, claim, partner);
      if (met == Outcome::kDone) HandOver(*partner, receive);
      return met == Outcome::kPending && closed_ ? Outcome::kClosed : met;
    }
    if (claim != nullptr && !claim->Try(receive)) return Outcome::kLost;
    Target(receive).emplace(std::move(ring_.front()));
    ring_.PopFront();
    if (Meet(senders_, receive, nullptr, partner) == Outcome::kDone) {
      Store(*partner);
    }
    return Outcome::kDone;
  }

  // Takes the first operation out of `queue` that can go ahead together with
  // `mine`; on the way, those that have lost their claim.
  static Outcome Meet(OperationQueue& queue, Operation& mine, Claim* claim,
                      Operation*& partner) noexcept {
    for (Operation* theirs = queue.front(); theirs != nullptr;) {
      Operation* const next = OperationQueue::Next(*theirs);
      // A Select never meets itself.
      if (claim == nullptr || claim != theirs->claim) {
        const Claim::Pair pair = ClaimTogether(claim, mine, *theirs);
        if (pair == Claim::Pair::kMineLost) return Outcome::kLost;
        Unqueue(queue, *theirs);
        if (pair == Claim::Pair::kClaimed) {
          theirs->outcome = Outcome::kDone;
          partner = theirs;
          return Outcome::kDone;
        }
      }
      theirs = next;
    }
    return Outcome::kPending;
  }

  static bool Unqueue(OperationQueue& queue, Operation& operation) noexcept {
    if (!operation.queued) return false;
    queue.Remove(operation);
    operation.queued = false;
    return true;
  }

  // Moves whatever can still be claimed from `queue` to `refused`.
  static void Refuse(OperationQueue& queue, OperationQueue& refused) noexcept {
    while (Operation* operation = queue.front()) {
      Unqueue(queue, *operation);
      if (operation->claim != nullptr && !operation->claim->Try(*operation)) {
        continue;
      }
      operation->outcome = Outcome::kClosed;
      refused.PushBack(*operation);
    }
  }

  // The three moves of a value: from a send to a receive, from a send into the
  // ring and (above) from the ring to a receive.
  static void HandOver(Operation& send, Operation& receive) noexcept {
    TakeFrom(send, [&](auto&& value) {
      Target(receive).emplace(std::forward<decltype(value)>(value));
    });
  }
  void Store(Operation& send) noexcept {
    TakeFrom(send, [&](auto&& value) {
      std::construct_at(ring_.Extend(), std::forward<decltype(value)>(value));
    });
  }

  template <typename Put>
  static void TakeFrom(Operation& send, Put put) noexcept {
    T& value = *static_cast<T*>(send.value);
    if constexpr (kCopies) {
      put(std::as_const(value));
    } else {
      put(std::move(value));
      if (std::exchange(send.consumed, false)) {
        std::destroy_at(std::addressof(value));
      }
    }
  }

  static std::optional<T>& Target(Operation& receive) noexcept {
    return *static_cast<std::optional<T>*>(receive.value);
  }

  mutable Platform::Mutex mutex_;  // guards all that follows
  Ring<T> ring_;
  OperationQueue senders_;
  OperationQueue receivers_;
  bool closed_ = false;
};

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_CORE_H_
