// SPDX-License-Identifier: MIT
//
// O1 to O9: what a feed does for a subscriber whose channel is full. The clock
// is one that only the test moves, so that a patience of hours is tested to the
// nanosecond.

#define FANFARE_PLATFORM ::FakeTime
#define FANFARE_ABI fake_clock

#include "support/fake_clock.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <set>
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
using fanfare::JoinSubscriptions;
using fanfare::Overflow;
using fanfare::ResubscribeErr;
using fanfare::Sender;
using fanfare::SlowSubscriber;
using fanfare::SubscribeOptions;
using fanfare::Subscription;
using fanfare::SubscriptionScope;
using std::chrono::nanoseconds;

// Of SendWaiting: those of which none reads another clock, so that the first
// thread to wake is one that waits for what the test looks at.
constexpr int kWaysOnThisClock = 5;

// How long the Send sleeps at most; 0 where it has returned instead.
nanoseconds Sleep(const Sending& sending) {
  std::optional<nanoseconds> rest;
  AwaitThat([&] {
    rest = FakeClock::Sleeper();
    return rest.has_value() || sending.returned();
  });
  return rest.value_or(0ns);
}

// Moves the time on to the end of this patience, and sees that nothing happens
// a nanosecond before.
void RunOut(const Sending& sending, nanoseconds patience) {
  CHECK(Sleep(sending) == patience);
  if (patience > 1ns) {
    FakeClock::Advance(patience - 1ns);
    CHECK(Sleep(sending) == 1ns);
    CHECK(StaysFalse([&] { return sending.returned(); }));
  }
  FakeClock::Advance(1ns);
}

// What the policy does with one value that has no room.
Tally Acted(Overflow overflow) {
  return overflow == Overflow::kDropOldest ? Tally{.delivered = 1, .evicted = 1}
                                           : Tally{.dropped = 1};
}
// How many channels took it.
std::size_t Taken(Overflow overflow) {
  return overflow == Overflow::kDropOldest ? 1 : 0;
}

// A feed with one subscriber, whose channel others have filled with 100, 101 …
template <typename T>
struct FullChannel {
  FullChannel(std::size_t capacity, Overflow overflow, nanoseconds patience,
              bool close_channel = false)
      : channel(capacity),
        subscription(feed.Subscribe(channel, {.name = "slow",
                                              .overflow = overflow,
                                              .patience = patience,
                                              .close_channel = close_channel})),
        last(100 + static_cast<int>(capacity) - 1) {
    Fill(channel, 100);
  }
  // What is to be in the channel once the policy has acted on value 1.
  [[nodiscard]] std::vector<T> After(Overflow overflow) const {
    if (overflow != Overflow::kDropOldest) return Values<T>(100, last);
    auto values = Values<T>(101, last);
    values.push_back(Value<T>(1));
    return values;
  }

  Feed<T> feed;
  Channel<T> channel;
  Subscription subscription;
  int last;
};

bool Possible(Overflow overflow, std::size_t capacity) {
  return overflow != Overflow::kDropOldest || capacity > 0;
}

}  // namespace

// ---------------------------------------------------------------------------
// O2: what is refused.
// ---------------------------------------------------------------------------

TEST_CASE(
    "O1 O7: by default a subscription waits and leaves the channel open") {
  const SubscribeOptions options;
  CHECK(options.name.empty());
  CHECK(options.overflow == Overflow::kWait);
  CHECK(options.patience == 0ns);
  CHECK_FALSE(options.close_channel);
  CHECK(options.replay == 0);
  STATIC_REQUIRE(
      std::is_same_v<std::underlying_type_t<Overflow>, std::uint8_t>);
  STATIC_REQUIRE(std::is_base_of_v<std::runtime_error, SlowSubscriber>);
}

TEST_CASE("O2: options that contradict each other are refused") {
  struct Row {
    std::size_t capacity;
    SubscribeOptions options;
    std::string message;
  };
  const std::string waits =
      "fanfare: Subscribe with a patience needs an overflow other than kWait";
  const std::string negative = "fanfare: Subscribe with a negative patience";
  const std::string unbuffered =
      "fanfare: Subscribe with kDropOldest needs a channel with a buffer";
  const std::string beyond =
      "fanfare: Subscribe with a replay beyond the channel's capacity";
  const std::vector<Row> rows{
      {1, {.patience = 1ns}, waits},
      {1, {.overflow = Overflow::kWait, .patience = 5s}, waits},
      {1, {.patience = nanoseconds::max()}, waits},
      {1, {.patience = -1ns}, negative},
      {1, {.overflow = Overflow::kDropNewest, .patience = -1ns}, negative},
      {1, {.overflow = Overflow::kDropOldest, .patience = -5s}, negative},
      {1,
       {.overflow = Overflow::kEnd, .patience = nanoseconds::min()},
       negative},
      {0, {.overflow = Overflow::kDropOldest}, unbuffered},
      {0, {.overflow = Overflow::kDropOldest, .patience = 5s}, unbuffered},
      {0, {.replay = 1}, beyond},
      {1, {.replay = 2}, beyond},
      {64, {.overflow = Overflow::kDropOldest, .replay = 65}, beyond},
  };
  for (std::size_t at = 0; at < rows.size(); ++at) {
    CAPTURE(at);
    Feed<int> feed;
    const Channel<int> channel(rows[at].capacity);
    auto options = rows[at].options;
    options.close_channel = true;
    std::string message;
    try {
      static_cast<void>(feed.Subscribe(channel, options));
    } catch (const std::invalid_argument& error) {
      message = error.what();
    }
    CHECK(message == rows[at].message);
    CHECK(feed.subscriber_count() == 0);
    CHECK_FALSE(channel.closed());
    CHECK(feed.TrySend(1) == 0);
    CHECK(channel.size() == 0);
    // The feed and the channel can still be used.
    const Subscription subscription = feed.Subscribe(channel);
    CHECK(feed.subscriber_count() == 1);
  }
}

TEST_CASE("O2: a nil channel is refused whatever the options are") {
  Feed<int> feed;
  CHECK_THROWS_AS(feed.Subscribe(Sender<int>(), {.name = "nil"}),
                  std::invalid_argument);
  CHECK_THROWS_AS(
      feed.Subscribe(Sender<int>(), {.overflow = Overflow::kDropOldest}),
      std::invalid_argument);
  CHECK(feed.subscriber_count() == 0);
}

TEST_CASE("O2: what is left is legal at every capacity") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto overflow = GENERATE(Overflow::kWait, Overflow::kDropNewest,
                                 Overflow::kDropOldest, Overflow::kEnd);
  if (!Possible(overflow, capacity)) return;
  Feed<int> feed;
  const Channel<int> channel(capacity);
  std::vector<Subscription> subscriptions;
  subscriptions.push_back(feed.Subscribe(channel, {.overflow = overflow}));
  subscriptions.push_back(
      feed.Subscribe(channel, {.overflow = overflow, .replay = capacity}));
  if (overflow != Overflow::kWait) {
    subscriptions.push_back(
        feed.Subscribe(channel, {.overflow = overflow, .patience = 1ns}));
    subscriptions.push_back(feed.Subscribe(
        channel, {.overflow = overflow, .patience = nanoseconds::max()}));
  }
  CHECK(feed.subscriber_count() == subscriptions.size());
}

