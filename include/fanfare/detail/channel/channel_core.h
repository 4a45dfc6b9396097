// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_CHANNEL_CORE_H_
#define FANFARE_DETAIL_CHANNEL_CHANNEL_CORE_H_

// A ChannelCore is a channel of values of one type: it moves values from a send
// to a receive, directly or through the slots of a ring.
//
// It offers a few verbs (Try, Start, Cancel, Revoke) to any waiter, and does
// not know what waits: a thread (blocking.h), a Select or a feed.
// channel_ends.h has the invariants, and all that does not depend on the type
// of the values.

#include <cstddef>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/cache.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// The alignment of a core: a cache line, or more if T needs more. (For void and
// the like, which have no alignment, a static_assert below says what is wrong.)
template <typename T>
inline constexpr std::size_t kCoreAlignment = [] {
  std::size_t alignment = kCacheLine;
  if constexpr (std::is_object_v<T>) {
    if (alignof(T) > alignment) alignment = alignof(T);
  }
  return alignment;
}();

template <typename T>
class alignas(kCoreAlignment<T>) ChannelCore final : public ChannelEnds {
  static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>> &&
                    std::is_nothrow_move_constructible_v<T> &&
                    std::is_nothrow_destructible_v<T>,
                "fanfare: the T of a Channel<T> must be an object type that is "
                "moved and destroyed without throwing");

 public:
  // Throws std::bad_alloc, or std::bad_array_new_length if the number of bytes
  // cannot even be represented.
  [[nodiscard]] static Ref<ChannelCore> Make(std::size_t capacity) {
    return Ref<ChannelCore>::Adopt(new (Slots{capacity}) ChannelCore(capacity));
  }

  // The values of a channel may own channels, the values of those may own
  // channels, and so on. Such a chain would be destroyed by as many nested
  // calls. So from some depth on a channel is only put on a list, and the
  // enclosing call destroys it.
  FANFARE_COLD static void Destroy(ChannelCore* core) noexcept {
    constexpr int kDeepest = 32;
    if (std::is_trivially_destructible_v<T> || core->used() == 0) {
      delete core;
      return;
    }
    Dying& dying = Platform::Local<Dying>();
    if (dying.depth == kDeepest) {
      core->LinkTo(dying.listed);
      dying.listed = core;
      return;
    }
    ++dying.depth;
    delete core;
    while ((core = dying.listed) != nullptr) {
      dying.listed = static_cast<ChannelCore*>(core->linked());
      delete core;
    }
    --dying.depth;
  }

  static void operator delete(void* core) {
    ::operator delete (core, std::align_val_t{alignof(ChannelCore)});
  }

  // Completes the operation if that needs no waiting. Otherwise returns
  // kPending and has no effect.
  Outcome TrySend(Operation& send) noexcept {
    return TrySend(send, *static_cast<T*>(send.value));
  }
  // Like the first overload, for an operation that has no value set. A feed
  // uses it, which does not write to the memory of a subscriber that is ready.
  Outcome TrySend(Operation& send, T& value) noexcept {
    const Outcome outcome = TryStore(send, value);
    if (outcome != Outcome::kCounterpartWaits) return outcome;
    send.value = std::addressof(value);
    return UnderBothLocks(Call<&ChannelCore::SendNow>, send, nullptr, nullptr);
  }
  // The part of TrySend() that involves the back alone. Returns
  // kCounterpartWaits, and has no effect, if a receive waits.
  Outcome TryStore(Operation& send, T& value) noexcept {
    const LockGuard lock(back_.lock);
    return SendAtBack(send, value);
  }
  // Like TryStore(), for the holder of `owner`. If `may_bias`,
  // occasionally biases the lock of the back to `owner` (biased_lock.h). After
  // kPending, the lock may still be biased to it. Returns kBiasedElsewhere, and
  // has no effect, if the lock is biased to another owner.
  FANFARE_ALWAYS_INLINE Outcome TryStore(BiasOwner& owner, bool may_bias,
                                         Operation& send, T& value) noexcept {
    if (back_.lock.BiasedTo(owner)) {
      // The channel is not closed, and no receive is queued: either would have
      // revoked the bias.
      if (back_.refuses && send.revoked) return Refuse(send);
      if (back_.end.HasRoom(front_.end)) [[likely]] {
        Store(send, value);
        return Outcome::kDone;
      }
      return Outcome::kPending;
    }
    if (!back_.lock.try_lock()) [[unlikely]]
      return Outcome::kBiasedElsewhere;
    const LockGuard lock(back_.lock, std::adopt_lock);
    const Outcome outcome = SendAtBack(send, value);
    if (outcome == Outcome::kDone && may_bias &&
        back_.end.passed() % Platform::kBiasEvery == 0) {
      back_.lock.Bias(owner);
    }
    return outcome;
  }
  // Does what TryStore() has left to do after kCounterpartWaits: hands the
  // value to the receive that waits. Returns kBiasedElsewhere, and has no
  // effect, if the lock of the back is biased now.
  Outcome MatchReceiver(Operation& send) noexcept {
    return UnderBothLocks(Call<&ChannelCore::SendNow>, send, nullptr, nullptr,
                          Locks::kTryBack);
  }
  // Sends; if there is no room, takes the oldest value out first. Sets
  // `evicted` then, and moves the value to `oldest`, unless T is trivially
  // copyable. The new value passes sends that are queued. `biases` is what the
  // holder of `owner` does about biases. Unless it has none, the function
  // returns kBiasedElsewhere, and has no effect, if the lock of the back is
  // biased to another owner.
  FANFARE_COLD Outcome Replace(Operation& send, BiasOwner& owner, Biases biases,
                               std::optional<T>& oldest,
                               bool& evicted) noexcept {
    back_.lock.Unbias(owner);
    Operation* partner = nullptr;
    Outcome outcome;
    {
      const BothLocks locked(
          *this, biases == Biases::kNone ? Locks::kNone : Locks::kTryBack);
      if (!locked.held()) return Outcome::kBiasedElsewhere;
      outcome = SendNow(send, nullptr, partner);
      if (outcome == Outcome::kPending && front_.end.HasValue(back_.end)) {
        if constexpr (!kCopies) oldest.emplace(std::move(*SlotAt(front_.end)));
        PopFront();
        ++front_.evicted;
        evicted = true;
        Store(send, *static_cast<T*>(send.value));
        outcome = Outcome::kDone;
        // While sends are queued, each receive would revoke the bias.
        if (kCopies && biases == Biases::kMake && front_.waiting.empty() &&
            back_.waiting.empty() &&
            back_.end.passed() % Platform::kBiasEvery == 0) {
          back_.lock.Bias(owner);
        }
      }
      send.outcome = outcome;
    }
    if (partner != nullptr) partner->waker->Completed(*partner);
    return outcome;
  }
  // Does what Replace() does, right after TryStore() for `owner` has returned
  // kPending, if T is trivially copyable. Returns false, and has no effect, if
  // the lock of the back is not biased to `owner`.
  bool ReplaceBiased(const BiasOwner& owner, Operation& send, T& value,
                     bool& evicted) noexcept {
    static_assert(kCopies);
    if (!back_.lock.BiasedTo(owner)) return false;
    // The front's lock is held until the new value is there, so that no receive
    // finds the ring empty in between.
    const LockGuard lock(front_.lock);
    if (!back_.end.HasRoom(front_.end) && front_.end.HasValue(back_.end)) {
      PopFront();
      ++front_.evicted;
      evicted = true;
    }
    Store(send, value);
    return true;
  }
  Outcome TryReceive(Operation& receive) noexcept {
    const Outcome outcome = ReceiveAtFront(Target(receive));
    return outcome == Outcome::kCounterpartWaits ? MatchSender(receive)
                                                 : outcome;
  }

  // Completes the operation, or queues it and returns kPending. An operation
  // with a claim is claimed when it completes. Returns kLost if the waiter was
  // claimed for another operation meanwhile. A result of kClosed claims
  // nothing.
  Outcome StartSend(Operation& send) noexcept {
    return UnderBothLocks(Call<&ChannelCore::SendNow>, send, send.claim,
                          &front_.waiting);
  }
  Outcome StartReceive(Operation& receive) noexcept {
    return UnderBothLocks(Call<&ChannelCore::ReceiveNow>, receive,
                          receive.claim, &back_.waiting);
  }

  // Like TrySend(), for a value that stays the caller's: copies it once there
  // is room.
  bool TrySendCopy(const T& value) {
    if constexpr (kCopies) {
      return TrySend(const_cast<T&>(value));  // copies it, and no more
    } else {
      if (!MayTake()) return false;
      T copy(value);
      return TrySend(copy);
    }
  }
  // Moves from `value` only if it returns true.
  bool TrySend(T& value) noexcept {
    Operation send;
    send.value = std::addressof(value);
    return TrySend(send) == Outcome::kDone;
  }

  // Receives if that involves the front alone. Returns kPending if the ring is
  // empty and no send waits for room. Returns kCounterpartWaits if a send
  // waits; the front is then still locked, for MatchSender().
  template <typename Target>
  FANFARE_ALWAYS_INLINE Outcome ReceiveAtFront(Target& target) noexcept {
    front_.lock.lock();
    if (!front_.waiting.empty()) return Outcome::kCounterpartWaits;
    const LockGuard lock(front_.lock, std::adopt_lock);
    if (!front_.end.HasValue(back_.end)) {
      return front_.closed ? Outcome::kClosed : Outcome::kPending;
    }
    target.emplace(std::move(*SlotAt(front_.end)));
    PopFront();
    front_.receiver.Note();
    return Outcome::kDone;
  }
  FANFARE_COLD Outcome MatchSender(Operation& receive) noexcept {
    return UnderBothLocks(Call<&ChannelCore::ReceiveNow>, receive, nullptr,
                          nullptr, Locks::kFront);
  }

 private:
  // The slots are part of the same allocation. They begin behind the object, or
  // already in the unused rest of its last cache line if a slot fits there.
  struct Slots {
    std::size_t count;
  };
  static void* operator new(std::size_t size, Slots wanted) {
    constexpr std::size_t kMost = static_cast<std::size_t>(-1) / 2;
    if (wanted.count > (kMost - size) / sizeof(T)) {
      throw std::bad_array_new_length();
    }
    const std::size_t end = FirstSlot() + wanted.count * sizeof(T);
    return ::operator new (end > size ? end : size,
                           std::align_val_t{alignof(ChannelCore)});
  }
  static void operator delete(void* core, Slots) { operator delete(core); }

  explicit ChannelCore(std::size_t capacity) noexcept : ChannelEnds(capacity) {}

  friend class RefCounted;  // it deletes the object
  ~ChannelCore() {
    while (front_.end.HasValue(back_.end)) PopFront();
  }

  // The channels of this T that the calling thread is destroying. Trivially
  // destructible, so that the destructors of other thread_local objects can use
  // it.
  struct Dying {
    int depth = 0;
    ChannelCore* listed = nullptr;
  };

  // Sends if that involves the back alone. The back's lock must be held.
  FANFARE_ALWAYS_INLINE Outcome SendAtBack(Operation& send, T& value) noexcept {
    if (back_.refuses && (back_.closed || send.revoked)) return Refuse(send);
    if (!back_.waiting.empty()) [[unlikely]]
      return Outcome::kCounterpartWaits;
    if (!back_.end.HasRoom(front_.end)) return Outcome::kPending;
    Store(send, value);
    return Outcome::kDone;
  }

  FANFARE_COLD static Outcome Refuse(Operation& send) noexcept {
    return send.outcome = Outcome::kClosed;
  }

  // Adapts a member function to an Attempt for UnderBothLocks().
  template <auto kAttempt>
  static Outcome Call(ChannelEnds& channel, Operation& operation, Claim* claim,
                      Operation*& partner) noexcept {
    return (static_cast<ChannelCore&>(channel).*kAttempt)(operation, claim,
                                                          partner);
  }

  // Hands the value to the first receive that waits, or else puts it into the
  // ring. This function and all that follow are called with both locks held.
  Outcome SendNow(Operation& send, Claim* claim, Operation*& partner) noexcept {
    if (back_.closed || send.revoked) return Outcome::kClosed;
    const Outcome matched = back_.waiting.Match(send, claim, partner);
    if (matched == Outcome::kDone) HandOver(send, *partner);
    if (matched != Outcome::kPending) return matched;
    if (!back_.end.HasRoom(front_.end)) return Outcome::kPending;
    if (claim != nullptr && !claim->Try(send)) return Outcome::kLost;
    Store(send, *static_cast<T*>(send.value));
    return Outcome::kDone;
  }

  // Takes the value at the ring's front, and gives the room to the first send
  // that waits. If the ring is empty, takes the value of that send.
  Outcome ReceiveNow(Operation& receive, Claim* claim,
                     Operation*& partner) noexcept {
    front_.receiver.Note();
    if (!front_.end.HasValue(back_.end)) {
      const Outcome matched = front_.waiting.Match(receive, claim, partner);
      if (matched == Outcome::kDone) HandOver(*partner, receive);
      return matched == Outcome::kPending && front_.closed ? Outcome::kClosed
                                                           : matched;
    }
    if (claim != nullptr && !claim->Try(receive)) return Outcome::kLost;
    Target(receive).emplace(std::move(*SlotAt(front_.end)));
    PopFront();
    if (front_.waiting.Match(receive, nullptr, partner) == Outcome::kDone) {
      Store(*partner, *static_cast<T*>(partner->value));
    }
    return Outcome::kDone;
  }

  // These functions move a value: from a send to a receive, from a send into
  // the ring and, in two steps, from the ring to a receive.
  static void HandOver(Operation& send, Operation& receive) noexcept {
    TakeFrom(send, *static_cast<T*>(send.value), [&](auto&& value) {
      Target(receive).emplace(std::forward<decltype(value)>(value));
    });
  }
  FANFARE_ALWAYS_INLINE void Store(Operation& send, T& from) noexcept {
    T* const slot = SlotAt(back_.end);
    TakeFrom(send, from, [&](auto&& value) {
      if constexpr (kCopies && sizeof(T) > kCopiedInline) {
        // g++ emits "rep movs" for a large copy if it knows the size. The copy
        // of the C library is faster, above all if the slot is in no cache.
        const volatile std::size_t size = sizeof(T);
        std::memcpy(static_cast<void*>(slot), std::addressof(value), size);
      } else {
        std::construct_at(slot, std::forward<decltype(value)>(value));
      }
    });
    const std::size_t next = back_.end.Pass();
    FetchToWrite(SlotAt(next));
  }
  void PopFront() noexcept {
    std::destroy_at(SlotAt(front_.end));
    front_.end.Pass();
  }

  // A trivially copyable value is copied, not moved, because many subscribers
  // of a feed copy the same value.
  static constexpr bool kCopies =
      std::is_trivially_copyable_v<T> && std::is_copy_constructible_v<T>;
  // The size up to which g++ copies through registers.
  static constexpr std::size_t kCopiedInline = 256;

  template <typename Put>
  static void TakeFrom(Operation& send, T& value, Put put) noexcept {
    if constexpr (kCopies) {
      put(std::as_const(value));
    } else {
      put(std::move(value));
      if (std::exchange(send.owns_value, false)) {
        std::destroy_at(std::addressof(value));
      }
    }
  }
  static std::optional<T>& Target(Operation& receive) noexcept {
    return *static_cast<std::optional<T>*>(receive.value);
  }

  [[nodiscard]] T* SlotAt(const RingEnd& end) noexcept {
    return SlotAt(end.slot());
  }
  [[nodiscard]] T* SlotAt(std::size_t place) noexcept {
    void* const first = reinterpret_cast<std::byte*>(this) + FirstSlot();
    return static_cast<T*>(first) + place;
  }
  static constexpr std::size_t FirstSlot() noexcept {
    constexpr std::size_t kFirst =
        (ChannelEnds::Used() + alignof(T) - 1) / alignof(T) * alignof(T);
    return kFirst + sizeof(T) <= sizeof(ChannelCore) ? kFirst
                                                     : sizeof(ChannelCore);
  }
};

