// SPDX-License-Identifier: MIT
//
// N1 to N4: what a feed tells about its subscribers. The clock is one that only
// the test moves.

#define FANFARE_PLATFORM ::FakeTime
#define FANFARE_ABI fake_clock

#include "support/fake_clock.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
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
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::Numbered;
using fanfare::Overflow;
using fanfare::Resubscribe;
using fanfare::SubscriberReport;
using fanfare::SubscriberStats;
using fanfare::Subscription;
using fanfare::SubscriptionScope;
using std::chrono::nanoseconds;

// How long the Send sleeps at most; 0 where it has returned instead.
nanoseconds Sleep(const Sending& sending) {
  std::optional<nanoseconds> rest;
  AwaitThat([&] {
    rest = FakeClock::Sleeper();
    return rest.has_value() || sending.returned();
  });
  return rest.value_or(0ns);
}

}  // namespace

// ---------------------------------------------------------------------------
// N1: the counts of one subscription.
// ---------------------------------------------------------------------------

TEST_CASE("N1: only a subscription of a feed has statistics") {
  const Foreign foreign;
  Puppet puppet;
  Feed<int> feed;
  const Channel<int> channel(1);
  CHECK_FALSE(Subscription().Stats().has_value());
  CHECK_FALSE(Subscription(foreign).Stats().has_value());
  CHECK_FALSE(puppet.Subscribe().Stats().has_value());
  CHECK_FALSE(
      JoinSubscriptions(feed.Subscribe(channel), feed.Subscribe(channel))
          .Stats()
          .has_value());
  CHECK_FALSE(
      Resubscribe(1s, [&](std::stop_token) { return feed.Subscribe(channel); })
          .Stats()
          .has_value());
  CHECK(feed.Subscribe(channel).Stats().has_value());
  STATIC_REQUIRE(noexcept(std::declval<const Subscription&>().Stats()));
  STATIC_REQUIRE(
      std::is_same_v<decltype(std::declval<const Subscription&>().Stats()),
                     std::optional<SubscriberStats>>);
}

TEST_CASE("N1: statistics go where the handle goes") {
  Feed<int> feed;
  const Channel<int> channel(4);
  Subscription first = feed.Subscribe(channel);
  feed.Send(1);
  const Subscription second = std::move(first);
  feed.Send(2);
  // NOLINTNEXTLINE(bugprone-use-after-move): that is the point
  CHECK_FALSE(first.Stats().has_value());
  CHECK(TallyOf(second) == Tally{.delivered = 2});
}

TEST_CASE("N1 P1: what Track returns has the statistics of what it tracks") {
  Feed<int> feed;
  const Channel<int> channel(1);
  Puppet puppet;
  auto scope = std::make_unique<SubscriptionScope>();
  const Subscription wrapper = scope->Track(feed.Subscribe(channel));
  const Subscription other = scope->Track(puppet.Subscribe());
  CHECK_FALSE(other.Stats().has_value());
  CHECK(feed.Send(1) == 1);
  CHECK(feed.TrySend(2) == 0);
  CHECK(TallyOf(wrapper) == Tally{.delivered = 1, .missed = 1});
  CHECK(wrapper.Stats()->capacity == 1);
  scope.reset();
  CHECK(feed.TrySend(3) == 0);
  CHECK(TallyOf(wrapper) == Tally{.delivered = 1, .missed = 1});
}

TEMPLATE_TEST_CASE("N1: a subscription counts the values of its own time", "",
                   int, std::string) {
  const std::size_t capacity = GENERATE(1U, 3U, 64U);
  const std::size_t others = GENERATE(0U, 1U, 5U);
  CAPTURE(capacity, others);
  Feed<TestType> feed;
  const Audience<TestType> audience(feed, others, 128);
  for (int i = 0; i < 5; ++i) feed.TrySend(Value<TestType>(i));
  const Channel<TestType> channel(capacity);
  const Subscription subscription = feed.Subscribe(channel);
  CHECK(TallyOf(subscription) == Tally{});
  CHECK(subscription.Stats()->offered == 0);
  CHECK(subscription.Stats()->capacity == capacity);
  CHECK(subscription.Stats()->queued == 0);
  for (std::size_t i = 1; i <= capacity; ++i) {
    CHECK(feed.Send(Value<TestType>(1)) == others + 1);
    CHECK(TallyOf(subscription) == Tally{.delivered = i});
    CHECK(subscription.Stats()->offered == i);
    CHECK(subscription.Stats()->queued == i);
  }
  CHECK(feed.SendReady(Value<TestType>(2)) == others);
  CHECK(TallyOf(subscription) == Tally{.delivered = capacity, .missed = 1});
  CHECK(channel.TryReceive().has_value());
  CHECK(subscription.Stats()->queued == capacity - 1);
  CHECK(TallyOf(subscription) == Tally{.delivered = capacity, .missed = 1});
  for (const Subscription& other : audience.subscriptions) {
    CHECK(TallyOf(other) == Tally{.delivered = capacity + 6});
  }
}

TEST_CASE("N1: what is queued counts from whatever source it came") {
  Feed<int> feed;
  const Channel<int> channel(4);
  const Subscription subscription = feed.Subscribe(channel);
  channel.Send(1);
  CHECK(subscription.Stats()->queued == 1);
  CHECK(TallyOf(subscription) == Tally{});
}