// ---------------------------------------------------------------------------
// O3: each policy without patience, in each kind of Send.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("O3 O4: a policy without patience acts at once", "", int,
                   std::string) {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const int way = GENERATE(range(0, kWaysNotToWait + kWaysToWait + 1));
  CAPTURE(overflow, capacity, way);
  if (!Possible(overflow, capacity)) return;
  FullChannel<TestType> full(capacity, overflow, 0ns);
  const TestType value = Value<TestType>(1);
  // A Send that waits here is one that hangs.
  const std::size_t taken =
      way < kWaysNotToWait ? SendWithoutWaiting(way, full.feed, value)
      : way < kWaysNotToWait + kWaysToWait
          ? SendWaiting(way - kWaysNotToWait, full.feed, value)
          : full.feed.SendReady(value);
  CHECK(taken == Taken(overflow));
  CHECK(TallyOf(full.subscription) == Acted(overflow));
  CHECK(full.subscription.ended() == (overflow == Overflow::kEnd));
  CHECK(full.feed.subscriber_count() == (overflow == Overflow::kEnd ? 0 : 1));
  CHECK(Drain(full.channel) == full.After(overflow));
  CHECK(value == Value<TestType>(1));
}

TEMPLATE_TEST_CASE("O3: an rvalue that no channel took is left as it was", "",
                   int, std::string) {
  const auto overflow = GENERATE(Overflow::kDropNewest, Overflow::kEnd);
  FullChannel<TestType> full(1, overflow, 0ns);
  TestType value = Value<TestType>(1);
  CHECK(full.feed.Send(std::move(value)) == 0);
  // NOLINTNEXTLINE(bugprone-use-after-move): that is the point
  CHECK(value == Value<TestType>(1));
}

TEMPLATE_TEST_CASE(
    "O3 O5: drop newest keeps the first and drop oldest the last", "", int,
    std::string) {
  const std::size_t capacity = GENERATE(1U, 3U, 64U);
  CAPTURE(capacity);
  const int room = static_cast<int>(capacity);
  Feed<TestType> feed;
  const Channel<TestType> first(capacity);
  const Channel<TestType> last(capacity);
  const Subscription keeps_first =
      feed.Subscribe(first, {.overflow = Overflow::kDropNewest});
  const Subscription keeps_last =
      feed.Subscribe(last, {.overflow = Overflow::kDropOldest});
  for (int i = 1; i <= 100; ++i) {
    CHECK(feed.Send(Value<TestType>(i)) == (i <= room ? 2 : 1));
  }
  const auto excess = static_cast<std::uint64_t>(100 - room);
  CHECK(TallyOf(keeps_first) ==
        Tally{.delivered = capacity, .dropped = excess});
  CHECK(TallyOf(keeps_last) == Tally{.delivered = 100, .evicted = excess});
  CHECK(Drain(first) == Values<TestType>(1, room));
  CHECK(Drain(last) == Values<TestType>(100 - room + 1, 100));
}

TEST_CASE("O3: on a channel of capacity 1 drop oldest keeps the latest only") {
  Feed<int> feed;
  const Channel<int> latest(1);
  const Subscription subscription =
      feed.Subscribe(latest, {.overflow = Overflow::kDropOldest});
  for (int round = 0; round < 3; ++round) {
    for (int i = 1; i <= 10; ++i) feed.Send(10 * round + i);
    CHECK(latest.TryReceive() == 10 * round + 10);
    CHECK(latest.TryReceive() == std::nullopt);
  }
}

