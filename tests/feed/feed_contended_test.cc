// SPDX-License-Identifier: MIT
//
// F3, F5 to F8: a Send that meets others, combined with one further condition.
// The product of: how the Send comes to its turn, whether its channels are
// ready, and what ends it; and the same for subscriptions that come and go.

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/feeds.h"
#include "support/in_thread.h"
#include "support/manual_clock.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Subscription;

// A feed whose Sends wait: one has the turn and is blocked on the gate. The
// audience is subscribed meanwhile, and is there when the gate has gone.
template <typename T>
struct Blocked {
  Blocked() {
    gate_subscription = feed.emplace().Subscribe(gate);
    holder.emplace([this] { return feed->Send(Value<T>(0)); });
    AwaitSenders(gate, 1);
  }
  void Release() {
    gate_subscription.Unsubscribe();
    CHECK(holder->Get() == 0);
  }

  std::optional<Feed<T>> feed;
  Channel<T> gate;
  Subscription gate_subscription;
  std::optional<Sending> holder;
};

// What ends a Send that lags, after it has come to its turn.
enum class End {
  kReceived,
  kStop,
  kDeadline,
  kUnsubscribed,
  kDropped,
  kChannelsClosed,
  kFeedClosed,
  kFeedDestroyed,
};
constexpr int kEnds = 8;

}  // namespace

TEMPLATE_TEST_CASE(
    "F3 F5 F6 F7 F8: a Send that waited for its turn, and then lags, is ended",
    "", int, std::string) {
  const bool waited = GENERATE(false, true);
  const std::size_t capacity = GENERATE(0U, 1U, 2U);
  const auto end = static_cast<End>(GENERATE(range(0, kEnds)));
  const int behind = GENERATE(0, 1);  // other Sends that wait behind it
  CAPTURE(waited, capacity, end, behind);
  Blocked<TestType> blocked;
  auto& feed = *blocked.feed;
  if (!waited) blocked.Release();
  Audience<TestType> audience(feed, 2, capacity);
  for (const auto& channel : audience.channels) {
    while (channel.TrySend(Value<TestType>(0))) {
    }
  }
  const Impatient impatient(end == End::kDeadline ? Impatient::kByDeadline
                                                  : Impatient::kByStop);
  std::deque<Sending> sends;
  const auto send = [&](int number) {
    const std::size_t waiting = feed.waiting_senders();
    sends.emplace_back([&feed, &impatient, number] {
      return impatient.Send(feed, Value<TestType>(number));
    });
    if (waited || number > 1) {
      AwaitThat([&] { return feed.waiting_senders() == waiting + 1; });
    } else {
      AwaitThat([&] { return audience.blocked() == 2; });
    }
  };
  for (int number = 1; number <= 1 + behind; ++number) send(number);
  if (waited) {
    blocked.Release();
    AwaitThat([&] { return audience.blocked() == 2; });
  }
  CHECK(feed.waiting_senders() == static_cast<std::size_t>(behind));
  std::optional<InThread<std::function<void()>>> destroying;
  switch (end) {
    case End::kReceived:
      for (int number = 1; number <= 1 + behind; ++number) {
        for (const auto& channel : audience.channels) {
          for (std::size_t i = 0; number == 1 && i < capacity; ++i) {
            CHECK(channel.Receive() == Value<TestType>(0));
          }
          CHECK(channel.Receive() == Value<TestType>(number));
        }
      }
      break;
    case End::kStop:
    case End::kDeadline:
      const_cast<Impatient&>(impatient).GiveUp();
      break;
    case End::kUnsubscribed:
      for (const auto& one : audience.subscriptions) one.Unsubscribe();
      break;
    case End::kDropped:
      audience.subscriptions.clear();
      break;
    case End::kChannelsClosed:
      for (const auto& channel : audience.channels) channel.Close();
      break;
    case End::kFeedClosed:
      feed.Close();
      break;
    case End::kFeedDestroyed:
      destroying.emplace([&] { blocked.feed.reset(); });
      break;
  }
  for (Sending& sending : sends) {
    CHECK(sending.Get() == (end == End::kReceived ? 2 : 0));
  }
  CHECK(audience.blocked() == 0);
  if (destroying) {
    destroying->Get();
    CHECK(audience.ended());
    return;
  }
  const bool stay =
      end == End::kReceived || end == End::kStop || end == End::kDeadline;
  CHECK(feed.subscriber_count() == (stay ? 2 : 0));
  if (!stay && end != End::kDropped) CHECK(audience.ended());
  CHECK(feed.waiting_senders() == 0);
  // The feed is as good as new, unless it is closed.
  const Channel<TestType> late(1);
  const Subscription subscription = feed.Subscribe(late);
  const bool open = end != End::kFeedClosed;
  CHECK(feed.TrySend(Value<TestType>(9)) >= (open ? 1U : 0U));
  CHECK(late.size() == (open ? 1 : 0));
}