TEST_CASE("N1: a channel that is subscribed twice has its counts twice") {
  Feed<int> feed;
  const Channel<int> channel(3);
  const Subscription one = feed.Subscribe(channel);
  const Subscription two = feed.Subscribe(channel);
  CHECK(feed.Send(1) == 2);
  CHECK(feed.TrySend(2) == 1);
  CHECK(one.Stats()->delivered + two.Stats()->delivered == 3);
  CHECK(one.Stats()->missed + two.Stats()->missed == 1);
  CHECK(one.Stats()->offered == 2);
  CHECK(two.Stats()->offered == 2);
}

TEMPLATE_TEST_CASE("N1: a value that is not decided on counts nowhere", "", int,
                   std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Feed<TestType> feed;
  const Channel<TestType> ready(64);
  const Channel<TestType> channel(capacity);
  const Channel<TestType> late(64);
  const Subscription before = feed.Subscribe(ready);
  const Subscription waits = feed.Subscribe(channel);
  const Subscription after = feed.Subscribe(late);
  Fill(channel, 100);
  std::stop_source stop;
  Sending sending(
      [&] { return feed.Send(Value<TestType>(1), stop.get_token()); });
  AwaitThat([&] {
    return channel.waiting_senders() == 1 && ready.size() + late.size() == 2;
  });
  CHECK(TallyOf(waits) == Tally{});
  CHECK(TallyOf(before) == Tally{.delivered = 1});
  CHECK(TallyOf(after) == Tally{.delivered = 1});
  SECTION("until it is received") {
    CHECK(channel.TryReceive().has_value());
    CHECK(sending.Get() == 3);
    CHECK(TallyOf(waits) == Tally{.delivered = 1});
  }
  SECTION("until the Send gives up") {
    stop.request_stop();
    CHECK(sending.Get() == 2);
    CHECK(TallyOf(waits) == Tally{.missed = 1});
  }
  SECTION("and where the subscription ends never") {
    waits.Unsubscribe();
    CHECK(sending.Get() == 2);
    CHECK(TallyOf(waits) == Tally{});
  }
  SECTION("and where the channel is closed never") {
    channel.Close();
    CHECK(sending.Get() == 2);
    CHECK(waits.ended());
    CHECK(TallyOf(waits) == Tally{});
  }
  SECTION("and where the feed is closed never") {
    feed.Close();
    CHECK(sending.Get() == 2);
    CHECK(TallyOf(waits) == Tally{});
  }
  CHECK(TallyOf(before) == Tally{.delivered = 1});
  CHECK(TallyOf(after) == Tally{.delivered = 1});
}

TEST_CASE("N1: a value counts as soon as it is received while others wait") {
  Feed<int> feed;
  Audience<int> audience(feed, 3, 0);
  Sending sending([&] { return feed.Send(1); });
  AwaitThat([&] { return audience.blocked() == 3; });
  for (std::size_t at = 0; at < 3; ++at) {
    CHECK(TallyOf(audience.subscriptions[at]) == Tally{});
    CHECK(audience.channels[at].Receive() == 1);
    AwaitThat([&] {
      return TallyOf(audience.subscriptions[at]) == Tally{.delivered = 1};
    });
  }
  CHECK(sending.Get() == 3);
}

TEST_CASE("N1: a newcomer during a Send does not count its value") {
  const bool several = GENERATE(false, true);
  Feed<int> feed;
  const Channel<int> blocked;
  const Channel<int> channel(64);
  const Subscription one = feed.Subscribe(blocked);
  std::deque<Sending> sends;
  sends.emplace_back([&] { return feed.Send(0); });
  AwaitSenders(blocked, 1);
  const Subscription two = feed.Subscribe(channel);
  if (several) Queue(feed, sends, {1, 2, 3});
  CHECK(TallyOf(two) == Tally{});
  const int last = several ? 3 : 0;
  for (int i = 0; i <= last; ++i) CHECK(blocked.Receive() == i);
  for (Sending& sending : sends) static_cast<void>(sending.Get());
  CHECK(TallyOf(one) ==
        Tally{.delivered = static_cast<std::uint64_t>(last) + 1});
  CHECK(TallyOf(two) == Tally{.delivered = static_cast<std::uint64_t>(last)});
  CHECK(channel.size() == static_cast<std::size_t>(last));
}

TEST_CASE("N1: a Send that got no turn counts nowhere") {
  Feed<int> feed;
  const Channel<int> blocked;
  const Channel<int> channel(64);
  const Subscription one = feed.Subscribe(blocked);
  const Subscription two = feed.Subscribe(channel);
  Sending sending([&] { return feed.Send(1); });
  AwaitThat(
      [&] { return blocked.waiting_senders() == 1 && channel.size() == 1; });
  for (int way = 0; way < kWaysNotToWait; ++way) {
    CHECK(SendWithoutWaiting(way, feed, 2) == 0);
  }
  std::stop_source stop;
  Sending for_a_while([&] { return feed.SendFor(3, 5s); });
  AwaitThat([&] { return feed.waiting_senders() == 1; });
  Sending until_a_stop([&] { return feed.Send(4, stop.get_token()); });
  AwaitThat([&] { return feed.waiting_senders() == 2; });
  CHECK(Sleep(for_a_while) == 5s);
  FakeClock::Advance(5s);
  stop.request_stop();
  CHECK(for_a_while.Get() == 0);
  CHECK(until_a_stop.Get() == 0);
  CHECK(TallyOf(one) == Tally{});
  CHECK(TallyOf(two) == Tally{.delivered = 1});
  CHECK(blocked.Receive() == 1);
  CHECK(sending.Get() == 2);
  CHECK(TallyOf(one) == Tally{.delivered = 1});
  CHECK(TallyOf(two) == Tally{.delivered = 1});
}