TEMPLATE_TEST_CASE(
    "O3: without a buffer drop newest serves a receive that waits", "", int,
    std::string) {
  Feed<TestType> feed;
  const Channel<TestType> channel;
  const Subscription subscription =
      feed.Subscribe(channel, {.overflow = Overflow::kDropNewest});
  CHECK(feed.Send(Value<TestType>(1)) == 0);
  InThread receiving([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  CHECK(feed.Send(Value<TestType>(2)) == 1);
  CHECK(receiving.Get() == Value<TestType>(2));
  CHECK(feed.Send(Value<TestType>(3)) == 0);
  CHECK(TallyOf(subscription) == Tally{.delivered = 1, .dropped = 2});
}

TEST_CASE("O3: without a buffer a receive that waits keeps kEnd from acting") {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription =
      feed.Subscribe(channel, {.overflow = Overflow::kEnd});
  InThread receiving([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  CHECK(feed.Send(1) == 1);
  CHECK(receiving.Get() == 1);
  CHECK_FALSE(subscription.ended());
  CHECK(feed.Send(2) == 0);
  CHECK(subscription.ended());
}

TEST_CASE("O3: drop oldest twice on one channel replaces its own value") {
  Feed<int> feed;
  const Channel<int> channel(1);
  const Subscription one =
      feed.Subscribe(channel, {.overflow = Overflow::kDropOldest});
  const Subscription two =
      feed.Subscribe(channel, {.overflow = Overflow::kDropOldest});
  CHECK(feed.Send(1) == 2);
  CHECK(channel.size() == 1);
  CHECK(one.Stats()->delivered + two.Stats()->delivered == 2);
  CHECK(one.Stats()->evicted + two.Stats()->evicted == 1);
}

TEMPLATE_TEST_CASE(
    "O3 N1: a receiver beside drop oldest sees the last in order", "", int,
    std::string) {
  const std::size_t capacity = GENERATE(1U, 2U, 64U);
  CAPTURE(capacity);
  constexpr int kValues = 5000;
  Feed<TestType> feed;
  const Channel<TestType> channel(capacity);
  const Subscription subscription =
      feed.Subscribe(channel, {.overflow = Overflow::kDropOldest});
  Sending sending([&] {
    std::size_t count = 0;
    for (int i = 1; i <= kValues; ++i) count += feed.Send(Value<TestType>(i));
    return count;
  });
  std::uint64_t received = 0;
  int expected = 1;  // the next is this one or a later one
  bool in_order = true;
  while (expected <= kValues) {
    const auto value = channel.Receive();
    ++received;
    while (expected <= kValues && value != Value<TestType>(expected))
      ++expected;
    in_order = in_order && expected <= kValues;
    ++expected;
  }
  CHECK(sending.Get() == kValues);
  CHECK(in_order);
  const auto stats = *subscription.Stats();
  CHECK(stats.delivered == kValues);
  CHECK(received + stats.queued == stats.delivered - stats.evicted);
}

TEST_CASE("O3: Sends that wait for their turn meet the policies as others do") {
  // If T is trivially copyable, one Send may deliver for those behind it.
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  CAPTURE(overflow);
  Feed<int> feed;
  const Channel<int> waits;
  const Channel<int> channel(1);
  const Subscription one = feed.Subscribe(waits);
  const Subscription two = feed.Subscribe(channel, {.overflow = overflow});
  std::deque<Sending> sends;
  sends.emplace_back([&] { return feed.Send(0); });
  AwaitSenders(waits, 1);
  Queue(feed, sends, {1, 2, 3, 4, 5});
  for (int i = 0; i <= 5; ++i) CHECK(waits.Receive() == i);
  for (std::size_t i = 0; i <= 5; ++i) {
    CAPTURE(i);
    CHECK(sends[i].Get() == 1 + (i == 0 ? 1 : Taken(overflow)));
  }
  CHECK(TallyOf(one) == Tally{.delivered = 6});
  switch (overflow) {
    case Overflow::kDropNewest:
      CHECK(TallyOf(two) == Tally{.delivered = 1, .dropped = 5});
      CHECK(Drain(channel) == std::vector{0});
      break;
    case Overflow::kDropOldest:
      CHECK(TallyOf(two) == Tally{.delivered = 6, .evicted = 5});
      CHECK(Drain(channel) == std::vector{5});
      break;
    default:
      CHECK(TallyOf(two) == Tally{.delivered = 1, .dropped = 1});
      CHECK(AsSlow(two.Err().TryReceive()).has_value());
      break;
  }
}

// ---------------------------------------------------------------------------
// O1: patience.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("O1 O4: a Send waits for the patience and no longer", "",
                   int, std::string) {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const int way = GENERATE(range(0, kWaysOnThisClock));
  CAPTURE(overflow, capacity, way);
  if (!Possible(overflow, capacity)) return;
  FullChannel<TestType> full(capacity, overflow, 5s);
  Sending sending(
      [&] { return SendWaiting(way, full.feed, Value<TestType>(1)); });
  RunOut(sending, 5s);
  CHECK(sending.Get() == Taken(overflow));
  CHECK(TallyOf(full.subscription) == Acted(overflow));
  CHECK(full.subscription.ended() == (overflow == Overflow::kEnd));
  CHECK(full.channel.waiting_senders() == 0);
  CHECK(Drain(full.channel) == full.After(overflow));
}

TEST_CASE("O1: the shortest and the longest patience") {
  FullChannel<int> full(1, Overflow::kDropNewest,
                        GENERATE(1ns, nanoseconds::max()));
  Sending sending([&] { return full.feed.Send(1); });
  AwaitSenders(full.channel, 1);
  CHECK(StaysFalse([&] { return sending.returned(); }));
  SECTION("a receive comes first") {
    CHECK(full.channel.Receive() == 100);
    CHECK(sending.Get() == 1);
    CHECK(TallyOf(full.subscription) == Tally{.delivered = 1});
  }
  SECTION("the subscription ends first") {
    full.subscription.Unsubscribe();
    CHECK(sending.Get() == 0);
    CHECK(TallyOf(full.subscription) == Tally{});
  }
}

TEST_CASE("O1: the longest patience never runs out") {
  FullChannel<int> full(1, Overflow::kEnd, nanoseconds::max());
  Sending sending([&] { return full.feed.Send(1); });
  AwaitSenders(full.channel, 1);
  FakeClock::Advance(std::chrono::hours(1'000'000));
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(full.channel.Receive() == 100);
  CHECK(sending.Get() == 1);
}

TEMPLATE_TEST_CASE("O1: a value that is received in time is delivered", "", int,
                   std::string) {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(overflow, capacity);
  if (!Possible(overflow, capacity)) return;
  FullChannel<TestType> full(capacity, overflow, 5s);
  Sending sending([&] { return full.feed.Send(Value<TestType>(1)); });
  CHECK(Sleep(sending) == 5s);
  FakeClock::Advance(5s - 1ns);
  CHECK(full.channel.Receive() == Value<TestType>(capacity > 0 ? 100 : 1));
  CHECK(sending.Get() == 1);
  FakeClock::Advance(1h);
  CHECK(TallyOf(full.subscription) == Tally{.delivered = 1});
  CHECK_FALSE(full.subscription.ended());
}

TEST_CASE("O1: once the patience has run out all later Sends act at once") {
  const auto overflow = GENERATE(Overflow::kDropNewest, Overflow::kDropOldest);
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(overflow, capacity);
  if (!Possible(overflow, capacity)) return;
  FullChannel<int> full(capacity, overflow, 5s);
  Sending sending([&] { return full.feed.Send(1); });
  RunOut(sending, 5s);
  CHECK(sending.Get() == Taken(overflow));
  // Time stands still: a Send that waits here is one that hangs. That the
  // policy takes values out itself is no receive.
  for (int way = 0; way < kWaysNotToWait; ++way) {
    CHECK(SendWithoutWaiting(way, full.feed, 2) == Taken(overflow));
  }
  for (int way = 0; way < kWaysToWait; ++way) {
    CHECK(SendWaiting(way, full.feed, 3) == Taken(overflow));
  }
  CHECK(full.feed.SendReady(4) == Taken(overflow));
  FakeClock::Advance(1h);
  CHECK(full.feed.Send(5) == Taken(overflow));
  constexpr std::uint64_t kSends = 1 + kWaysNotToWait + kWaysToWait + 2;
  CHECK(TallyOf(full.subscription) ==
        (overflow == Overflow::kDropOldest
             ? Tally{.delivered = kSends, .evicted = kSends}
             : Tally{.dropped = kSends}));
}

TEST_CASE(
    "O1: Sends that wait behind one whose patience runs out act at once") {
  FullChannel<int> full(1, Overflow::kDropNewest, 5s);
  std::deque<Sending> sends;
  sends.emplace_back([&] { return full.feed.Send(0); });
  AwaitSenders(full.channel, 1);
  Queue(full.feed, sends, {1, 2, 3});
  RunOut(sends.front(), 5s);
  for (Sending& sending : sends) CHECK(sending.Get() == 0);
  CHECK(TallyOf(full.subscription) == Tally{.dropped = 4});
}

TEMPLATE_TEST_CASE("O1: a receive renews the patience", "", int, std::string) {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const std::size_t capacity = GENERATE(1U, 64U);
  const bool by_try_receive = GENERATE(false, true);
  CAPTURE(overflow, capacity, by_try_receive);
  FullChannel<TestType> full(capacity, overflow, 5s);
  // The patience runs from here, and is nearly over.
  CHECK(full.feed.TrySend(Value<TestType>(1)) == 0);
  FakeClock::Advance(5s - 1ns);
  const auto received =
      by_try_receive ? full.channel.TryReceive() : full.channel.Receive();
  CHECK(received == Value<TestType>(100));
  CHECK(full.feed.Send(Value<TestType>(2)) == 1);
  // It counts from the next Send that finds the channel full, not from the
  // receive.
  FakeClock::Advance(7s);
  Sending sending([&] { return full.feed.Send(Value<TestType>(3)); });
  RunOut(sending, 5s);
  CHECK(sending.Get() == Taken(overflow));
}

TEST_CASE("O1: a receive renews the patience that had run out") {
  const auto overflow = GENERATE(Overflow::kDropNewest, Overflow::kDropOldest);
  CAPTURE(overflow);
  FullChannel<int> full(1, overflow, 5s);
  CHECK(full.feed.TrySend(1) == 0);
  FakeClock::Advance(5s);
  for (int i = 0; i < 3; ++i) CHECK(full.feed.Send(2) == Taken(overflow));
  CHECK(full.channel.TryReceive().has_value());
  CHECK(full.feed.Send(3) == 1);
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    Sending sending([&] { return full.feed.Send(4); });
    RunOut(sending, 5s);
    CHECK(sending.Get() == Taken(overflow));
    CHECK(full.feed.Send(5) == Taken(overflow));
    CHECK(full.channel.TryReceive().has_value());
    CHECK(full.feed.Send(6) == 1);
  }
}

TEST_CASE(
    "O1: a receive renews the patience though the channel is full again") {
  // Another sender takes the room before this feed sees it.
  FullChannel<int> full(2, Overflow::kEnd, 5s);
  CHECK(full.feed.TrySend(1) == 0);
  FakeClock::Advance(4s);
  CHECK(full.channel.TryReceive() == 100);
  CHECK(full.channel.TrySend(102));
  Sending sending([&] { return full.feed.Send(2); });
  RunOut(sending, 5s);
  CHECK(sending.Get() == 0);
  CHECK(full.subscription.ended());
}

TEST_CASE("O1: a receive without a buffer renews the patience") {
  FullChannel<int> full(0, Overflow::kEnd, 5s);
  Sending first([&] { return full.feed.Send(1); });
  CHECK(Sleep(first) == 5s);
  FakeClock::Advance(4s);
  CHECK(full.channel.Receive() == 1);
  CHECK(first.Get() == 1);
  FakeClock::Advance(4s);
  Sending second([&] { return full.feed.Send(2); });
  RunOut(second, 5s);
  CHECK(second.Get() == 0);
  CHECK(full.subscription.ended());
}

TEST_CASE("O1 O5: a receive that serves another sender renews the patience") {
  FullChannel<int> full(1, Overflow::kDropNewest, 5s);
  InThread other([&] { return full.channel.Send(50); });
  AwaitSenders(full.channel, 1);
  Sending sending([&] { return full.feed.Send(1); });
  AwaitSenders(full.channel, 2);
  CHECK(Sleep(sending) == 5s);
  FakeClock::Advance(3s);
  CHECK(full.channel.Receive() == 100);
  CHECK(other.Get());
  CHECK(full.channel.waiting_senders() == 1);
  // Not a patience after the first Send, but one after the receive at the
  // earliest. From when on exactly is not said: the Send sleeps meanwhile.
  FakeClock::Advance(2s);
  CHECK(Sleep(sending) > 0ns);
  CHECK(StaysFalse([&] { return sending.returned(); }));
  FakeClock::Advance(5s);
  CHECK(sending.Get() == 0);
  CHECK(TallyOf(full.subscription) == Tally{.dropped = 1});
}

TEST_CASE("O1: what another subscription evicts does not renew a patience") {
  const auto overflow = GENERATE(Overflow::kDropNewest, Overflow::kEnd);
  const bool same_feed = GENERATE(false, true);
  const int replacements = GENERATE(1, 2, 9);
  CAPTURE(overflow, same_feed, replacements);
  FullChannel<int> full(3, overflow, 5s);
  Feed<int> other;
  const Subscription replaces =
      (same_feed ? full.feed : other)
          .Subscribe(full.channel, {.overflow = Overflow::kDropOldest});
  const auto replace = [&] {
    for (int i = 0; i < replacements; ++i) {
      CHECK((same_feed ? full.feed.SendReady(i) : other.Send(i)) == 1);
    }
  };
  const std::size_t sent = same_feed ? 1 : 0;  // by the other subscription
  replace();
  {
    Sending sending([&] { return full.feed.Send(100); });
    AwaitSenders(full.channel, 1);
    CHECK(Sleep(sending) == 5s);
    FakeClock::Advance(3s);
    if (!same_feed) replace();
    CHECK(Sleep(sending) == 2s);
    FakeClock::Advance(2s);
    CHECK(sending.Get() == sent);
  }
  // No receive has come: the next Send acts at once.
  if (overflow == Overflow::kDropNewest) {
    CHECK(full.feed.Send(101) == sent);
    CHECK(full.channel.Receive().has_value());
    CHECK(full.feed.SendReady(102) == 1 + sent);
  } else {
    CHECK(full.subscription.ended());
  }
}

TEMPLATE_TEST_CASE("O1: an eviction between two Sends renews no patience", "",
                   int, std::string) {
  // Many, so that the channel's lock is biased to the other feed.
  Feed<TestType> feed, other;
  const Channel<TestType> channel(3);
  const Subscription patient = feed.Subscribe(
      channel, {.overflow = Overflow::kDropNewest, .patience = 5s});
  const Subscription replaces =
      other.Subscribe(channel, {.overflow = Overflow::kDropOldest});
  for (int i = 0; i < 20; ++i) other.Send(Value<TestType>(i));
  CHECK(feed.SendReady(Value<TestType>(100)) == 0);
  CHECK(TallyOf(patient) == Tally{.missed = 1});
  for (int i = 0; i < 20; ++i) other.Send(Value<TestType>(i));
  FakeClock::Advance(5s);
  CHECK(feed.SendReady(Value<TestType>(101)) == 0);
  CHECK(TallyOf(patient) == Tally{.dropped = 1, .missed = 1});
}

namespace {

// What becomes of the special channel in the middle of a stream.
enum class Change { kNone, kReceived, kOtherFeed, kClosed, kUnsubscribed };

}  // namespace

TEMPLATE_TEST_CASE("O1 F2: one channel of a stream fills up, and changes", "",
                   int, std::string) {
  const std::size_t count = GENERATE(1U, 2U, 3U, 5U);
  const std::size_t special = GENERATE(range(0U, 5U));
  const auto overflow = GENERATE(Overflow::kWait, Overflow::kDropNewest,
                                 Overflow::kDropOldest, Overflow::kEnd);
  const auto change =
      GENERATE(Change::kNone, Change::kReceived, Change::kOtherFeed,
               Change::kClosed, Change::kUnsubscribed);
  const bool numerous = GENERATE(false, true);  // so that no lock is biased
  if (special >= count || (numerous && count != 3)) return;
  CAPTURE(count, special, overflow, change, numerous);
  constexpr std::size_t kRoom = 12, kMiddle = 20, kSends = 45;
  Feed<TestType> feed, other;
  std::deque<Channel<TestType>> channels;
  std::vector<Subscription> subscriptions;
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_special = i == special;
    channels.emplace_back(is_special ? kRoom : kSends);
    subscriptions.push_back(
        feed.Subscribe(channels.back(),
                       {.overflow = is_special ? overflow : Overflow::kWait}));
  }
  const Channel<TestType> crowd(1);
  crowd.Send(Value<TestType>(0));
  std::vector<Subscription> crowded;
  if (numerous) crowded.resize(1100);
  for (auto& each : crowded) {
    each = feed.Subscribe(crowd, {.overflow = Overflow::kDropNewest});
  }
  const Subscription to_other = other.Subscribe(channels[special]);

  std::deque<TestType> expected;  // what the special channel holds
  bool subscribed = true;
  const auto receive = [&](std::size_t values) {
    for (; values > 0; --values) {
      REQUIRE(channels[special].TryReceive() == expected.front());
      expected.pop_front();
    }
  };
  for (std::size_t i = 0; i < kSends; ++i) {
    if (i == kMiddle) {
      if (change == Change::kReceived) receive(expected.size() / 2);
      if (change == Change::kOtherFeed) {
        receive(6);
        for (int k = 1; k <= 4; ++k) {
          CHECK(other.TrySend(Value<TestType>(-k)) == 1);
          expected.push_back(Value<TestType>(-k));
        }
      }
      if (change == Change::kClosed) channels[special].Close();
      if (change == Change::kUnsubscribed) subscriptions[special].Unsubscribe();
      if (change >= Change::kClosed) subscribed = false;
    }
    const auto value = Value<TestType>(static_cast<int>(i));
    std::size_t taken = count - 1;
    if (subscribed &&
        (expected.size() < kRoom || overflow == Overflow::kDropOldest)) {
      if (expected.size() == kRoom) expected.pop_front();
      expected.push_back(value);
      ++taken;
    } else if (subscribed && overflow == Overflow::kEnd) {
      subscribed = false;
    }
    REQUIRE(feed.TrySend(value) == taken);
  }
  CHECK(subscriptions[special].ended() == !subscribed);
  receive(expected.size());
  CHECK_FALSE(channels[special].TryReceive());
  for (std::size_t i = 0; i < count; ++i) {
    if (i == special) continue;
    for (std::size_t k = 0; k < kSends; ++k) {
      REQUIRE(channels[i].TryReceive() == Value<TestType>(static_cast<int>(k)));
    }
  }
}

TEST_CASE("O1: no patience runs once the value was taken") {
  // The Send waits for others, beyond the end of the first patience.
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const std::size_t capacity = GENERATE(0U, 1U);
  CAPTURE(overflow, capacity);
  if (!Possible(overflow, capacity)) return;
  FullChannel<int> full(capacity, overflow, 5s);
  const Channel<int> later(1), waits;
  const Subscription drops = full.feed.Subscribe(
      later, {.overflow = Overflow::kDropNewest, .patience = 9s});
  const Subscription other = full.feed.Subscribe(waits);
  Fill(later, 100);
  Sending first([&] { return full.feed.Send(1); });
  AwaitSenders(waits, 1);
  CHECK(Sleep(first) == 5s);
  FakeClock::Advance(1s);
  CHECK(full.channel.Receive().has_value());
  FakeClock::Advance(4s);
  CHECK(Sleep(first) == 4s);
  FakeClock::Advance(4s);
  AwaitThat([&] { return drops.Stats()->dropped == 1; });
  CHECK(waits.Receive() == 1);
  CHECK(first.Get() == 2);
  // The next Send that finds the channel full begins anew.
  FakeClock::Advance(20s);
  Sending second([&] { return full.feed.Send(2); });
  CHECK(Sleep(second) == 5s);
  CHECK(full.channel.Receive().has_value());
  CHECK(waits.Receive() == 2);
  CHECK(second.Get() == 2);
  CHECK_FALSE(full.subscription.ended());
}

TEST_CASE("O1 O4: the patience runs from a Send that did not wait") {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const int way = GENERATE(range(0, kWaysNotToWait + 1));
  CAPTURE(overflow, way);
  FullChannel<int> full(1, overflow, 5s);
  const auto send = [&] {
    return way < kWaysNotToWait ? SendWithoutWaiting(way, full.feed, 1)
                                : full.feed.SendReady(1);
  };
  // What is full is full only from the first Send on.
  FakeClock::Advance(1h);
  CHECK(send() == 0);
  FakeClock::Advance(3s);
  CHECK(send() == 0);
  CHECK(TallyOf(full.subscription) == Tally{.missed = 2});
  SECTION("a Send waits for the rest") {
    Sending sending([&] { return full.feed.Send(1); });
    RunOut(sending, 2s);
    CHECK(sending.Get() == Taken(overflow));
  }
  SECTION("the next that does not wait acts when it has run out") {
    FakeClock::Advance(2s - 1ns);
    CHECK(send() == 0);
    CHECK(TallyOf(full.subscription) == Tally{.missed = 3});
    FakeClock::Advance(1ns);
    CHECK(send() == Taken(overflow));
  }
  CHECK(TallyOf(full.subscription).missed >= 2);
  CHECK(TallyOf(full.subscription).dropped + Taken(overflow) == 1);
  CHECK(full.subscription.ended() == (overflow == Overflow::kEnd));
}

TEST_CASE("O4: with its own limit before the patience no policy acts") {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const bool by_stop = GENERATE(false, true);
  CAPTURE(overflow, by_stop);
  FullChannel<int> full(1, overflow, 5s);
  std::stop_source stop;
  Sending sending([&] {
    return by_stop ? full.feed.Send(1, stop.get_token())
                   : full.feed.SendFor(1, 3s);
  });
  CHECK(Sleep(sending) == (by_stop ? 5s : 3s));
  FakeClock::Advance(3s);
  stop.request_stop();
  CHECK(sending.Get() == 0);
  CHECK(TallyOf(full.subscription) == Tally{.missed = 1});
  CHECK_FALSE(full.subscription.ended());
  CHECK(full.channel.size() == 1);
  // The patience has run on.
  Sending second([&] { return full.feed.Send(2); });
  RunOut(second, 2s);
  CHECK(second.Get() == Taken(overflow));
}

TEST_CASE("O4: the earliest of several patiences and the limit of the Send") {
  Feed<int> feed;
  const Channel<int> a(1), b(1), c(1), d(1);
  const Subscription two =
      feed.Subscribe(a, {.overflow = Overflow::kDropNewest, .patience = 2s});
  const Subscription four =
      feed.Subscribe(b, {.overflow = Overflow::kDropOldest, .patience = 4s});
  const Subscription nine =
      feed.Subscribe(c, {.overflow = Overflow::kEnd, .patience = 9s});
  const Subscription waits = feed.Subscribe(d);
  for (const auto& channel : {a, b, c, d}) Fill(channel, 100);
  Sending sending([&] { return feed.SendFor(1, 6s); });
  CHECK(Sleep(sending) == 2s);
  FakeClock::Advance(2s);
  AwaitSenders(a, 0);
  CHECK(Sleep(sending) == 2s);
  CHECK(b.waiting_senders() == 1);
  FakeClock::Advance(2s);
  AwaitSenders(b, 0);
  CHECK(Sleep(sending) == 2s);
  CHECK(c.waiting_senders() == 1);
  CHECK(d.waiting_senders() == 1);
  FakeClock::Advance(2s);
  CHECK(sending.Get() == 1);
  CHECK(TallyOf(two) == Tally{.dropped = 1});
  CHECK(TallyOf(four) == Tally{.delivered = 1, .evicted = 1});
  CHECK(TallyOf(nine) == Tally{.missed = 1});
  CHECK(TallyOf(waits) == Tally{.missed = 1});
  CHECK(Drain(b) == std::vector{1});
  CHECK(Drain(c) == std::vector{100});
}

TEST_CASE(
    "O1 O4: TrySend that got no turn neither counts nor starts a patience") {
  Feed<int> feed;
  const Channel<int> blocked;
  const Channel<int> channel(1);
  const Subscription one = feed.Subscribe(blocked);
  Sending sending([&] { return feed.Send(1); });
  AwaitSenders(blocked, 1);
  const Subscription two = feed.Subscribe(
      channel, {.overflow = Overflow::kDropNewest, .patience = 5s});
  Fill(channel, 100);
  for (int way = 0; way < kWaysNotToWait; ++way) {
    CHECK(SendWithoutWaiting(way, feed, 2) == 0);
  }
  CHECK(TallyOf(two) == Tally{});
  FakeClock::Advance(5s);
  CHECK(blocked.Receive() == 1);
  CHECK(sending.Get() == 1);
  one.Unsubscribe();
  CHECK(feed.TrySend(3) == 0);
  CHECK(TallyOf(two) == Tally{.missed = 1});
  CHECK(TallyOf(one) == Tally{.delivered = 1});
}

TEST_CASE("O4: kWait misses what a Send that does not wait has no room for") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const int way = GENERATE(range(0, kWaysNotToWait));
  CAPTURE(capacity, way);
  FullChannel<int> full(capacity, Overflow::kWait, 0ns);
  CHECK(SendWithoutWaiting(way, full.feed, 1) == 0);
  CHECK(full.feed.SendReady(1) == 0);
  CHECK(TallyOf(full.subscription) == Tally{.missed = 2});
  CHECK(Drain(full.channel) == full.After(Overflow::kWait));
}

