// SPDX-License-Identifier: MIT
//
// Subscriptions with options: what a Send does about a full channel while
// others receive, close and unsubscribe; what a newcomer receives first; and
// what the numbers say meanwhile.

#include "scenario.h"
// The platform comes first.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include <fanfare/feed.h>
#include <fanfare/feed_options.h>
#include <fanfare/state.h>

namespace model {
namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::FeedOptions;
using fanfare::Overflow;
using fanfare::State;
using fanfare::SubscribeOptions;
using fanfare::SubscriberStats;
using fanfare::Subscription;
using namespace std::chrono_literals;

// A value that the sender copies. Counts how many there are.
class Item {
 public:
  Item(int number) : number_(number) { ++alive; }  // NOLINT
  Item(const Item& other) : number_(other.number_) { ++alive; }
  Item(Item&& other) noexcept : number_(other.number_) { ++alive; }
  Item& operator=(const Item&) = delete;
  ~Item() { --alive; }

  operator int() const { return number_; }  // NOLINT

  static inline int alive = 0;

 private:
  int number_;
};

SubscriberStats StatsOf(const Subscription& subscription) {
  return subscription.Stats().value_or(SubscriberStats{});
}

// A feed with one subscriber that has options, and the first value, 0, in its
// channel, which is full if its capacity is one.
template <typename T>
struct Policied {
  explicit Policied(SubscribeOptions options, std::size_t capacity = 1)
      : channel(capacity) {
    Item::alive = 0;
    subscription = feed.Subscribe(channel, std::move(options));
    Send(0);
    Expect(taken == 1, "not sent");
  }
  ~Policied() { ExpectNobodyWaits(channel); }
  Policied(const Policied&) = delete;
  Policied& operator=(const Policied&) = delete;

  template <typename... Limits>
  void Send(int value, const Limits&... limits) {
    taken += feed.Send(T(value), limits...);
  }
  void Keep(const std::optional<T>& value) {
    if (value.has_value()) got.push_back(*value);
  }
  // Takes what is left. Each value was received once at most, in order.
  void ExpectConserved() {
    const SubscriberStats stats = StatsOf(subscription);
    Expect(stats.queued == channel.size(), "another number is in the channel");
    while (const std::optional<T> value = channel.TryReceive()) Keep(value);
    Expect(Item::alive == 0, "a copy is lost or destroyed twice");
    for (std::size_t i = 1; i < got.size(); ++i) {
      Expect(got[i - 1] < got[i], "a value is doubled or out of order");
    }
    Expect(stats.delivered == taken, "another number than were taken");
    Expect(got.size() + stats.evicted == taken, "a value is lost or doubled");
    Expect(stats.offered == stats.delivered + stats.dropped + stats.missed,
           "a value is not accounted for");
  }
  // The subscription is still there, and the turn is free.
  void ExpectStays() {
    Expect(feed.subscriber_count() == 1, "the subscription has ended");
    Send(9);
  }