TEST_CASE("N1: statistics stay as they were when the subscription ended") {
  const int cause = GENERATE(range(0, 5));
  CAPTURE(cause);
  auto feed = std::make_unique<Feed<int>>();
  const Channel<int> channel(2);
  const Subscription subscription =
      feed->Subscribe(channel, {.overflow = Overflow::kEnd});
  const Subscription other =
      feed->Subscribe(Channel<int>(1), {.overflow = Overflow::kDropOldest});
  CHECK(feed->Send(1) == 2);
  CHECK(feed->Send(2) == 2);
  Tally expected{.delivered = 2};
  switch (cause) {
    case 0:
      subscription.Unsubscribe();
      break;
    case 1:
      feed->Close();
      break;
    case 2:
      channel.Close();
      CHECK(feed->Send(3) == 1);
      break;
    case 3:
      CHECK(feed->Send(3) == 1);
      expected.dropped = 1;
      break;
    default:
      break;
  }
  if (cause < 4) {
    CHECK(TallyOf(subscription) == expected);
    for (int i = 0; i < 3; ++i) feed->Send(4);
  }
  feed.reset();
  REQUIRE(subscription.ended());
  CHECK(TallyOf(subscription) == expected);
  CHECK(subscription.Stats()->capacity == 2);
  CHECK_FALSE(subscription.Stats()->blocks);
  CHECK(subscription.Stats()->blocking == 0ns);
  subscription.Unsubscribe();
  CHECK(TallyOf(subscription) == expected);
}

TEST_CASE(
    "N1: a value that was delivered counts although its subscriber left") {
  Feed<int> feed;
  Audience<int> audience(feed, {1, 0});
  Sending sending([&] { return feed.Send(1); });
  AwaitThat([&] { return audience.blocked() == 1 && audience.served() == 1; });
  audience.subscriptions[0].Unsubscribe();
  CHECK(TallyOf(audience.subscriptions[0]) == Tally{.delivered = 1});
  CHECK(audience.channels[1].Receive() == 1);
  CHECK(sending.Get() == 2);
  CHECK(feed.TrySend(2) == 0);
  CHECK(TallyOf(audience.subscriptions[0]) == Tally{.delivered = 1});
}

TEST_CASE("N1: a subscription on a closed feed has nothing to count") {
  Feed<int> feed;
  feed.Close();
  const Subscription subscription = feed.Subscribe(Channel<int>(3));
  CHECK(TallyOf(subscription) == Tally{});
  CHECK(subscription.Stats()->capacity == 3);
  CHECK(feed.Report().empty());
}

TEST_CASE("N1: a copy that throws leaves the counts in balance") {
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, {4, 4, 0, 4});
  const Tracked value(ledger, 1);
  for (int at = 0; at < 3; ++at) {
    CAPTURE(at);
    ledger.copies = 0;
    ledger.on_copy = [at](int before) {
      if (before == at) throw CopyFailed();
    };
    try {
      feed.SendReady(value);
    } catch (const CopyFailed&) {
    }
    for (std::size_t one = 0; one < 4; ++one) {
      CAPTURE(one);
      const Tally tally = TallyOf(audience.subscriptions[one]);
      CHECK(tally.unaccounted == 0);
      CHECK(tally.delivered == audience.channels[one].size());
    }
  }
}

namespace {

// A channel that one subscription alone fills, and what is to become of it.
struct Modelled {
  Modelled(Feed<int>& feed, std::size_t capacity, Overflow overflow)
      : channel(capacity),
        subscription(feed.Subscribe(channel, {.overflow = overflow})),
        policy(overflow) {}

  // Returns whether the channel takes it.
  bool Offer(int value) {
    if (ended) return false;
    if (queue.size() == channel.capacity()) {
      switch (policy) {
        case Overflow::kWait:
          ++expected.missed;
          return false;
        case Overflow::kEnd:
          ended = true;
          [[fallthrough]];
        case Overflow::kDropNewest:
          ++expected.dropped;
          return false;
        case Overflow::kDropOldest:
          queue.pop_front();
          ++expected.evicted;
          break;
      }
    }
    queue.push_back(value);
    ++expected.delivered;
    return true;
  }

  Channel<int> channel;
  Subscription subscription;
  Overflow policy;
  std::deque<int> queue;
  Tally expected;
  std::uint64_t received = 0;
  bool ended = false;
};

}  // namespace

TEST_CASE("N1 O3: the equations hold after each step of a random history") {
  constexpr Overflow kPolicies[] = {Overflow::kWait, Overflow::kDropNewest,
                                    Overflow::kDropOldest, Overflow::kEnd};
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t n) { return random() % n; };
    Feed<int> feed;
    std::deque<Modelled> subscribers;
    for (int step = 0; step < 300; ++step) {
      CAPTURE(seed, step);
      const std::size_t action = below(12);
      if (action == 0 || subscribers.empty()) {
        const Overflow policy = kPolicies[below(4)];
        const std::size_t least = policy == Overflow::kDropOldest ? 1 : 0;
        subscribers.emplace_back(feed, least + below(4), policy);
      } else if (action == 1) {
        Modelled& one = subscribers[below(subscribers.size())];
        one.subscription.Unsubscribe();
        one.ended = true;
      } else if (action <= 5) {
        Modelled& one = subscribers[below(subscribers.size())];
        std::optional<int> next;
        if (!one.queue.empty()) {
          next = one.queue.front();
          one.queue.pop_front();
          ++one.received;
        }
        CHECK(one.channel.TryReceive() == next);
      } else {
        std::size_t takers = 0;
        for (Modelled& one : subscribers) takers += one.Offer(step) ? 1 : 0;
        const int way = static_cast<int>(below(kWaysNotToWait + 1));
        const std::size_t taken = way < kWaysNotToWait
                                      ? SendWithoutWaiting(way, feed, step)
                                      : feed.SendReady(step);
        CHECK(taken == takers);
      }
      for (const Modelled& one : subscribers) {
        const auto stats = *one.subscription.Stats();
        CHECK(TallyOf(stats) == one.expected);
        CHECK(one.channel.size() == one.queue.size());
        CHECK(one.received + one.channel.size() ==
              stats.delivered - stats.evicted);
        CHECK(one.subscription.ended() == one.ended);
      }
    }
  }
}

