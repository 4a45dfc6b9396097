// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_RING_H_
#define FANFARE_DETAIL_CHANNEL_RING_H_

// A RingEnd is one of the two ends of a channel's ring: a fixed number of slots
// in a circle, filled at the back and emptied at the front.
//
// One thread at a time may work at the back, and another one at the front. The
// two ends then share nothing but two counters. Each end caches the other end's
// counter, and reloads it only when there seems to be no room or no value
// (after Erik Rigtorp's SPSCQueue).

#include <cstddef>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class RingEnd {
 public:
  explicit RingEnd(std::size_t capacity) noexcept : capacity_(capacity) {}

  // For the back. Acquire: the value that was in the slot has been taken.
  [[nodiscard]] FANFARE_ALWAYS_INLINE bool HasRoom(
      const RingEnd& front) noexcept {
    const std::size_t passed = passed_.load(std::memory_order_relaxed);
    if (passed - seen_ < capacity_) return true;
    seen_ = front.passed_.load(std::memory_order_acquire);
    return passed - seen_ < capacity_;
  }

  // For the front. Acquire: the slot's value is visible.
  [[nodiscard]] FANFARE_ALWAYS_INLINE bool HasValue(
      const RingEnd& back) noexcept {
    const std::size_t passed = passed_.load(std::memory_order_relaxed);
    if (passed != seen_) return true;
    seen_ = back.passed_.load(std::memory_order_acquire);
    return passed != seen_;
  }

  // Returns the slot at this end: at the back the next one to be filled, at the
  // front the next one to be emptied.
  [[nodiscard]] std::size_t slot() const noexcept { return slot_; }

  // Advances past the current slot, which was filled or emptied, and returns
  // the next one. Release: publishes the slot to the other end.
  FANFARE_ALWAYS_INLINE std::size_t Pass() noexcept {
    std::size_t next = slot_ + 1;
    if (next == capacity_) next = 0;
    slot_ = next;
    passed_.store(passed_.load(std::memory_order_relaxed) + 1,
                  std::memory_order_release);
    return next;
  }

  // For a thread that may use both ends: the front passes all values that the
  // back has overwritten. Returns how many.
  std::size_t CatchUp(const RingEnd& back) noexcept {
    seen_ = back.passed();
    const std::size_t ahead = seen_ - passed();
    if (ahead <= capacity_) return 0;
    slot_ = back.slot_;
    passed_.store(seen_ - capacity_, std::memory_order_release);
    return ahead - capacity_;
  }

  // Returns how many values have passed this end.
  [[nodiscard]] std::size_t passed() const noexcept {
    return passed_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  Platform::Atomic<std::size_t> passed_{0};
  std::size_t seen_ = 0;  // the other end's passed_, as last read
  std::size_t slot_ = 0;
  const std::size_t capacity_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_RING_H_
