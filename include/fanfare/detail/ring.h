// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_RING_H_
#define FANFARE_DETAIL_RING_H_

// Where a channel keeps its values: a fixed number of slots in a circle, with
// two ends. One thread at a time may work at the back and another one at the
// front, each under a lock of its own; all that they share are two counters.
// Each end keeps what it last saw of the other's counter, and looks again only
// when there seems to be no room or no value (after Rigtorp's SPSCQueue).

#include <cstddef>
#include <memory>
#include <utility>

#include <fanfare/detail/platform.h>

namespace fanfare::inline FANFARE_ABI::detail {

// One end of the ring.
struct RingEnd {
  // How many values have passed this end.
  Platform::Atomic<std::size_t> passed{0};
  // The same of the other end, as last seen.
  std::size_t seen = 0;
  // Where the next value goes or comes from.
  std::size_t slot = 0;
};

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
  // Empty by then.
  ~Ring() {
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, capacity_);
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  // For who works at the back. Acquire: the slot's last value has been taken.
  [[nodiscard]] bool HasRoom(RingEnd& back,
                             const RingEnd& front) const noexcept {
    const std::size_t passed = back.passed.load(std::memory_order_relaxed);
    if (passed - back.seen < capacity_) return true;
    back.seen = front.passed.load(std::memory_order_acquire);
    return passed - back.seen < capacity_;
  }

  // For who works at the front. Acquire: the slot's value is there.
  [[nodiscard]] bool HasValue(RingEnd& front,
                              const RingEnd& back) const noexcept {
    const std::size_t passed = front.passed.load(std::memory_order_relaxed);
    if (passed != front.seen) return true;
    front.seen = back.passed.load(std::memory_order_acquire);
    return passed != front.seen;
  }

  // The slot at an end: at the back raw memory, at the front the next value.
  [[nodiscard]] T* At(const RingEnd& end) const noexcept {
    return slots_ + end.slot;
  }

  // The slot at this end has been filled or emptied. Release: the other end
  // sees what was done with it.
  void Pass(RingEnd& end) const noexcept {
    if (++end.slot == capacity_) end.slot = 0;
    end.passed.store(end.passed.load(std::memory_order_relaxed) + 1,
                     std::memory_order_release);
  }

 private:
  std::size_t capacity_;
  T* slots_;
};

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_RING_H_
