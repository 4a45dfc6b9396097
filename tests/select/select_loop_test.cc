// SPDX-License-Identifier: MIT
//
// The end of a subscription as a case (S9), and the loop (S10).

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/subscriptions.h"
#include "support/values.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::kNoCase;
using fanfare::Loop;
using fanfare::NewSubscription;
using fanfare::OnDefault;
using fanfare::OnEnd;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnStop;
using fanfare::OnTimeout;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::Select;
using fanfare::SelectCase;
using fanfare::SelectLoop;
using fanfare::Subscription;
using fanfare::SubscriptionScope;
using namespace std::chrono_literals;

// ---------------------------------------------------------------------------
// S9: OnEnd
// ---------------------------------------------------------------------------

// What a Select over the end of `subscription` tells, once it is blocked if it
// blocks: the error's text, "well", or "not yet".
std::string EndOf(const Subscription& subscription) {
  std::string end = "not yet";
  Select(OnEnd(subscription,
               [&](std::exception_ptr error) {
                 end = error == nullptr ? "well" : Text(error);
               }),
         OnDefault());
  return end;
}

// A blocked Select hears of the end that `act` brings about, and so do all
// later ones, without the error; ended() tells.
template <typename F>
void CheckEnd(const Subscription& subscription, const std::string& expected,
              F act) {
  CHECK_FALSE(subscription.ended());
  CHECK(EndOf(subscription) == "not yet");
  const Channel<int> idle;
  std::string end;
  InThread selecting([&] {
    return Select(OnReceive(idle, [](int) {}),
                  OnEnd(subscription, [&](std::exception_ptr error) {
                    end = error == nullptr ? "well" : Text(error);
                  }));
  });
  AwaitReceivers(idle, 1);
  AwaitReceivers(subscription.Err(), 1);
  act();
  CHECK(selecting.Get() == 1);
  CHECK(end == expected);
  AwaitThat([&] { return subscription.ended(); });
  CHECK(EndOf(subscription) == "well");
  int ends = 0;
  CHECK(Select(OnEnd(subscription, [&] { ++ends; })) == 0);
  std::vector<SelectCase> cases;
  cases.emplace_back(OnEnd(subscription, [&] { ++ends; }));
  CHECK(Select(cases) == 0);
  CHECK(Select(cases) == 0);
  CHECK(ends == 3);
}

TEST_CASE(
    "S9 L4 U1: OnEnd tells of every kind of subscription that it has ended") {
  const Channel<int> channel(1);
  SECTION("a feed's, when the feed is closed") {
    Feed<int> feed;
    const Subscription subscription = feed.Subscribe(channel);
    CheckEnd(subscription, "well", [&] { feed.Close(); });
  }
  SECTION("a feed's, when it is unsubscribed") {
    Feed<int> feed;
    const Subscription subscription = feed.Subscribe(channel);
    CheckEnd(subscription, "well", [&] { subscription.Unsubscribe(); });
  }
  SECTION("a producer's, that ends well") {
    Puppet producer;
    const Subscription subscription = producer.Subscribe();
    CheckEnd(subscription, "well", [&] { producer.EndWell(); });
  }
  SECTION("a producer's, that fails") {
    Puppet producer;
    const Subscription subscription = producer.Subscribe();
    CheckEnd(subscription, "it", [&] { producer.Fail("it"); });
  }
  SECTION("a wrapped source, that ends well") {
    const Foreign source;
    const Subscription subscription = source;
    CheckEnd(subscription, "well", [&] { source.EndWell(); });
  }
  SECTION("a wrapped source, that fails") {
    const Foreign source;
    const Subscription subscription = source;
    CheckEnd(subscription, "it", [&] { source.Fail("it"); });
  }
  SECTION("what a scope has given") {
    Puppet producer;
    SubscriptionScope scope;
    const Subscription subscription = scope.Track(producer.Subscribe());
    CheckEnd(subscription, "it", [&] { producer.Fail("it"); });
  }
  SECTION("what a scope has given, when it is closed") {
    Puppet producer;
    SubscriptionScope scope;
    const Subscription subscription = scope.Track(producer.Subscribe());
    CheckEnd(subscription, "well", [&] { scope.Close(); });
  }
  SECTION("a join, when a member fails") {
    Puppet producer;
    Feed<int> feed;
    const Subscription subscription =
        JoinSubscriptions(feed.Subscribe(channel), producer.Subscribe());
    CheckEnd(subscription, "it", [&] { producer.Fail("it"); });
  }
  SECTION("a join, when all members end well") {
    Puppet producer;
    Feed<int> feed;
    const Subscription subscription =
        JoinSubscriptions(feed.Subscribe(channel), producer.Subscribe());
    CheckEnd(subscription, "well", [&] {
      producer.EndWell();
      feed.Close();
    });
  }
  SECTION("a resubscription, whose subscription ends well") {
    Feed<int> feed;
    const Subscription subscription = Resubscribe(
        1h, [&](const std::stop_token&) { return feed.Subscribe(channel); });
    AwaitThat([&] { return feed.subscriber_count() == 1; });
    CheckEnd(subscription, "well", [&] { feed.Close(); });
  }
  SECTION("a resubscription, when it is unsubscribed") {
    Feed<int> feed;
    const Subscription subscription = Resubscribe(
        1h, [&](const std::stop_token&) { return feed.Subscribe(channel); });
    CheckEnd(subscription, "well", [&] { subscription.Unsubscribe(); });
  }
}

