// SPDX-License-Identifier: MIT
//
// V1: subscribers that come late get the last values first, without a gap and
// without a double.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>
#include <fanfare/subscribe_options.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/feeds.h"
#include "support/in_thread.h"
#include "support/policies.h"
#include "support/subscriptions.h"
#include "support/waiters.h"

namespace {

using namespace std::chrono_literals;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::FeedOptions;
using fanfare::Numbered;
using fanfare::Overflow;
using fanfare::Subscription;

// What a subscriber with `replay` gets from the feed now.
template <typename T>
std::vector<T> Kept(Feed<T>& feed, std::size_t replay = 64) {
  const Channel<T> channel(64);
  const Subscription subscription = feed.Subscribe(channel, {.replay = replay});
  return Drain(channel);
}

}  // namespace

// ---------------------------------------------------------------------------
// What is kept, and what of it is delivered.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("V1: a late subscriber gets the newest that it asks for", "",
                   int, std::string) {
  const std::size_t kept = GENERATE(0U, 1U, 3U, 64U);
  const std::size_t sent = GENERATE(0U, 1U, 3U, 70U);
  const std::size_t replay = GENERATE(0U, 1U, 2U, 64U);
  const bool exactly =
      GENERATE(false, true);  // whether the channel is as large
  CAPTURE(kept, sent, replay, exactly);
  Feed<TestType> feed({.replay = kept});
  const int last = static_cast<int>(sent);
  for (int i = 1; i <= last; ++i) feed.Send(Value<TestType>(i));
  const Channel<TestType> channel(exactly ? replay : 64);
  const Subscription subscription = feed.Subscribe(channel, {.replay = replay});
  const std::size_t expected = std::min({kept, sent, replay});
  CHECK(TallyOf(subscription) == Tally{.replayed = expected});
  CHECK(subscription.Stats()->queued == expected);
  CHECK(Drain(channel) ==
        Values<TestType>(last - static_cast<int>(expected) + 1, last));
  // Then all later ones.
  InThread receiving([&] {
    std::vector<TestType> values;
    for (int i = 0; i < 3; ++i) values.push_back(*channel.Receive());
    return values;
  });
  for (int i = 1; i <= 3; ++i) CHECK(feed.Send(Value<TestType>(last + i)) == 1);
  CHECK(receiving.Get() == Values<TestType>(last + 1, last + 3));
  CHECK(TallyOf(subscription) == Tally{.delivered = 3, .replayed = expected});
}

TEST_CASE("V1: without options nothing is kept and nothing is replayed") {
  Feed<int> plain;
  plain.Send(1);
  CHECK(Kept(plain).empty());
  Feed<int> keeps({.replay = 4});
  keeps.Send(1);
  const Channel<int> channel(4);
  const Subscription subscription = keeps.Subscribe(channel);
  CHECK(channel.size() == 0);
  CHECK(TallyOf(subscription) == Tally{});
}

TEST_CASE("V1: what is replayed is kept for the next") {
  Feed<int> feed({.replay = 3});
  for (int i = 1; i <= 5; ++i) feed.Send(i);
  for (int i = 0; i < 3; ++i) CHECK(Kept(feed) == std::vector{3, 4, 5});
  CHECK(Kept(feed, 2) == std::vector{4, 5});
}

TEST_CASE("V1: of a long stream to one channel the newest are kept") {
  Feed<int> feed({.replay = 4});
  const Channel<int> channel(1000);
  const Subscription subscription = feed.Subscribe(channel);
  for (int i = 1; i <= 300; ++i) feed.Send(i);
  CHECK(Kept(feed) == Values<int>(297, 300));
}

