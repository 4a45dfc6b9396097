// SPDX-License-Identifier: MIT
//
// The subscriber of a rival whose feed calls functions instead of filling
// queues: it keeps what it is called with.
#ifndef FANFARE_BENCHMARKS_SLOT_H_
#define FANFARE_BENCHMARKS_SLOT_H_

#include <bit>
#include <cstddef>
#include <vector>

namespace bench {

// A channel for one thread alone, which trusts that there is room.
template <typename T>
class Slot {
 public:
  explicit Slot(std::size_t capacity)
      : values_(std::bit_ceil(capacity)), mask_(values_.size() - 1) {}
  void Send(const T& value) { values_[tail_++ & mask_] = value; }
  T Receive() { return values_[head_++ & mask_]; }

 private:
  std::vector<T> values_;
  std::size_t mask_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_SLOT_H_
