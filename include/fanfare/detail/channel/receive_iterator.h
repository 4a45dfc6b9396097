// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_RECEIVE_ITERATOR_H_
#define FANFARE_DETAIL_CHANNEL_RECEIVE_ITERATOR_H_

// What `for (T value : receiver)` goes over. A value leaves the channel when it
// is looked at for the first time, and not before.

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
  // By hand: T need not be assignable.
  ReceiveIterator& operator=(ReceiveIterator&& other) noexcept {
    receiver_ = std::move(other.receiver_);
    Set(std::move(other.value_));
    return *this;
  }

  // Each of these receives, and may block for it, if the value at which the
  // iterator stands was not looked at before. None is noexcept for that reason.
  T& operator*() const {
    Look();
    return *value_;
  }
  T* operator->() const { return std::addressof(**this); }
  friend bool operator==(const ReceiveIterator& it, std::default_sentinel_t) {
    it.Look();
    return !it.value_.has_value();
  }
  // Receives a value that was not looked at, and drops it.
  ReceiveIterator& operator++() {
    Look();
    value_.reset();
    return *this;
  }
  void operator++(int) { ++*this; }

 private:
  // At the end it asks the channel again, which is drained for good.
  void Look() const {
    if (!value_.has_value()) Set(receiver_.Receive());
  }
  // As a whole: g++ 12 takes emplace() to destroy what it has not seen made.
  void Set(std::optional<T> value) const noexcept {
    std::destroy_at(std::addressof(value_));
    std::construct_at(std::addressof(value_), std::move(value));
  }

  Receiver<T> receiver_;
  // The value at which the iterator stands, once it was looked at. Mutable:
  // what an iterator points at is not const because the iterator is.
  mutable std::optional<T> value_;
};

}  // namespace detail
}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_DETAIL_CHANNEL_RECEIVE_ITERATOR_H_