  Feed<T> feed;
  Channel<T> channel;
  Subscription subscription;
  std::size_t taken = 0;
  std::vector<int> got;
};

template <typename T>
void ReplacingAndReceive() {
  Policied<T> policied({.overflow = Overflow::kDropOldest});
  Scheduler::Interleave({[&] {
                           policied.Send(1);
                           policied.Send(2);
                         },
                         [&] {
                           policied.Keep(policied.channel.Receive());
                           policied.Keep(policied.channel.TryReceive());
                         }});
  Expect(policied.taken == 3, "a value was not delivered");
  policied.ExpectStays();
  policied.ExpectConserved();
  Expect(policied.got.back() == 9, "the latest value is lost");
}

// A receive that found the channel empty queues, or finds that it was filled
// and overwritten meanwhile.
void OverwritingAndReceive() {
  Policied<int> policied({.overflow = Overflow::kDropOldest});
  Scheduler::Interleave({[&] {
                           for (int i = 1; i <= 4; ++i) policied.Send(i);
                         },
                         [&] {
                           while (policied.got.empty() ||
                                  policied.got.back() != 4) {
                             policied.Keep(policied.channel.Receive());
                           }
                         }});
  policied.ExpectConserved();
}

// A receive that waits is given the value, and nothing is taken out for it.
template <typename T>
void ReplacingAndWaitingReceive() {
  Policied<T> policied({.overflow = Overflow::kDropOldest});
  Scheduler::Interleave({[&] {
                           policied.Send(1);
                           policied.Send(2);
                         },
                         [&] {
                           while (policied.got.empty() ||
                                  policied.got.back() != 2) {
                             policied.Keep(policied.channel.Receive());
                           }
                         }});
  policied.ExpectConserved();
}

template <typename T>
void ReplacingAndChannelClose() {
  Policied<T> policied({.overflow = Overflow::kDropOldest});
  Scheduler::Interleave({[&] {
                           policied.Send(1);
                           policied.Send(2);
                         },
                         [&] {
                           policied.channel.Close();
                           policied.Keep(policied.channel.TryReceive());
                           Expect(policied.channel.drained(), "not refused");
                         }});
  Expect(policied.channel.drained(), "a delivery after Close");
  policied.feed.TrySend(T(3));
  Expect(policied.feed.subscriber_count() == 0, "it stays subscribed");
  policied.ExpectConserved();
}

template <typename T>
void ReplacingAndUnsubscribe() {
  Policied<T> policied({.overflow = Overflow::kDropOldest});
  std::uint64_t seen = 0;
  Scheduler::Interleave({[&] {
                           policied.Send(1);
                           policied.Send(2);
                         },
                         [&] {
                           policied.subscription.Unsubscribe();
                           policied.Keep(policied.channel.TryReceive());
                           seen = policied.channel.size();
                         }});
  Expect(seen == 0 && policied.channel.size() == 0,
         "a delivery after Unsubscribe");
  policied.ExpectConserved();
}

// Another feed sends to the same channel, whose lock is biased to one feed or
// the other.
template <typename T>
void ReplacingWithRoom() {
  Policied<T> policied({.overflow = Overflow::kDropOldest}, 2);
  policied.Send(1);
  Scheduler::Interleave(
      {[&] { policied.Send(2); },
       [&] { policied.Keep(policied.channel.TryReceive()); }});
  const std::uint64_t evicted = StatsOf(policied.subscription).evicted;
  Expect(policied.got.size() == 1, "nothing is received from a full channel");
  // The receive came first and made room, or the eviction did.
  Expect(evicted == (policied.got[0] == 0 ? 0U : 1U),
         "evicted in spite of room");
  policied.ExpectConserved();
}

void ReplacingInALoan() {
  Policied<int> policied({.overflow = Overflow::kDropOldest});
  Feed<int> other;
  const auto also = other.Subscribe(policied.channel);
  std::size_t others = 0;
  std::size_t received = 0;
  const auto receive = [&] {
    received += policied.channel.TryReceive().has_value() ? 1 : 0;
  };
  Scheduler::Interleave({[&] { policied.Send(1); },
                         [&] { others += other.TrySend(11); }, receive});
  Expect(policied.taken == 2, "a value was not delivered");
  policied.ExpectStays();
  received += CountLeft(policied.channel);
  const std::uint64_t evicted = StatsOf(policied.subscription).evicted;
  Expect(received + evicted == policied.taken + others,
         "a value is lost or doubled");
}

// What may come of a Send to a full channel whose patience runs out.
SubscribeOptions Patient(Overflow overflow) {
  return {.overflow = overflow, .patience = 10s};
}

template <typename T>
void PatienceAndReceive(Overflow overflow, std::size_t capacity) {
  Policied<T> policied(Patient(overflow), 1);
  Feed<T>& feed = policied.feed;
  const Channel<T> second(capacity);
  const Subscription subscription = feed.Subscribe(second, Patient(overflow));
  while (second.TrySend(T(0))) {
  }
  std::size_t sent = 0;
  std::size_t received = 0;
  Scheduler::Interleave({[&] { sent = feed.Send(T(1)); },
                         [&] {
                           policied.Keep(policied.channel.TryReceive());
                           received += second.TryReceive().has_value() ? 1 : 0;
                         },
                         TimePasses(10s)});
  const SubscriberStats stats = StatsOf(subscription);
  received += CountLeft(second);
  Expect(stats.offered == 1, "a value is not accounted for");
  Expect(received + stats.evicted == second.capacity() + stats.delivered,
         "a value is lost or doubled");
  Expect(sent >= stats.delivered, "another number than were taken");
  policied.taken += sent - stats.delivered;
  const bool replaces = overflow == Overflow::kDropOldest;
  Expect(!replaces || sent == 2, "a value was not delivered");
  Expect(feed.subscriber_count() == 2, "a subscription has ended");
  Expect(StatsOf(policied.subscription).offered == 2,
         "a value is not accounted for");
  policied.ExpectConserved();
}
void SkippingAndReceive() {
  PatienceAndReceive<Item>(Overflow::kDropNewest, 0);
}
void ReplacingLateAndReceive() {
  PatienceAndReceive<Item>(Overflow::kDropOldest, 1);
}
void ReplacingLateAndReceiveInt() {
  PatienceAndReceive<int>(Overflow::kDropOldest, 1);
}

template <Overflow kOverflow>
void PatienceAndUnsubscribe() {
  Policied<Item> policied(Patient(kOverflow));
  Scheduler::Interleave({[&] { policied.Send(1); },
                         [&] {
                           policied.subscription.Unsubscribe();
                           policied.Keep(policied.channel.TryReceive());
                           Expect(policied.channel.size() == 0,
                                  "a delivery after Unsubscribe");
                         },
                         TimePasses(10s)});
  Expect(policied.feed.subscriber_count() == 0, "a subscriber is left");
  policied.ExpectConserved();
}

void PatienceAndStop() {
  Policied<Item> policied(Patient(Overflow::kDropNewest));
  std::stop_source stop;
  Scheduler::Interleave({[&] { policied.Send(1, stop.get_token()); },
                         [&] { policied.Keep(policied.channel.TryReceive()); },
                         [&] {
                           const Scheduler::Uninterrupted request;
                           stop.request_stop();
                         },
                         TimePasses(10s)});
  const SubscriberStats stats = StatsOf(policied.subscription);
  Expect(stats.offered == 2, "a value is not accounted for");
  policied.ExpectConserved();
  policied.ExpectStays();
}

// The Send's own deadline and the patience: one of them decides.
void PatienceAndDeadline() {
  Policied<Item> policied(Patient(Overflow::kDropOldest));
  Scheduler::Interleave(
      {[&] { policied.taken += policied.feed.SendFor(Item(1), 20s); },
       TimePasses(10s), TimePasses(10s)});
  Expect(StatsOf(policied.subscription).offered == 2,
         "a value is not accounted for");
  policied.ExpectConserved();
  policied.ExpectStays();
}

// Ends by the policy, by Unsubscribe, or by Close; once.
template <typename End>
void Ending(std::chrono::nanoseconds patience, End end) {
  Policied<Item> policied({.overflow = Overflow::kEnd,
                           .patience = patience,
                           .close_channel = true});
  std::vector<Body> bodies{
      [&] { policied.Send(1); },
      [&] {
        end(policied);
        Expect(policied.subscription.ended(), "the subscription has not ended");
        Expect(policied.channel.closed(), "the channel is not closed");
      }};
  if (patience > 0s) bodies.push_back(TimePasses(patience));
  Scheduler::Interleave(std::move(bodies));
  const SubscriberStats stats = StatsOf(policied.subscription);
  const auto error = policied.subscription.Err().TryReceive();
  Expect(policied.subscription.Err().drained(), "more than one error");
  Expect(!error.has_value() || stats.dropped == 1, "an error without a cause");
  Expect(policied.feed.subscriber_count() == 0, "a subscriber is left");
  policied.ExpectConserved();
}
void EndingAndUnsubscribe() {
  Ending(0s, [](auto& policied) { policied.subscription.Unsubscribe(); });
}
void EndingLateAndUnsubscribe() {
  Ending(10s, [](auto& policied) { policied.subscription.Unsubscribe(); });
}
void EndingAndClose() {
  Ending(0s, [](auto& policied) { policied.feed.Close(); });
}

// A loop over the channel ends with the subscription, and has seen all.
template <typename End>
void ClosingForAReceiver(End end) {
  Policied<Item> policied({.close_channel = true});
  Scheduler::Interleave({[&] { policied.Send(1); },
                         [&] {
                           for (const Item& item : policied.channel) {
                             policied.got.push_back(item);
                           }
                         },
                         [&] { end(policied); }});
  policied.ExpectConserved();
}
void ClosingByUnsubscribe() {
  ClosingForAReceiver(
      [](auto& policied) { policied.subscription.Unsubscribe(); });
}
void ClosingByTheFeed() {
  ClosingForAReceiver([](auto& policied) { policied.feed.Close(); });
}

// A thread that sees a send queued sees for how long a Send has waited.
void BlockingFromTheBeginning() {
  Scheduler::TimeWillMove();
  Policied<int> policied({});
  Scheduler::Interleave({[&] { policied.Send(1); },
                         [&] {
                           if (policied.channel.waiting_senders() != 1) return;
                           Scheduler::MoveTime(5s);
                           const SubscriberStats stats =
                               StatsOf(policied.subscription);
                           Expect(!stats.blocks || stats.blocking == 5s,
                                  "not the time of the wait that was seen");
                         },
                         [&] { policied.Keep(policied.channel.Receive()); }});
  policied.ExpectConserved();
}

// A thread that finds the channel closed finds the error.
void ClosingAfterTheError() {
  Policied<Item> policied({.overflow = Overflow::kEnd, .close_channel = true});
  std::optional<std::exception_ptr> error;
  Scheduler::Interleave({[&] { policied.Send(1); },
                         [&] {
                           const bool closed = policied.channel.closed();
                           error = policied.subscription.Err().TryReceive();
                           Expect(!closed || error.has_value(),
                                  "the channel is closed without an error");
                         }});
  policied.ExpectConserved();
}

// A feed that keeps two values, and has sent the first.
template <typename T>
struct Remembering {
  Remembering() {
    Item::alive = 0;
    feed.Send(T(1));
  }

