// SPDX-License-Identifier: MIT
//
// V2: one value that is always there.

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>
#include <fanfare/state.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/feeds.h"
#include "support/in_thread.h"
#include "support/subscriptions.h"
#include "support/values.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::OnReceive;
using fanfare::Select;
using fanfare::Sender;
using fanfare::State;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

// What a channel of a state carries.
template <typename T>
using Changes = Channel<std::shared_ptr<const T>>;

// The value that a receive gave; -1 where there was none.
int Got(const std::optional<std::shared_ptr<const int>>& change) {
  return change.has_value() && *change != nullptr ? **change : -1;
}

struct UpdateFailed : std::runtime_error {
  UpdateFailed() : std::runtime_error("an update") {}
};

}  // namespace

// ---------------------------------------------------------------------------
// Get, Set, Update.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("V2: a state has the value that was set last", "", int,
                   std::string) {
  State<TestType> state(Value<TestType>(1));
  CHECK(*state.Get() == Value<TestType>(1));
  state.Set(Value<TestType>(2));
  CHECK(*std::as_const(state).Get() == Value<TestType>(2));
  const TestType three = Value<TestType>(3);
  state.Set(three);
  CHECK(*state.Get() == three);
  CHECK(three == Value<TestType>(3));
}

TEST_CASE("V2: what the calls of a state look like") {
  using Got = decltype(std::declval<const State<int>&>().Get());
  STATIC_REQUIRE(std::is_same_v<Got, std::shared_ptr<const int>>);
  STATIC_REQUIRE(std::is_constructible_v<State<int>, int>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<int, State<int>>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<State<int>>);
  STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<State<int>>);
  SUCCEED();
}

TEST_CASE("V2: a value that was got stays as it was") {
  std::shared_ptr<const std::string> before;
  {
    State<std::string> state("before");
    before = state.Get();
    state.Set("after");
    state.Update([](std::string& text) { text += " that"; });
    CHECK(*state.Get() == "after that");
    CHECK(*before == "before");
  }
  CHECK(*before == "before");
}

TEST_CASE("V2: one value is one object until it is set") {
  State<int> state(1);
  const auto one = state.Get();
  CHECK(state.Get() == one);
  state.Set(1);
  CHECK(state.Get() != one);
}

TEST_CASE("V2: a state that is not updated need not be copyable") {
  State<MoveOnly> state(Own(1));
  const Changes<MoveOnly> channel(1);
  const Subscription subscription = state.Subscribe(channel);
  state.Set(Own(2));
  CHECK(**state.Get() == 2);
  CHECK(***channel.TryReceive() == 2);
}

TEST_CASE("V2: an update changes the value and may say that it did not") {
  State<int> state(1);
  const Changes<int> channel(1);
  const Subscription subscription = state.Subscribe(channel);
  CHECK(Got(channel.TryReceive()) == 1);
  state.Update([](int& value) { value += 10; });
  CHECK(*state.Get() == 11);
  CHECK(Got(channel.TryReceive()) == 11);
  state.Update([](int& value) {
    value += 10;
    return true;
  });
  CHECK(*state.Get() == 21);
  CHECK(Got(channel.TryReceive()) == 21);
  const auto before = state.Get();
  state.Update([](int& value) {
    value += 10;
    return false;
  });
  CHECK(state.Get() == before);
  CHECK(*state.Get() == 21);
  CHECK_FALSE(channel.TryReceive().has_value());
}

TEST_CASE("V2: an update that throws changes nothing and tells nothing") {
  State<int> state(1);
  const Changes<int> channel(1);
  const Subscription subscription = state.Subscribe(channel);
  CHECK(Got(channel.TryReceive()) == 1);
  const auto before = state.Get();
  CHECK_THROWS_AS(state.Update([](int& value) {
    value = 2;
    throw UpdateFailed();
  }),
                  UpdateFailed);
  CHECK(state.Get() == before);
  CHECK_FALSE(channel.TryReceive().has_value());
  // The next update is not blocked by it.
  state.Update([](int& value) { ++value; });
  CHECK(Got(channel.TryReceive()) == 2);
}