TEST_CASE("V1: a value that no channel took is kept") {
  Feed<int> feed({.replay = 8});
  const Channel<int> full(1);
  const Channel<int> drops(1);
  const Subscription one = feed.Subscribe(full);
  const Subscription two =
      feed.Subscribe(drops, {.overflow = Overflow::kDropNewest});
  Fill(full, 100);
  Fill(drops, 100);
  int value = 0;
  for (int way = 0; way < kWaysNotToWait; ++way) {
    CHECK(SendWithoutWaiting(way, feed, ++value) == 0);
  }
  CHECK(feed.SendReady(++value) == 0);
  std::stop_source stop;
  Sending sending([&] { return feed.Send(8, stop.get_token()); });
  AwaitSenders(full, 1);
  stop.request_stop();
  CHECK(sending.Get() == 0);
  CHECK(Kept(feed) == Values<int>(1, 8));
}

TEST_CASE("V1: a value that got no turn is not kept") {
  Feed<int> feed({.replay = 8});
  const Channel<int> blocked;
  const Subscription subscription = feed.Subscribe(blocked);
  Sending sending([&] { return feed.Send(1); });
  AwaitSenders(blocked, 1);
  for (int way = 0; way < kWaysNotToWait; ++way) {
    CHECK(SendWithoutWaiting(way, feed, 2) == 0);
  }
  std::stop_source stop;
  Sending stopped([&] { return feed.Send(3, stop.get_token()); });
  AwaitThat([&] { return feed.waiting_senders() == 1; });
  stop.request_stop();
  CHECK(stopped.Get() == 0);
  CHECK(blocked.Receive() == 1);
  CHECK(sending.Get() == 1);
  CHECK(Kept(feed) == std::vector{1});
}

TEST_CASE("V1: exactly as many values are kept and no longer than the feed") {
  Ledger ledger;
  {
    Feed<Tracked> feed({.replay = 3});
    for (int i = 1; i <= 10; ++i) {
      feed.Send(Tracked(ledger, i));
      CHECK(ledger.alive == std::min(i, 3));
    }
    {
      const Channel<Tracked> channel(2);
      const Subscription subscription = feed.Subscribe(channel, {.replay = 2});
      CHECK(ledger.alive == 5);
      CHECK(Number(channel.TryReceive()) == 9);
      CHECK(Number(channel.TryReceive()) == 10);
    }
    CHECK(ledger.alive == 3);
  }
  CHECK(ledger.alive == 0);
}

TEST_CASE("V1: what was kept ends with the feed though a subscription stays") {
  Ledger ledger;
  auto feed = std::make_unique<Feed<Tracked>>(FeedOptions{.replay = 3});
  const Channel<Tracked> channel(1);
  const Subscription subscription = feed->Subscribe(channel, {.replay = 1});
  for (int i = 1; i <= 3; ++i) feed->SendReady(Tracked(ledger, i));
  CHECK(ledger.alive == 4);
  feed.reset();
  CHECK(ledger.alive == 1);
  CHECK(Number(channel.TryReceive()) == 1);
}

TEST_CASE("V1: a channel that is subscribed twice is replayed to twice") {
  Feed<int> feed({.replay = 2});
  feed.Send(1);
  feed.Send(2);
  const Channel<int> channel(4);
  const Subscription one = feed.Subscribe(channel, {.replay = 2});
  const Subscription two = feed.Subscribe(channel, {.replay = 2});
  CHECK(Drain(channel) == std::vector{1, 2, 1, 2});
}