  // What `channel` received: the kept values and all later ones, as long as
  // the feed was open.
  static std::size_t ExpectNoGap(const Channel<T>& channel) {
    int last = 0;
    while (const std::optional<T> value = channel.TryReceive()) {
      Expect(*value == ++last, "a value is lost, doubled or out of order");
    }
    return static_cast<std::size_t>(last);
  }

  Feed<T> feed{FeedOptions{.replay = 2}};
  Channel<T> one{4}, other{4};
  Subscription first, second;
};

template <typename T>
void ReplayAndSend() {
  Remembering<T> feed;
  Scheduler::Interleave(
      {[&] { feed.feed.Send(T(2)); },
       [&] { feed.first = feed.feed.Subscribe(feed.one, {.replay = 2}); },
       [&] { feed.second = feed.feed.Subscribe(feed.other, {.replay = 2}); }});
  Expect(feed.feed.TrySend(T(3)) == 2, "the turn is not free");
  // The history has two values when the third one comes.
  for (const Subscription* const s : {&feed.first, &feed.second}) {
    const SubscriberStats stats = StatsOf(*s);
    Expect(stats.replayed + stats.delivered == 3 && stats.queued == 3,
           "another number than were taken");
  }
  Expect(Remembering<T>::ExpectNoGap(feed.one) == 3 &&
             Remembering<T>::ExpectNoGap(feed.other) == 3,
         "a value is lost");
}

void ReplayAndClose() {
  Remembering<Item> feed;
  std::size_t taken = 0;
  Scheduler::Interleave(
      {[&] { taken = feed.feed.Send(Item(2)); },
       [&] { feed.first = feed.feed.Subscribe(feed.one, {.replay = 2}); },
       [&] { feed.feed.Close(); }});
  const SubscriberStats stats = StatsOf(feed.first);
  Expect(stats.delivered == taken, "another number than were taken");
  Expect(feed.first.ended(), "the newcomer has not ended");
  Expect(Remembering<Item>::ExpectNoGap(feed.one) ==
             stats.replayed + stats.delivered,
         "another number than were taken");
}

void ReplayAndUnsubscribe() {
  Remembering<Item> feed;
  std::size_t got = 0;
  Scheduler::Interleave({[&] { feed.feed.Send(Item(2)); },
                         [&] {
                           feed.first =
                               feed.feed.Subscribe(feed.one, {.replay = 2});
                           feed.first.Unsubscribe();
                           got = Remembering<Item>::ExpectNoGap(feed.one);
                         }});
  Expect(feed.one.size() == 0, "a delivery after Unsubscribe");
  const SubscriberStats stats = StatsOf(feed.first);
  Expect(got == stats.replayed + stats.delivered,
         "another number than were taken");
  Expect(feed.feed.subscriber_count() == 0, "a subscriber is left");
}

// Reads the numbers while `sent` and `taken` count what a Send returned.
class Reader {
 public:
  Reader(const Feed<int>& feed, const Subscription& subscription)
      : feed_(feed), subscription_(subscription) {}