TEST_CASE("V2: a copy that throws in an update changes nothing") {
  Ledger ledger;
  State<Tracked> state(Tracked(ledger, 1));
  const auto before = state.Get();
  ledger.on_copy = [](int) { throw CopyFailed(); };
  bool called = false;
  CHECK_THROWS_AS(state.Update([&](Tracked&) { called = true; }), CopyFailed);
  CHECK_FALSE(called);
  CHECK(state.Get() == before);
  ledger.on_copy = nullptr;
  state.Update([&](Tracked&) { called = true; });
  CHECK(called);
}

TEST_CASE("V2: updates run one at a time and none is lost") {
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  State<int> state(0);
  std::atomic<int> inside = 0;
  std::atomic<int> together = 0;
  std::deque<Sending> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        state.Update([&](int& value) {
          if (++inside > 1) ++together;
          ++value;
          --inside;
        });
      }
      return std::size_t{0};
    });
  }
  for (Sending& thread : threads) static_cast<void>(thread.Get());
  CHECK(*state.Get() == kThreads * kEach);
  CHECK(together == 0);
}

TEST_CASE("V2: Get waits neither for an update nor for a subscriber") {
  State<int> state(1);
  const Changes<int> full(1);
  const Subscription subscription = state.Subscribe(full);
  const Channel<int> inside;
  const Channel<int> go_on;
  Sending updating([&] {
    state.Update([&](int& value) {
      value = 2;
      inside.Close();
      static_cast<void>(go_on.Receive());
    });
    return std::size_t{0};
  });
  static_cast<void>(inside.Receive());
  // An update shows when it is over, not before.
  CHECK(*state.Get() == 1);
  CHECK(Got(full.TryReceive()) == 1);
  const Changes<int> late(1);
  const Subscription second = state.Subscribe(late);
  CHECK(Got(late.TryReceive()) == 1);
  go_on.Close();
  static_cast<void>(updating.Get());
  CHECK(*state.Get() == 2);
  CHECK(Got(late.TryReceive()) == 2);
}

TEST_CASE("V2: an update may get the value") {
  State<int> state(1);
  int got = 0;
  state.Update([&](int& value) {
    value = 2;
    got = *state.Get();
  });
  CHECK(got == 1);
  CHECK(*state.Get() == 2);
}

// ---------------------------------------------------------------------------
// Subscribers.
// ---------------------------------------------------------------------------

TEMPLATE_TEST_CASE("V2: a subscriber gets the value now and then the changes",
                   "", int, std::string) {
  State<TestType> state(Value<TestType>(1));
  const Changes<TestType> channel(1);
  const Subscription subscription = state.Subscribe(channel);
  const auto now = channel.TryReceive();
  REQUIRE(now.has_value());
  CHECK(*now == state.Get());  // the object itself, not a copy
  CHECK_FALSE(channel.TryReceive().has_value());
  for (int i = 2; i <= 5; ++i) {
    state.Set(Value<TestType>(i));
    const auto change = channel.TryReceive();
    REQUIRE(change.has_value());
    CHECK(**change == Value<TestType>(i));
    CHECK(*change == state.Get());
    CHECK_FALSE(channel.TryReceive().has_value());
  }
}

TEST_CASE("V2: a subscriber that does not receive gets the latest") {
  const std::size_t capacity = GENERATE(1U, 3U, 64U);
  CAPTURE(capacity);
  State<int> state(1);
  const Changes<int> channel(capacity);
  const Subscription subscription = state.Subscribe(channel);
  // None of these waits.
  for (int i = 2; i <= 100; ++i) state.Set(i);
  CHECK(channel.size() <= capacity);
  int last = 0;
  bool in_order = true;
  while (const auto change = channel.TryReceive()) {
    in_order = in_order && **change > last;
    last = **change;
  }
  CHECK(in_order);
  CHECK(last == 100);
  CHECK_FALSE(subscription.ended());
}

