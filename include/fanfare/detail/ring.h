// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_RING_H_
#define FANFARE_DETAIL_RING_H_

// Where a channel keeps its values: a fixed number of slots in a circle, filled
// at the back and emptied at the front. It locks nothing.

#include <cstddef>
#include <memory>
#include <utility>

#include <fanfare/detail/platform.h>

namespace fanfare::inline FANFARE_ABI::detail {

template <typename T>
class Ring {
 public:
  // Throws std::bad_alloc (std::bad_array_new_length where the bytes cannot
  // even be counted).
  explicit Ring(std::size_t capacity)
      : capacity_(capacity),
        slots_(capacity == 0 ? nullptr
                             : std::allocator<T>().allocate(capacity)) {}
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  ~Ring() {
    while (!empty()) PopFront();
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, capacity_);
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bool full() const noexcept { return size_ == capacity_; }

  // Raw memory at the back of a ring that is not full, for the caller to
  // construct a T in.
  [[nodiscard]] T* Extend() noexcept {
    const std::size_t behind = capacity_ - front_;
    T* slot = slots_ + (size_ < behind ? front_ + size_ : size_ - behind);
    ++size_;
    return slot;
  }

  [[nodiscard]] T& front() noexcept { return slots_[front_]; }

  void PopFront() noexcept {
    std::destroy_at(slots_ + front_);
    if (++front_ == capacity_) front_ = 0;
    --size_;
  }

 private:
  std::size_t capacity_;
  T* slots_;
  std::size_t front_ = 0;
  std::size_t size_ = 0;
};

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_RING_H_
