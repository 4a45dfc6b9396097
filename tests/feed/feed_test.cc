// SPDX-License-Identifier: MIT
//
// F1 to F10: what a feed promises. Copies, F9, are in feed_copy_test.cc.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/feeds.h"
#include "support/in_thread.h"
#include "support/subscriptions.h"
#include "support/waiters.h"

namespace {

using namespace std::chrono_literals;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::OnReceive;
using fanfare::Receiver;
using fanfare::Select;
using fanfare::Sender;
using fanfare::Subscription;

// ---------------------------------------------------------------------------
// F1: what the type looks like.
// ---------------------------------------------------------------------------

template <typename T, typename... Args>
concept CanSend = requires(Feed<T>& feed, Args&&... args) {
  { feed.Send(std::forward<Args>(args)...) } -> std::same_as<std::size_t>;
};
template <typename T, typename... Args>
concept CanSendFor = requires(Feed<T>& feed, Args&&... args) {
  { feed.SendFor(std::forward<Args>(args)...) } -> std::same_as<std::size_t>;
};
template <typename T, typename... Args>
concept CanSendUntil = requires(Feed<T>& feed, Args&&... args) {
  { feed.SendUntil(std::forward<Args>(args)...) } -> std::same_as<std::size_t>;
};
template <typename T, typename... Args>
concept CanTrySend = requires(Feed<T>& feed, Args&&... args) {
  { feed.TrySend(std::forward<Args>(args)...) } -> std::same_as<std::size_t>;
};
template <typename T, typename Arg>
concept CanSubscribe = requires(Feed<T>& feed, Arg&& arg) {
  { feed.Subscribe(std::forward<Arg>(arg)) } -> std::same_as<Subscription>;
};

}  // namespace

// F1: a feed may be compiled once in a program.
struct CompiledOnce {
  int value;
};
extern template class fanfare::Feed<CompiledOnce>;
template class fanfare::Feed<CompiledOnce>;

TEST_CASE(
    "F1: a feed is ready when it is made and can be neither copied nor moved") {
  STATIC_REQUIRE(std::is_default_constructible_v<Feed<int>>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Feed<int>>);
  STATIC_REQUIRE_FALSE(std::is_move_constructible_v<Feed<int>>);
  STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<Feed<int>>);
  STATIC_REQUIRE_FALSE(std::is_move_assignable_v<Feed<int>>);
  Feed<int> feed;
  CHECK(feed.subscriber_count() == 0);
  CHECK(feed.waiting_senders() == 0);
}

TEST_CASE("F1: the calls of a feed and what they return") {
  using std::chrono::steady_clock;
  using std::chrono::system_clock;
  STATIC_REQUIRE(CanSend<int, int>);
  STATIC_REQUIRE(CanSend<int, int&>);
  STATIC_REQUIRE(CanSend<int, const int&>);
  STATIC_REQUIRE(CanSend<int, int, std::stop_token>);
  STATIC_REQUIRE(CanSend<int, int, const std::stop_token&>);
  STATIC_REQUIRE(CanSend<std::string, const char*>);
  STATIC_REQUIRE(CanSendFor<int, int, std::chrono::nanoseconds>);
  STATIC_REQUIRE(CanSendFor<int, int, std::chrono::duration<double>>);
  STATIC_REQUIRE(CanSendUntil<int, int, steady_clock::time_point>);
  STATIC_REQUIRE(CanSendUntil<int, int, system_clock::time_point>);
  STATIC_REQUIRE(CanTrySend<int, int>);
  STATIC_REQUIRE(CanSubscribe<int, Sender<int>>);
  STATIC_REQUIRE(CanSubscribe<int, const Sender<int>&>);
  STATIC_REQUIRE(CanSubscribe<int, Channel<int>>);
  STATIC_REQUIRE(CanSubscribe<int, Channel<int>&>);
  STATIC_REQUIRE(CanSubscribe<int, const Channel<int>&>);
  STATIC_REQUIRE(
      std::same_as<decltype(std::declval<Feed<int>&>().Close()), void>);
  STATIC_REQUIRE(noexcept(std::declval<Feed<int>&>().Close()));
  STATIC_REQUIRE(std::same_as<
                 decltype(std::declval<const Feed<int>&>().subscriber_count()),
                 std::size_t>);
  SUCCEED();
}

TEST_CASE("F1 F10: values and channels of another type are refused") {
  struct Unrelated {};
  STATIC_REQUIRE_FALSE(CanSend<int, std::string>);
  STATIC_REQUIRE_FALSE(CanSend<int, Unrelated>);
  STATIC_REQUIRE_FALSE(CanSend<int, Unrelated, std::stop_token>);
  STATIC_REQUIRE_FALSE(CanSend<int, std::unique_ptr<int>>);
  STATIC_REQUIRE_FALSE(CanSend<std::string, int>);
  STATIC_REQUIRE_FALSE(CanSendFor<int, Unrelated, std::chrono::seconds>);
  STATIC_REQUIRE_FALSE(
      CanSendUntil<int, Unrelated, std::chrono::steady_clock::time_point>);
  STATIC_REQUIRE_FALSE(CanTrySend<int, Unrelated>);
  STATIC_REQUIRE_FALSE(CanSend<int>);
  STATIC_REQUIRE_FALSE(CanSubscribe<int, Channel<double>>);
  STATIC_REQUIRE_FALSE(CanSubscribe<int, Sender<long>>);
  STATIC_REQUIRE_FALSE(CanSubscribe<int, Receiver<int>>);
  STATIC_REQUIRE_FALSE(CanSubscribe<int, int>);
  STATIC_REQUIRE_FALSE(CanSubscribe<int, std::nullptr_t>);
  SUCCEED();
}

TEST_CASE("F1: subscriber_count follows Subscribe and Unsubscribe") {
  Feed<int> feed;
  const Channel<int> channel(1);
  Subscription first = feed.Subscribe(channel);
  CHECK(feed.subscriber_count() == 1);
  Subscription second = feed.Subscribe(channel);
  Subscription third = feed.Subscribe(Channel<int>());
  CHECK(feed.subscriber_count() == 3);
  second.Unsubscribe();
  CHECK(feed.subscriber_count() == 2);
  second.Unsubscribe();
  CHECK(feed.subscriber_count() == 2);
  first = Subscription();
  CHECK(feed.subscriber_count() == 1);
  third = feed.Subscribe(channel);
  CHECK(feed.subscriber_count() == 1);
  CHECK(feed.Send(1) == 1);
  CHECK(feed.subscriber_count() == 1);
  feed.Close();
  CHECK(feed.subscriber_count() == 0);
}

// ---------------------------------------------------------------------------
// F2: who gets a value, and who is counted.
// ---------------------------------------------------------------------------

TEST_CASE("F2: Send without subscribers returns 0 at once") {
  Feed<int> feed;
  const int way = GENERATE(range(0, kWaysToWait));
  CHECK(SendWaiting(way, feed, 1) == 0);
}

TEMPLATE_TEST_CASE(
    "F2: Send gives the value to every subscriber and counts them", "", int,
    std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const int way = GENERATE(range(0, kWaysToWait));
  CAPTURE(capacity, way);
  Feed<TestType> feed;
  Audience<TestType> audience(feed, 5, capacity);
  const TestType value = Value<TestType>(7);
  Sending sending([&] { return SendWaiting(way, feed, value); });
  for (const auto& channel : audience.channels) {
    CHECK(channel.Receive() == value);
  }
  CHECK(sending.Get() == 5);
  CHECK(value == Value<TestType>(7));
  for (const auto& channel : audience.channels) {
    CHECK(channel.TryReceive() == std::nullopt);
  }
}