TEMPLATE_TEST_CASE("N1: the equations hold after several senders and receivers",
                   "", int, std::string) {
  constexpr int kSenders = 3;
  constexpr int kEach = 300;
  constexpr Overflow kPolicies[] = {Overflow::kWait, Overflow::kDropNewest,
                                    Overflow::kDropOldest};
  Feed<TestType> feed;
  std::vector<Channel<TestType>> channels;
  std::vector<Subscription> subscriptions;
  std::deque<Sending> receivers;
  for (const Overflow policy : kPolicies) {
    for (const std::size_t capacity : {1U, 8U}) {
      const Channel<TestType> channel(capacity);
      subscriptions.push_back(
          feed.Subscribe(channel, {.overflow = policy, .close_channel = true}));
      receivers.emplace_back([channel] {
        std::size_t count = 0;
        while (channel.Receive().has_value()) ++count;
        return count;
      });
      channels.push_back(channel);
    }
  }
  std::atomic<bool> done = false;
  // Asking never gets an answer that is out of balance.
  Sending asking([&] {
    std::size_t out_of_balance = 0;
    while (!done) {
      for (const SubscriberReport& one : feed.Report()) {
        if (TallyOf(one.stats).unaccounted != 0) ++out_of_balance;
      }
    }
    return out_of_balance;
  });
  std::deque<Sending> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&feed, sender] {
      std::size_t count = 0;
      for (int i = 0; i < kEach; ++i) {
        const auto value = Value<TestType>(i);
        count += sender == 0 ? feed.SendReady(value) : feed.Send(value);
      }
      return count;
    });
  }
  std::size_t taken = 0;
  for (Sending& sender : senders) taken += sender.Get();
  done = true;
  CHECK(asking.Get() == 0);
  feed.Close();
  std::size_t delivered = 0;
  for (std::size_t at = 0; at < channels.size(); ++at) {
    CAPTURE(at);
    const auto stats = *subscriptions[at].Stats();
    CHECK(stats.offered == kSenders * kEach);
    CHECK(TallyOf(stats).unaccounted == 0);
    CHECK(receivers[at].Get() == stats.delivered - stats.evicted);
    delivered += stats.delivered;
  }
  CHECK(delivered == taken);
}

// ---------------------------------------------------------------------------
// N2: asking does not wait, and what it says of those that block.
// ---------------------------------------------------------------------------

TEST_CASE("N2: a report names all subscribers and where they subscribed") {
  Feed<int> feed;
  CHECK(feed.Report().empty());
  const Channel<int> channel(8);
  const Subscription one = feed.Subscribe(channel, {.name = "one"});
  const Subscription two = feed.Subscribe(
      channel, {.name = "two", .overflow = Overflow::kDropOldest});
  const Subscription three = feed.Subscribe(channel);
  const auto line = static_cast<unsigned>(__LINE__ - 1);
  const std::string where = "numbers_test.cc:" + std::to_string(line);
  CHECK(feed.Send(1) == 3);
  const auto reports = std::as_const(feed).Report();
  CHECK(reports.size() == 3);
  const auto first = ReportOn(reports, "one");
  const auto second = ReportOn(reports, "two");
  const auto third = ReportOn(reports, where);
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  REQUIRE(third.has_value());
  CHECK(first->overflow == Overflow::kWait);
  CHECK(second->overflow == Overflow::kDropOldest);
  CHECK(third->overflow == Overflow::kWait);
  // A name does not hide the place.
  CHECK(first->where.line() == line - 3);
  CHECK(third->where.line() == line);
  const std::string file = third->where.file_name();
  CHECK(file.substr(file.size() - std::min<std::size_t>(file.size(), 15)) ==
        "numbers_test.cc");
  CHECK(TallyOf(first->stats) == Tally{.delivered = 1});
  CHECK(first->stats.queued == 3);
  CHECK(first->stats.capacity == 8);
  CHECK_FALSE(first->stats.blocks);
}

TEST_CASE("N2: a report leaves out what has ended") {
  Feed<int> feed;
  const Channel<int> channel(8);
  const Subscription one = feed.Subscribe(channel, {.name = "one"});
  const Subscription two = feed.Subscribe(channel, {.name = "two"});
  one.Unsubscribe();
  const auto reports = feed.Report();
  CHECK(reports.size() == 1);
  CHECK(ReportOn(reports, "two").has_value());
  feed.Close();
  CHECK(feed.Report().empty());
}