TEST_CASE("S9 U4: an empty subscription has ended") {
  Subscription empty;
  CHECK(empty.ended());
  CHECK(EndOf(empty) == "well");
  Feed<int> feed;
  Subscription moved = feed.Subscribe(Channel<int>(1));
  const Subscription kept = std::move(moved);
  // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
  CHECK(moved.ended());
  CHECK(EndOf(moved) == "well");
  CHECK(EndOf(kept) == "not yet");
}

TEST_CASE("S9: OnEnd takes a source that is not wrapped") {
  Foreign source;
  const auto* error = "none";
  source.Fail("it");
  CHECK(Select(OnEnd(source, [&](const std::exception_ptr& e) {
          error = e == nullptr ? "null" : "some";
        })) == 0);
  CHECK(std::string(error) == "some");
}

TEST_CASE("S9: an error that a sender waits with is received") {
  struct Source {
    Channel<std::exception_ptr> err{0};
    Receiver<std::exception_ptr> Err() const { return err; }
  };
  const Source source;
  InThread failing([&] { return source.err.Send(Failure("it")); });
  AwaitSenders(source.err, 1);
  std::string end;
  CHECK(Select(OnEnd(source, [&](std::exception_ptr e) { end = Text(e); }),
               OnDefault()) == 0);
  CHECK(failing.Get());
  CHECK(end == "it");
}

TEST_CASE("S9: of several ends one gets the error, the others null") {
  Puppet producer;
  const Subscription subscription = producer.Subscribe();
  std::atomic<int> errors = 0;
  std::atomic<int> nulls = 0;
  const auto select = [&] {
    return Select(OnEnd(subscription, [&](const std::exception_ptr& error) {
      ++(error == nullptr ? nulls : errors);
    }));
  };
  InThread one(select), two(select), three(select);
  AwaitReceivers(subscription.Err(), 3);
  producer.Fail("it");
  one.Get();
  two.Get();
  three.Get();
  CHECK(errors == 1);
  CHECK(nulls == 2);
}

// ---------------------------------------------------------------------------
// S9: the three forms of a case that reports an end
// ---------------------------------------------------------------------------

struct ByEnd {
  template <typename F>
  static auto Make(const Subscription& subscription, F end) {
    return OnEnd(subscription, std::move(end));
  }
};
struct ByOptional {
  template <typename F>
  static auto Make(const Subscription& subscription, F end) {
    return OnReceive(subscription.Err(), [end](const Error&) { return end(); });
  }
};
struct ByTwoHandlers {
  template <typename F>
  static auto Make(const Subscription& subscription, F end) {
    return OnReceive(
        subscription.Err(), [end](const std::exception_ptr&) { return end(); },
        std::move(end));
  }
};

// Ends the producer with an error or without, once Err() can deliver it.
void End(const Puppet& producer, const Subscription& subscription, bool fails) {
  const auto err = subscription.Err();
  fails ? producer.Fail("it") : producer.EndWell();
  AwaitThat([&] { return subscription.ended(); });
}