TEMPLATE_TEST_CASE("F2: values arrive in the order sent", "", int,
                   std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  constexpr int kValues = 100;
  Feed<TestType> feed;
  Audience<TestType> audience(feed, 3, capacity);
  Sending sending([&] {
    std::size_t count = 0;
    for (int i = 0; i < kValues; ++i) count += feed.Send(Value<TestType>(i));
    return count;
  });
  bool in_order = true;
  for (int i = 0; i < kValues; ++i) {
    for (const auto& channel : audience.channels) {
      in_order = channel.Receive() == Value<TestType>(i) && in_order;
    }
  }
  CHECK(in_order);
  CHECK(sending.Get() == 3 * kValues);
}

TEMPLATE_TEST_CASE(
    "F2: Send is blocked until the last subscriber has taken the value", "",
    int, std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Feed<TestType> feed;
  Audience<TestType> audience(feed, 3, capacity);
  for (const auto& channel : audience.channels) {
    while (channel.TrySend(Value<TestType>(0))) {
    }
  }
  Sending sending([&] { return feed.Send(Value<TestType>(1)); });
  AwaitThat([&] { return audience.blocked() == 3; });
  for (const auto& channel : audience.channels) {
    CHECK(StaysFalse([&] { return sending.returned(); }));
    CHECK(channel.TryReceive().has_value());
  }
  CHECK(sending.Get() == 3);
}

TEMPLATE_TEST_CASE(
    "F2: who was served and then unsubscribed during the same Send counts", "",
    int, std::string) {
  Feed<TestType> feed;
  Audience<TestType> audience(feed, {1, 0, 0});
  const auto& [buffered, rendezvous, late] = std::tie(
      audience.channels[0], audience.channels[1], audience.channels[2]);
  Sending sending([&] { return feed.Send(Value<TestType>(1)); });
  AwaitThat([&] { return audience.blocked() == 2 && audience.served() == 1; });
  CHECK(rendezvous.TryReceive() == Value<TestType>(1));
  audience.subscriptions[0].Unsubscribe();
  audience.subscriptions[1].Unsubscribe();
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(late.TryReceive() == Value<TestType>(1));
  CHECK(sending.Get() == 3);
  CHECK(buffered.TryReceive() == Value<TestType>(1));
  CHECK(feed.subscriber_count() == 1);
}

TEST_CASE("F2 F6: one channel takes values until it is full, again and again") {
  Feed<int> feed;
  const Channel<int> channel(40);
  const Subscription subscription = feed.Subscribe(channel);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    int sent = 0;
    while (sent < 100 && feed.TrySend(sent) == 1) ++sent;
    REQUIRE(sent == 40);
    for (int i = 0; i < sent; ++i) REQUIRE(channel.TryReceive() == i);
    CHECK_FALSE(channel.TryReceive());
  }
}

TEST_CASE("F2: who goes away before being served does not count") {
  Feed<int> feed;
  Audience<int> audience(feed, 4, 0);
  Sending sending([&] { return feed.Send(1); });
  AwaitThat([&] { return audience.blocked() == 4; });
  audience.subscriptions[1].Unsubscribe();
  audience.channels[2].Close();
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(audience.channels[0].TryReceive() == 1);
  CHECK(audience.channels[3].TryReceive() == 1);
  CHECK(sending.Get() == 2);
}

TEST_CASE("F2 C5: an argument of another type is converted once") {
  struct Converted {
    Converted(int* made) { ++*made; }  // NOLINT(google-explicit-constructor)
  };
  Feed<Converted> feed;
  Audience<Converted> audience(feed, 3, 1);
  int made = 0;
  CHECK(feed.Send(&made) == 3);
  CHECK(made == 1);
}

// ---------------------------------------------------------------------------
// F3: the turn.
// ---------------------------------------------------------------------------

TEST_CASE("F3: Sends take their turn first come first served") {
  constexpr int kQueued = 2 * kWaysToWait;
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  std::deque<Sending> sends;
  sends.emplace_back([&] { return feed.Send(0); });
  AwaitSenders(channel, 1);
  CHECK(feed.waiting_senders() == 0);  // it has its turn
  for (int i = 1; i <= kQueued; ++i) {
    sends.emplace_back(
        [&feed, i] { return SendWaiting(i % kWaysToWait, feed, i); });
    AwaitThat(
        [&] { return feed.waiting_senders() == static_cast<std::size_t>(i); });
  }
  CHECK(channel.waiting_senders() == 1);  // one Send at a time
  for (int i = 0; i <= kQueued; ++i) CHECK(channel.Receive() == i);
  for (Sending& sending : sends) CHECK(sending.Get() == 1);
  CHECK(feed.waiting_senders() == 0);
}

TEST_CASE("F3: all subscribers see all values in one order") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  constexpr int kSenders = 4;
  constexpr int kEach = 50;
  Feed<int> feed;
  Audience<int> audience(feed, 3, capacity);
  std::deque<Sending> sends;
  for (int sender = 0; sender < kSenders; ++sender) {
    sends.emplace_back([&feed, sender] {
      std::size_t count = 0;
      for (int i = 0; i < kEach; ++i) count += feed.Send(sender * kEach + i);
      return count;
    });
  }
  std::array<std::vector<int>, 3> seen;
  for (int i = 0; i < kSenders * kEach; ++i) {
    for (std::size_t at = 0; at < 3; ++at) {
      seen[at].push_back(audience.channels[at].Receive().value_or(-1));
    }
  }
  for (Sending& sending : sends) CHECK(sending.Get() == 3 * kEach);
  CHECK(seen[1] == seen[0]);
  CHECK(seen[2] == seen[0]);
  std::sort(seen[0].begin(), seen[0].end());
  std::vector<int> all(kSenders * kEach);
  std::iota(all.begin(), all.end(), 0);
  CHECK(seen[0] == all);
}

TEST_CASE(
    "F3: a Send that waits for its turn gives up by its stop and by its "
    "deadline") {
  const auto way = GENERATE(Impatient::kByStop, Impatient::kByDeadline);
  const int place = GENERATE(0, 2, 4);  // first, in the middle, last
  CAPTURE(way, place);
  Feed<int> feed;
  const Channel<int> channel;
  const Channel<int> other(64);
  Impatient impatient(way);
  const Subscription subscription = feed.Subscribe(channel);
  const Subscription other_subscription = feed.Subscribe(other);
  std::deque<Sending> sends;
  sends.emplace_back([&] { return feed.Send(100); });
  AwaitSenders(channel, 1);
  for (int i = 0; i < 5; ++i) {
    if (i == place) {
      sends.emplace_back([&] { return impatient.Send(feed, 999); });
    } else {
      sends.emplace_back([&feed, i] { return feed.Send(i); });
    }
    AwaitThat([&] {
      return feed.waiting_senders() == static_cast<std::size_t>(i + 1);
    });
  }
  Sending& gives_up = sends[static_cast<std::size_t>(place + 1)];
  CHECK(StaysFalse([&] { return gives_up.returned(); }));
  impatient.GiveUp();
  CHECK(gives_up.Get() == 0);
  CHECK(feed.waiting_senders() == 4);
  CHECK(channel.waiting_senders() == 1);  // the one with the turn still has it
  CHECK_FALSE(sends[0].returned());
  std::vector<int> expected = {100};
  for (int i = 0; i < 5; ++i) {
    if (i != place) expected.push_back(i);
  }
  for (const int value : expected) CHECK(channel.Receive() == value);
  for (const int value : expected) CHECK(other.Receive() == value);
  for (Sending& sending : sends) {
    if (&sending != &gives_up) CHECK(sending.Get() == 2);
  }
  CHECK(channel.TryReceive() == std::nullopt);
  CHECK(other.TryReceive() == std::nullopt);
}

