// SPDX-License-Identifier: MIT
//
// F9: who copies a value, when, and what happens when that fails; C8: values of
// many kinds, whose code runs outside all locks.

#include <algorithm>
#include <any>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
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
#include "support/subscriptions.h"
#include "support/values.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::Overflow;
using fanfare::Subscription;

}  // namespace

// ---------------------------------------------------------------------------
// F9: copies.
// ---------------------------------------------------------------------------

TEST_CASE("F9: copies are made by the sending thread") {
  const bool rvalue = GENERATE(false, true);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, {0, 1, 0, 64, 0});
  Tracked value(ledger, 7);
  std::thread::id sender;
  Sending sending([&] {
    sender = std::this_thread::get_id();
    return rvalue ? feed.Send(std::move(value)) : feed.Send(value);
  });
  AwaitThat([&] { return audience.blocked() == 3; });
  for (const auto& channel : audience.channels) {
    CHECK(Number(channel.Receive()) == 7);
  }
  CHECK(sending.Get() == 5);
  CHECK(value.number() == (rvalue ? Tracked::kGone : 7));
  CHECK(ledger.copied_in.size() == (rvalue ? 4 : 5));
  CHECK(std::count(ledger.copied_in.begin(), ledger.copied_in.end(), sender) ==
        static_cast<std::ptrdiff_t>(ledger.copied_in.size()));
  CHECK(ledger.alive == 1);
}

TEST_CASE("F9: an rvalue is moved to the last subscriber") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const std::size_t count = GENERATE(1U, 2U, 5U);
  const int way = GENERATE(range(0, kWaysToWait));
  CAPTURE(capacity, count, way);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, count, capacity);
  Tracked value(ledger, 7);
  Sending sending([&] { return SendWaiting(way, feed, std::move(value)); });
  for (const auto& channel : audience.channels) {
    CHECK(Number(channel.Receive()) == 7);
  }
  CHECK(sending.Get() == count);
  CHECK(ledger.copies == static_cast<int>(count) - 1);
  CHECK(value.number() == Tracked::kGone);
  CHECK(ledger.alive == 1);
  if (count == 1) return;
  // A subscriber that has taken a copy is the last one now.
  audience.subscriptions.pop_back();
  audience.channels.pop_back();
  Tracked next(ledger, 8);
  Sending again([&] { return SendWaiting(way, feed, std::move(next)); });
  for (const auto& channel : audience.channels) {
    CHECK(Number(channel.Receive()) == 8);
  }
  CHECK(again.Get() == count - 1);
  CHECK(ledger.alive == 2);
}

namespace {

// A type that takes anything, so that only a const T& is surely copied.
struct Greedy {
  template <typename Text>
  explicit Greedy(Text&& t) : text(std::forward<Text>(t)) {}
  Greedy(const Greedy&) = default;
  Greedy(Greedy&&) noexcept = default;

  std::string text;
};
// A type that moves from a T&.
struct Thief {
  explicit Thief(const char* t) : text(t) {}
  Thief(const Thief&) = default;
  Thief(Thief& from) : text(std::move(from.text)) {}
  Thief(Thief&&) noexcept = default;

  std::string text;
};
// A type of which the sender's stack should not hold many.
struct Large {
  explicit Large(const char* t) : text(t) {}

  std::array<char, 4096> padding{};
  std::string text;
};

}  // namespace

TEMPLATE_TEST_CASE("F9: each subscriber gets a copy of its own", "", Greedy,
                   Thief, Large) {
  const bool rvalue = GENERATE(false, true);
  // Which of the subscribers is full, and what the Send does there.
  const std::size_t special = GENERATE(range(0U, 4U));
  const auto overflow = GENERATE(Overflow::kWait, Overflow::kDropNewest,
                                 Overflow::kDropOldest, Overflow::kEnd);
  CAPTURE(rvalue, special, overflow);
  Feed<TestType> feed;
  std::vector<Channel<TestType>> channels;
  std::vector<Subscription> subscriptions;
  for (std::size_t i = 0; i < 4; ++i) {
    channels.emplace_back(1);
    subscriptions.push_back(feed.Subscribe(
        channels.back(),
        {.overflow = i == special ? overflow : Overflow::kWait}));
  }
  channels[special].Send(TestType("before"));
  const std::string text = "a text that is longer than a short one";
  TestType value(text.c_str());
  const std::size_t taken =
      rvalue ? feed.SendReady(std::move(value))
             : feed.SendReady(static_cast<const TestType&>(value));
  CHECK(taken == (overflow == Overflow::kDropOldest ? 4 : 3));
  if (!rvalue) CHECK(value.text == text);
  for (std::size_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    const auto received = channels[i].TryReceive();
    REQUIRE(received);
    CHECK(
        received->text ==
        (i == special && overflow != Overflow::kDropOldest ? "before" : text));
    CHECK_FALSE(channels[i].TryReceive());
  }
  // No copy of the first value is left.
  feed.SendReady(TestType("again"));
  for (std::size_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    const auto received = channels[i].TryReceive();
    REQUIRE(received.has_value() ==
            (i != special || overflow != Overflow::kEnd));
    if (received) CHECK(received->text == "again");
  }
}