TEMPLATE_TEST_CASE(
    "N2: asking tells what blocks a Send and does not wait for it", "", int,
    std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Feed<TestType> feed;
  const Channel<TestType> channel(capacity);
  const Channel<TestType> ready(64);
  const Subscription slow = feed.Subscribe(channel, {.name = "slow"});
  const Subscription quick = feed.Subscribe(ready, {.name = "quick"});
  Fill(channel, 100);
  FakeClock::Advance(9s);
  Sending sending([&] { return feed.Send(Value<TestType>(1)); });
  AwaitThat(
      [&] { return channel.waiting_senders() == 1 && ready.size() == 1; });
  AwaitThat([&] { return slow.Stats()->blocks; });
  CHECK(slow.Stats()->blocking == 0ns);
  FakeClock::Advance(3s);
  const auto reports = feed.Report();
  CHECK(reports.size() == 2);
  const auto blocker = ReportOn(reports, "slow");
  const auto other = ReportOn(reports, "quick");
  REQUIRE(blocker.has_value());
  REQUIRE(other.has_value());
  CHECK(blocker->stats.blocks);
  CHECK(blocker->stats.blocking == 3s);
  CHECK(blocker->stats.queued == capacity);
  CHECK_FALSE(other->stats.blocks);
  CHECK(other->stats.blocking == 0ns);
  CHECK(slow.Stats()->blocking == 3s);
  FakeClock::Advance(std::chrono::hours(100));
  CHECK(slow.Stats()->blocking == 3s + std::chrono::hours(100));
  CHECK(channel.Receive().has_value());
  CHECK(sending.Get() == 2);
  CHECK_FALSE(slow.Stats()->blocks);
  CHECK(slow.Stats()->blocking == 0ns);
}

TEST_CASE("N2: the time of a Send is that of the last it waited for") {
  Feed<int> feed;
  Audience<int> audience(feed, 3, 0);
  const auto blocked = [&](std::size_t at) {
    return audience.subscriptions[at].Stats()->blocked;
  };
  // Receives its value, and waits until the Send has seen that.
  const auto receive = [&](std::size_t at, int value) {
    const auto before = audience.subscriptions[at].Stats()->delivered;
    const bool right = audience.channels[at].Receive() == value;
    AwaitThat([&] {
      return audience.subscriptions[at].Stats()->delivered == before + 1;
    });
    return right;
  };
  Sending sending([&] { return feed.Send(1); });
  AwaitThat([&] { return audience.blocked() == 3; });
  FakeClock::Advance(2s);
  CHECK(receive(0, 1));
  FakeClock::Advance(3s);
  CHECK(receive(2, 1));
  FakeClock::Advance(4s);
  CHECK(receive(1, 1));
  CHECK(sending.Get() == 3);
  CHECK(blocked(0) == 0s);
  CHECK(blocked(1) == 9s);
  CHECK(blocked(2) == 0s);
  // The times of several Sends add up.
  Sending again([&] { return feed.Send(2); });
  AwaitThat([&] { return audience.blocked() == 3; });
  CHECK(receive(0, 2));
  CHECK(receive(2, 2));
  FakeClock::Advance(1s);
  CHECK(receive(1, 2));
  CHECK(again.Get() == 3);
  CHECK(blocked(1) == 10s);
  CHECK(blocked(0) + blocked(2) == 0s);
}

TEST_CASE("N2: the last of a wait is known although it ends as it begins") {
  // All offers are taken before the Send has counted them.
  fanfare::detail::CompletionLatch latch;
  fanfare::detail::Operation first, second;
  latch.Completed(second);
  latch.Completed(first);
  CHECK(latch.Expect(2));
  CHECK(latch.last() == &first);
}

TEST_CASE("N2: a Send that gives up as its last channel takes the value") {
  Feed<int> feed;
  const Channel<int> channel(1);
  Fill(channel, 100);
  const Subscription subscription = feed.Subscribe(channel);
  std::stop_source stop;
  int tasks = 0;
  // Runs in the Send, before that sleeps.
  const auto executor = [&](const auto&) {
    ++tasks;
    FakeClock::Advance(3s);
    CHECK(channel.TryReceive() == 100);
    stop.request_stop();
  };
  const Subscription listener = Listen(executor, feed, [](int) {});
  CHECK(feed.Send(1, stop.get_token()) == 2);
  CHECK(tasks == 1);
  CHECK(subscription.Stats()->blocked == 3s);
  CHECK(channel.TryReceive() == 1);
}

TEST_CASE("N2: the last that a Send waited for may be one that left") {
  Feed<int> feed;
  const Channel<int> channel(1);
  Fill(channel, 100);
  const Subscription subscription = feed.Subscribe(
      channel, {.overflow = Overflow::kDropNewest, .patience = 5s});
  Sending sending([&] { return feed.Send(1); });
  CHECK(Sleep(sending) == 5s);
  FakeClock::Advance(5s);
  CHECK(sending.Get() == 0);
  CHECK(subscription.Stats()->blocked == 5s);
  // The next Send does not wait.
  CHECK(feed.Send(2) == 0);
  CHECK(subscription.Stats()->blocked == 5s);
}

TEST_CASE("N2: asking does not wait for a copy that a Send makes") {
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, {4, 4});
  const Channel<int> copying;
  const Channel<int> go_on;
  ledger.on_copy = [&](int before) {
    if (before > 0) return;
    copying.Close();
    static_cast<void>(go_on.Receive());
  };
  const Tracked value(ledger, 1);
  Sending sending([&] { return feed.Send(value); });
  static_cast<void>(copying.Receive());
  CHECK(feed.Report().size() == 2);
  CHECK(TallyOf(audience.subscriptions[0]).unaccounted == 0);
  CHECK_FALSE(audience.subscriptions[1].Stats()->blocks);
  CHECK_FALSE(feed.DebugString().empty());
  go_on.Close();
  CHECK(sending.Get() == 2);
}

