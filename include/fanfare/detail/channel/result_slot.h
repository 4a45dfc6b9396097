// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_RESULT_SLOT_H_
#define FANFARE_DETAIL_CHANNEL_RESULT_SLOT_H_

// A ResultSlot takes the value of a receive before that is returned as an
// optional.
//
// When a small std::optional is returned from one inlined function to the next,
// g++ makes copies of it in memory. These copies wait until the stores of both
// parts, value and flag, have left the processor's store buffer. That took
// twice as long as the rest of a receive. Parts that are not yet an optional
// stay in registers.

#include <bit>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// (Void has no size; a static_assert in ChannelCore says what is wrong with
// it.)
template <typename T>
inline constexpr bool kFitsRegisters = [] {
  if constexpr (std::is_trivially_copyable_v<T>) {
    return sizeof(T) <= 2 * sizeof(void*);
  } else {
    return false;
  }
}();

// Returns an optional without a value. For `std::optional<T> value;` g++ 12
// clears every byte of the object.
template <typename T>
[[nodiscard]] FANFARE_ALWAYS_INLINE std::optional<T> EmptyOptional() noexcept {
  return std::nullopt;
}

// Puts the value straight into the optional.
template <typename T, bool = kFitsRegisters<T>>
class ResultSlot {
 public:
  explicit ResultSlot(std::optional<T>& value) noexcept : value_(value) {}
  FANFARE_ALWAYS_INLINE void emplace(T&& value) noexcept {
    value_.emplace(std::move(value));
  }
  void Done(std::optional<T>&) noexcept {}

 private:
  std::optional<T>& value_;
};

template <typename T>
class ResultSlot<T, true> {
 public:
  explicit ResultSlot(const std::optional<T>&) noexcept {}
  FANFARE_ALWAYS_INLINE void emplace(T&& value) noexcept {
    bytes_ = std::bit_cast<Bytes>(value);
    has_value_ = true;
  }
  FANFARE_ALWAYS_INLINE void Done(std::optional<T>& value) noexcept {
    if (has_value_) value.emplace(std::bit_cast<T>(bytes_));
  }

 private:
  // Bytes, not a T in a union: g++ would warn that the T may be used
  // uninitialized.
  struct alignas(T) Bytes {
    unsigned char all[sizeof(T)];
  };
  Bytes bytes_{};
  bool has_value_ = false;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_RESULT_SLOT_H_