TEST_CASE("F3: SendFor that waits for its turn returns when its time is over") {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  Sending first([&] { return feed.Send(1); });
  AwaitSenders(channel, 1);
  const auto start = std::chrono::steady_clock::now();
  CHECK(feed.SendFor(2, 3ms) == 0);
  CHECK(std::chrono::steady_clock::now() - start >= 3ms);
  CHECK(channel.Receive() == 1);
  CHECK(first.Get() == 1);
}

TEST_CASE("F3: what does not wait returns 0 while another Send is under way") {
  const int way = GENERATE(range(0, kWaysNotToWait));
  CAPTURE(way);
  Feed<int> feed;
  const Channel<int> blocked;
  const Channel<int> ready(64);
  const Subscription first = feed.Subscribe(blocked);
  const Subscription second = feed.Subscribe(ready);
  Sending sending([&] { return feed.Send(1); });
  AwaitThat(
      [&] { return blocked.waiting_senders() == 1 && ready.size() == 1; });
  CHECK(SendWithoutWaiting(way, feed, 2) == 0);
  CHECK(feed.waiting_senders() == 0);
  CHECK(ready.size() == 1);
  CHECK(blocked.Receive() == 1);
  CHECK(sending.Get() == 2);
  CHECK(SendWithoutWaiting(way, feed, 3) == 1);  // the turn is free again
  CHECK(ready.Receive() == 1);
  CHECK(ready.Receive() == 3);
}

TEST_CASE("F3: closing the feed ends the wait for the turn") {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  std::deque<Sending> sends;
  sends.emplace_back([&] { return feed.Send(0); });
  AwaitSenders(channel, 1);
  Queue(feed, sends, {1, 2, 3, 4, 5});
  feed.Close();
  for (Sending& sending : sends) CHECK(sending.Get() == 0);
  CHECK(feed.waiting_senders() == 0);
  CHECK(channel.TryReceive() == std::nullopt);
}

TEST_CASE(
    "F3: a subscription made while a Send is blocked first sees the next "
    "value") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  Sending first([&] { return feed.Send(1); });
  AwaitSenders(channel, 1);
  const Channel<int> late(capacity);
  const Subscription late_subscription = feed.Subscribe(late);  // does not wait
  CHECK(feed.subscriber_count() == 2);
  CHECK_FALSE(late_subscription.Err().closed());
  CHECK(channel.Receive() == 1);
  CHECK(first.Get() == 1);
  CHECK(late.waiting_senders() == 0);
  CHECK(late.TryReceive() == std::nullopt);
  Sending second([&] { return feed.Send(2); });
  CHECK(late.Receive() == 2);
  CHECK(channel.Receive() == 2);
  CHECK(second.Get() == 2);
}

TEST_CASE(
    "F3: a subscription made while Sends are queued sees the first that starts "
    "later") {
  Feed<int> feed;
  const Channel<int> channel;
  const Channel<int> late(64);
  const Subscription subscription = feed.Subscribe(channel);
  std::deque<Sending> sends;
  sends.emplace_back([&] { return feed.Send(0); });
  AwaitSenders(channel, 1);
  Queue(feed, sends, {1, 2, 3});
  const Subscription late_subscription = feed.Subscribe(late);
  for (int i = 0; i <= 3; ++i) CHECK(channel.Receive() == i);
  CHECK(sends[0].Get() == 1);
  for (std::size_t i = 1; i <= 3; ++i) CHECK(sends[i].Get() == 2);
  for (int i = 1; i <= 3; ++i) CHECK(late.TryReceive() == i);
  CHECK(late.TryReceive() == std::nullopt);
}

TEST_CASE(
    "F3: a subscription made and ended while a Send is blocked gets nothing") {
  Feed<int> feed;
  const Channel<int> channel;
  const Channel<int> passing(64);
  const Subscription subscription = feed.Subscribe(channel);
  Sending first([&] { return feed.Send(1); });
  AwaitSenders(channel, 1);
  {
    const Subscription dropped = feed.Subscribe(passing);
    const Subscription ended = feed.Subscribe(passing);
    CHECK(feed.subscriber_count() == 3);
    ended.Unsubscribe();
    CHECK(ended.Err().drained());
    CHECK(feed.subscriber_count() == 2);
  }
  CHECK(feed.subscriber_count() == 1);
  CHECK(channel.Receive() == 1);
  CHECK(first.Get() == 1);
  Sending second([&] { return feed.Send(2); });
  CHECK(channel.Receive() == 2);
  CHECK(second.Get() == 1);
  CHECK(passing.size() == 0);
}

TEST_CASE("F3 F5: who comes and goes while a Send is blocked is forgotten") {
  using Value = std::shared_ptr<int>;
  Feed<Value> feed;
  const Channel<Value> channel;
  const Subscription subscription = feed.Subscribe(channel);
  Sending sending([&] { return feed.Send(nullptr); });
  AwaitSenders(channel, 1);
  // Is in the passing channel for as long as the feed remembers that.
  Value value = std::make_shared<int>(1);
  const std::weak_ptr<int> remembered = value;
  {
    const Channel<Value> passing(1);
    passing.Send(std::move(value));
    const Subscription dropped = feed.Subscribe(passing);
  }
  CHECK(remembered.expired());
  CHECK(channel.Receive().has_value());
  CHECK(sending.Get() == 1);
}

TEST_CASE("F3 F5: many come and go while a Send is blocked") {
  const std::size_t before = GENERATE(1U, 2U, 3U, 9U, 40U);
  const std::size_t comers = GENERATE(1U, 2U, 10U, 100U);
  CAPTURE(before, comers);
  Feed<int> feed;
  const Channel<int> blocking;
  std::deque<Channel<int>> channels;
  std::deque<Subscription> subscriptions;
  const auto come = [&] {
    channels.emplace_back(1);
    subscriptions.push_back(feed.Subscribe(channels.back()));
  };
  const Subscription subscription = feed.Subscribe(blocking);
  while (channels.size() < before) come();
  Sending first([&] { return feed.Send(1); });
  AwaitSenders(blocking, 1);
  while (channels.size() < before + comers) come();
  // Of those that were there and of those that came, the first of three go.
  std::size_t staying = 1;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (i % 3 == 0) {
      subscriptions[i].Unsubscribe();
    } else {
      ++staying;
    }
  }
  CHECK(feed.subscriber_count() == staying);
  CHECK(blocking.Receive() == 1);
  CHECK(first.Get() == before + 1);
  for (std::size_t i = 0; i < channels.size(); ++i) {
    CHECK(channels[i].TryReceive().has_value() == (i < before));
  }
  Sending second([&] { return feed.Send(2); });
  CHECK(blocking.Receive() == 2);
  CHECK(second.Get() == staying);
  for (std::size_t i = 0; i < channels.size(); ++i) {
    CHECK(channels[i].TryReceive() ==
          (i % 3 == 0 ? std::nullopt : std::optional(2)));
    CHECK(channels[i].TryReceive() == std::nullopt);
  }
}

TEST_CASE("F3: the turn goes on when the Send that has it gives up") {
  const auto way = GENERATE(Impatient::kByStop, Impatient::kByDeadline);
  Feed<int> feed;
  const Channel<int> channel;
  Impatient impatient(way);
  const Subscription subscription = feed.Subscribe(channel);
  std::deque<Sending> sends;
  sends.emplace_back([&] { return impatient.Send(feed, 0); });
  AwaitSenders(channel, 1);
  Queue(feed, sends, {1, 2});
  impatient.GiveUp();
  CHECK(sends[0].Get() == 0);
  CHECK(channel.Receive() == 1);
  CHECK(channel.Receive() == 2);
  CHECK(sends[1].Get() == 1);
  CHECK(sends[2].Get() == 1);
}