// ---------------------------------------------------------------------------
// N3: gaps.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("N3: values are numbered from 1 in every kind of Send", "",
                   int, std::string) {
  Feed<Numbered<TestType>> feed;
  const Channel<Numbered<TestType>> one(64);
  const Channel<Numbered<TestType>> two(64);
  const Subscription first = feed.Subscribe(one);
  const Subscription second = feed.Subscribe(two);
  const TestType value = Value<TestType>(7);
  CHECK(feed.Send(value) == 2);
  CHECK(feed.Send(Value<TestType>(7)) == 2);
  CHECK(feed.Send(value, std::stop_token()) == 2);
  CHECK(feed.SendFor(value, 1s) == 2);
  CHECK(feed.SendFor(value, 0s) == 2);
  CHECK(feed.SendReady(value) == 2);
  CHECK(feed.TrySend(value) == 2);
  for (const auto& channel : {one, two}) {
    for (std::uint64_t number = 1; number <= 7; ++number) {
      const auto next = channel.TryReceive();
      REQUIRE(next.has_value());
      CHECK(next->number == number);
      CHECK(next->value == value);
    }
    CHECK_FALSE(channel.TryReceive().has_value());
  }
}

TEST_CASE("N3: several senders number without a gap and without a double") {
  constexpr int kSenders = 4;
  constexpr int kEach = 200;
  Feed<Numbered<int>> feed;
  const Channel<Numbered<int>> channel(8);
  const Subscription subscription = feed.Subscribe(channel);
  std::deque<Sending> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&feed, sender] {
      std::size_t count = 0;
      for (int i = 0; i < kEach; ++i) count += feed.Send(sender);
      return count;
    });
  }
  bool in_order = true;
  for (std::uint64_t number = 1; number <= kSenders * kEach; ++number) {
    in_order = channel.Receive()->number == number && in_order;
  }
  CHECK(in_order);
  for (Sending& sender : senders) CHECK(sender.Get() == kEach);
}

TEST_CASE("N3: a Send that got no turn takes no number") {
  Feed<Numbered<int>> feed;
  const Channel<Numbered<int>> channel;
  const Subscription subscription = feed.Subscribe(channel);
  Sending sending([&] { return feed.Send(1); });
  AwaitSenders(channel, 1);
  CHECK(feed.TrySend(2) == 0);
  CHECK(feed.SendFor(3, 0s) == 0);
  CHECK(channel.Receive()->number == 1);
  CHECK(sending.Get() == 1);
  Sending next([&] { return feed.Send(4); });
  CHECK(channel.Receive()->number == 2);
  CHECK(next.Get() == 1);
}

TEST_CASE("N3: a late subscriber sees how many values came before") {
  Feed<Numbered<int>> feed;
  CHECK(feed.Send(1) == 0);
  CHECK(feed.TrySend(2) == 0);
  const Channel<Numbered<int>> channel(1);
  const Subscription subscription = feed.Subscribe(channel);
  CHECK(feed.Send(3) == 1);
  CHECK(channel.TryReceive()->number == 3);
}

TEST_CASE("N3: the gaps are exactly what was lost whatever the cause") {
  const Overflow policy =
      GENERATE(Overflow::kWait, Overflow::kDropNewest, Overflow::kDropOldest);
  const nanoseconds patience = GENERATE(0ns, 5s);
  if (policy == Overflow::kWait && patience > 0ns) return;
  CAPTURE(policy, patience);
  std::mt19937 random(1);
  Feed<Numbered<int>> feed;
  const Channel<Numbered<int>> channel(3);
  const Subscription subscription =
      feed.Subscribe(channel, {.overflow = policy, .patience = patience});
  std::uint64_t last = 0;
  std::uint64_t gaps = 0;
  const auto receive = [&] {
    if (const auto next = channel.TryReceive()) {
      gaps += next->number - last - 1;
      last = next->number;
    }
  };
  constexpr std::uint64_t kSends = 500;
  for (std::uint64_t i = 0; i < kSends; ++i) {
    if (random() % 2 == 0) {
      feed.TrySend(1);
    } else {
      feed.SendReady(1);
    }
    if (random() % 3 == 0) receive();
    if (random() % 8 == 0) FakeClock::Advance(3s);
  }
  while (channel.size() > 0) receive();
  const Tally tally = TallyOf(subscription);
  CHECK(gaps + (kSends - last) == tally.missed + tally.dropped + tally.evicted);
  CHECK(tally.delivered - tally.evicted == kSends - gaps - (kSends - last));
}

// ---------------------------------------------------------------------------
// N4: the hook of a stall.
// ---------------------------------------------------------------------------

namespace {

// One call of on_stall.
struct Stall {
  std::thread::id thread;
  FakeClock::time_point time;
  std::vector<SubscriberReport> blockers;
};

// A feed whose calls of on_stall are received from `stalls`.
struct Stalling {
  explicit Stalling(nanoseconds stall_after)
      : feed({.name = "prices",
              .stall_after = stall_after,
              .on_stall = [this](std::span<const SubscriberReport> blockers) {
                stalls.Send(Stall{std::this_thread::get_id(),
                                  FakeClock::now(),
                                  {blockers.begin(), blockers.end()}});
                if (then) then();
              }}) {}

