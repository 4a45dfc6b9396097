// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_CHANNEL_CORE_H_
#define FANFARE_DETAIL_CHANNEL_CHANNEL_CORE_H_

// A ChannelCore is a channel of values of one type: it moves values from a send
// to a receive, directly or through the slots of a ring.
//
// Here is what is fast, and what depends on the type of the values.
// channel_ends.h has the invariants and all the rest.

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

// Whether values of this T are copied as bytes from the sender's object, which
// is then never moved from: many subscribers of a feed copy the same one. Other
// values are moved; user code makes the copies that a feed needs for that.
template <typename T>
inline constexpr bool kCopiedAsBytes =
    std::conjunction_v<std::is_trivially_copyable<T>,
                       std::is_copy_constructible<T>>;

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

  using ChannelEnds::TrySend;
  // The same for an operation that has no value set.
  Outcome TrySend(Operation& send, T& value) noexcept {
    const Outcome outcome = TryStore(send, value);
    if (outcome != Outcome::kCounterpartWaits) return outcome;
    send.value = std::addressof(value);
    return MatchReceiver(send, kMoves, Locks::kNone);
  }
  // The part of TrySend() that involves the back alone. Returns
  // kCounterpartWaits, and has no effect, if a receive waits. Reads `send` only
  // if a send was revoked, and writes to it only if it is refused. (So a feed
  // leaves the memory of its subscribers alone.) `value` is the caller's.
  FANFARE_ALWAYS_INLINE Outcome TryStore(Operation& send, T& value) noexcept {
    const LockGuard lock(back_.lock);
    return SendAtBack(send, value);
  }
  // Like TryStore(), for a thread that holds the turn of a feed, `owner`. Needs
  // no lock if that of the back is *biased* to `owner` (biased_lock.h): then
  // only the holder of that turn uses the back. If `may_bias`, one value in
  // kBiasEvery biases it. If it is biased to another owner, returns
  // kBiasedElsewhere at once, and has no effect. After kPending, it may still
  // be biased.
  FANFARE_ALWAYS_INLINE Outcome TryStoreInTurn(BiasOwner& owner, bool may_bias,
                                               Operation& send,
                                               T& value) noexcept {
    if (back_.lock.BiasedTo(owner)) [[likely]] {
      // The channel is not closed, and no receive is queued: either would have
      // revoked the bias. (But some send may have been revoked before it.)
      if (back_.refuses && send.revoked) return Refuse(send);
      if (back_.end.HasRoom(front_.end)) [[likely]] {
        Store(value);
        return Outcome::kDone;
      }
      return Outcome::kPending;
    }
    if (!back_.lock.LockUnlessBiased()) [[unlikely]]
      return Outcome::kBiasedElsewhere;
    const LockGuard lock(back_.lock, std::adopt_lock);
    const Outcome outcome = SendAtBack(send, value);
    if (outcome == Outcome::kDone && may_bias &&
        back_.end.passed() % Platform::kBiasEvery == 0) {
      back_.lock.Bias(owner);
    }
    return outcome;
  }
  // The parts of TryStoreInTurn() for a channel that has nothing special:
  // returns whether the lock of the back is biased to `owner`, no send was
  // revoked, and there is room; stores a value then.
  [[nodiscard]] FANFARE_ALWAYS_INLINE bool IsReadyInTurn(
      const BiasOwner& owner) noexcept {
    return back_.lock.BiasedTo(owner) && !back_.refuses &&
           back_.end.HasRoom(front_.end);
  }
  FANFARE_ALWAYS_INLINE void StoreInTurn(const T& value) noexcept {
    static_assert(kCopiedAsBytes<T>);
    Store(const_cast<T&>(value));
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
    if (ReplaceAtBack(send, owner, biases, oldest, evicted)) {
      return Outcome::kDone;
    }
    Operation* partner = nullptr;
    Outcome outcome;
    {
      const BothLocks locked(
          *this, biases == Biases::kNone ? Locks::kNone : Locks::kTryBack);
      if (!locked.held()) return Outcome::kBiasedElsewhere;
      Separate();
      outcome = SendNow(send, kMoves, nullptr, partner);
      if (outcome == Outcome::kPending && front_.end.HasValue(back_.end)) {
        evicted = EvictFor(send, *static_cast<T*>(send.value), oldest);
        outcome = Outcome::kDone;
        JoinIfNotReceived();
        BiasAfterReplacing(owner, biases);
      }
      send.outcome = outcome;
    }
    if (partner != nullptr) partner->waker->Completed(*partner);
    return outcome;
  }
  // Does what Replace() does, right after TryStoreInTurn() has returned
  // kPending, if the ends are joined and T is trivially copyable. Returns
  // false, and has no effect, if not.
  FANFARE_ALWAYS_INLINE bool Overwrite(const BiasOwner& owner,
                                       T& value) noexcept {
    static_assert(kCopiedAsBytes<T>);
    if (!back_.lock.BiasedTo(owner) || !front_.joined) return false;
    if (back_.end.passed() % kLongestLag == 0) [[unlikely]]
      return false;
    Store(value);  // the ring is still full
    return true;
  }
  // Like TrySend(), for a value that stays the caller's: copies it once there
  // is room.
  bool TrySendCopy(const T& value) {
    if constexpr (kCopiedAsBytes<T>) {
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
    return TrySend(send, value) == Outcome::kDone;
  }

  // Receives if that involves the front alone. Otherwise has no effect, and
  // returns kClosed if the channel is closed and empty, kPending if it is just
  // empty, and kCounterpartWaits if a send waits for room: then the front is
  // still locked, for MatchSender().
  template <typename Target>
  FANFARE_ALWAYS_INLINE Outcome ReceiveAtFront(Target& target) noexcept {
    const Outcome outcome = LockAndCheckFront();
    if (outcome == Outcome::kCounterpartWaits) return outcome;  // still locked
    const LockGuard lock(front_.lock, std::adopt_lock);
    if (outcome == Outcome::kDone) {
      Pop(target);
      front_.receiver.Note();  // for debug builds: which thread received
    }
    return outcome;
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
    if constexpr (!std::is_trivially_destructible_v<T>)
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
    const Outcome outcome = CheckBack(send);
    if (outcome == Outcome::kDone) Store(value);
    return outcome;
  }

  // The part of Replace() for a channel of which the back alone, or the bias,
  // gives access to both ends. Returns whether it has stored the value.
  bool ReplaceAtBack(Operation& send, BiasOwner& owner, Biases biases,
                     std::optional<T>& oldest, bool& evicted) noexcept {
    T& value = *static_cast<T*>(send.value);
    if (back_.lock.BiasedTo(owner) && !back_.refuses) {
      // The front's lock is held until the new value is there, so that no
      // receive finds the ring empty in between.
      const LockGuard lock(front_.lock);
      Separate();
      evicted = EvictFor(send, value, oldest);
      if (evicted) JoinIfNotReceived();
      send.outcome = Outcome::kDone;
      return true;
    }
    back_.lock.Unbias(owner);
    if (!back_.lock.LockUnlessBiased()) return false;
    const LockGuard lock(back_.lock, std::adopt_lock);
    if (back_.refuses || !back_.waiting_receives.empty()) return false;
    if (front_.joined) {
      if (kCopiedAsBytes<T>) CatchUp();
    } else if (!back_.end.HasRoom(front_.end)) {
      return false;
    }
    evicted = EvictFor(send, value, oldest);
    send.outcome = Outcome::kDone;
    if (evicted) BiasAfterReplacing(owner, biases);
    return true;
  }
  // Stores the value. If there is no room, takes the oldest value out first,
  // and returns true. Both locks must be held, or the ends be joined. The front
  // must not lag.
  FANFARE_WRAPS bool EvictFor(Operation& send, T& value,
                              std::optional<T>& oldest) noexcept {
    const bool evicts = !back_.end.HasRoom(front_.end);
    if (evicts) {
      static_cast<void>(front_.end.HasValue(back_.end));
      if constexpr (!kCopiedAsBytes<T>)
        oldest.emplace(std::move(*SlotAt(front_.end)));
      PopFront();
      ++front_.evicted;
    }
    Store(value);
    DestroyOwned(send);
    return evicts;
  }
  void BiasAfterReplacing(BiasOwner& owner, Biases biases) noexcept {
    // While sends are queued, each receive would revoke the bias.
    if (kCopiedAsBytes<T> && biases == Biases::kMake &&
        front_.waiting_sends.empty() && back_.waiting_receives.empty() &&
        back_.end.passed() % Platform::kBiasEvery == 0) {
      back_.lock.Bias(owner);
    }
  }
  // After at most so many overwritten values the front catches up: its lag must
  // not overflow a counter of 32 bits.
  static constexpr std::size_t kLongestLag = std::size_t{1} << 30;

  // See ValueMoves.
  static void StoreFrom(ChannelEnds& channel, Operation& send) noexcept {
    static_cast<ChannelCore&>(channel).Store(*static_cast<T*>(send.value));
    DestroyOwned(send);
  }
  static void TakeTo(ChannelEnds& channel, Operation& receive) noexcept {
    static_cast<ChannelCore&>(channel).Pop(Result(receive));
  }
  static void HandOver(Operation& send, Operation& receive) noexcept {
    PutFrom(*static_cast<T*>(send.value), [&](auto&& value) {
      Result(receive).emplace(std::forward<decltype(value)>(value));
    });
    DestroyOwned(send);
  }

 public:
  static constexpr ValueMoves kMoves = {StoreFrom, TakeTo, HandOver};

 private:
  static std::optional<T>& Result(Operation& receive) noexcept {
    return *static_cast<std::optional<T>*>(receive.value);
  }

  FANFARE_ALWAYS_INLINE void Store(T& from) noexcept {
    T* const slot = SlotAt(back_.end);
    PutFrom(from, [&](auto&& value) {
      if constexpr (kCopiedAsBytes<T> && sizeof(T) > kCopiedInline) {
        // g++ emits "rep movs" for a large copy if it knows the size. The copy
        // of the C library is faster, above all if the slot is in no cache.
        const volatile std::size_t size = sizeof(T);
        std::memcpy(static_cast<void*>(slot), std::addressof(value), size);
      } else {
        std::construct_at(slot, std::forward<decltype(value)>(value));
      }
    });
    const std::size_t next = back_.end.Pass();  // publishes the value
    FetchToWrite(SlotAt(next));                 // into this processor's cache
  }
  template <typename Target>
  FANFARE_ALWAYS_INLINE void Pop(Target& target) noexcept {
    target.emplace(std::move(*SlotAt(front_.end)));
    PopFront();
  }
  void PopFront() noexcept {
    std::destroy_at(SlotAt(front_.end));
    front_.end.Pass();
  }

  // The size up to which g++ copies through registers.
  static constexpr std::size_t kCopiedInline = 256;

  // Calls put(value): to copy the value if it is copied as bytes, else to move
  // from it.
  template <typename Put>
  static void PutFrom(T& value, Put put) noexcept {
    if constexpr (kCopiedAsBytes<T>) {
      put(std::as_const(value));
    } else {
      put(std::move(value));
    }
  }
  // Destroys the value of a send, which was moved from, if the send owns it.
  static void DestroyOwned(Operation& send) noexcept {
    if constexpr (!kCopiedAsBytes<T>) {
      if (std::exchange(send.owns_value, false)) {
        std::destroy_at(static_cast<T*>(send.value));
      }
    }
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

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_CHANNEL_CORE_H_
