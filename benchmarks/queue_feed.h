// SPDX-License-Identifier: MIT
//
// The feed of a rival that has queues alone: what people write around them.
#ifndef FANFARE_BENCHMARKS_QUEUE_FEED_H_
#define FANFARE_BENCHMARKS_QUEUE_FEED_H_

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

namespace bench {

// A vector of channels. Mutex is one that the rival's tasks may block on.
template <typename Channel, typename T, typename Mutex = std::mutex>
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
    for (Channel* const channel : channels_) channel->Send(value);
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

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_QUEUE_FEED_H_