TEST_CASE("O1: a subscription that ends during the patience ends without it") {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const int cause = GENERATE(range(0, 4));
  CAPTURE(overflow, cause);
  auto feed = std::make_unique<Feed<int>>();
  const Channel<int> channel(1);
  Fill(channel, 100);
  const Subscription subscription =
      feed->Subscribe(channel, {.overflow = overflow, .patience = 5s});
  Sending sending([&, to = feed.get()] { return to->Send(1); });
  CHECK(Sleep(sending) == 5s);
  switch (cause) {
    case 0:
      subscription.Unsubscribe();
      break;
    case 1:
      feed->Close();
      break;
    case 2:
      channel.Close();
      break;
    default:
      feed.reset();
      break;
  }
  CHECK(sending.Get() == 0);
  CHECK(subscription.ended());
  CHECK(Text(subscription.Err().TryReceive()) == "closed");
  // The value that was not decided on counts nowhere.
  CHECK(TallyOf(subscription) == Tally{});
  CHECK(Drain(channel) == std::vector{100});
}

TEST_CASE("O1: a subscription that is made anew has its patience anew") {
  FullChannel<int> full(1, Overflow::kEnd, 5s);
  CHECK(full.feed.TrySend(1) == 0);
  FakeClock::Advance(5s);
  CHECK(full.feed.TrySend(1) == 0);
  CHECK(full.subscription.ended());
  const Subscription again = full.feed.Subscribe(
      full.channel, {.overflow = Overflow::kEnd, .patience = 5s});
  CHECK(TallyOf(again) == Tally{});
  Sending sending([&] { return full.feed.Send(1); });
  RunOut(sending, 5s);
  CHECK(sending.Get() == 0);
  CHECK(again.ended());
}