  std::function<void()> then;
  Channel<Stall> stalls = Channel<Stall>(64);
  Feed<int> feed;
};

}  // namespace

TEST_CASE("N4: by default nothing is told and nothing sleeps for a time") {
  const FeedOptions options;
  CHECK(options.name.empty());
  CHECK(options.replay == 0);
  CHECK(options.stall_after == nanoseconds::max());
  CHECK_FALSE(options.on_stall);
  const int which = GENERATE(0, 1, 2);
  CAPTURE(which);
  std::atomic<int> calls = 0;
  const auto count = [&](std::span<const SubscriberReport>) { ++calls; };
  Feed<int> feed(which == 0   ? FeedOptions{}
                 : which == 1 ? FeedOptions{.on_stall = count}
                              : FeedOptions{.stall_after = 1s});
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  Sending sending([&] { return feed.Send(1); });
  AwaitSenders(channel, 1);
  CHECK(StaysFalse([&] { return FakeClock::Sleeper().has_value(); }));
  FakeClock::Advance(std::chrono::hours(1000));
  CHECK(StaysFalse([&] { return sending.returned() || calls > 0; }));
  CHECK(channel.Receive() == 1);
  CHECK(sending.Get() == 1);
}

TEST_CASE("N4: a stall is told after a while, then at doubled intervals") {
  Stalling stalling(1s);
  const Channel<int> channel;
  const Channel<int> ready(8);
  const Subscription slow = stalling.feed.Subscribe(channel, {.name = "slow"});
  const Subscription quick = stalling.feed.Subscribe(ready, {.name = "quick"});
  std::thread::id sender;
  FakeClock::Advance(100s);
  const auto start = FakeClock::now();
  Sending sending([&] {
    sender = std::this_thread::get_id();
    return stalling.feed.Send(1);
  });
  nanoseconds waited = 0s;
  for (const nanoseconds time : {1s, 3s, 7s, 15s, 31s}) {
    CAPTURE(time);
    CHECK(Sleep(sending) == time - waited);
    FakeClock::Advance(time - waited - 1ns);
    CHECK(Sleep(sending) == 1ns);
    CHECK(stalling.stalls.size() == 0);
    FakeClock::Advance(1ns);
    waited = time;
    const auto stall = stalling.stalls.Receive();
    CHECK(stall->time - start == time);
    REQUIRE(stall->blockers.size() == 1);
    CHECK(stall->blockers[0].name == "slow");
    CHECK(stall->blockers[0].stats.blocks);
    CHECK(stall->blockers[0].stats.blocking == time);
    CHECK(stall->thread == sender);
  }
  CHECK(channel.Receive() == 1);
  CHECK(sending.Get() == 2);
  CHECK(stalling.stalls.size() == 0);
}

TEST_CASE("N4: a time after which a stall is told must be positive") {
  for (const nanoseconds time : {0ns, -1ns, nanoseconds::min()}) {
    std::string message;
    try {
      const Feed<int> feed({.stall_after = time});
    } catch (const std::invalid_argument& error) {
      message = error.what();
    }
    CHECK(message == "fanfare: the stall_after of a Feed must be positive");
  }
}

TEST_CASE("N4: each Send has its stall anew") {
  Stalling stalling(1s);
  const Channel<int> channel;
  const Subscription subscription = stalling.feed.Subscribe(channel);
  for (int i = 0; i < 3; ++i) {
    CAPTURE(i);
    Sending sending([&] { return stalling.feed.Send(i); });
    CHECK(Sleep(sending) == 1s);
    FakeClock::Advance(1s);
    CHECK(stalling.stalls.Receive().has_value());
    CHECK(Sleep(sending) == 2s);
    FakeClock::Advance(500ms);
    CHECK(channel.Receive() == i);
    CHECK(sending.Get() == 1);
    CHECK(stalling.stalls.size() == 0);
  }
}

TEST_CASE("N4: a stall names all subscribers that block and no other") {
  Stalling stalling(1s);
  std::vector<Channel<int>> channels(4);
  std::vector<Subscription> subscriptions;
  for (std::size_t at = 0; at < 4; ++at) {
    subscriptions.push_back(
        stalling.feed.Subscribe(channels[at], {.name = std::to_string(at)}));
  }
  const auto names = [](const std::optional<Stall>& stall) {
    std::vector<std::string> all;
    for (const auto& one : stall->blockers) all.push_back(one.name);
    std::sort(all.begin(), all.end());
    return all;
  };
  using Names = std::vector<std::string>;
  Sending sending([&] { return stalling.feed.Send(1); });
  CHECK(Sleep(sending) == 1s);
  FakeClock::Advance(1s);
  CHECK(names(stalling.stalls.Receive()) == Names{"0", "1", "2", "3"});
  CHECK(Sleep(sending) == 2s);
  CHECK(channels[2].Receive() == 1);
  subscriptions[0].Unsubscribe();
  FakeClock::Advance(2s);
  CHECK(names(stalling.stalls.Receive()) == Names{"1", "3"});
  CHECK(channels[1].Receive() == 1);
  CHECK(channels[3].Receive() == 1);
  CHECK(sending.Get() == 3);
}