TEMPLATE_TEST_CASE("S9: an end that has come comes after the values", "", ByEnd,
                   ByOptional, ByTwoHandlers) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const bool fails = GENERATE(false, true);
  const std::string form = GENERATE("Select", "span", "SelectLoop");
  INFO("capacity " << capacity << ", " << form << (fails ? ", fails" : ""));
  for (int round = 0; round < 20; ++round) {
    Puppet producer;
    const Subscription subscription = producer.Subscribe();
    const Channel<int> channel(capacity);
    // The last one waits until there is room.
    const int values = static_cast<int>(capacity) + 1;
    InThread sending([&] {
      for (int i = 0; i < values; ++i) channel.Send(i);
    });
    AwaitSenders(channel, 1);
    End(producer, subscription, fails);
    int received = 0;
    bool running = true;
    const auto count = [&](int) { ++received; };
    const auto end = [&] {
      running = false;
      return Loop::kBreak;
    };
    if (form == "Select") {
      while (running) {
        Select(OnReceive(channel, count), TestType::Make(subscription, end));
      }
    } else if (form == "span") {
      std::vector<SelectCase> cases;
      cases.emplace_back(TestType::Make(subscription, end));
      cases.emplace_back(OnReceive(channel, count));
      while (running && Select(cases) != kNoCase) {
      }
    } else {
      CHECK(SelectLoop(TestType::Make(subscription, end),
                       OnReceive(channel, count)) == 0);
    }
    channel.Close();
    sending.Get();
    if (received != values) FAIL("received " << received);
  }
  SUCCEED();
}

TEMPLATE_TEST_CASE("S9: an end comes after the values, while a loop waits", "",
                   ByEnd, ByOptional, ByTwoHandlers) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const bool fails = GENERATE(false, true);
  constexpr int kValues = 10;
  for (int round = 0; round < 50; ++round) {
    Puppet producer;
    const Subscription subscription = producer.Subscribe();
    const Channel<int> channel(capacity);
    InThread looping([&] {
      int received = 0;
      bool running = true;
      while (running) {
        Select(TestType::Make(subscription, [&] { running = false; }),
               OnReceive(channel, [&](int) { ++received; }));
      }
      return received;
    });
    if (round % 2 == 0) AwaitReceivers(subscription.Err(), 1);
    for (int i = 0; i < kValues; ++i) channel.Send(i);
    End(producer, subscription, fails);
    const int received = looping.Get();
    if (received != kValues) FAIL("received " << received);
  }
  SUCCEED();
}

TEMPLATE_TEST_CASE(
    "S9 S1: an end is chosen before a default, wherever both stand", "", ByEnd,
    ByOptional, ByTwoHandlers) {
  Feed<int> feed;
  const Subscription subscription = feed.Subscribe(Channel<int>(1));
  subscription.Unsubscribe();
  const Channel<int> empty;
  std::array order = {0, 1, 2};
  do {
    // Each is put in front of the others, behind them and in between.
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::vector<SelectCase> cases(order.size());
      int ends = 0;
      for (std::size_t i = 0; i < order.size(); ++i) {
        if (order[i] == 0) cases[i] = OnDefault();
        if (order[i] == 1) cases[i] = OnReceive(empty, [](int) {});
        if (order[i] == 2)
          cases[i] = TestType::Make(subscription, [&] { ++ends; });
      }
      REQUIRE(order.at(Select(cases)) == 2);
      REQUIRE(ends == 1);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("S9: the case outlives the handle") {
  Feed<int> feed;
  std::vector<SelectCase> cases;
  int ends = 0;
  {
    const Subscription subscription = feed.Subscribe(Channel<int>(1));
    cases.push_back(OnEnd(subscription, [&] { ++ends; }));
    cases.push_back(OnDefault());
    CHECK(Select(cases) == 1);
  }
  CHECK(Select(cases) == 0);
  CHECK(ends == 1);
}

TEMPLATE_TEST_CASE(
    "S9: what was delivered before the end is received before it", "", ByEnd,
    ByOptional, ByTwoHandlers) {
  const std::size_t capacity = GENERATE(1U, 64U);
  for (int round = 0; round < 200; ++round) {
    Feed<int> feed;
    const Channel<int> one(capacity), two(capacity);
    const Subscription a = feed.Subscribe(one);
    const Subscription b = feed.Subscribe(two);
    feed.Send(1);
    feed.Close();
    int values = 0;
    bool running = true;
    const auto count = [&](int) { ++values; };
    const auto end = [&] { running = false; };
    while (running) {
      Select(TestType::Make(a, end), OnReceive(one, count), OnEnd(b, end),
             OnTimeout(1h), OnReceive(two, count));
    }
    if (values != 2) FAIL("received " << values);
  }
  SUCCEED();
}

TEMPLATE_TEST_CASE(
    "S9: a send that is ready does not keep the end from being chosen", "",
    ByEnd, ByOptional, ByTwoHandlers) {
  Feed<int> feed;
  const Channel<int> channel(1), room(64);
  const Subscription subscription = feed.Subscribe(channel);
  feed.Close();
  int rounds = 0;
  while (Select(OnSend(room, 1), OnReceive(channel, [](int) {}),
                TestType::Make(subscription, [] {})) == 0) {
    (void)room.TryReceive();
    REQUIRE(++rounds < 1000);
  }
}

TEMPLATE_TEST_CASE(
    "S9 S5: the choice between receives stays even beside an end", "", ByEnd,
    ByOptional, ByTwoHandlers) {
  constexpr int kRounds = 20000;
  const Channel<int> a(1), b(1), c(1);
  const Subscription over;
  std::array<int, 4> chosen{};
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& channel : {a, b, c}) channel.TrySend(1);
    ++chosen[Select(TestType::Make(over, [] {}), OnReceive(a, [](int) {}),
                    OnReceive(b, [](int) {}), OnReceive(c, [](int) {}))];
  }
  CHECK(chosen[0] == 0);
  for (const std::size_t i : {1U, 2U, 3U}) {
    CHECK(chosen[i] > kRounds * 30 / 100);
    CHECK(chosen[i] < kRounds * 37 / 100);
  }
}

