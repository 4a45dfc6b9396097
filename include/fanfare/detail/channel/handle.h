// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_HANDLE_H_
#define FANFARE_DETAIL_CHANNEL_HANDLE_H_

// Handle is what Sender, Receiver and Channel have in common: a counted pointer
// to the channel, and the functions that observe the channel.
//
// A Channel has two handles as its parts, one for each direction. Through a
// reference to one part, a caller can assign to that part alone or move from
// it. Both parts must refer to the same channel afterwards. The lowest bit of
// its pointer therefore tells a handle that it is a part, and a part changes
// both parts. The Channel owns one reference for both.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/access.h>
#include <fanfare/detail/channel/channel_core.h>

namespace fanfare { inline namespace FANFARE_ABI {

template <typename T>
class Channel;

namespace detail {

/// A Handle refers to a channel, or is nil.
// View is the Sender<T> or Receiver<T> that derives from Handle.
template <typename View, typename T>
class Handle {
  static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>>,
                "fanfare: the T of a Channel<T> must be an object type that is "
                "moved and destroyed without throwing");

 public:
  /// The type of the values.
  using value_type = T;

  /// Returns whether the handle has a channel: false if it is nil.
  explicit operator bool() const noexcept { return core() != nullptr; }

  /// \name Observers
  /// Each function returns what was true at some time during the call. None of
  /// them blocks. On a nil handle, they return false or 0. (C4)
  /// \{

  /// Returns true once Close() was called.
  [[nodiscard]] bool closed() const noexcept {
    return core() != nullptr && core()->closed();
  }
  /// Returns true once the channel is closed and empty. The result then stays
  /// true.
  [[nodiscard]] bool drained() const noexcept {
    return core() != nullptr && core()->drained();
  }
  /// Returns the number of values in the channel.
  [[nodiscard]] std::size_t size() const noexcept {
    return core() != nullptr ? core()->size() : 0;
  }
  /// Returns the number of values that the channel can hold.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return core() != nullptr ? core()->capacity() : 0;
  }
  /// Returns the number of sends that are queued.
  ///
  /// This is a barrier for tests: once the function counts a blocked call, that
  /// call is queued, and no later call on its side overtakes it.
  /// \par Complexity
  /// Linear in the result. Meanwhile, no receive on the channel proceeds.
  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    return core() != nullptr ? core()->waiting_senders() : 0;
  }
  /// Returns the number of receives that are queued.
  ///
  /// This is a barrier for tests, as waiting_senders() is.
  /// \par Complexity
  /// Linear in the result. Meanwhile, no send on the channel proceeds.
  [[nodiscard]] std::size_t waiting_receivers() const noexcept {
    return core() != nullptr ? core()->waiting_receivers() : 0;
  }
  /// \}

  /// \cond
 protected:
  using Core = ChannelCore<T>;
  struct Part {};  // marks a handle as a part of a Channel

  // Constructs a nil handle.
  Handle() = default;
  explicit Handle(Ref<Core> core) noexcept : word_(Word(core.Release())) {}
  // Constructs a part of a Channel, which owns the reference.
  Handle(Core* core, Part) noexcept : word_(Word(core) | kPart) {}

  Handle(const Handle& other) noexcept : Handle(other.Share()) {}
  Handle(Handle&& other) noexcept : Handle(other.Release()) {}
  Handle& operator=(const Handle& other) noexcept {
    Reset(other.Share());
    return *this;
  }
  Handle& operator=(Handle&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~Handle() {
    if (!is_part()) Ref<Core>::Adopt(core()).reset();
  }

  [[nodiscard]] Core* core() const noexcept {
    return reinterpret_cast<Core*>(word_ & ~kPart);
  }
  // Returns one more reference.
  [[nodiscard]] Ref<Core> Share() const noexcept {
    return core() != nullptr ? Ref<Core>::Share(core()) : Ref<Core>();
  }
  // Returns the reference itself. The handle is nil afterwards, and so is the
  // Channel that it is a part of.
  [[nodiscard]] Ref<Core> Release() noexcept {
    auto released = Ref<Core>::Adopt(core());
    Point(nullptr);
    return released;
  }

 private:
  friend struct Access;
  friend class Channel<T>;

  static constexpr std::uintptr_t kPart = 1;

  static std::uintptr_t Word(const Core* core) noexcept {
    return reinterpret_cast<std::uintptr_t>(core);
  }
  [[nodiscard]] bool is_part() const noexcept { return (word_ & kPart) != 0; }

  void Reset(Ref<Core> core) noexcept {
    const auto before = Ref<Core>::Adopt(this->core());
    Point(core.Release());
  }
  void Point(Core* core) noexcept {
    if (is_part()) {
      PointBothParts(core);
    } else {
      word_ = Word(core);
    }
  }
  // This function is not inlined, because g++ 12 would warn about the cast
  // where a handle that is not a part is moved.
  FANFARE_COLD void PointBothParts(Core* core) noexcept {
    static_cast<Channel<T>&>(static_cast<View&>(*this)).PointParts(core);
  }

  std::uintptr_t word_ = 0;
  /// \endcond
};

// A and B are handles, of any kinds, of channels of one T.
template <typename A, typename B>
concept Comparable = requires(const A& a, const B& b) {
  Access::Core(a) == Access::Core(b);
};

template <typename H>
struct HashOfHandle {
  std::size_t operator()(const H& handle) const noexcept {
    // The low bits are the same for all channels, and are left out. With them,
    // all channels would share a bucket.
    return reinterpret_cast<std::uintptr_t>(Access::Core(handle)) / kCacheLine;
  }
};

}  // namespace detail
}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_DETAIL_CHANNEL_HANDLE_H_