TEMPLATE_TEST_CASE("F9 V1: each late subscriber gets a copy of its own", "",
                   Greedy, Thief, Large) {
  const std::string text = "a text that is longer than a short one";
  Feed<TestType> feed({.replay = 2});
  for (int i = 0; i < 3; ++i) feed.Send(TestType(text.c_str()));
  const auto overflow = GENERATE(Overflow::kWait, Overflow::kDropOldest);
  CAPTURE(overflow);
  for (int subscriber = 0; subscriber < 3; ++subscriber) {
    CAPTURE(subscriber);
    const Channel<TestType> channel(2);
    if (overflow == Overflow::kDropOldest) {
      for (int i = 0; i < 2; ++i) channel.Send(TestType("before"));
    }
    const auto subscription =
        feed.Subscribe(channel, {.overflow = overflow, .replay = 2});
    for (int i = 0; i < 2; ++i) {
      const auto received = channel.TryReceive();
      REQUIRE(received);
      CHECK(received->text == text);
    }
    CHECK_FALSE(channel.TryReceive());
  }
}

TEST_CASE("F9: TrySend moves an rvalue to the last subscriber as well") {
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, 3, 1);
  Tracked value(ledger, 7);
  CHECK(feed.TrySend(std::move(value)) == 3);
  CHECK(ledger.copies == 2);
  CHECK(value.number() == Tracked::kGone);
}

TEST_CASE("F9: an lvalue is copied for every subscriber and left alone") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, 4, capacity);
  Tracked value(ledger, 7);
  Sending sending([&] { return feed.Send(value); });
  for (const auto& channel : audience.channels) {
    CHECK(Number(channel.Receive()) == 7);
  }
  CHECK(sending.Get() == 4);
  CHECK(ledger.copies == 4);
  CHECK(value.number() == 7);
}

TEST_CASE("F9 C5: an rvalue that nobody took is left alone") {
  const int how = GENERATE(range(0, kWaysNotToWait + 6));
  const std::size_t lagging = GENERATE(1U, 3U);
  CAPTURE(how, lagging);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, lagging, 0);
  Tracked value(ledger, 7);
  if (how < kWaysNotToWait) {
    CHECK(SendWithoutWaiting(how, feed, std::move(value)) == 0);
  } else {
    const int end = how - kWaysNotToWait;
    if (end == 4) {
      for (const auto& subscription : audience.subscriptions) {
        subscription.Unsubscribe();
      }
    }
    if (end == 5) feed.Close();
    Impatient impatient(end == 0 ? Impatient::kByStop : Impatient::kByDeadline);
    Sending sending([&] { return impatient.Send(feed, std::move(value)); });
    AwaitThat([&] { return audience.blocked() == lagging || end >= 4; });
    switch (end) {
      case 0:
      case 1:
        impatient.GiveUp();
        break;
      case 2:
        for (const auto& subscription : audience.subscriptions) {
          subscription.Unsubscribe();
        }
        break;
      case 3:
        for (const auto& channel : audience.channels) channel.Close();
        break;
      default:
        break;
    }
    CHECK(sending.Get() == 0);
  }
  CHECK(value.number() == 7);
  CHECK(ledger.alive == 1);
}

TEST_CASE("F9 C5: an rvalue whose turn did not come is left alone") {
  Ledger ledger;
  Feed<Tracked> feed;
  const Channel<Tracked> channel;
  const Channel<Tracked> ready(64);
  const Subscription subscription = feed.Subscribe(channel);
  const Subscription ready_subscription = feed.Subscribe(ready);
  Sending first([&] { return feed.Send(Tracked(ledger, 1)); });
  AwaitSenders(channel, 1);
  const int copies = ledger.copies;
  Tracked value(ledger, 7);
  for (int way = 0; way < kWaysNotToWait; ++way) {
    CHECK(SendWithoutWaiting(way, feed, std::move(value)) == 0);
    CHECK(value.number() == 7);
  }
  CHECK(ledger.copies == copies);
  CHECK(Number(channel.Receive()) == 1);
  CHECK(first.Get() == 2);
}

