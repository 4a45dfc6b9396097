// SPDX-License-Identifier: MIT
//
// The feeds of a rival that has queues alone: what people write around them.
#ifndef FANFARE_BENCHMARKS_QUEUE_FEED_H_
#define FANFARE_BENCHMARKS_QUEUE_FEED_H_

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace bench {

// How a channel gets a value: with Send(), or with SendDropOldest().
enum class Deliver { kSend, kDropOldest };

// A vector of channels. Mutex is one that the rival's tasks may block on.
template <typename Channel, typename T, typename Mutex = std::mutex,
          Deliver kDeliver = Deliver::kSend>
class QueueFeed {
 public:
  struct Unsubscriber {
    QueueFeed* feed;
    void operator()(Channel* channel) const { feed->Remove(channel); }
  };
  using Subscription = std::unique_ptr<Channel, Unsubscriber>;

  Subscription Subscribe(Channel& channel) {
    const std::lock_guard lock(mutex_);
    channels_.push_back(&channel);
    return Subscription(&channel, Unsubscriber{this});
  }

  // For one sender, while nobody subscribes.
  void Send(const T& value) {
    for (Channel* const channel : channels_) {
      if constexpr (kDeliver == Deliver::kSend) {
        channel->Send(value);
      } else {
        channel->SendDropOldest(value);
      }
    }
  }

  // The lock gives all channels the values of several senders in one order.
  void SendBesideOthers(const T& value) {
    const std::lock_guard lock(mutex_);
    Send(value);
  }

 private:
  void Remove(Channel* channel) {
    const std::lock_guard lock(mutex_);
    channels_.erase(std::find(channels_.begin(), channels_.end(), channel));
  }

  Mutex mutex_;
  std::vector<Channel*> channels_;  // guarded by mutex_
};

template <typename Channel, typename T, typename Mutex = std::mutex>
using LossyQueueFeed = QueueFeed<Channel, T, Mutex, Deliver::kDropOldest>;

// A QueueFeed that keeps its last `kReplay` values in a deque. The lock is held
// by a Send, and while a new channel gets these values, so that it misses none.
template <typename Channel, typename T, std::size_t kReplay,
          typename Mutex = std::mutex>
class ReplayQueueFeed {
 public:
  auto Subscribe(Channel& channel) {
    const std::lock_guard lock(mutex_);
    for (const T& value : history_) channel.Send(value);
    return feed_.Subscribe(channel);
  }

  void Send(const T& value) {
    const std::lock_guard lock(mutex_);
    if (history_.size() == kReplay) history_.pop_front();
    history_.push_back(value);
    feed_.SendBesideOthers(value);
  }

 private:
  Mutex mutex_;
  std::deque<T> history_;  // guarded by mutex_
  QueueFeed<Channel, T, Mutex> feed_;
};

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_QUEUE_FEED_H_
