// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_CHANNEL_MEMORY_H_
#define FANFARE_DETAIL_CHANNEL_CHANNEL_MEMORY_H_

// What a channel is made of, in one piece of memory: two ends with a lock each,
// and the slots of the ring; and how values move through them.

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
#include <fanfare/detail/channel/biased_lock.h>
#include <fanfare/detail/channel/ring.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// A cache line, or what T needs. (Not asked of void and the like, for which a
// line below says what is wrong.)
template <typename T>
inline constexpr std::size_t kCoreAlignment = [] {
  std::size_t alignment = kCacheLine;
  if constexpr (std::is_object_v<T>) {
    if (alignof(T) > alignment) alignment = alignof(T);
  }
  return alignment;
}();

template <typename T>
class alignas(kCoreAlignment<T>) ChannelMemory : public RefCounted {
  static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>> &&
                    std::is_nothrow_move_constructible_v<T> &&
                    std::is_nothrow_destructible_v<T>,
                "fanfare: the T of a Channel<T> must be an object type that is "
                "moved and destroyed without throwing");

 public:
  static void operator delete(void* core) {
    ::operator delete (core, std::align_val_t{alignof(ChannelMemory)});
  }

 protected:
  explicit ChannelMemory(std::size_t capacity) noexcept
      : back_(capacity), front_(capacity) {}
  ~ChannelMemory() {
    while (front_.end.HasValue(back_.end)) PopFront();
  }

  // The slots come in the same piece of memory: behind the object, or already
  // in what its alignment has left of its last cache line, if a slot fits
  // there.
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
                           std::align_val_t{alignof(ChannelMemory)});
  }
  static void operator delete(void* core, Slots) { operator delete(core); }

  class BothLocks {
   public:
    explicit BothLocks(const ChannelMemory& channel) noexcept
        : BothLocks(channel, std::try_to_lock) {
      if (!held()) LockRevoked(channel.back_.lock);
    }
    // The same, unless the back is lent.
    BothLocks(const ChannelMemory& channel,
              std::try_to_lock_t try_back) noexcept
        : front_(channel.front_.lock), back_(channel.back_.lock, try_back) {}
    // The same for a caller that holds the front's lock.
    BothLocks(const ChannelMemory& channel, std::adopt_lock_t adopt) noexcept
        : front_(channel.front_.lock, adopt),
          back_(channel.back_.lock, std::try_to_lock) {
      if (!held()) LockRevoked(channel.back_.lock);
    }
    [[nodiscard]] bool held() const noexcept { return back_.owns_lock(); }

   private:
    // A receive shall not wait for the end of a loan: without the front's lock.
    void LockRevoked(BiasedLock& back) noexcept {
      front_.unlock();
      back.RevokeBias();
      front_.lock();
      back.LockRevoked();
      back_ = std::unique_lock(back, std::adopt_lock);
    }

    std::unique_lock<Platform::Lock> front_;
    std::unique_lock<BiasedLock> back_;
  };

  [[nodiscard]] T* SlotAt(const RingEnd& end) noexcept {
    return SlotAt(end.slot());
  }
  [[nodiscard]] T* SlotAt(std::size_t place) noexcept {
    void* const first = reinterpret_cast<std::byte*>(this) + FirstSlot();
    return static_cast<T*>(first) + place;
  }

  // A trivially copyable value is copied, not moved: a feed has many
  // subscribers copy one and the same.
  static constexpr bool kCopies =
      std::is_trivially_copyable_v<T> && std::is_copy_constructible_v<T>;

  // The three moves of a value: from a send to a receive, from a send into the
  // ring and, in two steps, from the ring to a receive.
  static void HandOver(Operation& send, Operation& receive) noexcept {
    TakeFrom(send, *static_cast<T*>(send.value), [&](auto&& value) {
      Target(receive).emplace(std::forward<decltype(value)>(value));
    });
  }
  void Store(Operation& send) noexcept {
    Store(send, *static_cast<T*>(send.value));
  }
  void Store(Operation& send, T& from) noexcept {
    T* const slot = SlotAt(back_.end);
    TakeFrom(send, from, [&](auto&& value) {
      if constexpr (kCopies && sizeof(T) > kCopiedInline) {
        // g++ makes "rep movs" of a large copy whose size it knows. What the C
        // library does is faster, above all where the slot is in no cache.
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
  [[nodiscard]] std::size_t used() const noexcept {
    return back_.end.passed() - front_.end.passed();
  }

  static std::optional<T>& Target(Operation& receive) noexcept {
    return *static_cast<std::optional<T>*>(receive.value);
  }

  // An end of the ring, and the operations of the other side that wait for what
  // is done here. Each has a cache line of its own, which is all that a send or
  // a receive touches but for the value.
  template <typename Lock>
  struct Side {
    explicit Side(std::size_t capacity) noexcept : end(capacity) {}

    [[no_unique_address]] mutable Lock lock;  // the flags fit into its padding
    bool closed = false;  // as that of the other side; both locks to change
    // It is closed, or a send was revoked: a send looks at its own memory only
    // then. The back's; both locks to change.
    bool refuses = false;
    RingEnd end;
    OperationQueue waiting;  // both locks to change
  };

  // Where values go in; the receives that wait.
  Side<BiasedLock> back_;
  // Where they come out; the sends that wait.
  alignas(kCacheLine) Side<Platform::Lock> front_;

 private:
  // The size up to which g++ copies through registers.
  static constexpr std::size_t kCopiedInline = 256;

  static constexpr std::size_t FirstSlot() noexcept {
    constexpr auto kUp = [](std::size_t offset, std::size_t alignment) {
      return (offset + alignment - 1) / alignment * alignment;
    };
    using Back = Side<BiasedLock>;
    using Front = Side<Platform::Lock>;
    constexpr std::size_t kBack = kUp(sizeof(RefCounted), alignof(Back));
    constexpr std::size_t kFront = kUp(kBack + sizeof(Back), kCacheLine);
    constexpr std::size_t kFirst = kUp(kFront + sizeof(Front), alignof(T));
    return kFirst + sizeof(T) <= sizeof(ChannelMemory) ? kFirst
                                                       : sizeof(ChannelMemory);
  }

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
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_CHANNEL_MEMORY_H_