TEST_CASE("F9: a copy that throws at any subscriber") {
  // Ready and lagging ones in turn.
  static constexpr int kCount = 6;
  const int at = GENERATE(range(0, kCount));
  const bool rvalue = GENERATE(false, true);
  const bool lagging_first = GENERATE(false, true);
  if (rvalue && at == kCount - 1) return;  // that one is a move
  CAPTURE(at, rvalue, lagging_first);
  Ledger ledger;
  Feed<Tracked> feed;
  std::vector<std::size_t> capacities;
  for (std::size_t i = 0; i < kCount; ++i) {
    capacities.push_back((i % 2 == 0) == lagging_first ? 0 : 1);
  }
  Audience<Tracked> audience(feed, capacities);
  std::size_t served = 0;
  ledger.on_copy = [&](int before) {
    if (before != at) return;
    served = audience.served();
    throw CopyFailed();
  };
  Tracked value(ledger, 7);
  CHECK_THROWS_AS(rvalue ? feed.Send(std::move(value)) : feed.Send(value),
                  CopyFailed);
  CHECK(ledger.copies == at + 1);
  // The first copy of an lvalue is the sender's own.
  const int offered = rvalue || at == 0 ? at : at - 1;
  CHECK(static_cast<int>(served) ==
        (lagging_first ? offered : offered + 1) / 2);
  // Deliveries stand, nothing is left behind.
  CHECK(audience.served() == served);
  CHECK(audience.blocked() == 0);
  CHECK(ledger.alive == 1 + static_cast<int>(served));
  // What a subscriber may have seen is not given back to the caller.
  CHECK(value.number() == (rvalue && served > 0 ? Tracked::kGone : 7));
  for (const auto& channel : audience.channels) {
    if (channel.size() > 0) CHECK(Number(channel.TryReceive()) == 7);
    CHECK_FALSE(channel.TryReceive().has_value());
  }
  // The feed is as good as new.
  ledger.on_copy = nullptr;
  CHECK(feed.subscriber_count() == kCount);
  Sending next([&] { return feed.Send(Tracked(ledger, 8)); });
  for (const auto& channel : audience.channels) {
    CHECK(Number(channel.Receive()) == 8);
  }
  CHECK(next.Get() == kCount);
  CHECK(ledger.alive == 1);
}

TEST_CASE("F9: nothing is pending before all copies are made") {
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, 3, 0);
  ledger.on_copy = [&](int before) {
    // Whoever receives now finds nothing that would have to be taken back.
    CHECK(audience.blocked() == 0);
    for (const auto& channel : audience.channels) {
      CHECK_FALSE(channel.TryReceive().has_value());
    }
    if (before == 2) throw CopyFailed();
  };
  const Tracked value(ledger, 7);
  CHECK_THROWS_AS(feed.Send(value), CopyFailed);
  CHECK(audience.blocked() == 0);
  CHECK(ledger.alive == 1);
}

TEST_CASE("F9: a subscriber that lags leaves, and then a copy throws") {
  const int way = GENERATE(range(0, 4));
  CAPTURE(way);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, 3, 0);
  ledger.on_copy = [&](int before) {
    if (before != 2) return;
    // Two lag.
    for (std::size_t i = 0; i < 3; ++i) {
      if (way == 0) audience.channels[i].Close();
      if (way == 1) audience.subscriptions[i].Unsubscribe();
    }
    if (way == 2) feed.Close();
    throw CopyFailed();
  };
  const Tracked value(ledger, 7);
  CHECK_THROWS_AS(feed.Send(value), CopyFailed);
  CHECK(ledger.alive == 1);
  CHECK(audience.blocked() == 0);
  ledger.on_copy = nullptr;
  CHECK(feed.TrySend(value) == 0);
  CHECK(feed.subscriber_count() == (way == 3 ? 3 : 0));
  CHECK(ledger.alive == 1);
}

