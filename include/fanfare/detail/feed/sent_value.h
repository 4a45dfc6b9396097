// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_SENT_VALUE_H_
#define FANFARE_DETAIL_FEED_SENT_VALUE_H_

// The value of one Send, out of the caller's hands.
//
// A subscriber that has received the value may change or destroy the caller's
// object while the Send still serves others: Send happens before the receive,
// so that is no race. Where more than one channel may take the value, a Send
// therefore offers an object of its own. It is made when the Send has the turn
// and knows for how many channels, and before the first can take it.

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/manual_lifetime.h>
#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// A value that is copied by code of T's. The last channel takes the object that
// is offered; the sender makes a copy for each of the others.
template <typename T, bool = std::is_trivially_copyable_v<T>>
class SentValue {
 public:
  // What to offer to `count` channels. An lvalue is copied unless there are no
  // channels; an rvalue is moved unless there is just one, which may take it
  // from the caller. Throws what the copy throws.
  T& Take(const T& value, std::size_t count) {
    return count == 0 ? const_cast<T&>(value) : own_.emplace(value);
  }
  T& Take(T& value, std::size_t count) {
    return count <= 1 ? value : own_.emplace(std::move(value));
  }

  // Once it is known that no channel has taken the value: an rvalue is left as
  // it was. (By hand where T cannot be assigned.)
  void Return(const T&) noexcept {}
  void Return(T& value) noexcept {
    if (!own_.has_value()) return;
    if constexpr (std::is_nothrow_move_assignable_v<T>) {
      value = *std::move(own_);
    } else {
      std::destroy_at(std::addressof(value));
      std::construct_at(std::addressof(value), *std::move(own_));
    }
  }

 private:
  std::optional<T> own_;
};

// A value that each channel copies as bytes.
template <typename T>
class SentValue<T, true> {
 public:
  // What to offer to `count` channels: one alone copies the caller's object.
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