// Subscribe never blocks. So, if the channel holds values already, the newest
// kept ones that fit are delivered. A subscription that drops the oldest values
// makes room for all.
TEMPLATE_TEST_CASE("V1: of what has no room the newest are delivered", "", int,
                   std::string) {
  const int queued = GENERATE(0, 1, 2, 3, 4);
  const auto overflow = GENERATE(Overflow::kWait, Overflow::kDropNewest,
                                 Overflow::kDropOldest, Overflow::kEnd);
  const auto patience = GENERATE(0s, 1s);
  CAPTURE(queued, overflow, patience.count());
  if (overflow == Overflow::kWait && patience != 0s) return;
  const bool makes_room = overflow == Overflow::kDropOldest && patience == 0s;
  Feed<TestType> feed({.replay = 8});
  for (int i = 1; i <= 8; ++i) feed.Send(Value<TestType>(i));
  const Channel<TestType> channel(4);
  auto expected = Values<TestType>(101, 100 + queued);
  for (const TestType& value : expected) CHECK(channel.TrySend(value));
  const Subscription subscription = feed.Subscribe(
      channel, {.overflow = overflow, .patience = patience, .replay = 4});
  const int replayed = makes_room ? 4 : 4 - queued;
  if (makes_room) expected.clear();
  for (const TestType& value : Values<TestType>(8 - replayed + 1, 8)) {
    expected.push_back(value);
  }
  CHECK_FALSE(subscription.ended());
  CHECK(TallyOf(subscription) ==
        Tally{.evicted = static_cast<std::uint64_t>(makes_room ? queued : 0),
              .replayed = static_cast<std::uint64_t>(replayed)});
  CHECK(Drain(channel) == expected);
}

TEST_CASE("V1 O3: policies meet a channel that a replay has filled") {
  const auto overflow = GENERATE(Overflow::kWait, Overflow::kDropNewest,
                                 Overflow::kDropOldest, Overflow::kEnd);
  CAPTURE(overflow);
  Feed<int> feed({.replay = 2});
  feed.Send(1);
  feed.Send(2);
  const Channel<int> channel(2);
  const Subscription subscription =
      feed.Subscribe(channel, {.overflow = overflow, .replay = 2});
  CHECK(feed.TrySend(3) == (overflow == Overflow::kDropOldest ? 1 : 0));
  std::vector<int> expected{1, 2};
  Tally tally{.replayed = 2};
  switch (overflow) {
    case Overflow::kWait:
      tally.missed = 1;
      break;
    case Overflow::kDropOldest:
      tally.delivered = 1;
      tally.evicted = 1;
      expected = {2, 3};
      break;
    default:
      tally.dropped = 1;
      break;
  }
  CHECK(TallyOf(subscription) == tally);
  CHECK(subscription.ended() == (overflow == Overflow::kEnd));
  // received + queued == replayed + delivered - evicted
  CHECK(channel.size() == tally.replayed + tally.delivered - tally.evicted);
  CHECK(Drain(channel) == expected);
}

TEST_CASE("V1: a feed that was closed has nothing to replay") {
  Feed<int> feed({.replay = 2});
  feed.Send(1);
  feed.Close();
  CHECK(feed.Send(2) == 0);
  const Channel<int> channel(2);
  const Subscription subscription = feed.Subscribe(channel, {.replay = 2});
  CHECK(subscription.ended());
  CHECK(channel.size() == 0);
  CHECK(TallyOf(subscription) == Tally{});
}

// ---------------------------------------------------------------------------
// Subscribing while a Send is under way.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("V1: a newcomer during a Send gets its value once", "", int,
                   std::string) {
  const std::size_t newcomers = GENERATE(1U, 2U, 5U);
  CAPTURE(newcomers);
  Feed<TestType> feed({.replay = 3});
  for (int i = 1; i <= 4; ++i) feed.Send(Value<TestType>(i));
  const Channel<TestType> blocked;
  const Subscription one = feed.Subscribe(blocked);
  Sending sending([&] { return feed.Send(Value<TestType>(5)); });
  AwaitSenders(blocked, 1);
  std::vector<Channel<TestType>> channels;
  std::vector<Subscription> subscriptions;
  for (std::size_t i = 0; i < newcomers; ++i) {
    channels.emplace_back(8);
    // Returns although the Send goes on.
    subscriptions.push_back(feed.Subscribe(channels.back(), {.replay = 3}));
  }
  CHECK_FALSE(sending.returned());
  CHECK(blocked.Receive() == Value<TestType>(5));
  // The newcomers are not among those that took the value.
  CHECK(sending.Get() == 1);
  one.Unsubscribe();
  CHECK(feed.Send(Value<TestType>(6)) == newcomers);
  for (std::size_t i = 0; i < newcomers; ++i) {
    CAPTURE(i);
    CHECK(Drain(channels[i]) == Values<TestType>(3, 6));
    CHECK(TallyOf(subscriptions[i]) == Tally{.delivered = 1, .replayed = 3});
  }
}