TEST_CASE(
    "F9: pending values are received by other threads while a copy throws") {
  // Whatever comes first, each value is either received or taken back.
  for (int round = 0; round < 100; ++round) {
    Ledger ledger;
    Feed<Tracked> feed;
    Audience<Tracked> audience(feed, 4, 0);
    std::atomic<bool> go{false};
    std::atomic<bool> over{false};
    ledger.on_copy = [&](int before) {
      if (before != 3) return;
      go = true;
      throw CopyFailed();
    };
    InThread receiving([&] {
      AwaitThat([&] { return go.load(); });
      int received = 0;
      bool last = false;
      do {
        last = over;
        for (const auto& channel : audience.channels) {
          if (Number(channel.TryReceive()) == 7) ++received;
        }
      } while (!last);
      return received;
    });
    bool thrown = false;
    {
      const Tracked value(ledger, 7);
      try {
        feed.Send(value);
      } catch (const CopyFailed&) {
        thrown = true;
      }
    }
    over = true;
    const int received = receiving.Get();
    CAPTURE(round);
    CHECK(thrown);
    CHECK(received <= 2);  // of two copies; the first is the sender's own
    CHECK(ledger.alive == 0);
    CHECK(audience.blocked() == 0);
  }
}

TEST_CASE("F3 F9: the turn goes on when a copy throws") {
  Ledger ledger;
  Feed<Tracked> feed;
  const Channel<Tracked> channel(64);
  const Subscription subscription = feed.Subscribe(channel);
  ledger.on_copy = [&](int before) {
    if (before > 0) return;
    AwaitThat([&] { return feed.waiting_senders() == 3; });
    throw CopyFailed();
  };
  InThread failing([&] {
    const Tracked value(ledger, 0);
    try {
      feed.Send(value);
      return false;
    } catch (const CopyFailed&) {
      return true;
    }
  });
  AwaitThat([&] { return ledger.copies == 1; });
  std::deque<Sending> sends;
  for (int i = 1; i <= 3; ++i) {
    sends.emplace_back([&feed, &ledger, i] {
      const Tracked value(ledger, i);
      return feed.Send(value);
    });
    if (i < 3) {
      AwaitThat([&] {
        return feed.waiting_senders() == static_cast<std::size_t>(i);
      });
    }
  }
  CHECK(failing.Get());
  for (Sending& sending : sends) CHECK(sending.Get() == 1);
  for (int i = 1; i <= 3; ++i) CHECK(Number(channel.TryReceive()) == i);
}

TEST_CASE("F9: a conversion that throws does so before anything is sent") {
  struct Picky {
    Picky(int number) : value(number) {  // NOLINT(google-explicit-constructor)
      if (number < 0) throw CopyFailed();
    }
    int value;
  };
  Feed<Picky> feed;
  Audience<Picky> audience(feed, 2, 1);
  CHECK_THROWS_AS(feed.Send(-1), CopyFailed);
  CHECK_THROWS_AS(feed.TrySend(-1), CopyFailed);
  CHECK(audience.served() == 0);
  CHECK(feed.Send(1) == 2);
}

// ---------------------------------------------------------------------------
// C8: values of many kinds.
// ---------------------------------------------------------------------------

TEST_CASE("F1 C8: a feed of shared pointers shares one object") {
  struct Base {
    virtual ~Base() = default;
    [[nodiscard]] virtual int Id() const { return 1; }
  };
  struct Derived final : Base {
    [[nodiscard]] int Id() const override { return 2; }
  };
  Feed<std::shared_ptr<const Base>> feed;
  Audience<std::shared_ptr<const Base>> audience(feed, {1, 0, 64});
  const auto object = std::make_shared<const Derived>();
  Sending sending([&] { return feed.Send(object); });
  for (const auto& channel : audience.channels) {
    const auto received = channel.Receive();
    CHECK(received.value() == object);
    CHECK((*received)->Id() == 2);
  }
  CHECK(sending.Get() == 3);
  CHECK(object.use_count() == 1);
}

TEST_CASE("F1 C8: a feed of large structs") {
  struct Large {
    std::array<std::uint64_t, 128> words;
  };
  STATIC_REQUIRE(sizeof(Large) == 1024);
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Feed<Large> feed;
  Audience<Large> audience(feed, 3, capacity);
  Sending sending([&] {
    std::size_t count = 0;
    Large value;
    for (std::uint64_t i = 0; i < 50; ++i) {
      value.words.fill(i);
      count += feed.Send(value);
    }
    return count;
  });
  bool whole = true;
  for (std::uint64_t i = 0; i < 50; ++i) {
    for (const auto& channel : audience.channels) {
      const auto value = channel.Receive();
      whole = whole &&
              std::count(value->words.begin(), value->words.end(), i) == 128;
    }
  }
  CHECK(whole);
  CHECK(sending.Get() == 150);
}