TEST_CASE("F3: the turn goes on when the last subscriber unsubscribes") {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  std::deque<Sending> sends;
  sends.emplace_back([&] { return feed.Send(0); });
  AwaitSenders(channel, 1);
  Queue(feed, sends, {1, 2, 3, 4, 5});
  subscription.Unsubscribe();
  for (Sending& sending : sends) CHECK(sending.Get() == 0);
}

// ---------------------------------------------------------------------------
// F4: who is ready does not wait for who is not.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE(
    "F4: all that are ready are served before Send waits for one that is not",
    "", int, std::string) {
  const std::size_t capacity = GENERATE(1U, 64U);
  const std::size_t laggard = GENERATE(0U, 1U, 2U, 3U);
  CAPTURE(capacity, laggard);
  Feed<TestType> feed;
  std::vector<std::size_t> capacities(4, capacity);
  capacities[laggard] = 0;
  Audience<TestType> audience(feed, capacities);
  Sending sending([&] { return feed.Send(Value<TestType>(1)); });
  // Would never come true if one of them waited for the laggard.
  AwaitThat([&] { return audience.served() == 3 && audience.blocked() == 1; });
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(audience.channels[laggard].Receive() == Value<TestType>(1));
  CHECK(sending.Get() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    const bool served = audience.channels[i].TryReceive() == Value<TestType>(1);
    CHECK(served == (i != laggard));
  }
}

TEST_CASE(
    "F4: receivers that wait are served before Send waits for one that does "
    "not") {
  const std::size_t laggard = GENERATE(0U, 1U, 2U, 3U);
  Feed<int> feed;
  Audience<int> audience(feed, 4, 0);
  std::deque<InThread<std::function<std::optional<int>()>>> receivers;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i == laggard) continue;
    receivers.emplace_back([&, i] { return audience.channels[i].Receive(); });
    AwaitReceivers(audience.channels[i], 1);
  }
  Sending sending([&] { return feed.Send(1); });
  for (auto& receiver : receivers) CHECK(receiver.Get() == 1);
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(audience.channels[laggard].Receive() == 1);
  CHECK(sending.Get() == 4);
}

TEMPLATE_TEST_CASE(
    "F4: whoever becomes ready is served at once while others still lag", "",
    int, std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  std::array<std::size_t, 4> order = {0, 1, 2, 3};
  do {
    Feed<TestType> feed;
    Audience<TestType> audience(feed, 4, capacity);
    for (const auto& channel : audience.channels) {
      for (std::size_t i = 0; i < capacity; ++i) {
        channel.Send(Value<TestType>(0));
      }
    }
    Sending sending([&] { return feed.Send(Value<TestType>(1)); });
    AwaitThat([&] { return audience.blocked() == 4; });
    std::size_t lag = 4;
    for (const std::size_t next : order) {
      const Channel<TestType>& channel = audience.channels[next];
      const bool returned = sending.returned();
      // No waiting: the one that takes a value gets the feed's in its place.
      const auto taken = channel.TryReceive();
      const std::size_t size = channel.size();
      --lag;
      if (returned || taken != Value<TestType>(capacity == 0 ? 1 : 0) ||
          size != capacity || audience.blocked() != lag) {
        FAIL_CHECK("not served at once");
      }
    }
    if (sending.Get() != 4) FAIL_CHECK("not all were counted");
    for (const auto& channel : audience.channels) {
      std::optional<TestType> last;
      for (std::size_t i = 0; i < capacity; ++i) last = channel.TryReceive();
      if (capacity > 0 && last != Value<TestType>(1)) FAIL_CHECK("not served");
      if (channel.TryReceive().has_value()) FAIL_CHECK("served twice");
    }
  } while (std::next_permutation(order.begin(), order.end()));
  SUCCEED();
}

TEST_CASE("F4: 10000 blocked subscribers that become ready in random order") {
  constexpr std::size_t kCount = 10'000;
  Feed<int> feed;
  Audience<int> audience(feed, kCount, 0);
  std::vector<std::size_t> order(kCount);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(2026));
  Sending sending([&] { return feed.Send(7); });
  for (const auto& channel : audience.channels) AwaitSenders(channel, 1);
  std::size_t right = 0;
  std::size_t early = 0;
  for (const std::size_t next : order) {
    if (sending.returned()) ++early;
    if (audience.channels[next].TryReceive() == 7) ++right;
  }
  CHECK(right == kCount);
  CHECK(early == 0);
  CHECK(sending.Get() == kCount);
}

TEST_CASE(
    "F4 F5 F6: 3000 blocked subscribers that are served or leave in random "
    "order") {
  constexpr std::size_t kCount = 3'000;
  Feed<std::string> feed;
  Audience<std::string> audience(feed, kCount, 0);
  std::vector<std::size_t> order(kCount);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(7));
  const auto value = Value<std::string>(1);
  Sending sending([&] { return feed.Send(value); });
  for (const auto& channel : audience.channels) AwaitSenders(channel, 1);
  std::size_t right = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::size_t next = order[i];
    switch (i % 3) {
      case 0:
        if (audience.channels[next].TryReceive() == value) ++right;
        break;
      case 1:
        audience.subscriptions[next].Unsubscribe();
        break;
      default:
        audience.channels[next].Close();
    }
  }
  CHECK(right == kCount / 3);
  CHECK(sending.Get() == kCount / 3);
  CHECK(feed.TrySend(value) == 0);
  CHECK(feed.subscriber_count() == kCount / 3);
}

TEST_CASE(
    "F4 C7: the pending value of a feed keeps its place among other senders") {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  InThread first([&] { return channel.Send(1); });
  AwaitSenders(channel, 1);
  Sending sending([&] { return feed.Send(2); });
  AwaitSenders(channel, 2);
  InThread last([&] { return channel.Send(3); });
  AwaitSenders(channel, 3);
  for (int i = 1; i <= 3; ++i) CHECK(channel.Receive() == i);
  CHECK(first.Get());
  CHECK(last.Get());
  CHECK(sending.Get() == 1);
}

// ---------------------------------------------------------------------------
// F5: unsubscribing, and what a subscription is.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE(
    "F5: unsubscribing releases a Send that is blocked on that channel", "",
    int, std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const int way = GENERATE(range(0, kWaysToWait));
  CAPTURE(capacity, way);
  Feed<TestType> feed;
  const Channel<TestType> channel(capacity);
  const Subscription subscription = feed.Subscribe(channel);
  for (std::size_t i = 0; i < capacity; ++i) channel.Send(Value<TestType>(0));
  Sending sending([&] { return SendWaiting(way, feed, Value<TestType>(1)); });
  AwaitSenders(channel, 1);
  subscription.Unsubscribe();
  CHECK(channel.waiting_senders() == 0);
  CHECK(sending.Get() == 0);
  CHECK(subscription.Err().drained());
  // What is in the channel stays there, and nothing comes after it.
  CHECK(channel.size() == capacity);
  for (std::size_t i = 0; i < capacity; ++i) {
    CHECK(channel.TryReceive() == Value<TestType>(0));
  }
  CHECK(channel.TryReceive() == std::nullopt);
  CHECK_FALSE(channel.closed());
}

TEST_CASE(
    "F5: any thread and any way of ending a subscription releases the Send") {
  const int way = GENERATE(range(0, 6));
  CAPTURE(way);
  Feed<int> feed;
  const Channel<int> channel;
  const Channel<int> other;
  std::optional<Subscription> subscription = feed.Subscribe(channel);
  Sending sending([&] { return feed.Send(1); });
  AwaitSenders(channel, 1);
  switch (way) {
    case 0:
      subscription->Unsubscribe();
      break;
    case 1:
      subscription->RequestUnsubscribe();
      break;
    case 2:
      subscription.reset();
      break;
    case 3:
      *subscription = Subscription();
      break;
    case 4:
      *subscription = feed.Subscribe(other);
      break;
    default: {
      InThread elsewhere([&] { subscription->Unsubscribe(); });
      elsewhere.Get();
    }
  }
  CHECK(sending.Get() == 0);
  CHECK(channel.TryReceive() == std::nullopt);
  CHECK(feed.subscriber_count() == (way == 4 ? 1 : 0));
}

