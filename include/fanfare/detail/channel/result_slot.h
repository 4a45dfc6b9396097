// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_RESULT_SLOT_H_
#define FANFARE_DETAIL_CHANNEL_RESULT_SLOT_H_

// Where a receive puts its value before that is returned as an optional.
//
// Of a small std::optional that is returned from one inlined function to the
// next g++ makes copies in memory, which wait until the stores of both its
// parts, value and flag, have left the processor's store buffer. That took
// twice as long as all the rest of a receive. Parts that are no optional yet
// stay in registers.

#include <bit>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// (Void has no size; ChannelCore says what is wrong with it.)
template <typename T>
inline constexpr bool kFitsRegisters = [] {
  if constexpr (std::is_trivially_copyable_v<T>) {
    return sizeof(T) <= 2 * sizeof(void*);
  } else {
    return false;
  }
}();

// An optional without a value. Of `std::optional<T> value;` g++ 12 makes one
// whose every byte is cleared.
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
  // No T in a union: g++ would say that it may be used without a value.
  struct alignas(T) Bytes {
    unsigned char all[sizeof(T)];
  };
  Bytes bytes_{};
  bool has_value_ = false;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_RESULT_SLOT_H_