TEST_CASE("V1: a newcomer beside Sends that wait gets each value once") {
  // If T is trivially copyable, one Send may deliver for those behind it.
  const bool late = GENERATE(false, true);
  CAPTURE(late);
  Feed<int> feed({.replay = 2});
  const Channel<int> blocked;
  const Channel<int> channel(64);
  const Subscription one = feed.Subscribe(blocked);
  std::deque<Sending> sends;
  sends.emplace_back([&] { return feed.Send(0); });
  AwaitSenders(blocked, 1);
  std::optional<Subscription> two;
  if (!late) two = feed.Subscribe(channel, {.replay = 2});
  Queue(feed, sends, {1, 2, 3, 4, 5});
  if (late) two = feed.Subscribe(channel, {.replay = 2});
  for (int i = 0; i <= 5; ++i) CHECK(blocked.Receive() == i);
  std::size_t taken = 0;
  for (Sending& sending : sends) taken += sending.Get();
  CHECK(taken == 6 + 5);
  CHECK(Drain(channel) == Values<int>(0, 5));
  CHECK(TallyOf(*two) == Tally{.delivered = 5, .replayed = 1});
}

TEST_CASE("V1: nothing is replayed to a newcomer that left during the Send") {
  const bool by_close = GENERATE(false, true);
  Feed<int> feed({.replay = 2});
  feed.Send(1);
  const Channel<int> blocked;
  const Channel<int> channel(4);
  const Subscription one = feed.Subscribe(blocked);
  Sending sending([&] { return feed.Send(2); });
  AwaitSenders(blocked, 1);
  const Subscription two =
      feed.Subscribe(channel, {.close_channel = true, .replay = 2});
  if (by_close) {
    feed.Close();
  } else {
    two.Unsubscribe();
  }
  CHECK(two.ended());
  CHECK(channel.closed());
  // At most what was replayed before it left.
  const auto replayed = two.Stats()->replayed;
  one.Unsubscribe();
  static_cast<void>(sending.Get());
  CHECK(channel.size() == replayed);
  CHECK(two.Stats()->replayed == replayed);
  CHECK(TallyOf(two).delivered == 0);
}

TEMPLATE_TEST_CASE("V1: no gap and no double while others send", "", int,
                   std::string) {
  constexpr int kSenders = 4;
  constexpr std::uint64_t kKept = 8;
  constexpr int kJoins = 60;
  const auto overflow = GENERATE(Overflow::kWait, Overflow::kDropNewest);
  CAPTURE(overflow);
  Feed<Numbered<TestType>> feed({.replay = kKept});
  std::atomic<bool> done = false;
  std::deque<Sending> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      std::size_t count = 0;
      while (!done) {
        count += feed.Send(Value<TestType>(sender));
        std::this_thread::yield();
      }
      return count;
    });
  }
  std::size_t wrong = 0;
  std::uint64_t replayed = 0;
  for (int join = 0; join < kJoins; ++join) {
    const Channel<Numbered<TestType>> channel(64);
    const Subscription subscription =
        feed.Subscribe(channel, {.overflow = overflow, .replay = kKept});
    // 64 values fit, so that no policy acts on them.
    const std::uint64_t first = channel.Receive()->number;
    for (std::uint64_t i = 1; i < 40; ++i) {
      if (channel.Receive()->number != first + i) ++wrong;
    }
    // As many as were kept: all that there were, or eight.
    const auto stats = *subscription.Stats();
    replayed += stats.replayed;
    if (first > 1 && stats.replayed != kKept) ++wrong;
    if (stats.replayed > kKept) ++wrong;
  }
  done = true;
  for (Sending& sender : senders) static_cast<void>(sender.Get());
  CHECK(wrong == 0);
  CHECK(replayed > 0);
}

