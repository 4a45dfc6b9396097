// SPDX-License-Identifier: MIT
//
// oneapi::tbb::concurrent_bounded_queue. Its memory is not measured, because it
// has an allocator of its own.

#include <cstddef>
#include <optional>

#include <oneapi/tbb/concurrent_queue.h>

#include "../queue_feed.h"
#include "../scenarios.h"
#include "../threads.h"

namespace {

struct Tbb : bench::Threads {
  template <typename T>
  class Channel {
   public:
    explicit Channel(std::size_t capacity) {
      queue_.set_capacity(static_cast<std::ptrdiff_t>(capacity));
    }
    void Send(const T& value) { queue_.push(value); }
    void SendDropOldest(const T& value) {
      T oldest;
      while (!queue_.try_push(value)) queue_.try_pop(oldest);
    }
    T Receive() {
      T value;
      queue_.pop(value);
      return value;
    }
    std::optional<T> TryReceive() {
      T value;
      if (!queue_.try_pop(value)) return std::nullopt;
      return value;
    }

   private:
    oneapi::tbb::concurrent_bounded_queue<T> queue_;
  };

  template <typename T>
  using Feed = bench::QueueFeed<Channel<T>, T>;
  template <typename T>
  using LossyFeed = bench::LossyQueueFeed<Channel<T>, T>;
  template <typename T>
  using ReplayFeed = bench::ReplayQueueFeed<Channel<T>, T, bench::kReplay>;
  template <typename T>
  using State = bench::QueueState<Tbb, T>;
};

}  // namespace

int main(int argc, char** argv) {
  bench::RegisterSend<Tbb>();
  bench::RegisterDrain<Tbb>();
  bench::RegisterStreams<Tbb>();
  bench::RegisterRoundTrips<Tbb>({1});
  bench::RegisterSubscribe<Tbb>();
  bench::RegisterLag<Tbb>();
  bench::RegisterIdle<Tbb>();
  bench::RegisterBursts<Tbb>();
  bench::RegisterPaced<Tbb>();
  bench::RegisterReceiveOne<Tbb>();
  bench::RegisterFeedsInTurn<Tbb>();
  bench::RegisterFeedsAtOnce<Tbb>();
  bench::RegisterDropOldest<Tbb>();
  bench::RegisterLatest<Tbb>();
  bench::RegisterReplay<Tbb>();
  return bench::RunCases(argc, argv);
}