TEST_CASE(
    "F5: unsubscribing one does not release a Send that is blocked on "
    "another") {
  Feed<int> feed;
  Audience<int> audience(feed, 3, 0);
  Sending sending([&] { return feed.Send(1); });
  AwaitThat([&] { return audience.blocked() == 3; });
  audience.subscriptions[1].Unsubscribe();
  CHECK(audience.subscriptions[1].Err().drained());
  CHECK(audience.channels[1].waiting_senders() == 0);
  CHECK_FALSE(audience.subscriptions[0].Err().closed());
  CHECK_FALSE(audience.subscriptions[2].Err().closed());
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(audience.channels[2].Receive() == 1);
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(audience.channels[0].Receive() == 1);
  CHECK(sending.Get() == 2);
  Sending next([&] { return feed.Send(2); });
  CHECK(audience.channels[0].Receive() == 2);
  CHECK(audience.channels[2].Receive() == 2);
  CHECK(next.Get() == 2);
  CHECK(audience.channels[1].TryReceive() == std::nullopt);
}

TEST_CASE(
    "F5 U2: when Unsubscribe returns nothing more comes and Err is closed") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Feed<int> feed;
  const Channel<int> channel(capacity);
  const Channel<int> other(64);
  const Subscription subscription = feed.Subscribe(channel);
  const Subscription other_subscription = feed.Subscribe(other);
  const auto err = subscription.Err();
  InThread waits_for_end([&] { return err.Receive().has_value(); });
  AwaitReceivers(err, 1);
  subscription.Unsubscribe();
  CHECK(err.drained());
  CHECK_FALSE(waits_for_end.Get());
  CHECK(subscription.Err().drained());
  subscription.Unsubscribe();
  CHECK(feed.Send(1) == 1);
  CHECK(channel.waiting_senders() == 0);
  CHECK(channel.size() == 0);
}

TEST_CASE("F5 U2: many threads unsubscribe at once") {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  Sending sending([&] { return feed.Send(1); });
  AwaitSenders(channel, 1);
  std::deque<InThread<std::function<bool()>>> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      subscription.Unsubscribe();
      return subscription.Err().drained() && channel.waiting_senders() == 0;
    });
  }
  for (auto& thread : threads) CHECK(thread.Get());
  CHECK(sending.Get() == 0);
  CHECK(feed.subscriber_count() == 0);
}

TEMPLATE_TEST_CASE("F5: a channel subscribed k times gets each value k times",
                   "", int, std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Feed<TestType> feed;
  const Channel<TestType> channel(capacity);
  std::vector<Subscription> subscriptions;
  for (int k = 0; k < 4; ++k) subscriptions.push_back(feed.Subscribe(channel));
  CHECK(feed.subscriber_count() == 4);
  // One fewer each time, and never the one that came first or last.
  for (const int gone : {1, 2, 0, 3}) {
    const std::size_t k = feed.subscriber_count();
    CAPTURE(k);
    const auto value = Value<TestType>(gone);
    Sending sending([&] { return feed.Send(value); });
    for (std::size_t i = 0; i < k; ++i) CHECK(channel.Receive() == value);
    CHECK(sending.Get() == k);
    CHECK(channel.TryReceive() == std::nullopt);
    subscriptions[static_cast<std::size_t>(gone)].Unsubscribe();
    CHECK(feed.subscriber_count() == k - 1);
  }
  CHECK(feed.Send(Value<TestType>(9)) == 0);
}

TEST_CASE(
    "F5: unsubscribing one of several on a blocked channel leaves the others") {
  const std::size_t gone = GENERATE(0U, 1U, 2U);
  Feed<int> feed;
  const Channel<int> channel;
  std::vector<Subscription> subscriptions;
  for (int k = 0; k < 3; ++k) subscriptions.push_back(feed.Subscribe(channel));
  Sending sending([&] { return feed.Send(1); });
  AwaitSenders(channel, 3);
  subscriptions[gone].Unsubscribe();
  CHECK(channel.waiting_senders() == 2);
  CHECK(channel.TryReceive() == 1);
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(channel.TryReceive() == 1);
  CHECK(sending.Get() == 2);
  CHECK(channel.TryReceive() == std::nullopt);
}

TEST_CASE("F5: a channel can be in several feeds") {
  Feed<int> first;
  Feed<int> second;
  const Channel<int> channel;
  const Subscription of_first = first.Subscribe(channel);
  const Subscription of_second = second.Subscribe(channel);
  Sending one([&] { return first.Send(1); });
  AwaitSenders(channel, 1);
  Sending two([&] { return second.Send(2); });
  AwaitSenders(channel, 2);
  of_first.Unsubscribe();
  CHECK(one.Get() == 0);
  CHECK(channel.Receive() == 2);
  CHECK(two.Get() == 1);
}

TEST_CASE(
    "F2 F5 F6 F7: the count is what was received, however a Send is ended") {
  const int how = GENERATE(0, 1, 2, 3);
  const bool text = GENERATE(false, true);
  CAPTURE(how, text);
  const auto race = [how](auto value) {
    using T = decltype(value);
    for (int round = 0; round < 40; ++round) {
      Feed<T> feed;
      const Channel<T> channel;
      const Subscription subscription = feed.Subscribe(channel);
      std::stop_source stop;
      Sending sending([&] { return feed.Send(value, stop.get_token()); });
      InThread ending([&] {
        AwaitThat([&] {
          return round % 2 == 0 || channel.waiting_senders() == 1 ||
                 sending.returned();
        });
        switch (how) {
          case 0:
            subscription.Unsubscribe();
            break;
          case 1:
            channel.Close();
            break;
          case 2:
            feed.Close();
            break;
          default:
            stop.request_stop();
        }
      });
      std::size_t received = 0;
      do {
        std::this_thread::yield();
        if (channel.TryReceive().has_value()) ++received;
      } while (!sending.returned());
      ending.Get();
      if (channel.TryReceive().has_value()) ++received;
      if (sending.Get() != received) return false;
    }
    return true;
  };
  CHECK((text ? race(Value<std::string>(1)) : race(1)));
}

// ---------------------------------------------------------------------------
// F6: channels that their owner closes.
// ---------------------------------------------------------------------------

TEST_CASE(
    "F6: a channel that was closed counts as unsubscribed in the next Send") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const int way = GENERATE(range(0, kWaysToWait + kWaysNotToWait));
  CAPTURE(capacity, way);
  Feed<int> feed;
  Audience<int> audience(feed, {64, capacity, 64});
  const Channel<int>& closed = audience.channels[1];
  const bool left_over = closed.TrySend(100);
  closed.Close();
  CHECK((way < kWaysToWait
             ? SendWaiting(way, feed, 1)
             : SendWithoutWaiting(way - kWaysToWait, feed, 1)) == 2);
  CHECK(audience.subscriptions[1].Err().drained());
  CHECK(feed.subscriber_count() == 2);
  CHECK_FALSE(audience.subscriptions[0].Err().closed());
  CHECK_FALSE(audience.subscriptions[2].Err().closed());
  CHECK(closed.TryReceive().has_value() == left_over);
  CHECK(closed.TryReceive() == std::nullopt);
  CHECK(feed.Send(2) == 2);
  for (const std::size_t i : {0U, 2U}) {
    CHECK(audience.channels[i].TryReceive() == 1);
    CHECK(audience.channels[i].TryReceive() == 2);
  }
}