TEST_CASE("S9 S5: an exception_ptr from any other channel is a value") {
  constexpr int kRounds = 20000;
  Puppet producer;
  const Subscription over = producer.Subscribe();
  End(producer, over, true);
  const Channel<std::exception_ptr> errors(1);
  const Channel<int> numbers(1);
  const bool closed = GENERATE(false, true);
  if (closed) errors.Close();
  const bool two_handlers = GENERATE(false, true);
  std::array<int, 3> chosen{};
  for (int round = 0; round < kRounds; ++round) {
    if (!closed) errors.TrySend(nullptr);
    numbers.TrySend(1);
    ++chosen[two_handlers
                 ? Select(OnReceive(over.Err(), [](const Error&) {}),
                          OnReceive(
                              errors, [](const std::exception_ptr&) {}, [] {}),
                          OnReceive(numbers, [](int) {}))
                 : Select(OnReceive(over.Err(), [](const Error&) {}),
                          OnReceive(errors, [](const Error&) {}),
                          OnReceive(numbers, [](int) {}))];
  }
  CHECK(chosen[0] == 0);
  CHECK(chosen[1] > kRounds * 45 / 100);
  CHECK(chosen[2] > kRounds * 45 / 100);
  CHECK(over.Err().size() == 1);  // Its error waits.
}

// How often a Select prefers a receive from Err() to a value.
int TimesEndsFirst(const Subscription& subscription) {
  const Channel<int> channel(1);
  AwaitThat([&] { return subscription.ended(); });
  int ends = 0;
  for (int round = 0; round < 100; ++round) {
    channel.TrySend(1);
    Select(OnReceive(subscription.Err(), [&](const Error&) { ++ends; }),
           OnReceive(channel, [](int) {}));
  }
  return ends;
}

TEST_CASE("S9 U1: a receive from Err() comes last for every subscription") {
  const Channel<int> channel(1);
  Feed<int> feed;
  Puppet producer;
  SubscriptionScope scope;
  const Foreign source;
  const std::vector<Subscription> all = [&] {
    std::vector<Subscription> made;
    made.push_back(feed.Subscribe(channel));
    made.push_back(producer.Subscribe());
    made.push_back(scope.Track(feed.Subscribe(channel)));
    made.push_back(JoinSubscriptions(feed.Subscribe(channel)));
    made.push_back(Resubscribe(
        1h, [&](const std::stop_token&) { return feed.Subscribe(channel); }));
    made.push_back(fanfare::Listen(feed, [](int) {}));
    made.emplace_back();
    return made;
  }();
  const Subscription wrapped = source;
  AwaitThat([&] { return feed.subscriber_count() == 5; });
  feed.Close();
  producer.EndWell();
  source.EndWell();
  for (std::size_t i = 0; i < all.size(); ++i) {
    INFO("number " << i);
    CHECK(TimesEndsFirst(all[i]) == 0);
  }
  // The library does not know what this channel is for.
  CHECK(TimesEndsFirst(wrapped) > 0);
}