TEST_CASE("F1 C8: a feed of anything") {
  Feed<std::any> feed;
  Audience<std::any> audience(feed, {1, 0});
  const std::any text = Value<std::string>(1);
  Sending sending([&] { return feed.Send(text) + feed.Send(42); });
  for (const auto& channel : audience.channels) {
    const std::optional<std::any> received = channel.Receive();
    CHECK(std::any_cast<std::string>(*received) == Value<std::string>(1));
  }
  for (const auto& channel : audience.channels) {
    const std::optional<std::any> received = channel.Receive();
    CHECK(std::any_cast<int>(*received) == 42);
  }
  CHECK(sending.Get() == 4);
}

TEST_CASE("F1 C8: a feed of bool, of optional and of functions") {
  Feed<bool> bools;
  Audience<bool> bool_audience(bools, 2, 2);
  CHECK(bools.Send(true) == 2);
  CHECK(bools.Send(false) == 2);
  for (const auto& channel : bool_audience.channels) {
    CHECK(channel.TryReceive() == std::optional<bool>(true));
    CHECK(channel.TryReceive() == std::optional<bool>(false));
  }

  using Maybe = std::optional<int>;
  Feed<Maybe> maybes;
  Audience<Maybe> maybe_audience(maybes, 2, 2);
  CHECK(maybes.Send(Maybe()) == 2);
  CHECK(maybes.Send(5) == 2);
  for (const auto& channel : maybe_audience.channels) {
    CHECK(channel.TryReceive().value() == std::nullopt);
    CHECK(channel.TryReceive().value() == 5);
  }

  using Function = std::function<int(int)>;
  Feed<Function> functions;
  Audience<Function> function_audience(functions, 2, 1);
  CHECK(functions.Send([text = Value<std::string>(1)](int n) {
    return n + static_cast<int>(text.size());
  }) == 2);
  const int expected = 1 + static_cast<int>(Value<std::string>(1).size());
  for (const auto& channel : function_audience.channels) {
    CHECK(channel.TryReceive().value()(1) == expected);
  }
}

TEST_CASE("F1 C8: a feed of over-aligned values") {
  // The copy constructor makes the feed keep a copy for who lags.
  struct Aligned : OverAligned {
    explicit Aligned(int number) : OverAligned{number} {}
    Aligned(const Aligned& other) : OverAligned(other) {
      right = other.right && aligned() && other.aligned();
    }
    Aligned(Aligned&& other) noexcept : OverAligned(other) {
      right = other.right && aligned() && other.aligned();
    }
    bool right = true;
  };
  STATIC_REQUIRE(alignof(Aligned) == 256);
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Feed<Aligned> feed;
  Audience<Aligned> audience(feed, 3, capacity);
  const Aligned value(7);
  Sending sending([&] { return feed.Send(value); });
  for (const auto& channel : audience.channels) {
    const auto received = channel.Receive();
    CHECK(received->right);
    CHECK(received->value == 7);
  }
  CHECK(sending.Get() == 3);
}

TEST_CASE("F1 C8: a feed of channels carries the way to answer") {
  Feed<Channel<int>> feed;
  Audience<Channel<int>> audience(feed, 3, 0);
  const Channel<int> answers(3);
  Sending sending([&] { return feed.Send(answers); });
  for (int i = 0; i < 3; ++i) {
    const auto answer =
        audience.channels[static_cast<std::size_t>(i)].Receive();
    CHECK(answer->Send(i));
  }
  CHECK(sending.Get() == 3);
  for (int i = 0; i < 3; ++i) CHECK(answers.TryReceive() == i);
}

TEST_CASE(
    "F1 C8: a feed of values that can be neither made without arguments nor "
    "assigned") {
  struct Fixed {
    explicit Fixed(int v) : value(v) {}
    std::string text = Value<std::string>(1);
    const int value;
  };
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Feed<Fixed> feed;
  Audience<Fixed> audience(feed, 3, capacity);
  Sending sending([&] { return feed.Send(Fixed(7)); });
  for (const auto& channel : audience.channels) {
    CHECK(channel.Receive()->value == 7);
  }
  CHECK(sending.Get() == 3);
}

TEST_CASE("F2 C9: what happened before Send is seen by who receives") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Feed<int*> feed;
  Audience<int*> audience(feed, 2, capacity);
  int plain = 0;
  Sending sending([&] {
    plain = 42;
    return feed.Send(&plain);
  });
  for (const auto& channel : audience.channels) {
    CHECK(**channel.Receive() == 42);
  }
  CHECK(sending.Get() == 2);
}

TEST_CASE("F2 C9: what happened before a rendezvous is seen by who sends") {
  Feed<int> feed;
  Audience<int> audience(feed, 2, 0);
  std::array<int, 2> plain = {0, 0};
  std::deque<InThread<std::function<bool()>>> receivers;
  for (std::size_t i = 0; i < 2; ++i) {
    receivers.emplace_back([&, i] {
      plain[i] = 1;
      return audience.channels[i].Receive() == 1;
    });
  }
  CHECK(feed.Send(1) == 2);
  CHECK(plain[0] + plain[1] == 2);
  for (auto& receiver : receivers) CHECK(receiver.Get());
}