TEMPLATE_TEST_CASE(
    "F6: closing a channel releases a Send that is blocked on it", "", int,
    std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Feed<TestType> feed;
  const Channel<TestType> channel(capacity);
  const Channel<TestType> other(2);
  const Subscription subscription = feed.Subscribe(channel);
  const Subscription other_subscription = feed.Subscribe(other);
  for (std::size_t i = 0; i < capacity; ++i) channel.Send(Value<TestType>(0));
  Sending sending([&] { return feed.Send(Value<TestType>(1)); });
  AwaitSenders(channel, 1);
  channel.Close();
  CHECK(sending.Get() == 1);
  CHECK(channel.size() == capacity);
  CHECK(feed.Send(Value<TestType>(2)) == 1);
  CHECK(subscription.Err().drained());
  CHECK(feed.subscriber_count() == 1);
  CHECK(other.TryReceive() == Value<TestType>(1));
  CHECK(other.TryReceive() == Value<TestType>(2));
}

TEST_CASE(
    "F6: a closed channel ends each of its subscriptions and no other Send") {
  Feed<int> feed;
  const Channel<int> channel;
  const Channel<int> other;
  const Subscription first = feed.Subscribe(channel);
  const Subscription between = feed.Subscribe(other);
  const Subscription second = feed.Subscribe(channel);
  Sending sending([&] { return feed.Send(1); });
  AwaitThat([&] {
    return channel.waiting_senders() == 2 && other.waiting_senders() == 1;
  });
  channel.Close();
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(other.Receive() == 1);
  CHECK(sending.Get() == 1);
  CHECK(feed.TrySend(2) == 0);
  CHECK(first.Err().drained());
  CHECK(second.Err().drained());
  CHECK_FALSE(between.Err().closed());
  CHECK(feed.subscriber_count() == 1);
}

TEST_CASE("F6: all channels are closed") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Feed<int> feed;
  Audience<int> audience(feed, 5, capacity);
  for (const auto& channel : audience.channels) channel.Close();
  CHECK(feed.Send(1) == 0);
  CHECK(audience.ended());
  CHECK(feed.subscriber_count() == 0);
  CHECK(feed.Send(2) == 0);
}

TEST_CASE("F6: unsubscribing from a channel that was closed") {
  Feed<int> feed;
  Audience<int> audience(feed, 2, 0);
  audience.channels[0].Close();
  audience.subscriptions[0].Unsubscribe();
  CHECK(feed.subscriber_count() == 1);
  audience.channels[1].Close();
  CHECK(feed.Send(1) == 0);
  audience.subscriptions[1].Unsubscribe();
  CHECK(feed.subscriber_count() == 0);
}

TEST_CASE("F6: a feed never closes the channel of a subscriber") {
  auto feed = std::make_optional<Feed<int>>();
  Audience<int> audience(*feed, 4, 1);
  const auto any_closed = [&] {
    return std::any_of(audience.channels.begin(), audience.channels.end(),
                       [](const auto& channel) { return channel.closed(); });
  };
  CHECK(feed->Send(1) == 4);
  audience.subscriptions[0].Unsubscribe();
  audience.subscriptions[1] = Subscription();
  CHECK(feed->TrySend(2) == 0);
  CHECK_FALSE(any_closed());
  feed->Close();
  CHECK_FALSE(any_closed());
  feed.reset();
  CHECK_FALSE(any_closed());
  for (const auto& channel : audience.channels) CHECK(channel.Receive() == 1);
}

// ---------------------------------------------------------------------------
// F7: giving up.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE(
    "F7 C6: a Send that does not wait serves who is ready and counts them", "",
    int, std::string) {
  const int way = GENERATE(range(0, kWaysNotToWait));
  CAPTURE(way);
  Feed<TestType> feed;
  Audience<TestType> audience(feed, {0, 1, 0, 64, 1, 0});
  CHECK(audience.channels[4].TrySend(Value<TestType>(0)));  // full
  InThread receiver([&] { return audience.channels[5].Receive(); });
  AwaitReceivers(audience.channels[5], 1);
  CHECK(SendWithoutWaiting(way, feed, Value<TestType>(1)) == 3);
  CHECK(receiver.Get() == Value<TestType>(1));
  CHECK(audience.channels[1].TryReceive() == Value<TestType>(1));
  CHECK(audience.channels[3].TryReceive() == Value<TestType>(1));
  CHECK(audience.channels[4].TryReceive() == Value<TestType>(0));
  // The others must not get it later.
  CHECK(audience.blocked() == 0);
  for (const auto& channel : audience.channels) {
    CHECK(channel.TryReceive() == std::nullopt);
  }
  // Nobody was unsubscribed for being slow.
  CHECK(feed.subscriber_count() == 6);
  Sending next([&] { return feed.Send(Value<TestType>(2)); });
  for (const auto& channel : audience.channels) {
    CHECK(channel.Receive() == Value<TestType>(2));
  }
  CHECK(next.Get() == 6);
}

TEMPLATE_TEST_CASE("F7: a blocked Send that gives up takes its value back", "",
                   int, std::string) {
  const auto way = GENERATE(Impatient::kByStop, Impatient::kByDeadline);
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(way, capacity);
  Feed<TestType> feed;
  Audience<TestType> audience(feed, 4, capacity);
  for (const auto& channel : audience.channels) {
    for (std::size_t i = 0; i < capacity; ++i) channel.Send(Value<TestType>(0));
  }
  Impatient impatient(way);
  Sending sending([&] { return impatient.Send(feed, Value<TestType>(1)); });
  AwaitThat([&] { return audience.blocked() == 4; });
  CHECK(audience.channels[2].TryReceive() ==
        Value<TestType>(capacity == 0 ? 1 : 0));
  CHECK(StaysFalse([&] { return sending.returned(); }));
  impatient.GiveUp();
  CHECK(sending.Get() == 1);
  CHECK(audience.blocked() == 0);
  for (std::size_t at = 0; at < 4; ++at) {
    const Channel<TestType>& channel = audience.channels[at];
    CHECK(channel.size() == capacity);
    std::size_t sent = 0;
    while (const auto value = channel.TryReceive()) {
      if (value == Value<TestType>(1)) ++sent;
    }
    CHECK(sent == (at == 2 && capacity > 0 ? 1 : 0));
  }
  CHECK(feed.subscriber_count() == 4);
  Sending next([&] { return feed.Send(Value<TestType>(2)); });
  for (const auto& channel : audience.channels) {
    CHECK(channel.Receive() == Value<TestType>(2));
  }
  CHECK(next.Get() == 4);
}

TEST_CASE("F7: SendFor waits as long as it says and no less") {
  Feed<int> feed;
  Audience<int> audience(feed, {0, 1});
  const auto start = std::chrono::steady_clock::now();
  CHECK(feed.SendFor(1, 3ms) == 1);
  CHECK(std::chrono::steady_clock::now() - start >= 3ms);
  CHECK(audience.blocked() == 0);
}

TEST_CASE("F7: a Send that gives up several times in a row is counted right") {
  const auto way = GENERATE(Impatient::kByStop, Impatient::kByDeadline);
  Feed<std::string> feed;
  Audience<std::string> audience(feed, {0, 1, 0});
  const auto value = Value<std::string>(1);
  for (int i = 0; i < 20; ++i) {
    Impatient impatient(way);
    Sending sending([&] { return impatient.Send(feed, value); });
    AwaitThat([&] { return audience.blocked() == 2; });
    impatient.GiveUp();
    CHECK(sending.Get() == 1);
    CHECK(audience.channels[1].TryReceive() == value);
  }
}