// ---------------------------------------------------------------------------
// O5 and O6: others in the channel, others on the feed.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("O5: a value that replaces passes the sends that wait", "",
                   int, std::string) {
  const nanoseconds patience = GENERATE(0ns, 5s);
  const bool waiting = GENERATE(false, true);
  CAPTURE(patience, waiting);
  FullChannel<TestType> full(2, Overflow::kDropOldest, patience);
  InThread first([&] { return full.channel.Send(Value<TestType>(50)); });
  AwaitSenders(full.channel, 1);
  InThread second([&] { return full.channel.Send(Value<TestType>(51)); });
  AwaitSenders(full.channel, 2);
  if (waiting) {
    Sending sending([&] { return full.feed.Send(Value<TestType>(1)); });
    if (patience > 0ns) RunOut(sending, patience);
    CHECK(sending.Get() == 1);
  } else {
    if (patience > 0ns) {
      CHECK(full.feed.TrySend(Value<TestType>(9)) == 0);
      FakeClock::Advance(patience);
    }
    CHECK(full.feed.TrySend(Value<TestType>(1)) == 1);
  }
  CHECK(full.channel.waiting_senders() == 2);
  for (const int number : {101, 1, 50, 51}) {
    CHECK(full.channel.Receive() == Value<TestType>(number));
  }
  CHECK(first.Get());
  CHECK(second.Get());
  CHECK(full.subscription.Stats()->evicted == 1);
}