// ---------------------------------------------------------------------------
// S10: SelectLoop
// ---------------------------------------------------------------------------

TEST_CASE("S10: the loop ends when its channels are closed and empty") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> one(capacity), two(capacity);
  const Receiver<int> nil;
  const std::stop_source source;
  int sum = 0;
  InThread looping([&] {
    return SelectLoop(OnReceive(nil, [](int) {}), OnReceive(nil, [](int) {}),
                      OnReceive(one, [&](int value) { sum += value; }),
                      OnReceive(two, [&](int value) { sum += 100 * value; }),
                      OnTimeout(1h), OnStop(source.get_token()),
                      OnReceive(nil, [](int) {}));
  });
  for (const int value : {1, 2}) one.Send(value);
  one.Close();
  for (const int value : {3, 4}) two.Send(value);
  two.Close();
  CHECK(looping.Get() == kNoCase);
  CHECK(sum == 703);
}

TEST_CASE("S10: each end of a channel is told once, and the loop goes on") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> one(capacity), two(capacity), three(capacity);
  one.Close();
  std::string log;
  InThread looping([&] {
    return SelectLoop(
        OnReceive(one,
                  [&](std::optional<int> value) { log += value ? "1" : "a"; }),
        OnReceive(
            two, [&](int) { log += "2"; }, [&] { log += "b"; }),
        OnReceive(three,
                  [&](std::optional<int> value) { log += value ? "3" : "c"; }));
  });
  two.Send(1);
  AwaitReceivers(two, 1);
  two.Close();
  three.Send(1);
  AwaitReceivers(three, 1);
  three.Close();
  CHECK(looping.Get() == kNoCase);
  std::sort(log.begin(), log.end());
  CHECK(log == "23abc");
}

TEST_CASE("S10: a case that is left out takes no other with it") {
  // The order in which the cases are tried is random.
  for (int round = 0; round < 20; ++round) {
    const Channel<int> closed(0);
    const Channel<int> quiet(0);
    const Channel<int> busy(0);
    closed.Close();
    int from_quiet = 0;
    int from_busy = 0;
    InThread looping([&] {
      SelectLoop(OnReceive(closed, [](int) {}),
                 OnReceive(quiet, [&](int) { ++from_quiet; }),
                 OnReceive(busy, [&](int) { ++from_busy; }));
    });
    for (int i = 0; i < 20; ++i) busy.Send(i);
    AwaitReceivers(quiet, 1);
    quiet.Send(1);
    AwaitReceivers(quiet, 1);
    quiet.Send(2);
    AwaitReceivers(busy, 1);
    busy.Send(20);
    quiet.Close();
    busy.Close();
    looping.Get();
    CHECK(from_quiet == 2);
    CHECK(from_busy == 21);
  }
}

TEST_CASE("S10: a loop over nothing, or over nil cases, ends at once") {
  Channel<int> closed;
  closed.Close();
  CHECK(SelectLoop() == kNoCase);
  CHECK(SelectLoop(OnReceive(Receiver<int>(), [](int) {}),
                   OnReceive(closed, [](int) {}), OnSend(closed, 1),
                   OnTimeout(1h), OnTimeout(0s)) == kNoCase);
  const std::stop_source source;
  CHECK(SelectLoop(OnReceive(closed, [](int) {}), OnStop(source.get_token())) ==
        kNoCase);
}

TEST_CASE("S10: a send is sent once") {
  const std::size_t capacity = GENERATE(2U, 64U);
  const Channel<MoveOnly> channel(capacity);
  int sent = 0;
  MoveOnly value = Own(7);
  CHECK(SelectLoop(OnSend(channel, std::move(value), [&] { ++sent; }),
                   OnTimeout(1h)) == kNoCase);
  CHECK(sent == 1);
  CHECK(channel.size() == 1);
  // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
  CHECK(value == nullptr);
}

TEST_CASE("S10 S3: a value that the loop did not send is untouched") {
  const Channel<MoveOnly> full, closed;
  const Channel<int> channel(1);
  closed.Close();
  channel.TrySend(1);
  MoveOnly one = Own(7), two = Own(8);
  CHECK(SelectLoop(OnSend(full, std::move(one)), OnSend(closed, std::move(two)),
                   OnReceive(channel, [](int) { return Loop::kBreak; })) == 2);
  // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
  REQUIRE((one != nullptr && two != nullptr));
  CHECK(*one + *two == 15);
}

