// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_SENT_VALUE_H_
#define FANFARE_DETAIL_FEED_SENT_VALUE_H_

// A SentValue keeps the value of one Send out of the caller's hands.
//
// A subscriber that has received the value may change or destroy the caller's
// object while the Send still serves other subscribers. Send happens before the
// receive, so that is no race. Where that could matter, a Send therefore offers
// an object that it owns. That object is made once the Send has the turn and
// knows for how many channels, and before the first channel can take it.

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/manual_lifetime.h>
#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Moves a value back to where it came from: by assignment, or by destruction
// and construction where T cannot be assigned.
template <typename T>
void MoveBack(T&& from, T& to) noexcept {
  if constexpr (std::is_nothrow_move_assignable_v<T>) {
    to = std::move(from);
  } else {
    std::destroy_at(std::addressof(to));
    std::construct_at(std::addressof(to), std::move(from));
  }
}

// For a value that is copied by user code. The last channel takes the object
// that is offered; the sender makes a copy for each of the others.
template <typename T, bool = std::is_trivially_copyable_v<T>>
class SentValue {
 public:
  // Returns what to offer to `count` channels. An lvalue is copied unless there
  // are no channels. An rvalue is moved unless there is just one channel, which
  // may take it from the caller. Throws what the copy throws.
  T& Take(const T& value, std::size_t count) {
    return count == 0 ? const_cast<T&>(value) : own_.emplace(value);
  }
  T& Take(T& value, std::size_t count) {
    return count <= 1 ? value : own_.emplace(std::move(value));
  }

  // Called once it is known that no channel has taken the value: gives an
  // rvalue back as it was.
  void Return(const T&) noexcept {}
  void Return(T& value) noexcept {
    if (own_.has_value()) MoveBack(*std::move(own_), value);
  }

 private:
  std::optional<T> own_;
};

// For a value that each channel copies as bytes.
template <typename T>
class SentValue<T, true> {
 public:
  // Returns what to offer to `count` channels. A single channel copies the
  // caller's object, which is not written to.
  T& Take(const T& value, std::size_t count) noexcept {
    return count <= 1 ? const_cast<T&>(value)
                      : *std::construct_at(own_.get(), value);
  }
  void Return(const T&) noexcept {}

 private:
  ManualLifetime<T> own_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_SENT_VALUE_H_