TEST_CASE("V2: equal values are told") {
  State<int> state(1);
  const Changes<int> channel(4);
  const Subscription subscription = state.Subscribe(channel);
  state.Set(1);
  state.Update([](int&) {});
  CHECK(channel.size() == 3);
  for (int i = 0; i < 3; ++i) CHECK(Got(channel.TryReceive()) == 1);
}

TEST_CASE("V2: each subscriber has its own pace") {
  State<int> state(1);
  const Changes<int> quick(1);
  const Changes<int> slow(1);
  const Subscription one = state.Subscribe(quick);
  const Subscription two = state.Subscribe(slow);
  for (int i = 2; i <= 9; ++i) {
    CHECK(Got(quick.TryReceive()) == i - 1);
    state.Set(i);
  }
  CHECK(Got(quick.TryReceive()) == 9);
  CHECK(Got(slow.TryReceive()) == 9);
}

TEST_CASE("V2: a state has no subscription without a buffer or a channel") {
  State<int> state(1);
  const Changes<int> unbuffered;
  CHECK_THROWS_AS(state.Subscribe(unbuffered), std::invalid_argument);
  CHECK_THROWS_AS(state.Subscribe(Sender<std::shared_ptr<const int>>()),
                  std::invalid_argument);
  state.Set(2);
  CHECK(*state.Get() == 2);
}

TEST_CASE("V2: a subscription ends and the value goes on") {
  State<int> state(1);
  const Changes<int> channel(1);
  const Subscription subscription = state.Subscribe(channel);
  CHECK(Got(channel.TryReceive()) == 1);
  subscription.Unsubscribe();
  state.Set(2);
  CHECK_FALSE(channel.TryReceive().has_value());
  CHECK(*state.Get() == 2);
  // A closed channel is no error.
  const Subscription again = state.Subscribe(channel);
  CHECK(Got(channel.TryReceive()) == 2);
  channel.Close();
  state.Set(3);
  CHECK(again.ended());
  CHECK(Text(again.Err().TryReceive()) == "closed");
  CHECK(*state.Get() == 3);
}

TEST_CASE("V2: an Update waits until the one before has returned") {
  State<int> state(0);
  const Channel<int> in_first(1), in_second(1);
  InThread second([&] {
    static_cast<void>(in_first.Receive());
    state.Update([&](int& value) {
      in_second.Send(1);
      value += 10;
    });
  });
  state.Update([&](int& value) {
    in_first.Send(1);
    CHECK_FALSE(in_second.ReceiveFor(std::chrono::milliseconds(50)));
    value += 1;
  });
  second.Get();
  CHECK(*state.Get() == 11);
}

TEST_CASE("V2 O2 O7: a subscription to a state has a name, and may close") {
  const bool closes = GENERATE(false, true);
  std::optional<State<int>> state(std::in_place, 1);
  const Changes<int> channel(1);
  const Subscription subscription =
      state->Subscribe(channel, {.name = "ui", .close_channel = closes});
  CHECK(state->Report().at(0).name == "ui");
  state->Set(2);
  state.reset();
  int last = 0;
  if (closes) {
    for (const auto& value : channel) last = *value;
    CHECK(channel.drained());
  } else {
    last = Got(channel.TryReceive());
    CHECK_FALSE(channel.closed());
  }
  CHECK(last == 2);
}

TEST_CASE("V2: a subscription to a state rejects other options") {
  State<int> state(1);
  const Changes<int> channel(1);
  const auto rejects = [&](fanfare::SubscribeOptions options) {
    CHECK_THROWS_WITH(
        state.Subscribe(channel, std::move(options)),
        "fanfare: Subscribe of a State takes a name and close_channel only");
  };
  rejects({.overflow = fanfare::Overflow::kDropNewest});
  rejects({.overflow = fanfare::Overflow::kEnd});
  rejects({.patience = std::chrono::seconds(1)});
  rejects({.replay = 1});
  CHECK(state.subscriber_count() == 0);
}