TEST_CASE(
    "F7 F9: a value that is taken back is destroyed before Send returns") {
  const int way = GENERATE(range(0, kWaysNotToWait + 2));
  const bool rvalue = GENERATE(false, true);
  CAPTURE(way, rvalue);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, {0, 1, 0, 1, 0});
  Tracked value(ledger, 7);
  const auto send = [&](auto&& call) {
    return rvalue ? call(std::move(value)) : call(std::as_const(value));
  };
  std::size_t count = 0;
  if (way < kWaysNotToWait) {
    count = send([&](auto&& v) {
      return SendWithoutWaiting(way, feed, std::forward<decltype(v)>(v));
    });
  } else {
    Impatient impatient(way == kWaysNotToWait ? Impatient::kByStop
                                              : Impatient::kByDeadline);
    Sending sending([&] {
      return send([&](auto&& v) {
        return impatient.Send(feed, std::forward<decltype(v)>(v));
      });
    });
    AwaitThat([&] { return audience.blocked() == 3; });
    impatient.GiveUp();
    count = sending.Get();
  }
  CHECK(count == 2);
  CHECK(ledger.alive == 1 + 2);  // the caller's and those in the channels
  CHECK(ledger.copies <= 5);
  CHECK(audience.blocked() == 0);
  CHECK(Number(audience.channels[1].TryReceive()) == 7);
  CHECK(Number(audience.channels[3].TryReceive()) == 7);
  CHECK(ledger.alive == 1);
  for (const auto& channel : audience.channels) {
    CHECK_FALSE(channel.TryReceive().has_value());
  }
}

// ---------------------------------------------------------------------------
// F8: the end of a feed.
// ---------------------------------------------------------------------------

TEST_CASE("F8: Close ends every subscription") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Feed<int> feed;
  Audience<int> audience(feed, 5, capacity);
  const auto err =
      audience.subscriptions[0].Err();  // others: asked first later
  InThread waits_for_end([&] { return err.Receive().has_value(); });
  AwaitReceivers(err, 1);
  feed.Close();
  CHECK(audience.ended());
  CHECK_FALSE(waits_for_end.Get());
  CHECK(feed.subscriber_count() == 0);
  for (int way = 0; way < kWaysToWait; ++way) {
    CHECK(SendWaiting(way, feed, 1) == 0);
  }
  for (int way = 0; way < kWaysNotToWait; ++way) {
    CHECK(SendWithoutWaiting(way, feed, 1) == 0);
  }
  for (const auto& channel : audience.channels) CHECK(channel.size() == 0);
  feed.Close();
  audience.subscriptions[0].Unsubscribe();
}

TEMPLATE_TEST_CASE(
    "F8: Close releases a blocked Send which counts who was served", "", int,
    std::string) {
  Feed<TestType> feed;
  Audience<TestType> audience(feed, {0, 1, 0, 0});
  Sending sending([&] { return feed.Send(Value<TestType>(1)); });
  AwaitThat([&] { return audience.blocked() == 3 && audience.served() == 1; });
  CHECK(audience.channels[2].Receive() == Value<TestType>(1));
  feed.Close();
  CHECK(sending.Get() == 2);
  CHECK(audience.blocked() == 0);
  CHECK(audience.ended());
  CHECK(audience.channels[1].TryReceive() == Value<TestType>(1));
  for (const auto& channel : audience.channels) {
    CHECK(channel.TryReceive() == std::nullopt);
  }
}

TEST_CASE(
    "F8: subscribing to a closed feed gives a subscription that has ended") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Feed<int> feed;
  feed.Close();
  const Channel<int> channel(capacity);
  const Subscription subscription = feed.Subscribe(channel);
  CHECK(static_cast<bool>(subscription));
  CHECK(subscription.Err().drained());
  CHECK(subscription.Err().Receive() == std::nullopt);
  CHECK(feed.subscriber_count() == 0);
  CHECK(feed.Send(1) == 0);
  CHECK(channel.size() == 0);
  CHECK_FALSE(channel.closed());
  subscription.Unsubscribe();
}

TEST_CASE("F8: several threads close a feed with blocked Sends at once") {
  for (int round = 0; round < 50; ++round) {
    Feed<int> feed;
    Audience<int> audience(feed, 3, 0);
    std::deque<Sending> sends;
    sends.emplace_back([&] { return feed.Send(0); });
    AwaitThat([&] { return audience.blocked() == 3; });
    Queue(feed, sends, {1, 2});
    std::deque<InThread<std::function<bool()>>> closing;
    for (int i = 0; i < 3; ++i) {
      closing.emplace_back([&] {
        feed.Close();
        return audience.ended();
      });
    }
    bool right = true;
    for (auto& thread : closing) right = thread.Get() && right;
    for (Sending& sending : sends) right = sending.Get() == 0 && right;
    if (!right) FAIL_CHECK("a Send or a subscription did not end");
  }
  SUCCEED();
}

TEST_CASE(
    "F8: destroying a feed releases blocked and queued Sends and waits for "
    "them") {
  for (int round = 0; round < 100; ++round) {
    auto feed = std::make_unique<Feed<std::string>>();
    const auto value = Value<std::string>(1);
    Audience<std::string> audience(*feed, {0, 1, 0});
    std::deque<Sending> sends;
    sends.emplace_back([&f = *feed, &value] { return f.Send(value); });
    AwaitThat(
        [&] { return audience.blocked() == 2 && audience.served() == 1; });
    for (std::size_t i = 1; i <= 3; ++i) {
      sends.emplace_back([&f = *feed, &value] { return f.Send(value); });
      AwaitThat([&] { return feed->waiting_senders() == i; });
    }
    feed.reset();
    bool right = audience.ended() && audience.blocked() == 0;
    for (std::size_t i = 0; i < 4; ++i) {
      right = sends[i].Get() == (i == 0 ? 1 : 0) && right;
    }
    if (!right) FAIL_CHECK("a Send or a subscription did not end");
  }
  SUCCEED();
}

TEST_CASE("F8: the destructor does not return while a Send still runs") {
  Ledger ledger;
  auto feed = std::make_unique<Feed<Tracked>>();
  Audience<Tracked> audience(*feed, 2, 1);
  const auto err = audience.subscriptions[0].Err();
  std::atomic<bool> destroyed{false};
  std::atomic<bool> waited{false};
  ledger.on_copy = [&](int before) {
    if (before != 1) return;
    // Runs inside of Send: holds it until the destructor is at work, then
    // looks whether it waits.
    AwaitThat([&] { return err.closed(); });
    waited = StaysFalse([&] { return destroyed.load(); });
  };
  const Tracked value(ledger, 7);
  Sending sending([&f = *feed, &value] { return f.Send(value); });
  AwaitThat([&] { return ledger.copies == 2; });
  feed.reset();
  destroyed = true;
  CHECK(waited);
  CHECK(sending.Get() <= 2);
  CHECK(ledger.alive == 1 + static_cast<int>(audience.served()));
}

TEST_CASE("F8: subscriptions may outlive their feed") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  Subscription asked_before;
  Subscription asked_later;
  Subscription never_asked;
  {
    Feed<int> feed;
    asked_before = feed.Subscribe(channel);
    asked_later = feed.Subscribe(channel);
    never_asked = feed.Subscribe(channel);
    CHECK_FALSE(asked_before.Err().closed());
  }
  CHECK(asked_before.Err().drained());
  CHECK(asked_later.Err().drained());
  asked_before.Unsubscribe();
  asked_later.RequestUnsubscribe();
  never_asked = Subscription();
  CHECK_FALSE(channel.closed());
}

TEST_CASE("F8: a feed is destroyed while its subscriptions are ended") {
  for (int round = 0; round < 200; ++round) {
    auto feed = std::make_unique<Feed<int>>();
    Audience<int> audience(*feed, 4, 1);
    if (round % 2 == 0) feed->Send(round);
    std::atomic<bool> go{false};
    InThread unsubscribing([&] {
      AwaitThat([&] { return go.load(); });
      for (const Subscription& one : audience.subscriptions) one.Unsubscribe();
      return audience.ended();
    });
    InThread closing_channels([&] {
      AwaitThat([&] { return go.load(); });
      for (const auto& channel : audience.channels) channel.Close();
    });
    go = true;
    feed.reset();
    closing_channels.Get();
    if (!unsubscribing.Get()) FAIL_CHECK("a subscription did not end");
  }
  SUCCEED();
}

