// SPDX-License-Identifier: MIT
//
// When memory runs out, a thread cannot be had, or user code throws: each
// function is called with the first of them failing, with the second, and so on
// until none does. Afterwards the state is the one that its header tells,
// everything still works, and nothing has leaked.
//
// What the tests of each concept check for one fault is not repeated here:
// allocation_test.cc, feed_allocation_test.cc, feed_copy_test.cc.

#include "support/faults.h"
// It comes first, because it replaces operator new.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/subscriptions.h"
#include "support/values.h"
#include "support/waiters.h"

namespace {

using namespace std::chrono_literals;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::kNoCase;
using fanfare::Listen;
using fanfare::NewSubscription;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnStop;
using fanfare::OnTimeout;
using fanfare::Overflow;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::ResubscribeErr;
using fanfare::Select;
using fanfare::SelectCase;
using fanfare::State;
using fanfare::Subscription;
using fanfare::SubscriptionScope;
using faults::Fault;
using faults::ForEach;
using faults::Kind;
using faults::Mode;

// Runs the round for each fault of a kind; there must be `at_least` so many.
template <typename F>
void CheckEach(Kind kind, Mode mode, long at_least, F round) {
  if (kind == Kind::kThread && FANFARE_TESTS_THREADS_FAIL == 0) return;
  // What is made once for all is there before anything is counted.
  static_cast<void>(Subscription().Err());
  const faults::Report report = ForEach(kind, mode, round);
  CAPTURE(static_cast<int>(kind), static_cast<int>(mode), report.at);
  CHECK(std::string(report.wrong) == "nothing");
  CHECK(report.leaked == 0);
  CHECK(report.strikes >= at_least);
}

template <typename F>
void CheckMemory(long at_least, F round) {
  CheckEach(Kind::kMemory, Mode::kOnce, at_least, round);
  CheckEach(Kind::kMemory, Mode::kFromThenOn, at_least, round);
}

constexpr const char* kLongName = "a name that is too long for its own place";

// Counts how many of it live; to copy it, or to make it of a number, may fail.
class Value {
 public:
  static inline std::atomic<int> alive = 0;

  Value(int number)  // NOLINT(google-explicit-constructor): converts
      : number_(Checked(number)) {
    ++alive;
  }
  Value(const Value& other) : number_(Checked(other.number_)) { ++alive; }
  Value(Value&& other) noexcept : number_(std::exchange(other.number_, -1)) {
    ++alive;
  }
  Value& operator=(Value&& other) noexcept {
    number_ = std::exchange(other.number_, -1);
    return *this;
  }
  ~Value() { --alive; }

  [[nodiscard]] int number() const { return number_; }  // -1: moved from

 private:
  static int Checked(int number) {
    faults::Point();
    return number;
  }
  int number_;
};

// A handler, producer or function: to copy it, move it or call it may fail.
template <typename F>
class Faulty {
 public:
  explicit Faulty(F function) : function_(std::move(function)) {}
  Faulty(const Faulty& other) : function_((faults::Point(), other.function_)) {}
  Faulty(Faulty&& other) noexcept(false)
      : function_((faults::Point(), std::move(other.function_))) {}

  template <typename... Args>
    requires std::invocable<F&, Args...>
  auto operator()(Args&&... args) {
    faults::Point();
    return function_(std::forward<Args>(args)...);
  }

 private:
  F function_;
};

// A source whose copies and Err may fail.
class FaultySource : public Foreign {
 public:
  FaultySource() = default;
  FaultySource(const FaultySource& other) : Foreign((faults::Point(), other)) {}
  FaultySource(FaultySource&& other) noexcept : Foreign(std::move(other)) {}
  Receiver<std::exception_ptr> Err() const {
    faults::Point();
    return Foreign::Err();
  }
  // Allocates nothing.
  void Fail(const std::exception_ptr& failure) const {
    state_->err.Send(failure);
    state_->err.Close();
  }
  [[nodiscard]] bool watched() const {
    return state_->err.waiting_receivers() > 0;
  }
};

// A feed, a channel and a scope do what they should.
bool Works(Feed<int>& feed) {
  const Channel<int> channel(2);
  SubscriptionScope scope;
  const std::size_t before = feed.subscriber_count();
  const Subscription sub = scope.Track(feed.Subscribe(channel));
  if (feed.subscriber_count() != before + 1) return false;
  feed.TrySend(7);
  bool received = false;
  Select(OnReceive(channel, [&](int value) { received = value == 7; }),
         OnStop(std::stop_token()));
  sub.Unsubscribe();
  return received && sub.Err().drained() && scope.Count() == 0 &&
         feed.subscriber_count() == before;
}

}  // namespace

TEST_CASE("U4: the closed channel of an empty subscription is tried again") {
  // Only once in a program: nothing is counted.
  Fault fault(1);
  faults::kind = Kind::kMemory;
  fault.In([] { static_cast<void>(Subscription().Err()); });
  if (fault.struck()) CHECK(fault.thrown());
  CHECK(Subscription().Err().drained());
}