TEST_CASE("N4: to wait for the turn is no stall of that Send") {
  Stalling stalling(1s);
  const Channel<int> channel;
  const Subscription subscription = stalling.feed.Subscribe(channel);
  std::thread::id sender;
  Sending sending([&] {
    sender = std::this_thread::get_id();
    return stalling.feed.Send(1);
  });
  AwaitSenders(channel, 1);
  Sending second([&] { return stalling.feed.Send(2); });
  AwaitThat([&] { return stalling.feed.waiting_senders() == 1; });
  CHECK(Sleep(sending) == 1s);
  FakeClock::Advance(1s);
  CHECK(stalling.stalls.Receive()->thread == sender);
  CHECK(Sleep(sending) == 2s);
  CHECK(channel.Receive() == 1);
  CHECK(sending.Get() == 1);
  // It has waited since then, but for no channel until now.
  CHECK(Sleep(second) == 1s);
  CHECK(stalling.stalls.size() == 0);
  CHECK(channel.Receive() == 2);
  CHECK(second.Get() == 1);
}

TEST_CASE("N4: no call for a Send that does not wait that long") {
  Stalling stalling(5s);
  const Channel<int> channel(1);
  const Subscription subscription = stalling.feed.Subscribe(channel);
  Fill(channel, 100);
  for (int way = 0; way < kWaysNotToWait; ++way) {
    CHECK(SendWithoutWaiting(way, stalling.feed, 1) == 0);
    FakeClock::Advance(6s);
  }
  CHECK(stalling.feed.SendReady(1) == 0);
  Sending short_of_it([&] { return stalling.feed.SendFor(1, 4s); });
  CHECK(Sleep(short_of_it) == 4s);
  FakeClock::Advance(4s);
  CHECK(short_of_it.Get() == 0);
  Sending served([&] { return stalling.feed.Send(1); });
  CHECK(Sleep(served) == 5s);
  FakeClock::Advance(5s - 1ns);
  CHECK(channel.Receive() == 100);
  CHECK(served.Get() == 1);
  CHECK(stalling.stalls.size() == 0);
}

TEST_CASE("N4: the hook may unsubscribe and ask, and so end the stall") {
  Stalling stalling(1s);
  const Channel<int> channel;
  const Channel<int> ready(8);
  const Subscription slow = stalling.feed.Subscribe(channel, {.name = "slow"});
  const Subscription quick = stalling.feed.Subscribe(ready, {.name = "quick"});
  // Each of these takes a lock of the feed, of the channel or of the
  // subscription; under one of them it would hang.
  std::size_t reported = 0;
  std::string text;
  bool blocked = false;
  stalling.then = [&] {
    reported = stalling.feed.Report().size();
    text = stalling.feed.DebugString();
    blocked = slow.Stats()->blocks && channel.waiting_senders() == 1;
    static_cast<void>(stalling.feed.subscriber_count());
    const Subscription third = stalling.feed.Subscribe(Channel<int>(1));
    slow.Unsubscribe();
  };
  Sending sending([&] { return stalling.feed.Send(1); });
  CHECK(Sleep(sending) == 1s);
  FakeClock::Advance(1s);
  CHECK(sending.Get() == 1);
  CHECK(stalling.stalls.size() == 1);
  CHECK(reported == 2);
  CHECK(blocked);
  CHECK(text.find("slow") != std::string::npos);
  CHECK(slow.ended());
  CHECK(stalling.feed.subscriber_count() == 1);
}

TEST_CASE("N4 O1: a patience and the stalls before it") {
  Stalling stalling(1s);
  const Channel<int> channel;
  const Subscription subscription = stalling.feed.Subscribe(
      channel, {.overflow = Overflow::kEnd, .patience = 5s});
  Sending sending([&] { return stalling.feed.Send(1); });
  nanoseconds waited = 0s;
  for (const nanoseconds time : {1s, 3s, 5s}) {
    CAPTURE(time);
    CHECK(Sleep(sending) == time - waited);
    FakeClock::Advance(time - waited);
    waited = time;
    if (time < 5s) CHECK(stalling.stalls.Receive().has_value());
  }
  CHECK(sending.Get() == 0);
  CHECK(subscription.ended());
  CHECK(stalling.stalls.size() == 0);
}

TEST_CASE("N4: a debug string names the feed and what blocks it") {
  Feed<int> feed({.name = "prices"});
  CHECK(feed.DebugString().find("prices") != std::string::npos);
  const Channel<int> channel;
  const Subscription slow = feed.Subscribe(channel, {.name = "the slow one"});
  Sending sending([&] { return feed.Send(1); });
  AwaitSenders(channel, 1);
  AwaitThat([&] { return slow.Stats()->blocks; });
  const std::string text = std::as_const(feed).DebugString();
  CHECK(text.find("prices") != std::string::npos);
  CHECK(text.find("the slow one") != std::string::npos);
  CHECK(channel.Receive() == 1);
  CHECK(sending.Get() == 1);
  feed.Close();
  CHECK(feed.DebugString().find("the slow one") == std::string::npos);
}

TEST_CASE("N3 F9: an rvalue that no channel accepted is left as it was") {
  Feed<Numbered<std::string>> feed;
  const Channel<Numbered<std::string>> channel(1);
  const int subscribers = GENERATE(0, 1, 2);
  const bool closed = GENERATE(false, true);
  CAPTURE(subscribers, closed);
  SubscriptionScope scope;
  for (int i = 0; i < subscribers; ++i) scope.Track(feed.Subscribe(channel));
  REQUIRE(channel.TrySend({}));
  if (closed) feed.Close();

  const std::string text(100, 'x');
  std::string value = text;
  CHECK(feed.TrySend(std::move(value)) == 0);
  CHECK(value == text);
  CHECK(feed.SendReady(std::move(value)) == 0);
  CHECK(value == text);
  CHECK(feed.SendFor(std::move(value), -1s) == 0);
  CHECK(value == text);
}
