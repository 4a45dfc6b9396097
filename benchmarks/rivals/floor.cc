// SPDX-License-Identifier: MIT
//
// The floor: rings in a loop, each with the least that several producers need.
// It cannot block, and it trusts that there is room. Its round trip spins. What
// drops the oldest value is a deque with a mutex for each consumer.

#include <atomic>
#include <bit>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "../queue_feed.h"
#include "../scenarios.h"
#include "../threads.h"

namespace {

struct Floor : bench::Threads {
  template <typename T>
  class Channel {
   public:
    explicit Channel(std::size_t capacity)
        : slots_(std::bit_ceil(capacity)), mask_(slots_.size() - 1) {}

    void Send(const T& value) {
      while (tail_owned_.exchange(true, std::memory_order_acquire)) {
      }
      const std::size_t tail = tail_.load(std::memory_order_relaxed);
      slots_[tail & mask_] = value;
      tail_.store(tail + 1, std::memory_order_release);
      tail_owned_.store(false, std::memory_order_release);
    }

    T Receive() {
      while (tail_.load(std::memory_order_acquire) == head_) {
      }
      return slots_[head_++ & mask_];
    }

   private:
    std::atomic<bool> tail_owned_{false};
    std::atomic<std::size_t> tail_{0};
    std::vector<T> slots_;
    std::size_t mask_;
    alignas(64) std::size_t head_ = 0;
  };

  template <typename T>
  using Feed = bench::QueueFeed<Channel<T>, T>;
  template <typename T>
  using ReplayFeed = bench::ReplayQueueFeed<Channel<T>, T, bench::kReplay>;
};

struct LossyFloor : bench::Threads {
  template <typename T>
  class Channel {
   public:
    explicit Channel(std::size_t capacity) : capacity_(capacity) {}

    void SendDropOldest(const T& value) {
      const std::lock_guard lock(mutex_);
      if (values_.size() == capacity_) values_.pop_front();
      values_.push_back(value);
    }

    std::optional<T> TryReceive() {
      const std::lock_guard lock(mutex_);
      if (values_.empty()) return std::nullopt;
      std::optional<T> value(values_.front());
      values_.pop_front();
      return value;
    }

   private:
    const std::size_t capacity_;
    std::mutex mutex_;
    std::deque<T> values_;  // guarded by mutex_
  };

  template <typename T>
  using LossyFeed = bench::LossyQueueFeed<Channel<T>, T>;
};

}  // namespace

int main(int argc, char** argv) {
  bench::RegisterSend<Floor>();
  bench::RegisterDrain<Floor>();
  bench::RegisterRoundTrips<Floor>({1});
  bench::RegisterBursts<Floor>();
  bench::RegisterFeedsInTurn<Floor>();
  bench::RegisterDropOldest<LossyFloor>();
  bench::RegisterReplay<Floor>();
  return bench::RunCases(argc, argv);
}