TEST_CASE("O5: the other policies leave the sends that wait where they are") {
  const auto overflow = GENERATE(Overflow::kDropNewest, Overflow::kEnd);
  FullChannel<int> full(1, overflow, 0ns);
  InThread other([&] { return full.channel.Send(50); });
  AwaitSenders(full.channel, 1);
  CHECK(full.feed.Send(1) == 0);
  CHECK(full.channel.waiting_senders() == 1);
  CHECK(full.channel.Receive() == 100);
  CHECK(full.channel.Receive() == 50);
  CHECK(other.Get());
}

TEST_CASE("O5: one channel of two feeds is evicted by the one that may") {
  Feed<int> waits;
  Feed<int> replaces;
  const Channel<int> channel(1);
  const Subscription one = waits.Subscribe(channel);
  const Subscription two =
      replaces.Subscribe(channel, {.overflow = Overflow::kDropOldest});
  CHECK(waits.Send(1) == 1);
  Sending sending([&] { return waits.Send(2); });
  AwaitSenders(channel, 1);
  CHECK(replaces.Send(10) == 1);
  CHECK(replaces.Send(11) == 1);
  CHECK(channel.Receive() == 11);
  CHECK(sending.Get() == 1);
  CHECK(channel.Receive() == 2);
  // An eviction counts where it was done, not where the value came from.
  CHECK(TallyOf(one) == Tally{.delivered = 2});
  CHECK(TallyOf(two) == Tally{.delivered = 2, .evicted = 2});
}

TEMPLATE_TEST_CASE("O6: policies act though the Send is blocked on another", "",
                   int, std::string) {
  const bool blocked_first = GENERATE(false, true);
  CAPTURE(blocked_first);
  Feed<TestType> feed;
  const Channel<TestType> waits;
  std::vector<Subscription> subscriptions;
  if (blocked_first) subscriptions.push_back(feed.Subscribe(waits));
  const Channel<TestType> newest(1), oldest(1), ends(1);
  const Subscription drops_newest =
      feed.Subscribe(newest, {.overflow = Overflow::kDropNewest});
  const Subscription drops_oldest =
      feed.Subscribe(oldest, {.overflow = Overflow::kDropOldest});
  const Subscription is_ended =
      feed.Subscribe(ends, {.overflow = Overflow::kEnd});
  if (!blocked_first) subscriptions.push_back(feed.Subscribe(waits));
  for (const auto& channel : {newest, oldest, ends}) Fill(channel, 100);
  Sending sending([&] { return feed.Send(Value<TestType>(1)); });
  AwaitThat([&] {
    return waits.waiting_senders() == 1 && is_ended.ended() &&
           drops_newest.Stats()->dropped == 1 &&
           drops_oldest.Stats()->evicted == 1;
  });
  CHECK(oldest.Receive() == Value<TestType>(1));
  CHECK(AsSlow(is_ended.Err().TryReceive()).has_value());
  CHECK(feed.subscriber_count() == 3);
  // O6: a policy does not protect its subscriber from those that wait.
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(waits.Receive() == Value<TestType>(1));
  CHECK(sending.Get() == 2);
}

TEST_CASE("O6: a patience runs out while the Send is blocked on another") {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  CAPTURE(overflow);
  FullChannel<int> full(1, overflow, 5s);
  const Channel<int> waits;
  const Subscription other = full.feed.Subscribe(waits);
  Sending sending([&] { return full.feed.Send(1); });
  RunOut(sending, 5s);
  AwaitThat([&] {
    return TallyOf(full.subscription) == Acted(overflow) &&
           full.subscription.ended() == (overflow == Overflow::kEnd);
  });
  CHECK(waits.waiting_senders() == 1);
  CHECK(full.channel.waiting_senders() == 0);
  CHECK_FALSE(sending.returned());
  CHECK(waits.Receive() == 1);
  CHECK(sending.Get() == 1 + Taken(overflow));
}

// ---------------------------------------------------------------------------
// O7: kEnd and close_channel.
// ---------------------------------------------------------------------------

TEST_CASE("O7: kEnd ends with a SlowSubscriber that says what happened") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const nanoseconds patience = GENERATE(0ns, 5s);
  const bool err_before = GENERATE(false, true);
  CAPTURE(capacity, patience, err_before);
  FullChannel<int> full(capacity, Overflow::kEnd, patience);
  const Channel<int> other(64);
  const Subscription stays = full.feed.Subscribe(other);
  std::optional<fanfare::Receiver<std::exception_ptr>> err;
  if (err_before) err = full.subscription.Err();
  Sending sending([&] { return full.feed.Send(1); });
  if (patience > 0ns) RunOut(sending, patience);
  CHECK(sending.Get() == 1);
  CHECK(full.subscription.ended());
  CHECK(full.feed.subscriber_count() == 1);
  if (!err_before) err = full.subscription.Err();
  const auto slow = AsSlow(err->TryReceive());
  REQUIRE(slow.has_value());
  CHECK(slow->name == "slow");
  CHECK(slow->waited == patience);
  CHECK(slow->queued == capacity);
  CHECK(slow->text.find("slow") != std::string::npos);
  CHECK(err->drained());  // one receive takes the error
  CHECK(full.subscription.Err().drained());
  // As after an unsubscription.
  CHECK(full.feed.Send(2) == 1);
  CHECK_FALSE(full.channel.closed());
  CHECK(Drain(full.channel) == full.After(Overflow::kEnd));
  CHECK(Drain(other) == std::vector{1, 2});
  CHECK(TallyOf(full.subscription) == Tally{.dropped = 1});
  full.subscription.Unsubscribe();
  CHECK(full.subscription.ended());
}

TEST_CASE("O7: a SlowSubscriber says how long it was waited for in all") {
  FullChannel<int> full(1, Overflow::kEnd, 5s);
  CHECK(full.feed.TrySend(1) == 0);
  FakeClock::Advance(7s);
  CHECK(full.feed.TrySend(1) == 0);
  const auto slow = AsSlow(full.subscription.Err().TryReceive());
  REQUIRE(slow.has_value());
  CHECK(slow->waited == 7s);
}

