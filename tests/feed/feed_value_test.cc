// SPDX-License-Identifier: MIT
//
// F9: the value of a Send is out of the caller's hands before a subscriber can
// see it. The product of: what is sent, to which channels, on which way to its
// turn, and what a subscriber does with the caller's object once it has
// received.

#include <array>
#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/feeds.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Subscription;

struct Kilobyte {
  std::array<int, 256> numbers;
  friend bool operator==(const Kilobyte&, const Kilobyte&) = default;
};

}  // namespace

template <>
Kilobyte Value<Kilobyte>(int number) {
  Kilobyte value;
  value.numbers.fill(number);
  return value;
}

namespace {

// A Send that is made as the only one, or that waits for its turn behind
// another one. It delivers to the channels of the audience alone.
enum class Turn { kFree, kWaitedFor };

template <typename T>
class Case {
 public:
  // `send(feed)` is called in a thread of its own.
  Case(Turn turn, const std::vector<std::size_t>& capacities,
       std::function<std::size_t(Feed<T>&)> send, T first) {
    if (turn == Turn::kWaitedFor) {
      gate_subscription = feed.Subscribe(gate);
      before.emplace(
          [this, first = std::move(first)] { return feed.Send(first); });
      AwaitSenders(gate, 1);
    }
    audience.emplace(feed, capacities);
    sending.emplace([this, send = std::move(send)] { return send(feed); });
    if (turn == Turn::kWaitedFor) {
      AwaitThat([&] { return feed.waiting_senders() == 1; });
      gate_subscription.Unsubscribe();
    }
  }

  Feed<T> feed;
  Channel<T> gate;
  Subscription gate_subscription;
  std::optional<Sending> before;
  std::optional<Audience<T>> audience;
  std::optional<Sending> sending;
};

const std::vector<std::size_t>& Capacities() {
  static const std::array<std::vector<std::size_t>, 8> all{
      {{0}, {64}, {0, 0}, {1, 0}, {0, 1}, {64, 0, 1}, {0, 0, 0}, {1, 1, 0}}};
  const auto index = GENERATE(range(std::size_t{0}, std::size_t{8}));
  return all.at(index);
}

}  // namespace

TEMPLATE_TEST_CASE(
    "F9 C9: a subscriber changes or destroys the sender's object once it has "
    "received",
    "", int, std::string, Kilobyte) {
  const auto turn = GENERATE(Turn::kFree, Turn::kWaitedFor);
  const auto& capacities = Capacities();
  const bool rvalue = GENERATE(false, true);
  const bool destroys = GENERATE(false, true);
  const auto first = GENERATE(range(std::size_t{0}, std::size_t{3}));
  CAPTURE(turn, capacities, rvalue, destroys, first);
  if (first >= capacities.size()) return;

  std::list<TestType> objects{Value<TestType>(1)};
  TestType& object = objects.front();
  Case<TestType> c(
      turn, capacities,
      [&](Feed<TestType>& feed) {
        return rvalue ? feed.Send(std::move(object)) : feed.Send(object);
      },
      Value<TestType>(0));
  auto& channels = c.audience->channels;
  CHECK(channels[first].Receive() == Value<TestType>(1));
  if (destroys) {
    objects.clear();
  } else {
    object = Value<TestType>(2);
  }
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (i != first) CHECK(channels[i].Receive() == Value<TestType>(1));
  }
  CHECK(c.sending->Get() == channels.size());
  if (!destroys) CHECK(object == Value<TestType>(2));
}

TEST_CASE("F9: a Send makes no more copies than it has subscribers") {
  const auto turn = GENERATE(Turn::kFree, Turn::kWaitedFor);
  const auto& capacities = Capacities();
  const bool rvalue = GENERATE(false, true);
  CAPTURE(turn, capacities, rvalue);
  Ledger ledger;
  {
    Tracked object(ledger, 1);
    std::optional<Case<Tracked>> c;
    int before = 0;
    {
      Tracked zero(ledger, 0);
      c.emplace(
          turn, capacities,
          [&](Feed<Tracked>& feed) {
            before = ledger.copies;
            return rvalue ? feed.Send(std::move(object)) : feed.Send(object);
          },
          std::move(zero));
    }
    for (const auto& channel : c->audience->channels) {
      CHECK(Number(channel.Receive()) == 1);
    }
    CHECK(c->sending->Get() == capacities.size());
    CHECK(object.number() == (rvalue ? Tracked::kGone : 1));
    if (c->before) CHECK(c->before->Get() == 0);
    // (Behind another Send it may still count the gate as a subscriber.)
    const int most = static_cast<int>(capacities.size()) - (rvalue ? 1 : 0);
    CHECK(ledger.copies - before <= most + (turn == Turn::kWaitedFor ? 1 : 0));
  }
  CHECK(ledger.alive == 0);
}

