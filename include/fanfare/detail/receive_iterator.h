// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_RECEIVE_ITERATOR_H_
#define FANFARE_DETAIL_RECEIVE_ITERATOR_H_

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

#include <fanfare/detail/platform.h>

namespace fanfare::inline FANFARE_ABI {

template <typename T>
class Receiver;

namespace detail {

// What `for (T value : receiver)` goes over.
template <typename T>
class ReceiveIterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;

  explicit ReceiveIterator(Receiver<T> receiver)
      : receiver_(std::move(receiver)), value_(receiver_.Receive()) {}

  ReceiveIterator(ReceiveIterator&&) = default;
  // By hand: T need not be assignable.
  ReceiveIterator& operator=(ReceiveIterator&& other) noexcept {
    receiver_ = std::move(other.receiver_);
    Set(std::move(other.value_));
    return *this;
  }

  T& operator*() const noexcept { return *value_; }
  T* operator->() const noexcept { return std::addressof(*value_); }
  ReceiveIterator& operator++() {
    Advance();
    return *this;
  }
  void operator++(int) { Advance(); }
  friend bool operator==(const ReceiveIterator& it,
                         std::default_sentinel_t) noexcept {
    return !it.value_.has_value();
  }

 private:
  void Advance() {
    value_.reset();
    Set(receiver_.Receive());
  }
  // As a whole: g++ 12 takes emplace() to destroy what it has not seen made.
  void Set(std::optional<T> value) noexcept {
    std::destroy_at(std::addressof(value_));
    std::construct_at(std::addressof(value_), std::move(value));
  }

  Receiver<T> receiver_;
  // Mutable: what an iterator points at is not const because the iterator is.
  mutable std::optional<T> value_;
};

}  // namespace detail
}  // namespace fanfare::inline FANFARE_ABI

#endif  // FANFARE_DETAIL_RECEIVE_ITERATOR_H_