  void Begin() { ++begun_; }
  void End(std::size_t taken) {
    ++ended_;
    taken_ += taken;
  }
  // Once by Stats() and once by Report(). What a Send has not decided may count
  // as delivered.
  void Read(bool may_have_ended = false) const {
    const std::uint64_t least = may_have_ended ? 0 : ended_;
    const std::uint64_t taken = may_have_ended ? 0 : taken_;
    Check(StatsOf(subscription_), least, taken);
    for (const auto& report : feed_.Report()) {
      Check(report.stats, least, taken);
    }
  }

 private:
  void Check(const SubscriberStats& stats, std::uint64_t least,
             std::uint64_t taken) const {
    Expect(stats.offered == stats.delivered + stats.dropped + stats.missed,
           "a value is not accounted for");
    Expect(stats.offered >= least, "a decided value is missing");
    Expect(stats.offered <= begun_, "more values than were sent");
    Expect(stats.delivered >= taken, "a delivered value is missing");
    Expect(stats.delivered <= taken_ + (begun_ - ended_) + 1,
           "more values than were delivered");
    Expect(stats.queued <= stats.capacity, "more values than there is room");
  }

  const Feed<int>& feed_;
  const Subscription& subscription_;
  std::uint64_t begun_ = 1, ended_ = 1, taken_ = 1;  // Policied has sent one
};

// None of the values finds room.
template <typename T>
void NumbersWhileValuesAreReplaced() {
  Policied<T> policied({.overflow = Overflow::kDropOldest});
  Scheduler::Interleave(
      {[&] {
         policied.Send(1);
         policied.Send(2);
       },
       [&] {
         const SubscriberStats stats = StatsOf(policied.subscription);
         Expect(stats.delivered - stats.evicted - stats.queued <= 1,
                "numbers of different Sends");
       }});
  policied.ExpectConserved();
}
void NumbersWhileValuesAreMissed() {
  Policied<int> policied({});
  Reader reader(policied.feed, policied.subscription);
  Scheduler::Interleave({[&] {
                           for (int value = 1; value < 4; ++value) {
                             reader.Begin();
                             reader.End(policied.feed.TrySend(value));
                           }
                         },
                         [&] { reader.Read(); }});
  const SubscriberStats stats = StatsOf(policied.subscription);
  Expect(stats.delivered == 1 && stats.missed == 3, "not missed");
  policied.ExpectConserved();
}

void NumbersWhileASendBlocks() {
  Policied<int> policied({});
  Reader reader(policied.feed, policied.subscription);
  Scheduler::Interleave({[&] {
                           for (int value = 1; value < 3; ++value) {
                             reader.Begin();
                             const std::size_t sent = policied.feed.Send(value);
                             policied.taken += sent;
                             reader.End(sent);
                           }
                         },
                         [&] { reader.Read(); },
                         [&] {
                           policied.Keep(policied.channel.Receive());
                           policied.Keep(policied.channel.Receive());
                         }});
  policied.ExpectConserved();
}

void NumbersWhileItEnds() {
  Policied<int> policied({.overflow = Overflow::kDropOldest});
  Reader reader(policied.feed, policied.subscription);
  Scheduler::Interleave({[&] {
                           reader.Begin();
                           const std::size_t sent = policied.feed.Send(1);
                           policied.taken += sent;
                           reader.End(sent);
                         },
                         [&] { reader.Read(true); },
                         [&] { policied.subscription.Unsubscribe(); }});
  policied.ExpectConserved();
}

// A subscriber receives the value and each change once, the last one for sure.
void StateAndNewcomer() {
  State<int> state(1);
  const Channel<State<int>::Pointer> channel(4);
  Subscription subscription;
  int last = 0;
  Scheduler::Interleave({[&] { state.Set(2); },
                         [&] {
                           const int before = *state.Get();
                           subscription = state.Subscribe(channel);
                           last = **channel.Receive();
                           Expect(last >= before, "older than what Get said");
                         },
                         [&] {
                           const int before = *state.Get();
                           Expect(before <= *state.Get(), "an older value");
                         }});
  while (const auto value = channel.TryReceive()) {
    Expect(**value == last + 1, "a value is lost or doubled");
    last = **value;
  }
  Expect(last == 2, "the last change is lost");
}

void StateAndItsSubscriber() {
  State<int> state(1);
  const Channel<State<int>::Pointer> channel(1);
  const Subscription subscription = state.Subscribe(channel);
  const auto increment = [&] { state.Update([](int& value) { ++value; }); };
  Scheduler::Interleave({increment, increment, [&] {
                           const int received = **channel.Receive();
                           Expect(received <= *state.Get(),
                                  "told of a value that is not there");
                         }});
  Expect(*state.Get() == 3, "a change is lost");
  const auto last = channel.TryReceive();
  const SubscriberStats stats = StatsOf(subscription);
  Expect(stats.delivered == 2, "a change was not delivered");
  Expect(!last.has_value() || **last == 3, "the last change is lost");
}

constexpr std::array kScenarios = {
    Scenario{"policy_replace",
             "a receive and an eviction take each value out once",
             ReplacingAndReceive<Item>},
    Scenario{"policy_replace_int",
             "the same for bytes that are not copied first",
             ReplacingAndReceive<int>},
    Scenario{"policy_replace_room",
             "nothing is evicted if a receive has made room",
             ReplacingWithRoom<Item>},
    Scenario{"policy_replace_room_int",
             "the same for bytes that are not copied first",
             ReplacingWithRoom<int>},
    Scenario{"policy_replace_overwritten",
             "the same if the values are overwritten without the front",
             OverwritingAndReceive},
    Scenario{"policy_replace_waits",
             "a receive that waits is given the value that would replace one",
             ReplacingAndWaitingReceive<int>},
    Scenario{"policy_replace_waits_item", "the same for a value that is copied",
             ReplacingAndWaitingReceive<Item>},
    Scenario{"policy_replace_close",
             "a channel's Close refuses a replacement or lets it through",
             ReplacingAndChannelClose<Item>},
    Scenario{"policy_replace_unsubscribe",
             "nothing is replaced after Unsubscribe",
             ReplacingAndUnsubscribe<Item>},
    Scenario{"policy_replace_loan",
             "a replacement waits for the bias of another feed",
             ReplacingInALoan},
    Scenario{"policy_patience",
             "a receive or the patience decides on a value, not both",
             SkippingAndReceive},
    Scenario{"policy_patience_replace", "the same for a replacement",
             ReplacingLateAndReceive},
    Scenario{"policy_patience_replace_int",
             "the same for bytes that are not copied first",
             ReplacingLateAndReceiveInt},
    Scenario{"policy_patience_unsubscribe",
             "Unsubscribe or the patience decides on a value, not both",
             PatienceAndUnsubscribe<Overflow::kDropNewest>},
    Scenario{"policy_patience_unsubscribe_replace",
             "the same for a replacement",
             PatienceAndUnsubscribe<Overflow::kDropOldest>},
    Scenario{"policy_patience_stop",
             "a receive, a stop or the patience decides on a value, not two",
             PatienceAndStop},
    Scenario{"policy_patience_deadline",
             "the deadline or the patience decides on a value, not both",
             PatienceAndDeadline},
    Scenario{"policy_end_unsubscribe",
             "a subscription ends by its policy or by Unsubscribe, once",
             EndingAndUnsubscribe},
    Scenario{"policy_end_late", "the same after a patience",
             EndingLateAndUnsubscribe},
    Scenario{"policy_end_close", "the same by Close", EndingAndClose},
    Scenario{"policy_close_channel",
             "a loop over the channel has seen all when Unsubscribe closes it",
             ClosingByUnsubscribe},
    Scenario{"policy_close_feed", "the same when the feed closes",
             ClosingByTheFeed},
    Scenario{"policy_close_error",
             "a channel that is closed because its subscriber is too slow is "
             "closed after Err() has the error",
             ClosingAfterTheError},
    Scenario{"replay_newcomers",
             "two that subscribe during a Send receive all values, each once",
             ReplayAndSend<Item>},
    Scenario{"replay_newcomers_int",
             "the same for bytes that are not copied first",
             ReplayAndSend<int>},
    Scenario{"replay_close", "Close ends one that is just receiving the past",
             ReplayAndClose},
    Scenario{"replay_unsubscribe", "nothing is replayed after Unsubscribe",
             ReplayAndUnsubscribe},
    Scenario{"numbers_blocking", "a wait has begun once another thread sees it",
             BlockingFromTheBeginning},
    Scenario{"numbers_replaced",
             "what is replaced counts as delivered and as evicted",
             NumbersWhileValuesAreReplaced<Item>},
    Scenario{"numbers_replaced_int", "the same for bytes",
             NumbersWhileValuesAreReplaced<int>},
    Scenario{"numbers_missed", "what is missed never counts as delivered",
             NumbersWhileValuesAreMissed},
    Scenario{"numbers_block", "a value that a Send waits with does not count",
             NumbersWhileASendBlocks},
    Scenario{"numbers_end",
             "the numbers fit together while a subscription ends",
             NumbersWhileItEnds},
    Scenario{"state_newcomer",
             "a subscriber of a state receives the last change, each once",
             StateAndNewcomer},
    Scenario{"state_update",
             "each Update counts, and is there before a subscriber is told",
             StateAndItsSubscriber},
};

}  // namespace

std::span<const Scenario> PolicyScenarios() { return kScenarios; }

}  // namespace model