TEST_CASE("V2: the end of a state ends its subscriptions") {
  auto state = std::make_unique<State<int>>(1);
  const Changes<int> channel(1);
  const Subscription subscription = state->Subscribe(channel);
  SubscriptionScope scope;
  const Changes<int> other(1);
  const Subscription tracked = scope.Track(state->Subscribe(other));
  state->Set(2);
  state.reset();
  CHECK(subscription.ended());
  CHECK(tracked.ended());
  CHECK(scope.Count() == 0);
  CHECK_FALSE(channel.closed());
  // What was delivered is still there.
  CHECK(Got(channel.TryReceive()) == 2);
}

TEST_CASE("V2: a change wakes a receive that waits and a Select") {
  State<int> state(1);
  const Changes<int> channel(1);
  const Subscription subscription = state.Subscribe(channel);
  CHECK(Got(channel.TryReceive()) == 1);
  const bool by_select = GENERATE(false, true);
  InThread receiving([&]() -> int {
    if (!by_select) return Got(channel.Receive());
    int got = -1;
    return Select(OnReceive(
               channel,
               [&](std::shared_ptr<const int> change) { got = *change; })) == 0
               ? got
               : -1;
  });
  AwaitReceivers(channel, 1);
  state.Set(2);
  CHECK(receiving.Get() == 2);
}

TEST_CASE("V2: a value lives while it is the value or was got") {
  Ledger ledger;
  std::optional<State<Tracked>> state(std::in_place, Tracked(ledger, 1));
  const Changes<Tracked> channel(1);
  const Subscription subscription = state->Subscribe(channel);
  CHECK(ledger.alive == 1);
  const auto first = state->Get();
  for (int i = 2; i <= 10; ++i) state->Set(Tracked(ledger, i));
  // That one, and the value, which the channel holds as well.
  CHECK(ledger.alive == 2);
  CHECK(ledger.copies == 0);
  state.reset();
  CHECK(ledger.alive == 2);
  CHECK((*channel.TryReceive())->number() == 10);
  CHECK(ledger.alive == 1);
}

TEST_CASE("V2: no change is lost and none comes twice while others set") {
  constexpr int kSetters = 3;
  constexpr int kJoins = 50;
  State<int> state(0);
  std::atomic<bool> done = false;
  std::deque<Sending> setters;
  for (int setter = 0; setter < kSetters; ++setter) {
    setters.emplace_back([&] {
      std::size_t count = 0;
      while (!done) {
        state.Update([](int& value) { ++value; });
        ++count;
        std::this_thread::yield();
      }
      return count;
    });
  }
  std::size_t wrong = 0;
  std::vector<Changes<int>> channels;
  std::vector<int> lasts;
  std::vector<Subscription> subscriptions;
  for (int join = 0; join < kJoins; ++join) {
    const int before = *state.Get();
    const Changes<int> channel(1);
    subscriptions.push_back(state.Subscribe(channel));
    // Not older than what Get has said; then only newer ones.
    int last = Got(channel.Receive());
    if (last < before) ++wrong;
    for (int i = 0; i < 10; ++i) {
      const int next = Got(channel.Receive());
      if (next <= last) ++wrong;
      last = next;
    }
    channels.push_back(channel);
    lasts.push_back(last);
  }
  done = true;
  std::size_t updates = 0;
  for (Sending& setter : setters) updates += setter.Get();
  CHECK(wrong == 0);
  CHECK(static_cast<std::size_t>(*state.Get()) == updates);
  // When all is quiet, what a subscriber has got last is the value.
  for (std::size_t at = 0; at < channels.size(); ++at) {
    if (const auto change = channels[at].TryReceive()) lasts[at] = **change;
    CHECK(lasts[at] == *state.Get());
  }
}

TEST_CASE("V2: a channel that is full receives the value when it comes again") {
  State<int> state(1);
  const Changes<int> channel(1);
  { const Subscription first = state.Subscribe(channel); }
  CHECK(channel.size() == 1);
  state.Set(2);
  const Subscription second = state.Subscribe(channel);
  CHECK(Got(channel.TryReceive()) == 2);
  CHECK(channel.size() == 0);
  CHECK(second.Stats()->replayed == 1);
  CHECK(second.Stats()->evicted == 1);
}
