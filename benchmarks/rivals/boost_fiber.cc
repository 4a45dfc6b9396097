// SPDX-License-Identifier: MIT
//
// Boost.Fiber's channels. The senders and the consumers are fibers of one
// thread, so nothing here wakes a thread. A writer that does not block leaves
// its subscribers no time, so there is no W18.

#include <bit>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/fiber/buffered_channel.hpp>
#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/unbuffered_channel.hpp>

#include "../queue_feed.h"
#include "../scenarios.h"

namespace {

namespace fibers = boost::fibers;

struct BoostFiber {
  template <typename T>
  class Channel {
   public:
    // A buffered channel wants a power of two, and holds one value less.
    explicit Channel(std::size_t capacity) {
      if (capacity > 0) buffered_.emplace(std::bit_ceil(capacity + 1));
    }
    void Send(const T& value) {
      if (buffered_) {
        buffered_->push(value);
      } else {
        unbuffered_.push(value);
      }
    }
    // Not for capacity 0.
    void SendDropOldest(const T& value) {
      T oldest;
      while (buffered_->try_push(value) == fibers::channel_op_status::full) {
        buffered_->try_pop(oldest);
      }
    }
    T Receive() {
      return buffered_ ? buffered_->value_pop() : unbuffered_.value_pop();
    }
    // Not for capacity 0.
    std::optional<T> TryReceive() {
      T value;
      const auto status = buffered_->try_pop(value);
      if (status != fibers::channel_op_status::success) return std::nullopt;
      return value;
    }

   private:
    std::optional<fibers::buffered_channel<T>> buffered_;
    fibers::unbuffered_channel<T> unbuffered_;
  };

  template <typename T>
  using Feed = bench::QueueFeed<Channel<T>, T, fibers::mutex>;
  template <typename T>
  using LossyFeed = bench::LossyQueueFeed<Channel<T>, T, fibers::mutex>;
  template <typename T>
  using ReplayFeed =
      bench::ReplayQueueFeed<Channel<T>, T, bench::kReplay, fibers::mutex>;

  template <typename T>
  static std::shared_ptr<Channel<T>> Share() {
    return std::make_shared<Channel<T>>(0);
  }

  class Task {
   public:
    template <typename F>
    explicit Task(F function) : fiber_(std::move(function)) {}
    ~Task() { fiber_.join(); }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

   private:
    fibers::fiber fiber_;
  };

  class Latch {
   public:
    explicit Latch(std::ptrdiff_t expected) : expected_(expected) {}
    void count_down() {
      const std::lock_guard lock(mutex_);
      if (--expected_ == 0) zero_.notify_all();
    }
    void wait() {
      std::unique_lock lock(mutex_);
      zero_.wait(lock, [this] { return expected_ == 0; });
    }

   private:
    fibers::mutex mutex_;
    fibers::condition_variable zero_;
    std::ptrdiff_t expected_;  // guarded by mutex_
  };

  static void Yield() { boost::this_fiber::yield(); }
  static void AwaitSleep() {}  // it does not
};

}  // namespace

int main(int argc, char** argv) {
  bench::RegisterSend<BoostFiber>();
  bench::RegisterDrain<BoostFiber>();
  bench::RegisterStreams<BoostFiber>();
  bench::RegisterRendezvous<BoostFiber>();
  bench::RegisterRoundTrips<BoostFiber>({0, 1});
  bench::RegisterAcknowledged<BoostFiber>();
  bench::RegisterSubscribe<BoostFiber>();
  bench::RegisterLag<BoostFiber>();
  bench::RegisterMemory<BoostFiber>();
  bench::RegisterBursts<BoostFiber>();
  bench::RegisterReceiveOne<BoostFiber>();
  bench::RegisterFeedsInTurn<BoostFiber>();
  bench::RegisterFeedsAtOnce<BoostFiber>();
  bench::RegisterDropOldest<BoostFiber>();
  bench::RegisterReplay<BoostFiber>();
  return bench::RunCases(argc, argv);
}