// ---------------------------------------------------------------------------
// C8: user code runs outside all locks.
// ---------------------------------------------------------------------------

TEST_CASE("F9 C8: the copy constructor subscribes and asks the feed") {
  // An lvalue is copied for each of three, an rvalue for all but the last.
  const std::size_t copies = GENERATE(3U, 2U);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, {1, 0, 1});
  const Channel<Tracked> late(64);
  std::vector<Subscription> made;
  std::vector<std::size_t> counts;
  std::size_t tried = 0;
  ledger.on_copy = [&](int before) {
    if (before >= static_cast<int>(copies)) return;
    made.push_back(feed.Subscribe(late));
    counts.push_back(feed.subscriber_count());
    tried += feed.TrySend(Tracked(ledger, 9));  // another one is under way
  };
  Tracked value(ledger, 7);
  Sending sending([&] {
    return copies == 3 ? feed.Send(value) : feed.Send(std::move(value));
  });
  CHECK(Number(audience.channels[1].Receive()) == 7);
  CHECK(sending.Get() == 3);
  CHECK(counts.size() == copies);
  for (std::size_t i = 0; i < counts.size(); ++i) CHECK(counts[i] == 4 + i);
  CHECK(tried == 0);
  CHECK(late.size() == 0);  // it sees the next value first
  for (const std::size_t i : {0U, 2U}) {
    CHECK(Number(audience.channels[i].TryReceive()) == 7);
  }
  CHECK(feed.TrySend(Tracked(ledger, 8)) == 2 + copies);
  CHECK(late.size() == copies);
}

TEST_CASE("F5 F9 C8: the copy constructor unsubscribes any subscriber") {
  static constexpr std::size_t kCount = 4;
  const int at = GENERATE(range(0, static_cast<int>(kCount)));
  const std::size_t victim = GENERATE(0U, 1U, 2U, 3U);
  const int way = GENERATE(0, 1, 2);  // Unsubscribe, drop, close the channel
  CAPTURE(at, victim, way);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, kCount, 1);
  bool served_before = false;
  ledger.on_copy = [&](int before) {
    if (before != at) return;
    served_before = audience.channels[victim].size() == 1;
    switch (way) {
      case 0:
        audience.subscriptions[victim].Unsubscribe();
        break;
      case 1:
        audience.subscriptions[victim] = Subscription();
        break;
      default:
        audience.channels[victim].Close();
    }
  };
  const Tracked value(ledger, 7);
  const std::size_t count = feed.Send(value);
  CHECK(count == kCount - (served_before ? 0 : 1));
  CHECK(audience.served() == count);
  CHECK((audience.channels[victim].size() == 1) == served_before);
  CHECK(ledger.alive == 1 + static_cast<int>(count));
  for (const auto& channel : audience.channels) {
    static_cast<void>(channel.TryReceive());
  }
  CHECK(feed.Send(value) == kCount - 1);
  CHECK(feed.subscriber_count() == kCount - 1);
  CHECK(audience.channels[victim].size() == 0);
}

TEST_CASE("F8 F9 C8: the copy constructor closes the feed") {
  const int at = GENERATE(0, 1, 2, 3);
  const std::size_t capacity = GENERATE(0U, 1U);
  CAPTURE(at, capacity);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, 4, capacity);
  bool ended = false;
  ledger.on_copy = [&](int before) {
    if (before != at) return;
    feed.Close();
    ended = audience.ended();
  };
  const Tracked value(ledger, 7);
  const std::size_t count = feed.Send(value);
  CHECK(ended);
  CHECK(audience.served() == count);
  // The first copy is the sender's own.
  const std::size_t offered = at == 0 ? 0 : static_cast<std::size_t>(at) - 1;
  CHECK(count == (capacity == 0 ? 0 : offered));
  CHECK(audience.blocked() == 0);
  CHECK(ledger.alive == 1 + static_cast<int>(count));
  CHECK(feed.Send(value) == 0);
}

