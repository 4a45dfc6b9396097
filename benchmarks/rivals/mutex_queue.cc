// SPDX-License-Identifier: MIT
//
// What people write by hand: a queue with a mutex and two condition variables.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "../queue_feed.h"
#include "../scenarios.h"
#include "../threads.h"

namespace {

struct MutexQueue : bench::Threads {
  template <typename T>
  class Channel {
   public:
    explicit Channel(std::size_t capacity) : capacity_(capacity) {}

    void Send(const T& value) {
      std::unique_lock lock(mutex_);
      // At capacity 0 there is room for each receiver that waits.
      not_full_.wait(
          lock, [this] { return values_.size() < capacity_ + receivers_; });
      values_.push_back(value);
      lock.unlock();
      not_empty_.notify_one();
    }

    // Not for capacity 0.
    void SendDropOldest(const T& value) {
      std::unique_lock lock(mutex_);
      if (values_.size() == capacity_) values_.pop_front();
      values_.push_back(value);
      lock.unlock();
      not_empty_.notify_one();
    }

    T Receive() {
      std::unique_lock lock(mutex_);
      if (capacity_ == 0) {
        ++receivers_;
        not_full_.notify_one();
      }
      not_empty_.wait(lock, [this] { return !values_.empty(); });
      T value = std::move(values_.front());
      values_.pop_front();
      if (capacity_ == 0) {
        --receivers_;
        return value;
      }
      lock.unlock();
      not_full_.notify_one();
      return value;
    }

    // Not for capacity 0.
    std::optional<T> TryReceive() {
      std::unique_lock lock(mutex_);
      if (values_.empty()) return std::nullopt;
      std::optional<T> value(std::move(values_.front()));
      values_.pop_front();
      lock.unlock();
      not_full_.notify_one();
      return value;
    }

   private:
    const std::size_t capacity_;
    std::mutex mutex_;
    std::condition_variable not_full_;
    std::condition_variable not_empty_;
    std::deque<T> values_;       // guarded by mutex_
    std::size_t receivers_ = 0;  // at capacity 0; guarded by mutex_
  };

  template <typename T>
  using Feed = bench::QueueFeed<Channel<T>, T>;
  template <typename T>
  using LossyFeed = bench::LossyQueueFeed<Channel<T>, T>;
  template <typename T>
  using ReplayFeed = bench::ReplayQueueFeed<Channel<T>, T, bench::kReplay>;

  // One value for all, with its number, which says whether it is a new one.
  template <typename T>
  class State {
   public:
    class Subscriber {
     public:
      explicit Subscriber(State& state) : state_(state) {}
      T Next() {
        std::unique_lock lock(state_.mutex_);
        state_.changed_.wait(lock, [this] { return seen_ < state_.version_; });
        seen_ = state_.version_;
        return state_.value_;
      }

     private:
      State& state_;
      std::uint64_t seen_ = 0;
    };

    explicit State(const T& value) : value_(value) {}
    void Set(const T& value) {
      std::unique_lock lock(mutex_);
      value_ = value;
      ++version_;
      lock.unlock();
      changed_.notify_all();
    }
    Subscriber Subscribe() { return Subscriber(*this); }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    T value_;                    // guarded by mutex_
    std::uint64_t version_ = 1;  // guarded by mutex_
  };

  template <typename T>
  static std::shared_ptr<Channel<T>> Share() {
    return std::make_shared<Channel<T>>(0);
  }
};

}  // namespace

int main(int argc, char** argv) {
  bench::RegisterSend<MutexQueue>();
  bench::RegisterDrain<MutexQueue>();
  bench::RegisterStreams<MutexQueue>();
  bench::RegisterRendezvous<MutexQueue>();
  bench::RegisterRoundTrips<MutexQueue>({0, 1});
  bench::RegisterAcknowledged<MutexQueue>();
  bench::RegisterSubscribe<MutexQueue>();
  bench::RegisterLag<MutexQueue>();
  bench::RegisterIdle<MutexQueue>();
  bench::RegisterMemory<MutexQueue>();
  bench::RegisterBursts<MutexQueue>();
  bench::RegisterPaced<MutexQueue>();
  bench::RegisterReceiveOne<MutexQueue>();
  bench::RegisterFeedsInTurn<MutexQueue>();
  bench::RegisterFeedsAtOnce<MutexQueue>();
  bench::RegisterDropOldest<MutexQueue>();
  bench::RegisterLatest<MutexQueue>();
  bench::RegisterReplay<MutexQueue>();
  return bench::RunCases(argc, argv);
}
