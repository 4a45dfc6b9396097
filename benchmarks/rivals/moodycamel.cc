// SPDX-License-Identifier: MIT
//
// moodycamel::BlockingReaderWriterCircularBuffer, a bounded queue for one
// producer and one consumer at a time, which spins before it sleeps. The
// producer must not take a value out, so there is no W17 and no W18.

#include <cstddef>
#include <optional>

#include <readerwriterqueue/readerwritercircularbuffer.h>

#include "../queue_feed.h"
#include "../scenarios.h"
#include "../threads.h"

namespace {

struct Moodycamel : bench::Threads {
  template <typename T>
  class Channel {
   public:
    explicit Channel(std::size_t capacity) : buffer_(capacity) {}
    void Send(const T& value) { buffer_.wait_enqueue(value); }
    T Receive() {
      T value;
      buffer_.wait_dequeue(value);
      return value;
    }
    std::optional<T> TryReceive() {
      T value;
      if (!buffer_.try_dequeue(value)) return std::nullopt;
      return value;
    }

   private:
    moodycamel::BlockingReaderWriterCircularBuffer<T> buffer_;
  };

  template <typename T>
  using Feed = bench::QueueFeed<Channel<T>, T>;
  template <typename T>
  using ReplayFeed = bench::ReplayQueueFeed<Channel<T>, T, bench::kReplay>;
};

}  // namespace

int main(int argc, char** argv) {
  bench::RegisterSend<Moodycamel>();
  bench::RegisterDrain<Moodycamel>();
  bench::RegisterStreams<Moodycamel>();
  bench::RegisterRoundTrips<Moodycamel>({1});
  bench::RegisterSubscribe<Moodycamel>();
  bench::RegisterLag<Moodycamel>();
  bench::RegisterIdle<Moodycamel>();
  bench::RegisterMemory<Moodycamel>();
  bench::RegisterBursts<Moodycamel>();
  bench::RegisterPaced<Moodycamel>();
  bench::RegisterReceiveOne<Moodycamel>();
  bench::RegisterFeedsInTurn<Moodycamel>();
  bench::RegisterReplay<Moodycamel>();
  return bench::RunCases(argc, argv);
}