TEST_CASE("F3 F8 F9: closing the feed ends the wait for the turn at once") {
  Ledger ledger;
  Feed<Tracked> feed;
  const Channel<Tracked> channel(64);
  const Subscription subscription = feed.Subscribe(channel);
  std::deque<Sending> queued;
  std::atomic<bool> all_queued{false};
  bool released = false;
  ledger.on_copy = [&](int before) {
    if (before != 0) return;
    AwaitThat([&] { return all_queued && feed.waiting_senders() == 3; });
    feed.Close();
    // The Send that has the turn is still here; nobody waits for it.
    for (const Sending& one : queued) {
      AwaitThat([&] { return one.returned(); });
    }
    released = true;
  };
  const Tracked value(ledger, 7);
  Sending sending([&] { return feed.Send(value); });
  AwaitThat([&] { return ledger.copies == 1; });
  for (int i = 0; i < 3; ++i) {
    queued.emplace_back([&] { return feed.Send(value); });
  }
  all_queued = true;
  CHECK(sending.Get() == 0);
  CHECK(released);
  for (Sending& one : queued) CHECK(one.Get() == 0);
  CHECK(ledger.copies == 1);
}

TEST_CASE("F9 C8: the copy constructor sends on another feed") {
  Ledger ledger;
  Feed<Tracked> outer;
  Feed<int> inner;
  Audience<Tracked> audience(outer, {0, 1});
  Audience<int> inner_audience(inner, {0, 64});
  ledger.on_copy = [&](int before) { inner.Send(before); };
  const Tracked value(ledger, 7);
  Sending sending([&] { return outer.Send(value); });
  CHECK(inner_audience.channels[0].Receive() == 0);
  CHECK(inner_audience.channels[0].Receive() == 1);
  CHECK(Number(audience.channels[0].Receive()) == 7);
  CHECK(sending.Get() == 2);
  CHECK(inner_audience.channels[1].size() == 2);
}

TEST_CASE("F5 C8: what Unsubscribe takes back may send when destroyed") {
  // The copy of one subscriber alone is the sender's, and goes with its Send.
  const bool alone = GENERATE(false, true);
  CAPTURE(alone);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, alone ? std::vector<std::size_t>{0}
                                         : std::vector<std::size_t>{0, 64});
  const std::size_t others = alone ? 0 : 1;
  std::atomic<std::size_t> sent{99};
  // Waits for its turn, and so for the Send that is blocked now.
  ledger.on_destroy = [&] { sent = feed.Send(Tracked(ledger, 8)); };
  const Tracked value(ledger, 7);
  Sending sending([&] { return feed.Send(value); });
  AwaitThat([&] { return audience.blocked() == 1; });
  ledger.armed = true;
  audience.subscriptions[0].Unsubscribe();
  if (!alone) CHECK(sent == 1);
  CHECK(sending.Get() == others);
  CHECK(sent == others);
  CHECK(ledger.alive == 1 + 2 * static_cast<int>(others));
}

TEST_CASE("F8 F9 C8: the copies that Close takes back go with their Send") {
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, 3, 0);
  std::thread::id destroyed_in;
  bool sent = true;
  // Waits for all that Close does.
  ledger.on_destroy = [&] {
    destroyed_in = std::this_thread::get_id();
    for (const Subscription& one : audience.subscriptions) {
      AwaitThat([&] { return one.Err().closed(); });
    }
    sent = feed.Send(Tracked(ledger, 8)) > 0;
  };
  const Tracked value(ledger, 7);
  Sending sending([&] { return feed.Send(value); });
  AwaitThat([&] { return audience.blocked() == 3; });
  ledger.armed = true;
  feed.Close();
  CHECK(sending.Get() == 0);
  CHECK(destroyed_in != std::this_thread::get_id());
  CHECK_FALSE(sent);
  CHECK(ledger.alive == 1);
}

TEST_CASE("F8 F9: what two Closes take back is destroyed once") {
  for (int round = 0; round < 200; ++round) {
    Ledger ledger;
    Feed<Tracked> feed;
    Audience<Tracked> audience(feed, 3, 0);
    const Tracked value(ledger, 7);
    Sending sending([&] { return feed.Send(value); });
    AwaitThat([&] { return audience.blocked() == 3; });
    InThread closing([&] { feed.Close(); });
    feed.Close();
    closing.Get();
    REQUIRE(sending.Get() == 0);
    REQUIRE(ledger.alive == 1);
  }
}