TEST_CASE("C1: a channel for which there is no memory") {
  CheckMemory(1, [](Fault& fault) {
    std::optional<Channel<std::shared_ptr<int>>> channel;
    fault.In([&] { channel.emplace(3); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(channel.has_value() != fault.struck(), "it is there or not");
  });
}

TEST_CASE("F1: a feed for which there is no memory") {
  CheckMemory(1, [](Fault& fault) {
    std::optional<Feed<int>> feed;
    fault.In([&] { feed.emplace(); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    if (!feed.has_value()) feed.emplace();
    fault.Check(Works(*feed), "a feed works afterwards");
  });
}

TEST_CASE("F1: nothing is subscribed when Subscribe has no memory") {
  const bool closed = GENERATE(false, true);
  // The subscription itself, and where it is listed.
  const std::size_t others = GENERATE(0U, 1U, 2U);
  CheckMemory(1, [&](Fault& fault) {
    Feed<int> feed;
    const Channel<int> channel(3);
    std::vector<Subscription> other;
    while (other.size() < others) other.push_back(feed.Subscribe(channel));
    if (closed) feed.Close();
    Subscription sub;
    fault.In([&] { sub = feed.Subscribe(channel); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(static_cast<bool>(sub) != fault.thrown(), "a subscription");
    const std::size_t count = closed ? 0 : others + !fault.thrown();
    fault.Check(feed.subscriber_count() == count, "the count");
    fault.Check(feed.TrySend(1) == count, "who is served");
    fault.Check(channel.size() == count, "what was received");
    fault.Check(closed || Works(feed), "the feed works afterwards");
  });
}

TEST_CASE("F1 F3: a Subscribe during a Send that has no memory") {
  const std::size_t others = GENERATE(0U, 1U, 2U, 3U);
  CheckMemory(2, [&](Fault& fault) {
    Feed<int> feed;
    const Channel<int> blocking, channel(1), ready(8);
    const Subscription first = feed.Subscribe(blocking);
    std::vector<Subscription> other;
    while (other.size() < others) other.push_back(feed.Subscribe(ready));
    std::size_t taken = 0;
    std::thread sending([&] { taken = feed.Send(1); });
    AwaitSenders(blocking, 1);
    Subscription sub;
    fault.In([&] { sub = feed.Subscribe(channel); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(static_cast<bool>(sub) != fault.thrown(), "a subscription");
    const std::size_t came = fault.thrown() ? 0 : 1;
    fault.Check(feed.subscriber_count() == 1 + others + came, "the count");
    fault.Check(blocking.Receive() == 1, "the value");
    sending.join();
    fault.Check(taken == 1 + others, "who took it");
    while (ready.TryReceive()) {
    }
    fault.Check(feed.TrySend(2) == others + came, "who is served");
    fault.Check(channel.size() == came, "what was received");
    fault.Check(Works(feed), "the feed works afterwards");
  });
}

TEST_CASE("O2 F1: nothing is subscribed with options when there is no memory") {
  const auto overflow = GENERATE(Overflow::kWait, Overflow::kDropNewest,
                                 Overflow::kDropOldest, Overflow::kEnd);
  const std::size_t replay = GENERATE(0U, 1U);
  CheckMemory(3, [&](Fault& fault) {
    Feed<int> feed(fanfare::FeedOptions{.replay = 1});
    feed.Send(1);
    const Channel<int> channel(2);
    Subscription sub;
    fault.In([&] {
      sub = feed.Subscribe(channel, {.name = kLongName,
                                     .overflow = overflow,
                                     .close_channel = true,
                                     .replay = replay});
    });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(static_cast<bool>(sub) != fault.thrown(), "a subscription");
    const std::size_t count = fault.thrown() ? 0 : 1;
    fault.Check(feed.subscriber_count() == count, "the count");
    fault.Check(!channel.closed(), "the channel is open");
    fault.Check(channel.size() == count * replay, "the replay");
    fault.Check(feed.TrySend(2) == count, "who is served");
    sub = Subscription();
    fault.Check(channel.closed() == (count == 1), "the end");
  });
}

TEST_CASE("O7: the error of a slow subscriber for which there is no memory") {
  CheckMemory(1, [](Fault& fault) {
    Feed<int> feed;
    const Channel<int> channel(1);
    const Subscription sub = feed.Subscribe(
        channel, {.name = kLongName, .overflow = Overflow::kEnd});
    feed.Send(1);
    std::size_t taken = 1;
    fault.In([&] { taken = feed.Send(2); });
    fault.Check(!fault.thrown() && taken == 0, "the Send");
    fault.Check(feed.subscriber_count() == 0, "it has ended");
    const Error error = sub.Err().TryReceive();
    fault.Check(error.has_value(), "an error");
    try {
      std::rethrow_exception(error.value());
    } catch (const std::bad_alloc&) {
      fault.Check(fault.struck(), "no memory");
    } catch (const fanfare::SlowSubscriber&) {
      fault.Check(!fault.struck(), "the error");
    }
    fault.Check(sub.Stats()->dropped == 1, "the numbers");
  });
}

TEST_CASE("V1 N4: a feed with options for which there is no memory") {
  CheckMemory(3, [](Fault& fault) {
    std::optional<Feed<int>> feed;
    fault.In([&] {
      feed.emplace(fanfare::FeedOptions{.name = kLongName, .replay = 3});
    });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(feed.has_value() != fault.thrown(), "a feed");
    if (!feed.has_value()) feed.emplace();
    fault.Check(Works(*feed), "a feed works afterwards");
  });
}

TEST_CASE("V1 F9: a value that cannot be copied for the history is not sent") {
  CheckEach(Kind::kUserCode, Mode::kOnce, 2, [](Fault& fault) {
    {
      Feed<Value> feed(fanfare::FeedOptions{.replay = 2});
      const Channel<Value> one(4), other(4), late(4);
      const Subscription first = feed.Subscribe(one);
      const Subscription second = feed.Subscribe(other);
      feed.Send(Value(1));
      const Value value(2);
      std::size_t taken = 0;
      fault.In([&] { taken = feed.Send(value); });
      fault.Check(fault.struck() == fault.thrown(), "it throws");
      fault.Check(fault.thrown() || taken == 2, "who took it");
      fault.Check(value.number() == 2, "the caller's value");
      const Subscription third = feed.Subscribe(late, {.replay = 2});
      // What is in the history was offered, and nothing else.
      const std::size_t kept = late.size();
      fault.Check(first.Stats()->offered == kept, "what was offered");
      fault.Check(second.Stats()->offered == kept, "to the other");
      fault.Check(fault.thrown() || kept == 2, "what was kept");
      fault.Check(first.Stats()->delivered == one.size(), "the first");
      fault.Check(second.Stats()->delivered == other.size(), "the second");
      fault.Check(feed.Send(Value(3)) == 3, "the next one");
    }
    fault.Check(Value::alive == 0, "all values are gone");
  });
}

TEST_CASE("V1: a replay that fails ends the newcomer and no other") {
  const bool during_a_send = GENERATE(false, true);
  CheckEach(Kind::kUserCode, Mode::kOnce, 2, [&](Fault& fault) {
    {
      Feed<Value> feed(fanfare::FeedOptions{.replay = 2});
      feed.Send(Value(1));
      feed.Send(Value(2));
      const Channel<Value> blocking, channel(4);
      Subscription first;
      std::thread sending;
      if (during_a_send) {
        first = feed.Subscribe(blocking);
        sending = std::thread([&] { feed.Send(Value(3)); });
        AwaitSenders(blocking, 1);
      }
      Subscription sub;
      fault.In([&] {
        sub = feed.Subscribe(channel, {.close_channel = true, .replay = 2});
        if (!during_a_send) return;
        static_cast<void>(blocking.Receive());
        sending.join();
      });
      fault.Check(!fault.thrown() && sub, "a subscription");
      fault.Check(sub.ended() == fault.struck(), "its end");
      fault.Check(channel.closed() == fault.struck(), "its channel");
      fault.Check(sub.Err().TryReceive().has_value() == fault.struck(),
                  "its error");
      fault.Check(sub.Stats()->replayed == channel.size(), "the numbers");
      fault.Check(fault.struck() || channel.size() == 2, "the replay");
      fault.Check(feed.TrySend(Value(4)) == (fault.struck() ? 0U : 1U),
                  "the next one");
    }
    fault.Check(Value::alive == 0, "all values are gone");
  });
}

TEST_CASE("N2: a report for which there is no memory") {
  CheckMemory(3, [](Fault& fault) {
    Feed<int> feed;
    const Channel<int> one(1), other(1);
    const Subscription first = feed.Subscribe(one, {.name = kLongName});
    const Subscription second = feed.Subscribe(other);
    std::vector<fanfare::SubscriberReport> report;
    std::string text;
    fault.In([&] {
      report = feed.Report();
      text = feed.DebugString();
    });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(fault.thrown() || (report.size() == 2 && !text.empty()),
                "the report");
    fault.Check(feed.TrySend(1) == 2, "the feed works afterwards");
  });
}

TEST_CASE("N4: a stall that cannot be reported ends the Send") {
  CheckMemory(1, [](Fault& fault) {
    const Channel<int> channel;
    Subscription sub;
    Feed<int> feed(fanfare::FeedOptions{
        .stall_after = 1ns,
        .on_stall = [&](std::span<const fanfare::SubscriberReport>) {
          sub.Unsubscribe();
        }});
    sub = feed.Subscribe(channel);
    std::size_t taken = 1;
    fault.In([&] { taken = feed.Send(1); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(fault.thrown() || taken == 0, "who took it");
    fault.Check(channel.waiting_senders() == 0, "it waits no more");
    fault.Check(sub.ended() != fault.thrown(), "the subscription");
    fault.Check(sub.Stats()->missed == (fault.thrown() ? 1U : 0U),
                "the numbers");
    fault.Check(feed.TrySend(2) == 0, "the turn is free");
  });
}

TEST_CASE("V2: a state that cannot be changed is as it was") {
  const Kind kind = GENERATE(Kind::kMemory, Kind::kUserCode);
  const bool update = GENERATE(false, true);
  CheckEach(kind, Mode::kOnce, 1, [&](Fault& fault) {
    {
      State<Value> state{Value(1)};
      const Channel<State<Value>::Pointer> channel(1);
      const Subscription sub = state.Subscribe(channel);
      static_cast<void>(channel.TryReceive());
      fault.In([&] {
        if (update) {
          state.Update([](Value& value) { value = Value(2); });
        } else {
          state.Set(Value(2));
        }
      });
      fault.Check(fault.struck() == fault.thrown(), "it throws");
      const int now = fault.thrown() ? 1 : 2;
      fault.Check(state.Get()->number() == now, "the value");
      fault.Check(channel.size() == (fault.thrown() ? 0U : 1U), "who is told");
      state.Set(Value(3));
      fault.Check((*channel.TryReceive())->number() == 3, "the next change");
    }
    fault.Check(Value::alive == 0, "all values are gone");
  });
}

TEST_CASE("V2: a state or its subscription for which there is no memory") {
  CheckMemory(5, [](Fault& fault) {
    const Channel<State<int>::Pointer> channel(1);
    std::optional<State<int>> state;
    Subscription sub;
    fault.In([&] {
      state.emplace(1);
      sub = state->Subscribe(channel, {.name = kLongName});
    });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(static_cast<bool>(sub) != fault.thrown(), "a subscription");
    fault.Check(channel.size() == (fault.thrown() ? 0U : 1U), "the value");
    if (!state.has_value()) return;
    fault.Check(state->subscriber_count() == (fault.thrown() ? 0U : 1U),
                "the count");
    state->Set(2);
    fault.Check(*state->Get() == 2, "it works afterwards");
    static_cast<void>(channel.TryReceive());
  });
}

TEST_CASE("U1: a subscription goes on when Err has no memory") {
  CheckMemory(1, [](Fault& fault) {
    Feed<int> feed;
    const Channel<int> channel(2);
    const SubscriptionScope scope;
    const Subscription sub = scope.Track(feed.Subscribe(channel));
    Receiver<std::exception_ptr> err;
    fault.In([&] { err = sub.Err(); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(static_cast<bool>(err) != fault.thrown(), "the channel");
    fault.Check(feed.TrySend(1) == 1, "it is served");
    fault.Check(scope.Count() == 1, "it counts");
    err = sub.Err();
    fault.Check(!err.closed(), "it goes on");
    sub.Unsubscribe();
    fault.Check(err.drained(), "it ends");
  });
}

TEST_CASE("U1: the first Err of an ended subscription has no memory") {
  CheckMemory(1, [](Fault& fault) {
    Feed<int> feed;
    const Subscription sub = feed.Subscribe(Channel<int>(1));
    sub.Unsubscribe();
    fault.In([&] { static_cast<void>(sub.Err()); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(sub.Err().drained(), "closed the next time");
  });
}

TEST_CASE("U5: a source that cannot be wrapped is unsubscribed") {
  const auto round = [](Fault& fault) {
    const FaultySource source;
    Subscription sub;
    bool passed = false;
    fault.In([&] {
      FaultySource copy(source);
      passed = true;
      sub = Subscription(std::move(copy));
    });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(fault.thrown() != static_cast<bool>(sub), "it is wrapped");
    fault.Check((source.unsubscribed() > 0) == (fault.thrown() && passed),
                "it was unsubscribed");
    fault.Check(!fault.thrown() || source.alive().use_count() == 1, "let go");
    sub.Unsubscribe();
  };
  CheckMemory(1, round);
  CheckEach(Kind::kUserCode, Mode::kOnce, 2, round);
}

TEST_CASE("U6: a producer that cannot be started is not called") {
  const auto round = [](Fault& fault) {
    std::atomic<int> calls = 0;
    const auto token = std::make_shared<int>();
    const auto users = token.use_count();
    {
      Subscription sub;
      fault.In([&] {
        sub = NewSubscription(Faulty([&, token](std::stop_token stop) {
          ++calls;
          WaitForStop(stop);
        }));
      });
      fault.Check(fault.thrown() != static_cast<bool>(sub), "it throws");
      sub.Unsubscribe();
      fault.Check(!fault.thrown() || calls == 0, "it was not called");
      fault.Check(token.use_count() == users, "it is gone");
    }
    // The next one is.
    NewSubscription([&](std::stop_token) { calls = 100; }).Unsubscribe();
    fault.Check(calls == 100, "the next one");
  };
  CheckMemory(3, round);
  CheckEach(Kind::kThread, Mode::kOnce, 1, round);
  CheckEach(Kind::kUserCode, Mode::kOnce, 1, round);
}

TEST_CASE("U6: a producer for whose channel there is no memory") {
  CheckMemory(4, [](Fault& fault) {
    std::atomic<int> calls = 0;
    Subscription sub;
    bool bad_alloc = false;
    fault.In([&] {
      sub = NewSubscription([&](Receiver<std::monostate> quit) {
        ++calls;
        static_cast<void>(quit.Receive());
      });
      AwaitThat([&] { return calls > 0 || sub.Err().size() > 0; });
    });
    if (calls == 0 && sub) {
      try {
        std::rethrow_exception(sub.Err().Receive().value());
      } catch (const std::bad_alloc&) {
        bad_alloc = true;
      }
    }
    fault.Check(fault.thrown() != static_cast<bool>(sub), "it throws");
    fault.Check((fault.struck() && !fault.thrown()) == bad_alloc, "its error");
    fault.Check((calls == 1) != fault.struck(), "it was called");
    sub.Unsubscribe();
    fault.Check(sub.Err().drained(), "it has ended");
  });
}

TEST_CASE("U6: an error for which there is no memory is another one") {
  CheckMemory(1, [](Fault& fault) {
    const Channel<int> go;
    const Subscription sub = NewSubscription([go](std::stop_token) {
      static_cast<void>(go.Receive());
      return std::make_error_code(std::errc::broken_pipe);
    });
    Error error;
    fault.In([&] {
      go.Send(1);
      error = sub.Err().Receive();
    });
    fault.Check(error.has_value(), "an error");
    try {
      std::rethrow_exception(error.value());
    } catch (const std::bad_alloc&) {
      fault.Check(fault.struck(), "no memory");
    } catch (const std::system_error&) {
    }
    fault.Check(!sub.Err().Receive().has_value(), "it ends");
  });
}

TEST_CASE("L1: a listener that cannot be started is not called") {
  const auto round = [](Fault& fault) {
    Feed<int> feed;
    std::atomic<int> sum = 0;
    const auto token = std::make_shared<int>();
    const Faulty handler([&, token](int value) { sum += value; });
    int ends = 0;
    const auto on_end = [&, token](const std::exception_ptr&) { ++ends; };
    const long users = token.use_count();
    Subscription sub;
    fault.In([&] { sub = Listen(feed, handler, {.on_end = on_end}); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(static_cast<bool>(sub) != fault.thrown(), "it is there or not");
    fault.Check(feed.subscriber_count() == (sub ? 1U : 0U), "it is subscribed");
    fault.Check(feed.TrySend(7) == (sub ? 1U : 0U), "it takes a value");
    feed.Close();
    static_cast<void>(sub.Err().Receive());
    fault.Check(sum == (fault.thrown() ? 0 : 7), "it is called");
    fault.Check(ends == (fault.thrown() ? 0 : 1), "and for the end");
    fault.Check(token.use_count() == users, "its handlers are gone");
  };
  CheckMemory(4, round);
  CheckEach(Kind::kThread, Mode::kOnce, 1, round);
  CheckEach(Kind::kUserCode, Mode::kOnce, 1, round);
}

TEST_CASE("L2: a handler that fails ends its listener alone") {
  const auto round = [](Fault& fault) {
    Feed<Value> feed;
    const Channel<Value> other(10);
    const Subscription others = feed.Subscribe(other);
    Error error;
    fault.In([&] {
      const Subscription sub =
          Listen(feed, Faulty([](const Value&) {}), {.capacity = 1});
      const auto err = sub.Err();
      for (int i = 0; i < 5; ++i) feed.Send(Value(i));
      feed.Close();
      error = err.Receive();
    });
    fault.Check(fault.struck() == (fault.thrown() || error.has_value()),
                "it is reported");
    fault.Check(fault.thrown() || other.size() == 5, "the other one has all");
  };
  CheckEach(Kind::kUserCode, Mode::kOnce, 15, round);
}

TEST_CASE("L3: a listener in tasks that cannot be made is not called") {
  const auto round = [](Fault& fault) {
    Feed<int> feed;
    int sum = 0;
    std::function<void()> posted;
    const auto token = std::make_shared<int>();
    const Faulty handler([&, token](int value) { sum += value; });
    const Faulty executor(
        [&, token](std::function<void()> task) { posted = std::move(task); });
    const long users = token.use_count();
    Subscription sub;
    Error error;
    std::size_t taken = 0;
    fault.In([&] {
      sub = Listen(executor, feed, handler);
      taken = feed.TrySend(7);
    });
    fault.Check(static_cast<bool>(sub) != fault.thrown(), "it is there or not");
    fault.Check(taken == (sub ? 1U : 0U), "it takes a value");
    if (posted) posted();
    posted = nullptr;
    feed.Close();
    error = sub.Err().Receive();
    fault.Check(error.has_value() == (fault.struck() && !fault.thrown()),
                "that no task was posted is reported");
    fault.Check(sum == (fault.struck() ? 0 : 7), "it is called");
    fault.Check(token.use_count() == users, "nothing is kept");
  };
  CheckMemory(5, round);
  CheckEach(Kind::kUserCode, Mode::kOnce, 3, round);
}

TEST_CASE("L3: the error of a task that is destroyed has no memory") {
  CheckMemory(1, [](Fault& fault) {
    Feed<int> feed;
    const Subscription sub = Listen([](auto) {}, feed, [](int) {});
    fault.In([&] { feed.Send(7); });
    const Error error = sub.Err().Receive();
    fault.Check(!fault.thrown(), "it does not throw");
    fault.Check(error.has_value(), "an error");
    try {
      std::rethrow_exception(error.value());
    } catch (const std::bad_alloc&) {
      fault.Check(fault.struck(), "no memory");
    } catch (const std::runtime_error&) {
    }
  });
}

TEST_CASE("U7: the members of a join that fails are unsubscribed") {
  const auto round = [](Fault& fault) {
    Feed<int> feed;
    const SubscriptionScope scope;
    const FaultySource source;
    const Channel<int> channel(1);
    Subscription join;
    Error error;
    bool called = false;
    {
      auto wrapper = scope.Track(feed.Subscribe(channel));
      auto fed = feed.Subscribe(channel);
      auto foreign = FaultySource(source);
      auto last = scope.Track(feed.Subscribe(channel));
      fault.In([&] {
        called = true;
        join = JoinSubscriptions(std::move(wrapper), std::move(fed),
                                 std::move(foreign), std::move(last));
        // Until it waits for them all, or has failed.
        AwaitThat([&] { return source.watched() || join.Err().size() > 0; });
      });
    }
    fault.Check(called && fault.thrown() != static_cast<bool>(join),
                "it throws");
    if (fault.struck()) {
      if (join) error = join.Err().Receive();
      fault.Check(fault.thrown() || error.has_value(), "its error");
      fault.Check(scope.Count() == 0, "no wrapper goes on");
      fault.Check(feed.subscriber_count() == 0, "no subscription goes on");
      fault.Check(source.unsubscribed() > 0, "no source goes on");
    } else {
      fault.Check(scope.Count() == 2, "the wrappers go on");
      fault.Check(feed.subscriber_count() == 3, "the subscriptions go on");
      fault.Check(source.unsubscribed() == 0, "the source goes on");
    }
    join.Unsubscribe();
    fault.Check(join.Err().drained() && scope.Count() == 0, "it ends");
    fault.Check(Works(feed), "the feed works afterwards");
  };
  CheckMemory(8, round);
  CheckEach(Kind::kThread, Mode::kOnce, 1, round);
  CheckEach(Kind::kUserCode, Mode::kOnce, 1, round);
}

TEST_CASE("U7: the members of a vector that cannot be joined") {
  const auto round = [](Fault& fault) {
    Feed<int> feed;
    const SubscriptionScope scope;
    const Channel<int> channel(1);
    std::vector<Subscription> members(1);
    members.push_back(scope.Track(feed.Subscribe(channel)));
    members.push_back(feed.Subscribe(channel));
    Subscription join;
    fault.In([&] { join = JoinSubscriptions(std::move(members)); });
    fault.Check(fault.thrown() != static_cast<bool>(join), "it throws");
    if (fault.thrown()) {
      fault.Check(scope.Count() == 0, "no wrapper goes on");
      fault.Check(feed.subscriber_count() == 0, "no subscription goes on");
    }
    join.Unsubscribe();
    fault.Check(feed.subscriber_count() == 0, "they end");
  };
  CheckMemory(5, round);
  CheckEach(Kind::kThread, Mode::kOnce, 1, round);
  CheckMemory(1, [](Fault& fault) {
    Subscription join;
    fault.In([&] { join = JoinSubscriptions(Subscription()); });
    fault.Check(fault.struck() == fault.thrown(), "of nothing: it throws");
    fault.Check(join.Err().drained(), "of nothing: it has ended");
  });
}

TEST_CASE("P1: a scope for which there is no memory") {
  CheckMemory(1, [](Fault& fault) {
    std::optional<SubscriptionScope> scope;
    fault.In([&] { scope.emplace(); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
  });
}

TEST_CASE("P1: what cannot be tracked is unsubscribed") {
  const auto kind = GENERATE(0, 1, 2);
  const auto round = [&](Fault& fault) {
    Feed<int> feed;
    const SubscriptionScope scope, first;
    const FaultySource source;
    const Subscription other = scope.Track(feed.Subscribe(Channel<int>(1)));
    Subscription wrapper;
    {
      auto foreign = FaultySource(source);
      Subscription sub = feed.Subscribe(Channel<int>(1));
      if (kind == 1) sub = first.Track(std::move(sub));
      fault.In([&] {
        wrapper = kind == 2 ? scope.Track(std::move(foreign))
                            : scope.Track(std::move(sub));
      });
      if (kind == 2) sub.Unsubscribe();
    }
    const bool tracked = !fault.thrown();
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    fault.Check(static_cast<bool>(wrapper) == tracked, "the wrapper");
    fault.Check(scope.Count() == (tracked ? 2 : 1), "the count");
    fault.Check(first.Count() == (tracked && kind == 1 ? 1 : 0),
                "a wrapper that cannot be tracked");
    fault.Check(feed.subscriber_count() == (tracked && kind != 2 ? 2U : 1U),
                "a subscription that cannot be tracked");
    fault.Check((source.unsubscribed() > 0) == (!tracked && kind == 2),
                "a source that cannot be tracked");
    scope.Close();
    fault.Check(feed.subscriber_count() == 0, "it closes");
    fault.Check(Works(feed), "the feed works afterwards");
  };
  CheckMemory(2, round);
  CheckEach(Kind::kUserCode, Mode::kOnce, kind == 2 ? 1 : 0, round);
}

TEST_CASE("R1: a resubscription goes on, or was never there") {
  const auto round = [](Fault& fault) {
    Feed<int> feed;
    const SubscriptionScope scope;
    const FaultySource source;
    std::atomic<int> calls = 0;
    const auto token = std::make_shared<int>();
    const auto users = token.use_count();
    // Each call is a kind of subscription; the third one lasts.
    const auto fn = [&, token](std::stop_token) -> Subscription {
      switch (++calls) {
        case 1:
          return FaultySource(source);
        case 2:
          return scope.Track(NewSubscription(
              [](Receiver<std::monostate>) { return Failure("at once"); }));
        default:
          return scope.Track(feed.Subscribe(Channel<int>(1)));
      }
    };
    const auto failure = Failure("the first");
    Subscription sub;
    fault.In([&] {
      sub = Resubscribe(10ns, Faulty(fn));
      AwaitThat([&] { return source.watched() || calls > 1; });
      source.Fail(failure);
      AwaitThat([&] { return calls > 5 || feed.subscriber_count() == 1; });
    });
    fault.Check(static_cast<bool>(sub) != fault.thrown(), "it throws");
    if (sub) {
      AwaitThat([&] { return feed.subscriber_count() == 1; });
      fault.Check(!sub.Err().closed(), "it goes on");
    } else {
      fault.Check(calls == 0, "it was not called");
    }
    // What had failed has ended.
    sub.Unsubscribe();
    fault.Check(feed.subscriber_count() == 0, "no subscription goes on");
    fault.Check(scope.Count() == 0, "no wrapper goes on");
    fault.Check(!sub || source.unsubscribed() > 0 || source.alive().use_count(),
                "no source goes on");
    fault.Check(token.use_count() == users + 1, "the function is gone");
    fault.Check(Works(feed), "the feed works afterwards");
  };
  CheckMemory(10, round);
  CheckEach(Kind::kThread, Mode::kOnce, 2, round);
  CheckEach(Kind::kUserCode, Mode::kOnce, 3, round);
}

TEST_CASE("R1 U5: a source that is not established does not go on") {
  const auto kind = GENERATE(Kind::kMemory, Kind::kUserCode);
  CheckEach(kind, Mode::kOnce, 2, [&](Fault& fault) {
    std::atomic<std::size_t> calls = 0;
    std::array<FaultySource, 3> sources;
    std::array<std::atomic<bool>, 3> copied{};
    Subscription sub;
    const auto watched = [&] {
      return std::any_of(sources.begin(), sources.end(),
                         [](const auto& source) { return source.watched(); });
    };
    fault.In([&] {
      sub = Resubscribe(10ns, [&](std::stop_token) {
        const std::size_t call = calls++;
        FaultySource copy(sources[call]);
        copied[call] = true;
        return copy;
      });
      AwaitThat(watched);
    });
    fault.Check(calls <= 2, "one fault, one failure");
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const bool lost = copied[i] && !sources[i].watched();
      fault.Check((sources[i].unsubscribed() > 0) == lost, "it was ended");
      fault.Check(!lost || sources[i].alive().use_count() == 1, "and let go");
    }
    sub.Unsubscribe();
  });
}

TEST_CASE("S7 S3: a case that cannot be made has not taken the value") {
  const auto round = [](Fault& fault) {
    const Channel<MoveOnly> channel(1);
    const auto one = MoveOnly(new int(1));
    const int* const address = one.get();
    auto value = MoveOnly(new int(7));
    std::optional<SelectCase> made;
    auto handler = Faulty([] {});
    fault.In(
        [&] { made = SelectCase(OnSend(channel, std::move(value), handler)); });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    if (fault.thrown()) {
      fault.Check(value != nullptr && *value == 7, "the value is still there");
    } else {
      fault.Check(value == nullptr, "the value was moved");
      const auto unsent = made->TakeUnsent<MoveOnly>();
      fault.Check(unsent.has_value() && **unsent == 7, "it is given back");
    }
    fault.Check(channel.size() == 0 && *address == 1, "nothing was sent");
  };
  CheckMemory(1, round);
  CheckEach(Kind::kUserCode, Mode::kOnce, 2, round);
}

TEST_CASE("S7: cases of every kind, and nothing happens without memory") {
  const auto round = [](Fault& fault) {
    const Channel<int> from(1), to(1);
    from.TrySend(1);
    std::stop_source stop;
    std::vector<SelectCase> cases;
    cases.reserve(5);
    int handled = 0;
    const auto handler = [&](auto&&...) { ++handled; };
    std::size_t chosen = 99;
    bool selects = false;
    fault.In([&] {
      cases.emplace_back(OnReceive(from, handler));
      cases.emplace_back(OnReceive(
          from, [&](int) { ++handled; }, handler));
      cases.push_back(OnSend(to, 7, handler));
      cases.emplace_back(OnStop(stop.get_token(), handler));
      cases.emplace_back(OnTimeout(1h, handler));
      selects = true;
      chosen = Select(cases);
    });
    fault.Check(fault.struck() == fault.thrown(), "it throws");
    const std::size_t happened = fault.thrown() ? 0 : 1;
    fault.Check(to.size() + (1 - from.size()) == happened, "what happened");
    fault.Check(static_cast<std::size_t>(handled) == happened, "its handler");
    fault.Check((chosen == 99) == fault.thrown(), "what is returned");
    if (!selects) return;
    // The same cases, again.
    const auto left = from.size() + (1 - to.size());
    for (std::size_t i = 0; i < left; ++i) {
      fault.Check(Select(cases) < 3, "which one it is");
    }
    fault.Check(to.size() == 1 && from.size() == 0, "they still work");
  };
  CheckMemory(6, round);
}

TEST_CASE("S8: an operation stands when its handler throws") {
  CheckEach(Kind::kUserCode, Mode::kOnce, 6, [](Fault& fault) {
    const int alive = Value::alive;
    {
      const Channel<Value> from(4), to(4);
      for (int i = 0; i < 4; ++i) from.TrySend(Value(i));
      int calls = 0;
      int got = 0;
      auto take = Faulty([&](Value value) { got += value.number() + 1; });
      auto sent = Faulty([&] { got += 100; });
      std::array<SelectCase, 1> cases{
          OnReceive(from, [&](Value value) { take(std::move(value)); })};
      fault.In([&] {
        calls += Select(OnReceive(from, take)) == 0;
        calls += Select(OnSend(to, 1, sent)) == 0;  // is converted
        const Value value(2);
        ++calls;
        calls += Select(OnSend(to, value, sent)) == 0;  // is copied
        calls += Select(cases) == 0;
        Select(OnReceive(
            from, [](Value) {}, [] {}));
        ++calls;
      });
      fault.Check(fault.struck() == fault.thrown(), "it throws");
      fault.Check((calls == 6) != fault.struck(), "up to there");
      const std::size_t received = 4 - from.size();
      fault.Check(received <= 3 && to.size() <= 2, "no more than they should");
      fault.Check(
          to.size() >= (calls > 1) + static_cast<std::size_t>(calls > 3),
          "what was sent stands");
      fault.Check(received >= (calls > 0) +
                                  static_cast<std::size_t>(calls > 4) +
                                  static_cast<std::size_t>(calls > 5),
                  "what was received stands");
      // The channels go on.
      fault.Check(Select(OnReceive(from, [](const Value&) {})) == 0,
                  "a value is left");
      fault.Check(to.TrySend(Value(5)), "the channels work afterwards");
      fault.Check(
          Value::alive == static_cast<int>(from.size() + to.size()) + alive,
          "no value is doubled or lost");
    }
    fault.Check(Value::alive == alive, "every value is gone");
  });
}

TEST_CASE("F9: every copy of a Send that can fail") {
  CheckEach(Kind::kUserCode, Mode::kOnce, 8, [](Fault& fault) {
    const int alive = Value::alive;
    {
      Feed<Value> feed;
      std::vector<Channel<Value>> channels;
      std::vector<Subscription> subscriptions;
      for (const std::size_t capacity : {4U, 0U, 4U, 1U, 4U}) {
        channels.emplace_back(capacity);
        subscriptions.push_back(feed.Subscribe(channels.back()));
      }
      Value value(1);
      std::size_t served = 0;
      int returned = 0;
      std::stop_source stop;
      stop.request_stop();
      const auto note = [&](std::size_t count) {
        served += count;
        ++returned;
      };
      fault.In([&] {
        note(feed.TrySend(value));
        note(feed.Send(std::as_const(value), stop.get_token()));
        note(feed.TrySend(2));  // is converted
        note(feed.SendFor(std::move(value), 0s));
      });
      fault.Check(fault.struck() == fault.thrown(), "it throws");
      std::size_t held = 0;
      for (const auto& channel : channels) held += channel.size();
      fault.Check(held >= served, "deliveries made stand");
      // The failed Send made at most four more.
      fault.Check(held - served <= (fault.thrown() ? 4U : 0U), "no others");
      fault.Check(returned == 4 || fault.thrown(), "all returned");
      fault.Check(channels[1].waiting_senders() == 0 &&
                      channels[3].waiting_senders() == 0,
                  "nothing is pending");
      fault.Check(Value::alive == static_cast<int>(held) + 1 + alive,
                  "no copy is left");
      fault.Check(feed.subscriber_count() == 5, "nobody was unsubscribed");
      for (const auto& channel : channels) {
        while (const auto taken = channel.TryReceive()) {
          fault.Check(taken->number() > 0, "nobody sees a failed copy");
        }
      }
      fault.Check(feed.TrySend(Value(3)) == 4, "the feed works afterwards");
    }
    fault.Check(Value::alive == alive, "every value is gone");
  });
}

// A program that uses all of it at once, in which anything may fail.
namespace {

void UseEverything() {
  Feed<Value> feed;
  const SubscriptionScope scope;
  const Channel<Value> tracked(3), joined(0), resubscribed(1);
  const FaultySource source;

  const Subscription tracking = scope.Track(feed.Subscribe(tracked));
  const Subscription join = JoinSubscriptions(
      feed.Subscribe(joined), FaultySource(source),
      NewSubscription(Faulty([](Receiver<std::monostate> quit) {
        static_cast<void>(quit.Receive());
      })));
  int calls = 0;
  const Subscription resubscription = ResubscribeErr(
      10ns, Faulty([&](std::stop_token stop, const std::exception_ptr&) {
        if (++calls % 4 != 0) throw std::runtime_error("again");
        const Subscription helper =
            NewSubscription([](std::stop_token token) { WaitForStop(token); });
        static_cast<void>(stop);
        return feed.Subscribe(resubscribed);
      }));
  const Subscription producer = NewSubscription([&](std::stop_token stop) {
    while (!stop.stop_requested()) feed.Send(Value(1), stop);
  });

  bool over = false;
  int received = 0;
  auto take = Faulty([&](const Value& value) {
    received += value.number();
    over = over || received > 20;
  });
  std::vector<SelectCase> cases;
  cases.emplace_back(OnReceive(tracked, take));
  cases.emplace_back(OnReceive(joined, take));
  cases.emplace_back(OnReceive(resubscribed, take));
  cases.emplace_back(
      OnReceive(producer.Err(), [&](const Error&) { over = true; }));
  const Channel<Value> out(1);
  while (!over && Select(cases) != kNoCase &&
         Select(OnSend(out, 1, Faulty([] {})),
                OnReceive(out, [](const Value&) {})) != kNoCase) {
  }
}

}  // namespace

TEST_CASE("C8 F9 U6 U7 P1 R1 S8: all of it at once, and anything may fail") {
  const auto kind = GENERATE(Kind::kMemory, Kind::kThread, Kind::kUserCode);
  const int alive = Value::alive;
  CheckEach(kind, Mode::kOnce, kind == Kind::kThread ? 4 : 20,
            [&](Fault& fault) {
              fault.In(UseEverything);
              fault.Check(Value::alive == alive, "every value is gone");
              Feed<int> feed;
              fault.Check(Works(feed), "everything works afterwards");
            });
}
