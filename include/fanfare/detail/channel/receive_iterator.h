// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_RECEIVE_ITERATOR_H_
#define FANFARE_DETAIL_CHANNEL_RECEIVE_ITERATOR_H_

// ReceiveIterator is the iterator of `for (T value : receiver)`. A value leaves
// the channel when it is accessed for the first time, and not before.

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI {

template <typename T>
class Receiver;

namespace detail {

template <typename T>
class ReceiveIterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;

  explicit ReceiveIterator(const Receiver<T>& receiver) noexcept
      : receiver_(receiver) {}

  ReceiveIterator(ReceiveIterator&&) = default;
  // Hand-written, because T need not be assignable.
  ReceiveIterator& operator=(ReceiveIterator&& other) noexcept {
    receiver_ = std::move(other.receiver_);
    Set(std::move(other.value_));
    return *this;
  }

  // If the value at which the iterator stands was not accessed before, each of
  // these functions receives it, and may block as Receiver::Receive() does. For
  // that reason none of them is noexcept.
  T& operator*() const {
    Look();
    return *value_;
  }
  T* operator->() const { return std::addressof(**this); }
  friend bool operator==(const ReceiveIterator& it, std::default_sentinel_t) {
    it.Look();
    return !it.value_.has_value();
  }
  // Drops the value, and receives it first if it was not accessed.
  ReceiveIterator& operator++() {
    Look();
    value_.reset();
    return *this;
  }
  void operator++(int) { ++*this; }

 private:
  // Receives the value, unless that was done before. At the end of the range,
  // this function polls the channel again, which stays drained.
  void Look() const {
    if (!value_.has_value()) Set(receiver_.Receive());
  }
  // Replaces the std::optional as a whole. With emplace(), g++ 12 assumes that
  // an object is destroyed that was never constructed.
  void Set(std::optional<T> value) const noexcept {
    std::destroy_at(std::addressof(value_));
    std::construct_at(std::addressof(value_), std::move(value));
  }

  Receiver<T> receiver_;
  // The value at which the iterator stands, once that was accessed. It is
  // mutable, because a const iterator does not point to a const value.
  mutable std::optional<T> value_;
};

}  // namespace detail
}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_DETAIL_CHANNEL_RECEIVE_ITERATOR_H_
