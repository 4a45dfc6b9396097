// SPDX-License-Identifier: MIT
//
// The two sides of every scenario.
//
// A rival is a class with these members; it may lack what it does not need for
// the scenarios that its program runs:
//
//   template <typename T> class Channel;
//     explicit Channel(std::size_t capacity)   0: rendezvous
//     void Send(const T&), T Receive()         block
//     bool HasBlockedSender()                  optional
//     std::optional<T> TryReceive()            does not block
//   template <typename T> class Feed;
//     Subscribe(Channel<T>&)                   a handle that unsubscribes
//     void Send(const T&)                      one sender
//     void SendBesideOthers(const T&)          several senders
//   template <typename T> class LossyFeed;     a Feed whose Send replaces the
//                                              oldest value in a full channel
//   template <typename T> class ReplayFeed;    a Feed that delivers its last
//                                              kReplay values to new channels
//   template <typename T> class State;         one value (latest.h)
//   Share<T>()                                 a handle, copied and used with
//                                              ->, of a new Channel<T>(0)
//   Task, Latch, Yield(), AwaitSleep()         what runs beside (threads.h)
#ifndef FANFARE_BENCHMARKS_AUDIENCE_H_
#define FANFARE_BENCHMARKS_AUDIENCE_H_

#include <cstddef>
#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace bench {

// A feed and the channels that are subscribed to it.
template <typename Rival, typename T,
          typename FeedType = typename Rival::template Feed<T>>
class Audience {
 public:
  using Channel = typename Rival::template Channel<T>;
  using Feed = FeedType;

  Audience(std::size_t subscribers, std::size_t capacity) {
    subscriptions_.reserve(subscribers);
    for (std::size_t i = 0; i < subscribers; ++i) {
      channels_.emplace_back(capacity);
      subscriptions_.push_back(feed_.Subscribe(channels_.back()));
    }
  }

  Feed& feed() { return feed_; }
  std::deque<Channel>& channels() { return channels_; }

  // One that is made on the first call and stays until the program ends. With
  // 100,000 subscribers it takes long to make, and Google Benchmark calls a
  // case several times.
  static Audience& Lasting(std::size_t subscribers, std::size_t capacity) {
    static auto& all =
        *new std::map<std::pair<std::size_t, std::size_t>, Audience*>();
    Audience*& audience = all[{subscribers, capacity}];
    if (audience == nullptr) audience = new Audience(subscribers, capacity);
    return *audience;
  }

 private:
  using Subscription =
      decltype(std::declval<Feed&>().Subscribe(std::declval<Channel&>()));

  std::deque<Channel> channels_;
  Feed feed_;
  std::vector<Subscription> subscriptions_;  // last: they use what is above
};

// Gives way until `condition()` is true.
template <typename Rival, typename Condition>
void Await(Condition condition) {
  while (!condition()) Rival::Yield();
}

// Gives way until a sender, which is on its way, is blocked on the channel. A
// rival that cannot tell gets the time that this mostly takes.
template <typename Rival, typename Channel>
void AwaitBlockedSender(Channel& channel) {
  if constexpr (requires { channel.HasBlockedSender(); }) {
    Await<Rival>([&] { return channel.HasBlockedSender(); });
  } else {
    for (int i = 0; i < 10; ++i) Rival::Yield();
  }
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_AUDIENCE_H_