// ---------------------------------------------------------------------------
// Copies that throw.
// ---------------------------------------------------------------------------

TEST_CASE(
    "V1 F9: a Send whose copies throw is not kept and was not delivered") {
  Ledger ledger;
  {
    Feed<Tracked> feed({.replay = 2});
    const Channel<Tracked> channel(8);
    const Subscription subscription = feed.Subscribe(channel);
    const Tracked value(ledger, 1);
    CHECK(feed.Send(value) == 1);
    ledger.on_copy = [](int) { throw CopyFailed(); };
    const Tracked other(ledger, 2);
    CHECK_THROWS_AS(feed.Send(other), CopyFailed);
    ledger.on_copy = nullptr;
    CHECK(channel.size() == 1);
    const Channel<Tracked> late(2);
    const Subscription second = feed.Subscribe(late, {.replay = 2});
    CHECK(late.size() == 1);
    CHECK(Number(late.TryReceive()) == 1);
    CHECK(feed.Send(other) == 2);
    CHECK(Number(late.TryReceive()) == 2);
  }
  CHECK(ledger.alive == 0);
}

// With the turn free, Subscribe makes the copies. What it returns is the same
// as if a Send had made them.
TEST_CASE("V1 F9: a copy that throws in Subscribe ends the newcomer") {
  const int at = GENERATE(0, 1, 2);
  CAPTURE(at);
  Ledger ledger;
  {
    Feed<Tracked> feed({.replay = 3});
    for (int i = 1; i <= 3; ++i) feed.Send(Tracked(ledger, i));
    const Channel<Tracked> channel(8);
    ledger.copies = 0;
    ledger.on_copy = [at](int before) {
      if (before == at) throw CopyFailed();
    };
    const Subscription failed = feed.Subscribe(channel, {.replay = 3});
    ledger.on_copy = nullptr;
    CHECK(failed.ended());
    const auto error = failed.Err().Receive();
    REQUIRE(error.has_value());
    CHECK_THROWS_AS(std::rethrow_exception(*error), CopyFailed);
    CHECK(feed.subscriber_count() == 0);
    CHECK_FALSE(channel.closed());
    CHECK(failed.Stats()->replayed == static_cast<std::uint64_t>(at));
    // What was kept still is, and the feed can be used.
    const Channel<Tracked> late(8);
    const Subscription subscription = feed.Subscribe(late, {.replay = 3});
    CHECK(late.size() == 3);
    CHECK(feed.Send(Tracked(ledger, 4)) == 1);
    CHECK(late.size() == 4);
  }
  CHECK(ledger.alive == 0);
}

// With the turn taken, the Send that has it makes the copies. Its caller has
// nothing to do with them: the new subscription ends with the exception.
TEST_CASE("V1 F9: a copy that throws during a Send ends the newcomer") {
  Ledger ledger;
  {
    Feed<Tracked> feed({.replay = 2});
    feed.Send(Tracked(ledger, 1));
    const Channel<Tracked> blocked;
    const Channel<Tracked> channel(8);
    const Subscription one = feed.Subscribe(blocked);
    Sending sending([&] { return feed.Send(Tracked(ledger, 2)); });
    AwaitSenders(blocked, 1);
    const Subscription two =
        feed.Subscribe(channel, {.close_channel = true, .replay = 2});
    const auto err = two.Err();
    ledger.on_copy = [](int) { throw CopyFailed(); };
    CHECK(Number(blocked.TryReceive()) == 2);
    CHECK(sending.Get() == 1);
    ledger.on_copy = nullptr;
    CHECK(Text(err.Receive()) == "a copy");
    CHECK(two.ended());
    CHECK(channel.closed());
    CHECK(feed.subscriber_count() == 1);
    CHECK(TallyOf(two).delivered == 0);
  }
  CHECK(ledger.alive == 0);
}