TEST_CASE("F2 F5 C8: what goes with its channel sends while others wait") {
  using Pointer = std::shared_ptr<int>;
  Feed<Pointer> feed;
  Audience<Pointer> audience(feed, 1, 0);
  std::size_t by_destructor = 0;
  std::optional<Channel<Pointer>> channel(std::in_place, 1);
  Subscription subscription = feed.Subscribe(*channel);
  channel->Send(Pointer(new int, [&](const int* number) {
    delete number;
    by_destructor = feed.Send(nullptr);
  }));
  Sending first([&] { return feed.Send(nullptr); });
  AwaitThat([&] { return audience.blocked() == 1; });
  AwaitSenders(*channel, 1);
  Sending second([&] { return feed.Send(nullptr); });
  AwaitThat([&] { return feed.waiting_senders() == 1; });
  // From now on nobody but the feed knows the channel; the first Send lets go
  // of it when it passes its turn on.
  subscription.Unsubscribe();
  subscription = {};
  channel.reset();
  for (int i = 0; i < 3; ++i) {
    CHECK(audience.channels[0].Receive().has_value());
  }
  CHECK(first.Get() == 1);
  CHECK(second.Get() == 1);
  CHECK(by_destructor == 1);
}

TEST_CASE("F8 C8: a feed outlives what its last Send lets go of") {
  using Pointer = std::shared_ptr<int>;
  std::optional<Feed<Pointer>> feed(std::in_place);
  Audience<Pointer> audience(*feed, 1, 0);
  std::atomic<bool> destroyed{false};
  bool waited = false;
  std::optional<Channel<Pointer>> channel(std::in_place, 1);
  Subscription subscription = feed->Subscribe(*channel);
  channel->Send(Pointer(new int, [&](const int* number) {
    delete number;
    waited = StaysFalse([&] { return destroyed.load(); });
  }));
  Sending sending([&] { return feed->Send(nullptr); });
  AwaitThat([&] { return audience.blocked() == 1; });
  AwaitSenders(*channel, 1);
  subscription.Unsubscribe();
  subscription = {};
  channel.reset();
  feed.reset();
  destroyed = true;
  CHECK(sending.Get() == 0);
  CHECK(waited);
}

TEST_CASE("F2 C8: the error of a join that goes with its member sends") {
  Feed<int> feed;
  const Channel<int> room(8), no_room, joined(8);
  const Subscription has_room = feed.Subscribe(room);
  const Subscription has_none = feed.Subscribe(no_room);
  std::size_t by_destructor = 0;
  const Channel<std::exception_ptr> failures;
  Subscription join = JoinSubscriptions(
      feed.Subscribe(joined), NewSubscription([=](std::stop_token stop) {
        return failures.Receive(stop).value_or(nullptr);
      }));
  std::optional err(join.Err());
  Sending first([&] { return feed.Send(1); });
  AwaitSenders(no_room, 1);
  Sending second([&] { return feed.Send(2); });
  AwaitThat([&] { return feed.waiting_senders() == 1; });
  failures.Send(std::make_exception_ptr(std::shared_ptr<void>(
      nullptr, [&](void*) { by_destructor = feed.Send(3); })));
  AwaitThat([&] { return err->closed(); });
  // From now on nobody but the feed, whose Send is under way, has the member,
  // nobody but the member the join, and nobody but that the error.
  err.reset();
  join = {};
  // The first Send makes the second one's offer, too: it keeps the turn.
  has_none.Unsubscribe();
  CHECK(first.Get() == 2);
  CHECK(second.Get() == 1);
  CHECK(by_destructor == 1);
}

TEST_CASE("F7 C8: the destructor of a value that is taken back uses the feed") {
  const int how = GENERATE(range(0, 5));
  CAPTURE(how);
  Ledger ledger;
  Feed<Tracked> feed;
  Audience<Tracked> audience(feed, 3, 0);
  const Channel<Tracked> late(1);
  std::optional<Subscription> made;
  std::size_t count = 0;
  std::atomic<bool> called{false};
  ledger.on_destroy = [&] {
    made = feed.Subscribe(late);
    count = feed.subscriber_count();
    audience.subscriptions[2].Unsubscribe();
    audience.channels[1].Close();
    called = true;
  };
  const Tracked value(ledger, 7);
  Impatient impatient(how == 0 ? Impatient::kByStop : Impatient::kByDeadline);
  Sending sending([&] { return impatient.Send(feed, value); });
  AwaitThat([&] { return audience.blocked() == 3; });
  ledger.armed = true;
  switch (how) {
    case 0:
    case 1:
      impatient.GiveUp();
      break;
    case 2:
      for (const auto& subscription : audience.subscriptions) {
        subscription.Unsubscribe();
      }
      break;
    case 3:
      for (const auto& channel : audience.channels) channel.Close();
      break;
    default:
      feed.Close();
  }
  CHECK(sending.Get() == 0);
  CHECK(called);
  CHECK(count <= 4);
  CHECK(ledger.alive == 1);
  CHECK(audience.subscriptions[2].Err().drained());
}