TEST_CASE("S10: a handler of any case ends the loop by what it returns") {
  const Channel<int> channel(2), closed;
  closed.Close();
  const auto end = [](auto...) { return Loop::kBreak; };
  int values = 0;
  channel.TrySend(1);
  channel.TrySend(2);
  CHECK(SelectLoop(OnReceive(channel, [&](int) {
          return ++values == 2 ? Loop::kBreak : Loop::kContinue;
        })) == 0);
  CHECK(values == 2);
  CHECK(SelectLoop(OnSend(channel, 1, end)) == 0);
  CHECK(SelectLoop(OnTimeout(1us, end)) == 0);
  CHECK(SelectLoop(OnReceive(closed, end), OnTimeout(1h)) == 0);
  CHECK(SelectLoop(OnReceive(
                       closed, [](int) {}, end),
                   OnTimeout(1h)) == 0);
  // Other results mean nothing, nor does this one to Select.
  channel.Close();
  CHECK(SelectLoop(OnReceive(channel, [](int) { return false; })) == kNoCase);
  CHECK(Select(OnTimeout(0s, end)) == 0);
}

TEST_CASE("S10: a stop or an end ends the loop after its handler") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const bool stop = GENERATE(false, true);
  Feed<int> feed;
  const Channel<int> channel(capacity);
  const Subscription subscription = feed.Subscribe(channel);
  std::stop_source source;
  std::string log;
  InThread looping([&] {
    return SelectLoop(
        OnReceive(channel, [&](int value) { log += std::to_string(value); }),
        OnStop(source.get_token(), [&] { log += "stop"; }),
        OnEnd(subscription, [&] {
          log += "end";
          return Loop::kContinue;
        }));
  });
  feed.Send(1);
  feed.Send(2);
  if (stop) {
    AwaitReceivers(channel, 1);
    source.request_stop();
  } else {
    feed.Close();
  }
  CHECK(looping.Get() == (stop ? 1 : 2));
  CHECK(log == (stop ? "12stop" : "12end"));
}

TEST_CASE("S10 S9: a receive from Err() tells once, and the loop goes on") {
  Puppet producer;
  const Subscription subscription = producer.Subscribe();
  const Channel<int> channel(1);
  const bool fails = GENERATE(false, true);
  int errors = 0, ends = 0, values = 0;
  InThread looping([&] {
    return SelectLoop(OnReceive(subscription.Err(),
                                [&](const Error& error) {
                                  ++(error.has_value() ? errors : ends);
                                }),
                      OnReceive(channel, [&](int) { ++values; }));
  });
  AwaitReceivers(subscription.Err(), 1);
  End(producer, subscription, fails);
  channel.Send(1);
  channel.Close();
  CHECK(looping.Get() == kNoCase);
  CHECK(errors == (fails ? 1 : 0));
  CHECK(ends == 1);
  CHECK(values == 1);
}

TEST_CASE("S10 S9: a loop over the receive from an Err() alone ends") {
  Puppet producer;
  const Subscription subscription = producer.Subscribe();
  int calls = 0;
  InThread looping([&] {
    return SelectLoop(
        OnReceive(subscription.Err(), [&](const Error&) { ++calls; }),
        OnTimeout(1h));
  });
  AwaitReceivers(subscription.Err(), 1);
  producer.EndWell();
  CHECK(looping.Get() == kNoCase);
  CHECK(calls == 1);
}

TEST_CASE("S10: a loop of timeouts and stops alone goes on") {
  std::stop_source source;
  int ticks = 0;
  CHECK(SelectLoop(OnTimeout(1us,
                             [&] {
                               if (++ticks == 3) source.request_stop();
                             }),
                   OnStop(source.get_token())) == 1);
  CHECK(ticks >= 3);
}

TEST_CASE("S10 S8: a handler's exception leaves the loop") {
  const Channel<int> channel(2);
  channel.TrySend(1);
  channel.TrySend(2);
  const auto handler = [](int) { throw std::runtime_error("it"); };
  CHECK_THROWS_AS(SelectLoop(OnReceive(channel, handler)), std::runtime_error);
  CHECK(channel.size() == 1);
}

}  // namespace