TEST_CASE("O7: the SlowSubscriber of a subscription without a name") {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription =
      feed.Subscribe(channel, {.overflow = Overflow::kEnd});
  const std::string where = "policy_test.cc:" + std::to_string(__LINE__ - 1);
  CHECK(feed.TrySend(1) == 0);
  const auto slow = AsSlow(subscription.Err().TryReceive());
  REQUIRE(slow.has_value());
  CHECK(slow->name == where);
}

TEST_CASE("O7: the end by kEnd is told to those that wait for it") {
  FullChannel<int> full(1, Overflow::kEnd, 0ns);
  InThread waiting([&] { return full.subscription.Err().Receive(); });
  const auto err = full.subscription.Err();
  AwaitReceivers(err, 1);
  CHECK(full.feed.Send(1) == 0);
  CHECK(AsSlow(waiting.Get()).has_value());
}

TEST_CASE("O7 U7: a join reports that a member was slow") {
  FullChannel<int> full(1, Overflow::kEnd, 0ns);
  const Channel<int> other(1);
  const Subscription both = JoinSubscriptions(std::move(full.subscription),
                                              full.feed.Subscribe(other));
  // The join may end the other one before it has the value.
  static_cast<void>(full.feed.Send(1));
  CHECK(AsSlow(both.Err().Receive()).has_value());
  CHECK(full.feed.subscriber_count() == 0);
}

TEST_CASE("O7 R3: a resubscription subscribes again what was too slow") {
  Feed<int> feed;
  const Channel<int> channel(1);
  const Channel<std::exception_ptr> errors(8);
  const Subscription subscription = ResubscribeErr(
      100ms, [&](std::stop_token, std::exception_ptr error) -> Subscription {
        errors.Send(std::move(error));
        return feed.Subscribe(channel, {.overflow = Overflow::kEnd});
      });
  CHECK(Text(errors.Receive()) == "null");
  AwaitThat([&] { return feed.subscriber_count() == 1; });
  CHECK(feed.Send(1) == 1);
  CHECK(feed.Send(2) == 0);
  FakeClock::Advance(FakeClock::AwaitSleeper());
  CHECK(AsSlow(errors.Receive()).has_value());
  AwaitThat([&] { return feed.subscriber_count() == 1; });
  subscription.Unsubscribe();
  CHECK(feed.subscriber_count() == 0);
}

TEST_CASE("O7 P1: a tracked subscription that was slow leaves the scope") {
  FullChannel<int> full(1, Overflow::kEnd, 0ns);
  const SubscriptionScope scope;
  const Subscription wrapper = scope.Track(std::move(full.subscription));
  CHECK(full.feed.Send(1) == 0);
  CHECK(scope.Count() == 0);
  CHECK(wrapper.ended());
  CHECK(AsSlow(wrapper.Err().TryReceive()).has_value());
}

namespace {

// The ways in which a subscription of a feed ends.
enum class Cause {
  kUnsubscribe,
  kRequestUnsubscribe,
  kHandleDropped,
  kHandleReplaced,
  kScopeClosed,
  kFeedClosed,
  kFeedDestroyed,
  kSlow,
};

}  // namespace

TEMPLATE_TEST_CASE("O7: close_channel closes whatever the cause of the end", "",
                   int, std::string) {
  const auto cause = GENERATE(Cause::kUnsubscribe, Cause::kRequestUnsubscribe,
                              Cause::kHandleDropped, Cause::kHandleReplaced,
                              Cause::kScopeClosed, Cause::kFeedClosed,
                              Cause::kFeedDestroyed, Cause::kSlow);
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const bool close_channel = GENERATE(false, true);
  CAPTURE(cause, capacity, close_channel);
  const Channel<TestType> channel(capacity);
  const SubscriptionScope scope;
  auto feed = std::make_unique<Feed<TestType>>();
  std::optional<Subscription> subscription = feed->Subscribe(
      channel, {.overflow = Overflow::kEnd, .close_channel = close_channel});
  for (std::size_t i = 0; i < capacity; ++i) {
    feed->Send(Value<TestType>(static_cast<int>(i)));
  }
  CHECK_FALSE(channel.closed());
  switch (cause) {
    case Cause::kUnsubscribe:
      subscription->Unsubscribe();
      break;
    case Cause::kRequestUnsubscribe:
      subscription->RequestUnsubscribe();
      AwaitThat([&] { return subscription->ended(); });
      break;
    case Cause::kHandleDropped:
      subscription.reset();
      break;
    case Cause::kHandleReplaced:
      *subscription = Subscription();
      break;
    case Cause::kScopeClosed:
      subscription = scope.Track(std::move(*subscription));
      scope.Close();
      break;
    case Cause::kFeedClosed:
      feed->Close();
      break;
    case Cause::kFeedDestroyed:
      feed.reset();
      break;
    case Cause::kSlow:
      CHECK(feed->Send(Value<TestType>(1000)) == 0);
      break;
  }
  CHECK(channel.closed() == close_channel);
  // What was delivered can still be received, and then a loop ends.
  channel.Close();
  std::vector<TestType> received;
  for (const TestType& value : channel) received.push_back(value);
  CHECK(received == Values<TestType>(0, static_cast<int>(capacity) - 1));
}

TEST_CASE("O7: a loop over the channel of a slow subscriber ends") {
  FullChannel<int> full(2, Overflow::kEnd, 0ns, /*close_channel=*/true);
  CHECK(full.feed.Send(1) == 0);
  std::vector<int> received;
  for (const int value : full.channel) received.push_back(value);
  CHECK(received == std::vector{100, 101});
}