// ChannelVerbs are the verbs of a channel for code that does not know the type
// of its values.
struct ChannelVerbs {
  using Verb = Outcome(ChannelEnds& channel, Operation& operation) noexcept;

  Verb* try_send;
  Verb* match_receiver;
  Verb* start_send;
  Verb* try_receive;
  Verb* start_receive;

  template <typename T>
  static const ChannelVerbs kOf;
};

template <typename T>
inline constexpr ChannelVerbs ChannelVerbs::kOf = {
    [](ChannelEnds& channel, Operation& send) noexcept {
      return static_cast<ChannelCore<T>&>(channel).TrySend(send);
    },
    [](ChannelEnds& channel, Operation& send) noexcept {
      return static_cast<ChannelCore<T>&>(channel).MatchReceiver(send);
    },
    [](ChannelEnds& channel, Operation& send) noexcept {
      return static_cast<ChannelCore<T>&>(channel).StartSend(send);
    },
    [](ChannelEnds& channel, Operation& receive) noexcept {
      return static_cast<ChannelCore<T>&>(channel).TryReceive(receive);
    },
    [](ChannelEnds& channel, Operation& receive) noexcept {
      return static_cast<ChannelCore<T>&>(channel).StartReceive(receive);
    },
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_CHANNEL_CORE_H_