TEMPLATE_TEST_CASE(
    "F3 F5 F6 F8: one that subscribed during a blocked Send ends", "", int,
    std::string) {
  const std::size_t members = GENERATE(0U, 2U);
  const std::size_t newcomers = GENERATE(1U, 3U);
  const auto end = static_cast<End>(GENERATE(range(3, kEnds)));
  const bool released = GENERATE(false, true);  // before the end
  CAPTURE(members, newcomers, end, released);
  Blocked<TestType> blocked;
  auto& feed = *blocked.feed;
  if (members > 0) blocked.Release();
  Audience<TestType> before(feed, members, 0);
  std::optional<Sending> holder;
  if (members > 0) {
    holder.emplace([&feed] { return feed.Send(Value<TestType>(1)); });
    AwaitThat([&] { return before.blocked() == members; });
  }
  Audience<TestType> audience(feed, newcomers, 1);
  const auto release = [&] {
    if (members == 0) return blocked.Release();
    for (const auto& channel : before.channels) {
      static_cast<void>(channel.TryReceive());
    }
    static_cast<void>(holder->Get());
  };
  if (released) release();
  std::optional<InThread<std::function<void()>>> destroying;
  switch (end) {
    case End::kUnsubscribed:
      for (const auto& one : audience.subscriptions) one.Unsubscribe();
      break;
    case End::kDropped:
      audience.subscriptions.clear();
      break;
    case End::kChannelsClosed:
      for (const auto& channel : audience.channels) channel.Close();
      break;
    case End::kFeedClosed:
      feed.Close();
      break;
    default:
      destroying.emplace([&] { blocked.feed.reset(); });
  }
  if (destroying) {
    AwaitThat([&] { return audience.ended(); });
    if (!released) release();
    destroying->Get();
    return;
  }
  if (end == End::kFeedClosed || end == End::kUnsubscribed) {
    CHECK(audience.ended());
  }
  if (!released) release();
  // A channel that was closed is noticed by the next Send.
  if (end == End::kChannelsClosed) {
    CHECK(feed.TrySend(Value<TestType>(2)) == 0);
    CHECK(audience.ended());
  }
  CHECK(feed.subscriber_count() == (end == End::kFeedClosed ? 0 : members));
  CHECK(feed.TrySend(Value<TestType>(2)) == 0);
  for (const auto& channel : audience.channels) CHECK(channel.size() == 0);
}

TEMPLATE_TEST_CASE("F3 F9: a copy throws in a Send that waited for its turn",
                   "", Tracked) {
  const int at = GENERATE(0, 1, 2);
  const std::size_t capacity = GENERATE(0U, 1U);
  CAPTURE(at, capacity);
  Ledger ledger;
  Feed<Tracked> feed;
  const Channel<Tracked> gate;
  Subscription gate_subscription = feed.Subscribe(gate);
  InThread holder([&] { return feed.Send(Tracked(ledger, 0)); });
  AwaitSenders(gate, 1);
  Audience<Tracked> audience(feed, 3, capacity);
  ledger.on_copy = [&](int before) {
    if (before == at) throw CopyFailed();
  };
  InThread failing([&] {
    const Tracked value(ledger, 1);
    try {
      feed.Send(value);
      return false;
    } catch (const CopyFailed&) {
      return true;
    }
  });
  AwaitThat([&] { return feed.waiting_senders() == 1; });
  CHECK(gate.Receive().has_value());
  CHECK(holder.Get() == 1);
  CHECK(failing.Get());
  CHECK(audience.blocked() == 0);
  ledger.on_copy = nullptr;
  gate_subscription.Unsubscribe();
  for (const auto& channel : audience.channels) {
    static_cast<void>(channel.TryReceive());
  }
  CHECK(ledger.alive == 0);
  CHECK(feed.SendReady(Tracked(ledger, 2)) == (capacity == 0 ? 0 : 3));
}

TEST_CASE("F3 F5: a Send to more than 1024 subscribers, some of which leave") {
  constexpr std::size_t kCount = 1500;
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Feed<int> feed;
  Audience<int> few(feed, 3, 64);
  for (int i = 0; i < 40; ++i) CHECK(feed.Send(i) == 3);  // locks are lent
  Audience<int> audience(feed, kCount, capacity);
  Sending sending([&] { return feed.Send(40); });
  AwaitThat([&] {
    return capacity == 0 ? audience.blocked() == kCount
                         : audience.served() == kCount;
  });
  for (std::size_t i = 0; i < kCount; i += 2) {
    audience.subscriptions[i].Unsubscribe();
  }
  for (std::size_t i = 1; i < kCount; i += 2) {
    CHECK(audience.channels[i].Receive() == 40);
  }
  CHECK(sending.Get() == 3 + (capacity == 0 ? kCount / 2 : kCount));
  CHECK(feed.subscriber_count() == 3 + kCount / 2);
  for (const auto& channel : few.channels) {
    for (int i = 0; i <= 40; ++i) CHECK(channel.TryReceive() == i);
  }
}