TEST_CASE("F9: a Send without subscribers makes no copy") {
  Ledger ledger;
  Feed<Tracked> feed;
  const Tracked object(ledger, 1);
  CHECK(feed.Send(object) == 0);
  CHECK(feed.TrySend(object) == 0);
  CHECK(ledger.copies == 0);
}

// While the copy for the second channel is made, the first one is received
// from.
TEST_CASE("F9 C9: the sender's object is changed between two copies") {
  const std::size_t count = GENERATE(2U, 3U, 5U);
  CAPTURE(count);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, count, 1);
  std::optional<Tracked> object(std::in_place, ledger, 1);
  int received = 0;
  ledger.on_copy = [&](int) {
    if (received > 0 || audience.channels[0].size() == 0) return;
    received = Number(audience.channels[0].Receive());
    object.reset();
  };
  CHECK(feed.Send(*object) == count);
  CHECK(received == (count == 2 ? 0 : 1));
  ledger.on_copy = nullptr;
  for (std::size_t i = received > 0 ? 1 : 0; i < count; ++i) {
    CHECK(Number(audience.channels[i].Receive()) == 1);
  }
}

TEST_CASE("F9 C5: an rvalue that several channels refuse is left as it was") {
  const std::size_t count = GENERATE(1U, 2U, 3U);
  Feed<std::string> feed;
  Audience<std::string> audience(feed, count, 0);
  std::string value = Value<std::string>(1);
  CHECK(feed.TrySend(std::move(value)) == 0);
  CHECK(value == Value<std::string>(1));
  CHECK(feed.SendReady(std::move(value)) == 0);
  CHECK(value == Value<std::string>(1));
  CHECK(feed.SendFor(std::move(value), std::chrono::milliseconds(1)) == 0);
  CHECK(value == Value<std::string>(1));
}

// Three copies are made for four channels; the one before the last throws.
TEST_CASE("F9 C5: a copy throws before a channel has the rvalue, or after") {
  const bool taken = GENERATE(false, true);
  CAPTURE(taken);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, taken
                                       ? std::vector<std::size_t>{1, 0, 0, 0}
                                       : std::vector<std::size_t>{0, 0, 0, 0});
  Tracked value(ledger, 7);
  ledger.on_copy = [](int before) {
    if (before == 2) throw CopyFailed();
  };
  CHECK_THROWS_AS(feed.TrySend(std::move(value)), CopyFailed);
  // What a subscriber may have seen is not given back.
  CHECK(value.number() == (taken ? Tracked::kGone : 7));
  CHECK(audience.channels[0].size() == (taken ? 1 : 0));
}

// ---------------------------------------------------------------------------
// SendReady.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("F3 F7: SendReady waits for its turn", "", int,
                   std::string) {
  const std::size_t capacity = GENERATE(1U, 64U);
  const std::size_t count = GENERATE(1U, 3U);
  CAPTURE(capacity, count);
  Feed<TestType> feed;
  const Channel<TestType> gate;
  const Subscription gate_subscription = feed.Subscribe(gate);
  Sending blocked([&] { return feed.Send(Value<TestType>(0)); });
  AwaitSenders(gate, 1);
  Audience<TestType> audience(feed, count, capacity);
  Sending ready([&] { return feed.SendReady(Value<TestType>(1)); });
  AwaitThat([&] { return feed.waiting_senders() == 1; });
  CHECK(feed.TrySend(Value<TestType>(2)) == 0);
  gate_subscription.Unsubscribe();
  CHECK(ready.Get() == count);
  CHECK(blocked.Get() == 0);
  for (const auto& channel : audience.channels) {
    CHECK(channel.TryReceive() == Value<TestType>(1));
  }
}