// ---------------------------------------------------------------------------
// F10: what is refused at run time. The rest is in compile_fail/feed.cc.
// ---------------------------------------------------------------------------

TEST_CASE("F10: a nil channel is an invalid argument and changes nothing") {
  Feed<int> feed;
  const Channel<int> channel(1);
  const Subscription subscription = feed.Subscribe(channel);
  CHECK_THROWS_AS(static_cast<void>(feed.Subscribe(Sender<int>())),
                  std::invalid_argument);
  CHECK_THROWS_WITH(static_cast<void>(feed.Subscribe(Sender<int>())),
                    "fanfare: Subscribe of a nil channel");
  Channel<int> moved_from(1);
  const Channel<int> taken = std::move(moved_from);
  // NOLINTNEXTLINE(bugprone-use-after-move): what is tested
  CHECK_THROWS_AS(static_cast<void>(feed.Subscribe(moved_from)),
                  std::invalid_argument);
  CHECK(feed.subscriber_count() == 1);
  CHECK(feed.Send(1) == 1);
  feed.Close();
  CHECK_THROWS_AS(static_cast<void>(feed.Subscribe(Sender<int>())),
                  std::invalid_argument);
}

// ---------------------------------------------------------------------------
// Together with the rest of the library.
// ---------------------------------------------------------------------------

TEST_CASE("F4 S1: a Select receives what a feed sends, whoever it is for") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Feed<int> feed;
  Audience<int> audience(feed, 2, capacity);
  Sending sending([&] {
    std::size_t count = 0;
    for (int i = 0; i < 100; ++i) count += feed.Send(i);
    return count;
  });
  std::array<int, 2> next = {0, 0};
  bool in_order = true;
  for (int i = 0; i < 200; ++i) {
    in_order &=
        Select(OnReceive(audience.channels[0],
                         [&](int value) { in_order &= value == next[0]++; }),
               OnReceive(audience.channels[1], [&](int value) {
                 in_order &= value == next[1]++;
               })) < 2;
  }
  CHECK(in_order);
  CHECK(next == std::array{100, 100});
  CHECK(sending.Get() == 200);
}

TEST_CASE("F4 S6: Selects that compete for the values of a feed") {
  constexpr int kValues = 200;
  Feed<int> feed;
  Audience<int> audience(feed, 3, 0);
  const Channel<int> done;
  std::deque<InThread<std::function<std::size_t()>>> receivers;
  for (int i = 0; i < 4; ++i) {
    receivers.emplace_back([&] {
      std::size_t received = 0;
      bool going = true;
      const auto count = [&](int) { ++received; };
      while (going) {
        Select(OnReceive(audience.channels[0], count),
               OnReceive(audience.channels[1], count),
               OnReceive(audience.channels[2], count),
               OnReceive(done, [&](std::optional<int>) { going = false; }));
      }
      return received;
    });
  }
  std::size_t sent = 0;
  for (int i = 0; i < kValues; ++i) sent += feed.Send(i);
  done.Close();
  std::size_t received = 0;
  for (auto& receiver : receivers) received += receiver.Get();
  CHECK(sent == 3 * kValues);
  CHECK(received == sent);
}

TEST_CASE("F2 S1: a handler of a Select sends on the feed and unsubscribes") {
  Feed<int> feed;
  Audience<int> audience(feed, 2, 64);
  const Channel<int> orders(1);
  orders.Send(5);
  std::size_t sent = 0;
  CHECK(Select(OnReceive(orders, [&](int order) {
          sent = feed.Send(order);
          audience.subscriptions[0].Unsubscribe();
          sent += feed.Send(order + 1);
        })) == 0);
  CHECK(sent == 3);
  CHECK(audience.channels[0].size() == 1);
  CHECK(audience.channels[1].size() == 2);
}

TEST_CASE(
    "F5 S1: the subscriber whose turn it is unsubscribes in its handler") {
  Feed<int> feed;
  Audience<int> audience(feed, 2, 0);
  Sending sending([&] { return feed.Send(1) + feed.Send(2); });
  int last = 0;
  // The first to be served leaves, so the second Send is for the other alone.
  const std::size_t first =
      Select(OnReceive(audience.channels[0],
                       [&](int) { audience.subscriptions[0].Unsubscribe(); }),
             OnReceive(audience.channels[1],
                       [&](int) { audience.subscriptions[1].Unsubscribe(); }));
  const Channel<int>& stays = audience.channels[1 - first];
  CHECK(stays.Receive() == 1);
  last = stays.Receive().value_or(0);
  CHECK(last == 2);
  CHECK(sending.Get() == 3);
}

TEST_CASE("F2: feeds that feed each other") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Feed<int> source;
  Feed<int> relayed;
  const Channel<int> input(capacity);
  const Subscription input_subscription = source.Subscribe(input);
  Audience<int> audience(relayed, 2, capacity);
  InThread relay([&] {
    std::size_t count = 0;
    for (const int value : input) count += relayed.Send(value * 10);
    return count;
  });
  Sending sending([&] {
    std::size_t count = 0;
    for (int i = 0; i < 20; ++i) count += source.Send(i);
    return count;
  });
  bool in_order = true;
  for (int i = 0; i < 20; ++i) {
    for (const auto& channel : audience.channels) {
      in_order = channel.Receive() == i * 10 && in_order;
    }
  }
  CHECK(in_order);
  CHECK(sending.Get() == 20);
  input.Close();
  CHECK(relay.Get() == 40);
}

TEST_CASE(
    "F2 C1: a channel whose handles are gone lives as long as its "
    "subscription") {
  Feed<std::string> feed;
  std::optional<Channel<std::string>> channel(std::in_place, 1);
  const Subscription subscription = feed.Subscribe(*channel);
  channel.reset();
  CHECK(feed.Send(Value<std::string>(1)) == 1);
  CHECK(feed.TrySend(Value<std::string>(2)) == 0);
  subscription.Unsubscribe();
  CHECK(feed.Send(Value<std::string>(3)) == 0);
}

TEST_CASE("F1 F2: subscribers come and go between Sends in every order") {
  // A model of the feed: who is subscribed, and how many values each has.
  std::mt19937 random(1);
  const auto below = [&](std::size_t bound) {
    return static_cast<std::size_t>(random() % bound);
  };
  Feed<int> feed;
  struct Member {
    Channel<int> channel{64};
    Subscription subscription;
    std::vector<int> expected;
  };
  std::deque<Member> members;
  bool right = true;
  for (int step = 0; step < 3000 && right; ++step) {
    switch (below(4)) {
      case 0:
        if (members.size() == 40) break;
        members.emplace_back();
        members.back().subscription = feed.Subscribe(members.back().channel);
        break;
      case 1: {
        if (members.empty()) break;
        Member& member = members[below(members.size())];
        member.subscription.Unsubscribe();
        right = right && member.subscription.Err().drained();
        for (const int value : member.expected) {
          right = right && member.channel.TryReceive() == value;
        }
        right = right && !member.channel.TryReceive().has_value();
        std::swap(member, members.back());
        members.pop_back();
        break;
      }
      default:
        for (Member& member : members) {
          if (member.expected.size() == 64) {
            while (member.channel.TryReceive()) {
            }
            member.expected.clear();
          }
          member.expected.push_back(step);
        }
        right = right && feed.Send(step) == members.size();
    }
    right = right && feed.subscriber_count() == members.size();
  }
  CHECK(right);
}