TEST_CASE("O7: close_channel wakes a receive that waits") {
  const std::size_t capacity = GENERATE(0U, 1U);
  Feed<int> feed;
  const Channel<int> channel(capacity);
  const Subscription subscription =
      feed.Subscribe(channel, {.close_channel = true});
  InThread receiving([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  subscription.Unsubscribe();
  CHECK(receiving.Get() == std::nullopt);
}

TEST_CASE("O7: close_channel during a Send that is blocked on it") {
  const auto cause = GENERATE(Cause::kUnsubscribe, Cause::kFeedClosed);
  FullChannel<int> full(1, Overflow::kWait, 0ns, /*close_channel=*/true);
  Sending sending([&] { return full.feed.Send(1); });
  AwaitSenders(full.channel, 1);
  if (cause == Cause::kUnsubscribe) {
    full.subscription.Unsubscribe();
  } else {
    full.feed.Close();
  }
  CHECK(sending.Get() == 0);
  CHECK(full.channel.closed());
  CHECK(Drain(full.channel) == std::vector{100});
  CHECK(TallyOf(full.subscription) == Tally{});
}

TEST_CASE("O7: close_channel where the patience runs out in a blocked Send") {
  FullChannel<int> full(1, Overflow::kEnd, 5s, /*close_channel=*/true);
  const Channel<int> waits;
  const Subscription other = full.feed.Subscribe(waits);
  Sending sending([&] { return full.feed.Send(1); });
  RunOut(sending, 5s);
  // The channel is closed although this Send still waits for the other one.
  AwaitThat([&] { return full.channel.closed(); });
  CHECK(StaysFalse([&] { return sending.returned(); }));
  CHECK(waits.Receive() == 1);
  CHECK(sending.Get() == 1);
}

TEST_CASE("O7: close_channel on a feed that is closed already") {
  // The subscription has ended when Subscribe returns; a consumer would wait
  // permanently if the channel stayed open.
  Feed<int> feed;
  feed.Close();
  const Channel<int> channel(1);
  const Subscription subscription =
      feed.Subscribe(channel, {.close_channel = true});
  CHECK(subscription.ended());
  CHECK(channel.closed());
}

TEST_CASE("O7: of two subscriptions one closes the channel of both") {
  Feed<int> feed;
  const Channel<int> channel(4);
  const Subscription closes = feed.Subscribe(channel, {.close_channel = true});
  const Subscription other = feed.Subscribe(channel, {.name = "other"});
  CHECK(feed.Send(1) == 2);
  closes.Unsubscribe();
  CHECK(channel.closed());
  CHECK(feed.Send(2) == 0);
  CHECK(other.ended());
  CHECK(Text(other.Err().TryReceive()) == "closed");
  CHECK(TallyOf(other) == Tally{.delivered = 1});
}

TEST_CASE("O7 F6: a channel that is closed is no slow one") {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const nanoseconds patience = GENERATE(0ns, 5s);
  CAPTURE(overflow, patience);
  FullChannel<int> full(1, overflow, patience);
  full.channel.Close();
  CHECK(full.feed.Send(1) == 0);
  CHECK(full.subscription.ended());
  CHECK(Text(full.subscription.Err().TryReceive()) == "closed");
  // Nothing was decided on: the value counts nowhere.
  CHECK(TallyOf(full.subscription) == Tally{});
  CHECK(Drain(full.channel) == std::vector{100});
}

// ---------------------------------------------------------------------------
// O8: where values are destroyed, and what a copy that throws leaves.
// ---------------------------------------------------------------------------

TEST_CASE(
    "O8: evicted and unsent values are destroyed by the sender unlocked") {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  const nanoseconds patience = GENERATE(0ns, 5s);
  CAPTURE(overflow, patience);
  Ledger ledger;
  {
    Feed<Tracked> feed;
    const Channel<Tracked> channel(1);
    const Channel<Tracked> other(8);
    const Channel<Tracked> newcomer(8);
    const Subscription one =
        feed.Subscribe(channel, {.overflow = overflow, .patience = patience});
    const Subscription two = feed.Subscribe(other);
    CHECK(channel.TrySend(Tracked(ledger, 100)));
    // Each of these calls takes a lock of the channel, of the feed or of the
    // subscription: a destructor under that lock would hang.
    std::thread::id destroyed_in;
    ledger.on_destroy = [&] {
      destroyed_in = std::this_thread::get_id();
      static_cast<void>(channel.size() + channel.waiting_senders());
      static_cast<void>(channel.closed());
      static_cast<void>(feed.subscriber_count() + feed.Report().size());
      static_cast<void>(one.Stats());
      const Subscription third = feed.Subscribe(newcomer);
    };
    std::thread::id sender;
    const Tracked value(ledger, 1);
    const auto send = [&] {
      sender = std::this_thread::get_id();
      return feed.Send(value);
    };
    std::size_t taken = 0;
    if (patience == 0ns) {
      ledger.armed = true;
      taken = send();
    } else {
      Sending sending(send);
      CHECK(Sleep(sending) == patience);
      ledger.armed = true;
      FakeClock::Advance(patience);
      taken = sending.Get();
    }
    // Where nothing was copied for the channel, there is nothing to destroy.
    const bool destroyed = !ledger.armed.exchange(false);
    if (overflow == Overflow::kDropOldest) CHECK(destroyed);
    if (destroyed) CHECK(destroyed_in == sender);
    CHECK(taken == 1 + Taken(overflow));
    CHECK(Number(channel.TryReceive()) ==
          (overflow == Overflow::kDropOldest ? 1 : 100));
    // The value itself, and the copy in the other channel.
    CHECK(ledger.alive == 2);
  }
  CHECK(ledger.alive == 0);
}

TEST_CASE("O8 F9: a copy that throws evicts nothing") {
  const nanoseconds patience = GENERATE(0ns, 5s);
  CAPTURE(patience);
  Ledger ledger;
  {
    Feed<Tracked> feed;
    const Channel<Tracked> channel(1);
    const Subscription subscription = feed.Subscribe(
        channel, {.overflow = Overflow::kDropOldest, .patience = patience});
    CHECK(channel.TrySend(Tracked(ledger, 100)));
    const Tracked value(ledger, 1);
    if (patience > 0ns) {
      CHECK(feed.TrySend(value) == 0);
      FakeClock::Advance(patience);
    }
    ledger.on_copy = [](int) { throw CopyFailed(); };
    CHECK_THROWS_AS(feed.Send(value), CopyFailed);
    CHECK_THROWS_AS(feed.TrySend(value), CopyFailed);
    const Tally tally = TallyOf(subscription);
    CHECK(tally.evicted == 0);
    CHECK(tally.delivered == 0);
    CHECK(tally.dropped == 0);
    CHECK(tally.unaccounted == 0);
    ledger.on_copy = nullptr;
    CHECK(feed.Send(value) == 1);
    CHECK(Number(channel.TryReceive()) == 1);
    CHECK(TallyOf(subscription).evicted == 1);
  }
  CHECK(ledger.alive == 0);
}

// ---------------------------------------------------------------------------
// O9: what others pay.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("O9: no delivery to a channel with room reads the clock", "",
                   int, std::string) {
  Feed<TestType> feed;
  const Channel<TestType> plain(64);
  const Channel<TestType> patient(64);
  const Subscription one = feed.Subscribe(plain);
  const Subscription two =
      feed.Subscribe(patient, {.overflow = Overflow::kEnd, .patience = 5s});
  const std::size_t before = FakeClock::reads();
  for (int i = 0; i < 10; ++i) {
    feed.Send(Value<TestType>(i));
    feed.TrySend(Value<TestType>(i));
    feed.SendReady(Value<TestType>(i));
  }
  CHECK(FakeClock::reads() == before);
}

TEST_CASE("O9: what misses a value or drops it at once reads no clock") {
  Feed<int> feed;
  Audience<int> plain(feed, 3, 0);
  const Channel<int> channel(1);
  const Subscription newest =
      feed.Subscribe(channel, {.overflow = Overflow::kDropNewest});
  const Subscription oldest =
      feed.Subscribe(channel, {.overflow = Overflow::kDropOldest});
  const std::size_t before = FakeClock::reads();
  for (int i = 0; i < 10; ++i) {
    feed.TrySend(i);
    feed.SendReady(i);
  }
  CHECK(FakeClock::reads() == before);
}

TEST_CASE("O1 O4: a patience runs out before the time point of a SendUntil") {
  const auto overflow = GENERATE(Overflow::kDropNewest, Overflow::kEnd);
  CAPTURE(static_cast<int>(overflow));
  Feed<int> feed;
  const Channel<int> channel(1);
  const Subscription subscription =
      feed.Subscribe(channel, {.overflow = overflow, .patience = 1s});
  CHECK(feed.Send(1) == 1);
  Sending sending([&] {
    return feed.SendUntil(2, FakeClock::now() + std::chrono::hours(1));
  });
  RunOut(sending, 1s);
  CHECK(sending.Get() == 0);
  CHECK(subscription.Stats()->dropped == 1);
  CHECK(subscription.Stats()->missed == 0);
  CHECK(subscription.ended() == (overflow == Overflow::kEnd));
}

TEST_CASE("O4: the earlier of two limits counts though both have passed") {
  Feed<int> feed;
  const Channel<int> channel(1);
  const auto patience = GENERATE(1s, 2s, 3s);
  const Subscription subscription = feed.Subscribe(
      channel, {.overflow = Overflow::kDropNewest, .patience = patience});
  CHECK(feed.Send(1) == 1);
  Sending sending([&] { return feed.SendFor(2, 2s); });
  CHECK(Sleep(sending) == std::min<nanoseconds>(patience, 2s));
  FakeClock::Advance(10s);
  CHECK(sending.Get() == 0);
  CHECK(subscription.Stats()->dropped == (patience == 1s ? 1 : 0));
  CHECK(subscription.Stats()->missed == (patience == 1s ? 0 : 1));
}