TEMPLATE_TEST_CASE("F3 F7: SendReady does not wait for a channel", "", int,
                   std::string) {
  const auto turn = GENERATE(Turn::kFree, Turn::kWaitedFor);
  CAPTURE(turn);
  Case<TestType> c(
      turn, {0, 1, 0, 64},
      [](Feed<TestType>& feed) { return feed.SendReady(Value<TestType>(1)); },
      Value<TestType>(0));
  CHECK(c.sending->Get() == 2);
  CHECK(c.audience->channels[1].TryReceive() == Value<TestType>(1));
  CHECK(c.audience->channels[3].TryReceive() == Value<TestType>(1));
  CHECK(c.audience->blocked() == 0);
}

TEST_CASE("F3 F7: SendReady gives up its wait for the turn by its stop") {
  Feed<int> feed;
  const Channel<int> gate;
  const Subscription subscription = feed.Subscribe(gate);
  Sending blocked([&] { return feed.Send(0); });
  AwaitSenders(gate, 1);
  std::stop_source stop;
  Sending ready([&] { return feed.SendReady(1, stop.get_token()); });
  AwaitThat([&] { return feed.waiting_senders() == 1; });
  stop.request_stop();
  CHECK(ready.Get() == 0);
  CHECK(feed.waiting_senders() == 0);
  CHECK(gate.Receive() == 0);
  CHECK(blocked.Get() == 1);
}

TEST_CASE("F3: two threads of SendReady lose no value where there is room") {
  constexpr int kEach = 2000;
  constexpr std::size_t kCount = 3;
  Feed<int> feed;
  Audience<int> audience(feed, kCount, 2 * kEach);
  const auto send = [&feed] {
    std::size_t taken = 0;
    for (int i = 0; i < kEach; ++i) taken += feed.SendReady(i);
    return taken;
  };
  Sending one(send), other(send);
  CHECK(one.Get() == kCount * kEach);
  CHECK(other.Get() == kCount * kEach);
  for (const auto& channel : audience.channels) {
    CHECK(channel.size() == 2 * kEach);
  }
}

TEST_CASE("F7: SendFor and SendUntil with a stop") {
  const bool until = GENERATE(false, true);
  CAPTURE(until);
  Feed<int> feed;
  Audience<int> audience(feed, {1, 0});
  std::stop_source stop;
  Sending sending([&] {
    return until ? feed.SendUntil(1,
                                  std::chrono::steady_clock::now() +
                                      std::chrono::hours(24),
                                  stop.get_token())
                 : feed.SendFor(1, std::chrono::hours(24), stop.get_token());
  });
  AwaitThat([&] { return audience.blocked() == 1; });
  stop.request_stop();
  CHECK(sending.Get() == 1);
  CHECK(audience.blocked() == 0);
}

// ---------------------------------------------------------------------------
// F6: a channel that is closed while a Send waits for it.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE(
    "F6: the subscription of a channel that is closed while a Send waits for "
    "it ends before that Send returns",
    "", int, std::string) {
  const auto turn = GENERATE(Turn::kFree, Turn::kWaitedFor);
  const auto closed = GENERATE(range(std::size_t{0}, std::size_t{3}));
  const bool full = GENERATE(false, true);  // else: rendezvous
  const auto then = GENERATE(0, 1, 2);  // the others receive, leave, or a stop
  CAPTURE(turn, closed, full, then);
  std::stop_source stop;
  const auto send = [&](Feed<TestType>& feed) {
    return feed.Send(Value<TestType>(1), stop.get_token());
  };
  Case<TestType> c(
      turn, std::vector<std::size_t>(3, full ? 1 : 0),
      [&](Feed<TestType>& feed) {
        if (full) feed.SendReady(Value<TestType>(0));
        return send(feed);
      },
      Value<TestType>(0));
  auto& audience = *c.audience;
  AwaitThat([&] { return audience.blocked() == 3; });
  audience.channels[closed].Close();
  for (std::size_t i = 0; i < 3; ++i) {
    if (i == closed) continue;
    if (then == 0) {
      if (full) CHECK(audience.channels[i].Receive() == Value<TestType>(0));
      CHECK(audience.channels[i].Receive() == Value<TestType>(1));
    } else if (then == 1) {
      audience.subscriptions[i].Unsubscribe();
    }
  }
  if (then == 2) stop.request_stop();
  CHECK(c.sending->Get() == (then == 0 ? 2 : 0));
  CHECK(audience.subscriptions[closed].Err().drained());
  CHECK(c.feed.subscriber_count() == (then == 1 ? 0 : 2));
  CHECK(c.feed.TrySend(Value<TestType>(2)) == (then == 0 && full ? 2 : 0));
}
