// SPDX-License-Identifier: MIT
//
// L1 to L3: Listen, in a thread and in tasks of an executor. What both promise
// is tested for both: `Form` says which.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
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

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/subscriptions.h"

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Listen;
using fanfare::ListenOptions;
using fanfare::Overflow;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::SlowSubscriber;
using fanfare::SubscriberStats;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

namespace {

using Task = std::function<void()>;
using Numbers = std::vector<int>;

// An executor with threads.
class Pool {
 public:
  explicit Pool(int threads) {
    while (threads-- > 0) {
      threads_.emplace_back([tasks = tasks_] {
        for (const Task& task : tasks) task();
      });
    }
  }
  ~Pool() { tasks_.Close(); }

  void Post(Task task) { tasks_.Send(std::move(task)); }

 private:
  Channel<Task> tasks_{1000};
  std::vector<std::jthread> threads_;
};

// An executor that runs a task when the test says so. Copies are the same one.
class Hand {
 public:
  void operator()(Task task) const { tasks_.Send(std::move(task)); }

  [[nodiscard]] std::size_t posted() const { return tasks_.size(); }
  // Runs the first task.
  void Run() const { Take()(); }
  void RunAll() const {
    while (posted() > 0) Run();
  }
  [[nodiscard]] Task Take() const { return tasks_.Receive().value(); }

 private:
  Channel<Task> tasks_{10};
};

// --- The forms ---------------------------------------------------------------

struct InAThread {
  template <typename T, typename Handler>
  Subscription operator()(Feed<T>& feed, Handler&& handler,
                          ListenOptions options = {}) {
    return Listen(feed, std::forward<Handler>(handler), options);
  }
};

template <int kThreads>
struct InTasks {
  template <typename T, typename Handler>
  Subscription operator()(Feed<T>& feed, Handler&& handler,
                          ListenOptions options = {}) {
    return Listen([this](Task task) { pool.Post(std::move(task)); }, feed,
                  std::forward<Handler>(handler), options);
  }

  Pool pool{kThreads};
};

#define EVERY_FORM InAThread, InTasks<1>, InTasks<3>

constexpr std::array<std::size_t, 3> kCapacities = {0, 1, 64};

// --- The product -------------------------------------------------------------

enum class Situation { kIdle, kInHandler, kQueued, kBlocked };
constexpr std::array kSituations = {
    std::pair{Situation::kIdle, "nothing was sent"},
    std::pair{Situation::kInHandler, "in the handler"},
    std::pair{Situation::kQueued, "with values queued"},
    std::pair{Situation::kBlocked, "with a Send that waits for it"},
};

enum class Acts { kOutside, kByFeed, kInside, kThrows };

// What a subscription can be ended through.
struct Held {
  std::unique_ptr<Feed<int>> feed = std::make_unique<Feed<int>>();
  std::unique_ptr<SubscriptionScope> scope =
      std::make_unique<SubscriptionScope>();
  Subscription handle;
};

struct Way {
  const char* name;
  Acts acts;
  void (*end)(Held& held);
  bool tracked = false;
  bool waits = true;  // until the call that runs has returned
};

constexpr std::array kWays = {
    Way{.name = "Unsubscribe",
        .acts = Acts::kOutside,
        .end = [](Held& held) { held.handle.Unsubscribe(); }},
    Way{.name = "RequestUnsubscribe",
        .acts = Acts::kOutside,
        .end = [](Held& held) { held.handle.RequestUnsubscribe(); },
        .waits = false},
    Way{.name = "the end of the handle",
        .acts = Acts::kOutside,
        .end = [](Held& held) { held.handle = Subscription(); }},
    Way{.name = "Close of its scope",
        .acts = Acts::kOutside,
        .end = [](Held& held) { held.scope->Close(); },
        .tracked = true},
    Way{.name = "the end of its scope",
        .acts = Acts::kOutside,
        .end = [](Held& held) { held.scope.reset(); },
        .tracked = true},
    Way{.name = "Close of the feed",
        .acts = Acts::kByFeed,
        .end = [](Held& held) { held.feed->Close(); },
        .waits = false},
    Way{.name = "the end of the feed",
        .acts = Acts::kByFeed,
        .end = [](Held& held) { held.feed.reset(); },
        .waits = false},
    Way{.name = "Unsubscribe inside",
        .acts = Acts::kInside,
        .end = [](Held& held) { held.handle.Unsubscribe(); }},
    Way{.name = "the end of the handle inside",
        .acts = Acts::kInside,
        .end = [](Held& held) { held.handle = Subscription(); }},
    Way{.name = "Close of its scope inside",
        .acts = Acts::kInside,
        .end = [](Held& held) { held.scope->Close(); },
        .tracked = true},
    Way{.name = "an exception",
        .acts = Acts::kThrows,
        .end = [](Held&) { throw std::runtime_error("thrown"); }},
};

// One way in one situation, at one capacity, with an end handler or without.
template <typename Form>
void Try(const Way& way, Situation situation, std::size_t capacity,
         bool has_on_end) {
  const bool by_handler =
      way.acts == Acts::kInside || way.acts == Acts::kThrows;
  const bool idle = situation == Situation::kIdle;
  const bool blocked = situation == Situation::kBlocked;
  if (idle && by_handler) return;  // no handler runs
  if (situation == Situation::kQueued && capacity == 0) return;

  Form listen;
  Held held;
  Numbers handled;
  const Channel<int> entered;
  const Channel<int> go;     // the first call acts
  const Channel<int> acted;  // it has
  const Channel<int> leave;  // the first call returns
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> alive = token;

  constexpr int kEnd = -1;  // what the end handler adds
  std::string end_error = "not called";
  std::function<void(std::exception_ptr)> on_end;
  if (has_on_end) {
    on_end = [&, token](std::exception_ptr error) {
      handled.push_back(kEnd);
      end_error = Text(error);
    };
  }
  held.handle =
      listen(*held.feed,
             [&, token = std::move(token)](int number) {
               handled.push_back(number);
               if (number > 1) return;
               entered.Close();
               static_cast<void>(go.Receive());
               if (by_handler) way.end(held);
               acted.Close();
               static_cast<void>(leave.Receive());
             },
             {.capacity = capacity, .on_end = std::exchange(on_end, nullptr)});
  const auto err = held.handle.Err();
  if (way.tracked) held.handle = held.scope->Track(std::move(held.handle));

  Numbers queued;
  if (!idle) {
    CHECK(held.feed->Send(1) == 1);
    static_cast<void>(entered.Receive());
    queued.push_back(1);
  }
  if (situation == Situation::kQueued || blocked) {
    for (std::size_t i = 0; i < capacity; ++i) {
      queued.push_back(queued.back() + 1);
      CHECK(held.feed->Send(queued.back()) == 1);
    }
  }
  const Channel<int> others(2);
  const Subscription other = held.feed->Subscribe(others);
  std::optional<InThread<std::function<std::size_t()>>> sending;
  if (blocked) {
    sending.emplace([&feed = *held.feed] { return feed.Send(1000); });
    CHECK(others.Receive() == 1000);  // it is this Send's turn
    CHECK(held.feed->TrySend(1001) == 0);
  }

  if (by_handler) {
    go.Close();
    // It returns, though its own call runs.
    if (way.acts == Acts::kInside) {
      static_cast<void>(acted.Receive());
      CHECK_FALSE(err.closed());
    }
    if (blocked) CHECK(sending->Get() == 1);
    leave.Close();
  } else {
    std::atomic<bool> returned = false;
    InThread ending([&] {
      way.end(held);
      returned = true;
    });
    if (blocked) CHECK(sending->Get() == 1);
    if (!way.waits || idle) AwaitThat([&] { return returned.load(); });
    if (!idle) {
      if (way.waits) CHECK(StaysFalse([&] { return returned.load(); }));
      CHECK_FALSE(err.closed());
    }
    // What was asked from outside is asked before the call returns.
    if (!idle && way.acts == Acts::kOutside && held.feed) {
      AwaitThat([&] { return held.feed->subscriber_count() == 1; });
    }
    go.Close();
    leave.Close();
    ending.Get();
    if (way.waits) CHECK(err.closed());
  }
  const bool threw = way.acts == Acts::kThrows;
  if (threw) CHECK(Text(err.Receive()) == "thrown");
  CHECK(Text(err.Receive()) == "closed");
  CHECK(alive.expired());
  if (way.acts != Acts::kByFeed) {
    CHECK(held.feed->subscriber_count() == 1);
    CHECK(held.feed->Send(2000) == 1);
    if (!idle) queued.resize(1);
  }
  held.handle = Subscription();
  const bool calls_on_end = has_on_end && (way.acts == Acts::kByFeed || threw);
  if (calls_on_end) queued.push_back(kEnd);
  CHECK(handled == queued);
  CHECK(end_error == (!calls_on_end ? "not called"
                      : threw       ? "thrown"
                                    : "null"));
}

}  // namespace

TEMPLATE_TEST_CASE("L1 L2 L3: each end in each situation at each capacity", "",
                   EVERY_FORM) {
  for (const Way& way : kWays) {
    for (const auto& [situation, name] : kSituations) {
      for (const std::size_t capacity : kCapacities) {
        for (const bool has_on_end : {false, true}) {
          CAPTURE(way.name, name, capacity, has_on_end);
          Try<TestType>(way, situation, capacity, has_on_end);
        }
      }
    }
  }
}

// --- The handler -------------------------------------------------------------

namespace {

// Counts its copies.
struct Copied {
  static inline std::atomic<int> copies = 0;

  Copied() = default;
  Copied(const Copied& other) : number(other.number) { ++copies; }
  Copied(Copied&&) noexcept = default;
  int number = 0;
};

// Takes a value alone as well as a value and a token.
struct TakesBoth {
  void operator()(int) const { ++*alone; }
  void operator()(int, std::stop_token stop) const {
    if (stop.stop_possible()) ++*with_token;
  }
  std::atomic<int>* alone;
  std::atomic<int>* with_token;
};

std::atomic<int> sum = 0;
void Add(int number) { sum += number; }

// Blocks until the listener has ended.
void AwaitEnd(const Subscription& subscription) {
  static_cast<void>(subscription.Err().Receive());
}

}  // namespace

TEMPLATE_TEST_CASE("L1: values are handled in order and one after the other",
                   "", EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  std::atomic<int> running = 0;
  bool alone = true;
  bool elsewhere = true;
  Numbers handled;
  const Subscription subscription =
      listen(feed, [&, sender = std::this_thread::get_id()](int number) {
        alone = alone && ++running == 1;
        std::this_thread::yield();
        elsewhere = elsewhere && std::this_thread::get_id() != sender;
        handled.push_back(number);
        --running;
      });
  Numbers sent;
  for (int i = 0; i < 1000; ++i) {
    sent.push_back(i);
    CHECK(feed.Send(i) == 1);
  }
  feed.Close();
  AwaitEnd(subscription);
  CHECK(alone);
  CHECK(elsewhere);
  CHECK(handled == sent);
}

TEMPLATE_TEST_CASE("L1: what a handler may take", "", EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  std::atomic<int> alone = 0;
  std::atomic<int> with_token = 0;
  sum = 0;
  std::array subscriptions{
      listen(feed, Add),
      listen(feed, [](const int& number) { sum += number; }),
      listen(feed, [](int&& number) { sum += number; }),
      listen(feed, [](long number) { sum += static_cast<int>(number); }),
      // Its state is its own, and its result is ignored.
      listen(feed, [own = std::make_unique<int>(0)](
                       int number) mutable { return sum += *own += number; }),
      listen(feed, [](int number, const std::stop_token&) { sum += number; }),
      listen(feed, TakesBoth{&alone, &with_token}),
  };
  CHECK(feed.Send(1) == 7);
  CHECK(feed.Send(2) == 7);
  feed.Close();
  for (const Subscription& one : subscriptions) AwaitEnd(one);
  CHECK(sum == 5 * 3 + 1 + 3);
  CHECK(alone == 0);
  CHECK(with_token == 2);
}

TEMPLATE_TEST_CASE("L1: a value is moved to the handler", "", EVERY_FORM) {
  TestType listen;
  Feed<Copied> feed;
  Copied::copies = 0;
  const Subscription subscription = listen(feed, [](Copied) {});
  CHECK(feed.Send(Copied()) == 1);
  feed.Close();
  AwaitEnd(subscription);
  CHECK(Copied::copies == 0);
}

TEMPLATE_TEST_CASE("L1: the capacity is 64 unless another one is said", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered(1);
  const Channel<int> go;
  const auto handler = [&](int) {
    entered.TrySend(1);
    static_cast<void>(go.Receive());
  };
  std::size_t capacity = 64;
  Subscription subscription;
  SECTION("none is said") { subscription = listen(feed, handler); }
  SECTION("three") {
    capacity = 3;
    subscription = listen(feed, handler, {.capacity = capacity});
  }
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  std::size_t taken = 0;
  while (feed.TrySend(1) == 1) ++taken;
  CHECK(taken == capacity);
  go.Close();
}

TEMPLATE_TEST_CASE("L1: two listeners do not wait for each other", "",
                   EVERY_FORM) {
  TestType listen, listen_slowly;
  Feed<int> feed;
  const Channel<int> go;
  const Channel<int> handled(10);
  const Subscription slow =
      listen_slowly(feed, [&](int) { static_cast<void>(go.Receive()); });
  const Subscription fast = listen(feed, [&](int i) { handled.Send(i); });
  for (int i = 0; i < 10; ++i) {
    CHECK(feed.Send(i) == 2);
    CHECK(handled.Receive() == i);
  }
  go.Close();
}

// --- The options -------------------------------------------------------------

TEMPLATE_TEST_CASE("L1 V1: a listener receives what the feed has kept", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed({.replay = 3});
  for (int i = 1; i <= 5; ++i) feed.Send(i);
  Numbers handled;
  const Subscription subscription =
      listen(feed, [&](int number) { handled.push_back(number); },
             {.subscribe = {.replay = 2}});
  CHECK(feed.Send(6) == 1);
  feed.Close();
  AwaitEnd(subscription);
  CHECK(handled == Numbers{4, 5, 6});
}

TEMPLATE_TEST_CASE("L1 O1: a slow listener receives the latest value", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  const Channel<int> go;
  Numbers handled;
  const Subscription subscription =
      listen(feed,
             [&](int number) {
               handled.push_back(number);
               entered.Close();
               static_cast<void>(go.Receive());
             },
             {.capacity = 1, .subscribe = {.overflow = Overflow::kDropOldest}});
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  for (int i = 2; i <= 5; ++i) CHECK(feed.Send(i) == 1);
  go.Close();
  feed.Close();
  AwaitEnd(subscription);
  CHECK(handled == Numbers{1, 5});
}

TEMPLATE_TEST_CASE("L2 O7: a listener that is too slow ends with an error", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  const Channel<int> go;
  Numbers handled;
  const Subscription subscription =
      listen(feed,
             [&](int number) {
               handled.push_back(number);
               entered.Close();
               static_cast<void>(go.Receive());
             },
             {.capacity = 1,
              .subscribe = {.name = "slow", .overflow = Overflow::kEnd}});
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  CHECK(feed.Send(2) == 1);
  CHECK(feed.Send(3) == 0);
  CHECK(feed.subscriber_count() == 0);
  CHECK_FALSE(subscription.ended());
  std::string error = "slow: the subscriber was too slow";
  SECTION("what is queued is handled before") {
    go.Close();
    CHECK(Text(subscription.Err().Receive()).starts_with(error));
    CHECK(handled == Numbers{1, 2});
  }
  SECTION("Unsubscribe discards what is queued and the error") {
    subscription.RequestUnsubscribe();
    go.Close();
    CHECK(Text(subscription.Err().Receive()) == "closed");
    CHECK(handled == Numbers{1});
  }
}

TEMPLATE_TEST_CASE("L1 O2: options that contradict each other", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  CHECK_THROWS_AS(
      listen(feed, [](int) {},
             {.capacity = 0, .subscribe = {.overflow = Overflow::kDropOldest}}),
      std::invalid_argument);
  CHECK(feed.subscriber_count() == 0);
}

TEMPLATE_TEST_CASE("L1 N1: what became of the values of a listener", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  const Channel<int> go;
  const Subscription subscription =
      listen(feed,
             [&](int) {
               entered.Close();
               static_cast<void>(go.Receive());
             },
             {.capacity = 1, .subscribe = {.overflow = Overflow::kDropNewest}});
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  CHECK(feed.Send(2) == 1);
  CHECK(feed.Send(3) == 0);
  const SubscriberStats now = subscription.Stats().value_or(SubscriberStats());
  CHECK(now.delivered == 2);
  CHECK(now.dropped == 1);
  CHECK(now.queued == 1);
  CHECK(now.capacity == 1);
  go.Close();
  feed.Close();
  AwaitEnd(subscription);
  CHECK(subscription.Stats().value_or(SubscriberStats()).delivered == 2);
}

TEST_CASE("L1 N2: a listener is reported with the line of its call") {
  Feed<int> feed;
  const Hand hand;
  const auto line = static_cast<std::uint32_t>(__LINE__);
  const Subscription in_a_thread = Listen(feed, [](int) {});
  const Subscription in_tasks = Listen(hand, feed, [](int) {});
  const auto report = feed.Report();
  REQUIRE(report.size() == 2);
  CHECK(report[0].where.line() == line + 1);
  CHECK(report[1].where.line() == line + 2);
}

// --- The end -----------------------------------------------------------------

TEMPLATE_TEST_CASE("L2: a closed feed ends it without a call", "", EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  feed.Close();
  bool called = false;
  const Subscription subscription = listen(feed, [&](int) { called = true; });
  CHECK(Text(subscription.Err().Receive()) == "closed");
  CHECK_FALSE(called);
}

TEMPLATE_TEST_CASE("L2: Unsubscribe asks the running call to stop", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  bool stopped = false;
  const Subscription subscription =
      listen(feed, [&](int, const std::stop_token& stop) {
        entered.Close();
        WaitForStop(stop);
        stopped = true;
      });
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  subscription.Unsubscribe();
  CHECK(stopped);
}

TEMPLATE_TEST_CASE("L2: the end of the feed asks for no stop", "", EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  const Channel<int> go;
  bool stopped = false;
  const Subscription subscription =
      listen(feed, [&](int, const std::stop_token& stop) {
        entered.Close();
        static_cast<void>(go.Receive());
        stopped = stop.stop_requested();
      });
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  feed.Close();
  go.Close();
  AwaitEnd(subscription);
  CHECK_FALSE(stopped);
}

TEMPLATE_TEST_CASE("L2: what is queued is destroyed when Unsubscribe returns",
                   "", EVERY_FORM) {
  TestType listen;
  Feed<std::shared_ptr<int>> feed;
  const Channel<int> entered;
  const Subscription subscription = listen(
      feed, [&](std::shared_ptr<int>&& value, const std::stop_token& stop) {
        value.reset();
        entered.Close();
        WaitForStop(stop);
      });
  const auto value = std::make_shared<int>();
  for (int i = 0; i < 10; ++i) CHECK(feed.Send(value) == 1);
  static_cast<void>(entered.Receive());
  CHECK(value.use_count() == 10);
  subscription.Unsubscribe();
  CHECK(value.use_count() == 1);
}

TEMPLATE_TEST_CASE("L2: a handler that has unsubscribed may send", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> others(10);
  const Subscription other = feed.Subscribe(others);
  Subscription subscription;
  const Channel<int> subscribed;
  std::size_t taken = 99;
  subscription = listen(feed,
                        [&](int) {
                          static_cast<void>(subscribed.Receive());
                          subscription.Unsubscribe();
                          taken = feed.Send(2);
                        },
                        {.capacity = 0});
  subscribed.Close();
  CHECK(feed.Send(1) == 2);
  AwaitEnd(subscription);
  CHECK(taken == 1);
}

TEMPLATE_TEST_CASE("L2: an exception after Unsubscribe is not reported", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  const Subscription subscription =
      listen(feed, [&](int, const std::stop_token& stop) {
        entered.Close();
        WaitForStop(stop);
        throw std::runtime_error("late");
      });
  const auto err = subscription.Err();
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  subscription.Unsubscribe();
  CHECK(Text(err.Receive()) == "closed");
}

TEMPLATE_TEST_CASE("L2: an exception is reported to a late Err", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Subscription subscription =
      listen(feed, [](int) { throw std::runtime_error("thrown"); });
  CHECK(feed.Send(1) == 1);
  AwaitThat([&] { return subscription.ended(); });
  CHECK(Text(subscription.Err().Receive()) == "thrown");
  CHECK(feed.subscriber_count() == 0);
}

TEMPLATE_TEST_CASE("L1 O7: a listener that is too slow handles what is queued",
                   "", EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  const Channel<int> go;
  Numbers handled;
  const Subscription subscription =
      listen(feed,
             [&](int number) {
               handled.push_back(number);
               entered.Close();
               static_cast<void>(go.Receive());
             },
             {.capacity = 2,
              .subscribe = {.name = "slow", .overflow = Overflow::kEnd}});
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  CHECK(feed.Send(2) == 1);
  CHECK(feed.Send(3) == 1);
  CHECK(feed.Send(4) == 0);
  CHECK(feed.subscriber_count() == 0);
  go.Close();
  AwaitThat([&] { return subscription.ended(); });
  CHECK(handled == Numbers{1, 2, 3});
  const auto error = subscription.Err().Receive();
  REQUIRE(error.has_value());
  CHECK_THROWS_AS(std::rethrow_exception(*error), SlowSubscriber);
}

TEMPLATE_TEST_CASE("L1 O1: a listener has the options of a subscription", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  const Channel<int> go;
  Numbers handled;
  const Subscription subscription = listen(
      feed,
      [&](int number) {
        handled.push_back(number);
        entered.Close();
        static_cast<void>(go.Receive());
      },
      {.capacity = 1,
       .subscribe = {.name = "latest", .overflow = Overflow::kDropOldest}});
  CHECK(feed.Report().at(0).name == "latest");
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  for (int number = 2; number <= 5; ++number) CHECK(feed.Send(number) == 1);
  go.Close();
  feed.Close();
  AwaitEnd(subscription);
  CHECK(handled == Numbers{1, 5});
}

TEMPLATE_TEST_CASE("L2: two threads unsubscribe and both wait", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  const Channel<int> go;
  const Subscription subscription = listen(feed, [&](int) {
    entered.Close();
    static_cast<void>(go.Receive());
  });
  CHECK(feed.Send(1) == 1);
  static_cast<void>(entered.Receive());
  std::atomic<int> returned = 0;
  const auto end = [&] {
    subscription.Unsubscribe();
    const bool ended = subscription.ended();
    ++returned;
    return ended;
  };
  InThread first(end);
  InThread second(end);
  AwaitThat([&] { return feed.subscriber_count() == 0; });
  CHECK(StaysFalse([&] { return returned > 0; }));
  go.Close();
  CHECK(first.Get());
  CHECK(second.Get());
}

TEMPLATE_TEST_CASE("L2: the destructor of a handler may unsubscribe", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  auto subscription = std::make_unique<Subscription>();
  std::atomic<bool> destroyed = false;
  struct Unsubscribing {
    ~Unsubscribing() {
      (*subscription)->Unsubscribe();
      *destroyed = true;
    }
    std::unique_ptr<Subscription>* subscription;
    std::atomic<bool>* destroyed;
  };
  const auto captured = std::make_shared<std::shared_ptr<Unsubscribing>>();
  *captured =
      std::make_shared<Unsubscribing>(Unsubscribing{&subscription, &destroyed});
  destroyed = false;
  *subscription = listen(feed, [captured = std::move(*captured)](int) {});
  SECTION("Close") { feed.Close(); }
  SECTION("Unsubscribe") { subscription->Unsubscribe(); }
  AwaitEnd(*subscription);
  CHECK(destroyed);
}

TEMPLATE_TEST_CASE("L2 R1: a listener in a resubscription", "", EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> handled(10);
  std::atomic<int> established = 0;
  const Subscription all =
      Resubscribe(std::chrono::nanoseconds(1), [&](std::stop_token) {
        Subscription made = listen(feed, [&](int number) {
          if (number < 0) throw std::runtime_error("negative");
          handled.Send(number);
        });
        ++established;
        return made;
      });
  for (int i = 1; i <= 3; ++i) {
    AwaitThat([&] { return established == i; });
    CHECK(feed.Send(i) == 1);
    CHECK(handled.Receive() == i);
    CHECK(feed.Send(-i) == 1);
  }
  all.Unsubscribe();
  CHECK(feed.subscriber_count() == 0);
}

TEMPLATE_TEST_CASE("L2 U3: a handler unsubscribes its resubscription early", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  Subscription all;
  const Channel<int> assigned;
  const Channel<int> unsubscribed;
  all = Resubscribe(std::chrono::hours(1), [&](std::stop_token) {
    Subscription made = listen(feed, [&](int) {
      static_cast<void>(assigned.Receive());
      all.Unsubscribe();
      unsubscribed.Close();
    });
    feed.Send(1);
    static_cast<void>(unsubscribed.Receive());
    return made;
  });
  assigned.Close();
  AwaitEnd(all);
  CHECK(feed.subscriber_count() == 0);
}

TEMPLATE_TEST_CASE("L2: values and ends at the same time", "", EVERY_FORM) {
  TestType listen;
  for (int round = 0; round < 100; ++round) {
    Feed<int> feed;
    std::atomic<int> handled = 0;
    int handled_at_end = -1;
    std::size_t sent = 0;
    Subscription subscription =
        listen(feed, [&](int) { ++handled; },
               {.capacity = 1, .on_end = [&](const std::exception_ptr&) {
                  handled_at_end = handled;
                }});
    InThread sending([&] {
      while (feed.Send(1) == 1) ++sent;
    });
    AwaitThat([&] { return handled > round; });
    const bool whole = round % 2 == 0;
    if (whole) {
      feed.Close();
      AwaitEnd(subscription);
    } else {
      subscription.Unsubscribe();
    }
    sending.Get();
    const auto count = static_cast<std::size_t>(handled.load());
    CHECK(count <= sent);
    if (whole) CHECK(count == sent);
    CHECK(handled_at_end == (whole ? handled.load() : -1));
  }
}

// --- The end handler ---------------------------------------------------------

namespace {

// Why a subscription ends, and what its end handler does then.
enum class Cause { kClosedBefore, kClosed, kDestroyed, kPolicy, kThrown };
enum class Act { kReturns, kThrows, kUnsubscribes, kDropsTheHandle, kSends };

constexpr std::array kCauses = {
    std::pair{Cause::kClosedBefore, "a feed that was closed before"},
    std::pair{Cause::kClosed, "Close of the feed"},
    std::pair{Cause::kDestroyed, "the end of the feed"},
    std::pair{Cause::kPolicy, "a policy"},
    std::pair{Cause::kThrown, "an exception"},
};
constexpr std::array kActs = {
    std::pair{Act::kReturns, "returns"},
    std::pair{Act::kThrows, "throws"},
    std::pair{Act::kUnsubscribes, "unsubscribes"},
    std::pair{Act::kDropsTheHandle, "destroys the handle"},
    std::pair{Act::kSends, "sends"},
};

// `idle`: the listener has no value when the feed ends.
template <typename Form>
void TryEndHandler(Cause cause, Act act, bool idle) {
  const bool by_feed = cause == Cause::kClosed || cause == Cause::kDestroyed;
  if (idle != (cause == Cause::kClosedBefore) && !by_feed) return;
  if (act == Act::kSends && cause == Cause::kDestroyed) return;

  Form listen;
  auto feed = std::make_unique<Feed<int>>();
  const Channel<int> others(10);
  const Subscription other = feed->Subscribe(others);
  if (cause == Cause::kClosedBefore) feed->Close();
  Subscription handle;
  const Channel<int> assigned;  // the handle is
  const Channel<int> entered;
  const Channel<int> go;
  std::vector<std::string> called;
  std::size_t taken = 99;
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> alive = token;
  handle = listen(
      *feed,
      [&](int number) {
        called.push_back(std::to_string(number));
        entered.Close();
        static_cast<void>(go.Receive());
        if (cause == Cause::kThrown) throw std::runtime_error("thrown");
      },
      {.capacity = 1,
       .subscribe = {.name = "slow",
                     .overflow = cause == Cause::kPolicy ? Overflow::kEnd
                                                         : Overflow::kWait},
       .on_end = [&, token = std::exchange(token, nullptr)](
                     const std::exception_ptr& error) {
         static_cast<void>(assigned.Receive());
         called.push_back(Text(error));
         if (handle.ended()) called.push_back("too late");
         if (act == Act::kThrows) throw std::runtime_error("thrown at the end");
         if (act == Act::kUnsubscribes) handle.Unsubscribe();
         if (act == Act::kDropsTheHandle) handle = Subscription();
         if (act == Act::kSends) taken = feed->Send(7);
       }});
  const auto err = handle.Err();

  std::vector<std::string> expected;
  if (!idle) {
    CHECK(feed->Send(1) == 2);
    static_cast<void>(entered.Receive());
    CHECK(feed->Send(2) == 2);
    expected = {"1", "2"};
  }
  if (cause == Cause::kThrown) expected = {"1"};
  if (cause == Cause::kClosed) feed->Close();
  if (cause == Cause::kDestroyed) feed.reset();
  if (cause == Cause::kPolicy) CHECK(feed->Send(3) == 1);
  go.Close();
  CHECK_FALSE(err.closed());
  assigned.Close();

  // The first error, unless it was unsubscribed before its end.
  std::string error = "null";
  if (cause == Cause::kPolicy) {
    error =
        "slow: the subscriber was too slow (1 values in its full channel, no "
        "receive for 0 ms)";
  }
  if (cause == Cause::kThrown) error = "thrown";
  expected.push_back(error);
  if (error == "null") error = "closed";
  if (act == Act::kThrows && error == "closed") error = "thrown at the end";
  if (act == Act::kUnsubscribes || act == Act::kDropsTheHandle)
    error = "closed";
  CHECK(Text(err.Receive()) == error);
  CHECK(Text(err.Receive()) == "closed");
  CHECK(alive.expired());
  CHECK(called == expected);
  const bool closed = cause == Cause::kClosedBefore || cause == Cause::kClosed;
  if (act == Act::kSends) CHECK(taken == (closed ? 0U : 1U));
  if (feed) CHECK(feed->subscriber_count() == (closed ? 0U : 1U));
}

// Whether an end handler was called.
struct Called {
  auto Handler() {
    return [this](const std::exception_ptr&) { ++times; };
  }
  std::atomic<int> times = 0;
};

}  // namespace

TEMPLATE_TEST_CASE("L2 L3 U3: an end handler for each cause does each thing",
                   "", EVERY_FORM) {
  for (const auto& [cause, why] : kCauses) {
    for (const auto& [act, what] : kActs) {
      for (const bool idle : {false, true}) {
        CAPTURE(why, what, idle);
        TryEndHandler<TestType>(cause, act, idle);
      }
    }
  }
}

TEMPLATE_TEST_CASE("L2: Unsubscribe waits for an end handler that runs", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> entered;
  const Channel<int> go;
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> alive = token;
  const bool throws = GENERATE(false, true);
  Subscription subscription =
      listen(feed, [](int) { throw std::runtime_error("thrown"); },
             {.on_end = [&, token = std::exchange(token, nullptr)](
                            const std::exception_ptr&) {
               entered.Close();
               static_cast<void>(go.Receive());
             }});
  if (throws) {
    CHECK(feed.Send(1) == 1);
  } else {
    feed.Close();
  }
  static_cast<void>(entered.Receive());
  const auto err = subscription.Err();
  std::atomic<bool> returned = false;
  const bool drops = GENERATE(false, true);
  InThread ending([&] {
    if (drops) {
      subscription = Subscription();
    } else {
      subscription.Unsubscribe();
    }
    returned = true;
  });
  CHECK(StaysFalse([&] { return returned.load(); }));
  CHECK_FALSE(err.closed());
  CHECK_FALSE(alive.expired());
  go.Close();
  ending.Get();
  CHECK(alive.expired());
  CHECK(err.closed());
}

TEMPLATE_TEST_CASE("L2: no Send waits for a listener at its end", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<std::shared_ptr<int>> feed;
  const std::size_t capacity = GENERATE(0U, 1U);
  const Channel<int> entered;
  const Channel<int> go;
  const Channel<int> ends;
  const Channel<int> leave;
  auto value = std::make_shared<int>();
  long users = 0;
  const Subscription subscription =
      listen(feed,
             [&](const std::shared_ptr<int>&) {
               entered.Close();
               static_cast<void>(go.Receive());
               throw std::runtime_error("thrown");
             },
             {.capacity = capacity, .on_end = [&](const std::exception_ptr&) {
                users = value.use_count();
                ends.Close();
                static_cast<void>(leave.Receive());
              }});
  CHECK(feed.Send(value) == 1);
  static_cast<void>(entered.Receive());
  std::optional<InThread<std::function<std::size_t()>>> sending;
  if (capacity == 0) {
    sending.emplace([&feed] { return feed.Send(nullptr); });
    AwaitThat([&] { return feed.Report().at(0).stats.blocks; });
  } else {
    CHECK(feed.Send(value) == 1);
  }
  go.Close();
  static_cast<void>(ends.Receive());
  if (sending) CHECK(sending->Get() == 0);
  CHECK(feed.subscriber_count() == 0);
  CHECK(users == 1);  // nothing is queued
  CHECK_FALSE(subscription.ended());
  leave.Close();
  CHECK(Text(subscription.Err().Receive()) == "thrown");
}

// It waits for others as any thread does, which is no deadlock.
TEMPLATE_TEST_CASE("L2: an end handler sends while another Send is blocked", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  const Channel<int> begin;
  std::size_t taken = 99;
  const Subscription subscription =
      listen(feed, [](int) { throw std::runtime_error("thrown"); },
             {.capacity = 0, .on_end = [&](const std::exception_ptr&) {
                static_cast<void>(begin.Receive());
                taken = feed.Send(3);
              }});
  CHECK(feed.Send(1) == 1);
  AwaitThat([&] { return feed.subscriber_count() == 0; });
  const Channel<int> slow;
  const Subscription other = feed.Subscribe(slow);
  InThread sending([&] { return feed.Send(2); });
  AwaitThat([&] { return feed.Report().at(0).stats.blocks; });
  begin.Close();
  AwaitThat([&] { return feed.waiting_senders() == 1; });
  CHECK(slow.Receive() == 2);
  CHECK(sending.Get() == 1);
  CHECK(slow.Receive() == 3);
  CHECK(Text(subscription.Err().Receive()) == "thrown");
  CHECK(taken == 1);
}

TEMPLATE_TEST_CASE("L2: a request comes before the end handler or not at all",
                   "", EVERY_FORM) {
  TestType listen;
  for (int round = 0; round < 200; ++round) {
    Feed<int> feed;
    Called called;
    Subscription subscription =
        listen(feed, [](int) {}, {.on_end = called.Handler()});
    if (round % 2 == 0) feed.Send(1);
    InThread closing([&] { feed.Close(); });
    subscription.Unsubscribe();
    const int then = called.times;
    closing.Get();
    CHECK(then <= 1);
    CHECK(called.times == then);
  }
}

TEST_CASE("L2: an end handler is copied for its options alone") {
  struct Throwing {
    explicit Throwing(Called& called) : times(&called.times) {}
    Throwing(const Throwing& other)
        : times(other.times), copies(other.copies + 1) {
      if (copies == 2) throw std::runtime_error("no copy");
    }
    void operator()(const std::exception_ptr&) const { ++*times; }
    std::atomic<int>* times;
    int copies = 0;
  };
  Feed<int> feed;
  const Hand hand;
  Called called;
  ListenOptions options;
  const Throwing on_end(called);
  options.on_end = on_end;
  const auto handler = [](int) {};
  CHECK_THROWS_AS(Listen(feed, handler, options), std::runtime_error);
  CHECK_THROWS_AS(Listen(hand, feed, handler, options), std::runtime_error);
  CHECK(feed.subscriber_count() == 0);
  const Subscription in_a_thread = Listen(feed, handler, std::move(options));
  const Subscription in_tasks =
      Listen(hand, feed, handler, {.on_end = Throwing(called)});
  feed.Close();
  AwaitEnd(in_a_thread);
  hand.RunAll();
  CHECK(called.times == 2);
}

TEMPLATE_TEST_CASE("L2 R1: an end handler in a resubscription", "",
                   EVERY_FORM) {
  TestType listen;
  Feed<int> feed;
  std::atomic<int> established = 0;
  Called called;
  const Subscription all =
      Resubscribe(std::chrono::nanoseconds(1), [&](std::stop_token) {
        Subscription made =
            listen(feed, [](int) { throw std::runtime_error("thrown"); },
                   {.on_end = called.Handler()});
        ++established;
        return made;
      });
  for (int i = 1; i <= 3; ++i) {
    AwaitThat([&] { return established == i; });
    CHECK(called.times == i - 1);
    CHECK(feed.Send(1) == 1);
  }
  AwaitThat([&] { return established == 4; });
  all.Unsubscribe();
  CHECK(called.times == 3);
}

namespace {

enum class Ended { kBefore, kIdle, kDestroyed, kAfterAValue };

// Ends the feed when the listener that `make` makes is idle.
template <typename Make>
Subscription EndIdle(Ended how, std::unique_ptr<Feed<int>>& feed, Make make) {
  if (how == Ended::kBefore) feed->Close();
  Subscription subscription = make();
  if (how == Ended::kIdle) feed->Close();
  if (how == Ended::kDestroyed) feed.reset();
  return subscription;
}

}  // namespace

TEST_CASE("L3: the end of an idle listener posts a task for its end handler") {
  const auto how = GENERATE(Ended::kBefore, Ended::kIdle, Ended::kDestroyed,
                            Ended::kAfterAValue);
  CAPTURE(static_cast<int>(how));
  auto feed = std::make_unique<Feed<int>>();
  Hand hand;
  Called called;
  Subscription subscription = EndIdle(how, feed, [&] {
    return Listen(hand, *feed, [](int) {}, {.on_end = called.Handler()});
  });
  const auto err = subscription.Err();
  if (how == Ended::kAfterAValue) {
    CHECK(feed->Send(1) == 1);
    hand.Run();
    CHECK(hand.posted() == 0);
    feed->Close();
  }
  CHECK(hand.posted() == 1);
  CHECK(called.times == 0);
  CHECK_FALSE(subscription.ended());
  const Task task = hand.Take();
  int times = 0;
  SECTION("it runs") {
    task();
    times = 1;
  }
  SECTION("it is unsubscribed before") { subscription.Unsubscribe(); }
  SECTION("its end is requested before") { subscription.RequestUnsubscribe(); }
  SECTION("its handle is destroyed before") { subscription = Subscription(); }
  CHECK(err.drained());
  task();
  CHECK(called.times == times);
  CHECK(hand.posted() == 0);
}

TEST_CASE("L3: the task of the last values calls the end handler") {
  Feed<int> feed;
  Hand hand;
  int handled = 0;
  Called called;
  const Subscription subscription =
      Listen(hand, feed, [&](int) { ++handled; },
             {.capacity = 100, .on_end = called.Handler()});
  // How many tasks: the channel is found closed in the last one.
  std::size_t values = 0;
  int tasks = 1;
  SECTION("one value") { values = 1; }
  SECTION("63 values") { values = 63; }
  SECTION("64 values") { values = 64, tasks = 2; }
  SECTION("65 values") { values = 65, tasks = 2; }
  for (std::size_t i = 0; i < values; ++i) CHECK(feed.Send(0) == 1);
  feed.Close();
  while (tasks-- > 0) {
    CHECK(called.times == 0);
    CHECK(hand.posted() == 1);
    hand.Run();
  }
  CHECK(handled == static_cast<int>(values));
  CHECK(called.times == 1);
  CHECK(subscription.ended());
  CHECK(hand.posted() == 0);
}

TEST_CASE("L3: Unsubscribe posts no task for an end handler") {
  Feed<int> feed;
  Hand hand;
  Called called;
  Subscription subscription =
      Listen(hand, feed, [](int) {}, {.on_end = called.Handler()});
  const auto err = subscription.Err();
  SECTION("Unsubscribe") { subscription.Unsubscribe(); }
  SECTION("RequestUnsubscribe") { subscription.RequestUnsubscribe(); }
  SECTION("the end of the handle") { subscription = Subscription(); }
  CHECK(err.drained());
  CHECK(hand.posted() == 0);
  CHECK(called.times == 0);
}

TEST_CASE("L3: an executor that does not run the task for the end handler") {
  const auto how = GENERATE(Ended::kBefore, Ended::kIdle, Ended::kDestroyed);
  const bool throws = GENERATE(false, true);
  CAPTURE(static_cast<int>(how), throws);
  auto feed = std::make_unique<Feed<int>>();
  Called called;
  const auto executor = [&](const Task&) {
    if (throws) throw std::runtime_error("no task");
  };
  const Subscription subscription = EndIdle(how, feed, [&] {
    return Listen(executor, *feed, [](int) {}, {.on_end = called.Handler()});
  });
  CHECK(subscription.ended());
  CHECK(
      Text(subscription.Err().Receive()) ==
      (throws
           ? "no task"
           : "fanfare: the executor has destroyed a task that it had not run"));
  CHECK(called.times == 0);
}

TEST_CASE("L3: an executor throws while the task runs elsewhere to the end") {
  Feed<int> feed;
  std::optional<Pool> pool(1);
  const Channel<int> entered;
  const Channel<int> thrown;
  Called called;
  std::string expected = "of the executor";
  bool in_end_handler = false;
  bool handler_throws = false;
  SECTION("in the handler") {}
  SECTION("in the handler, which throws") { handler_throws = true; }
  SECTION("in the end handler") { in_end_handler = true; }
  SECTION("in the end handler, after an error") {
    in_end_handler = true;
    handler_throws = true;
    expected = "of the handler";
  }
  const auto act = [&] {
    entered.Close();
    static_cast<void>(thrown.Receive());
  };
  bool first = true;
  const Subscription subscription = Listen(
      [&](Task task) {
        pool->Post(std::move(task));
        if (!std::exchange(first, false)) return;
        static_cast<void>(entered.Receive());
        throw std::runtime_error("of the executor");
      },
      feed,
      [&](int) {
        if (!in_end_handler) act();
        if (handler_throws) throw std::runtime_error("of the handler");
      },
      {.on_end = [&](const std::exception_ptr&) {
        ++called.times;
        act();
      }});
  const auto err = subscription.Err();
  if (!handler_throws && in_end_handler) {
    feed.Close();
  } else {
    CHECK(feed.Send(1) == 1);
  }
  CHECK_FALSE(err.closed());
  thrown.Close();
  CHECK(Text(err.Receive()) == expected);
  CHECK(Text(err.Receive()) == "closed");
  CHECK(called.times == (in_end_handler ? 1 : 0));
}

TEST_CASE("L3: an executor runs the task for the end handler inside the call") {
  auto feed = std::make_unique<Feed<int>>();
  const Channel<int> others(1);
  const Subscription other = feed->Subscribe(others);
  Subscription subscription;
  Called called;
  bool ended = false;
  const auto executor = [](const Task& task) { task(); };
  const auto make = [&](auto handler) {
    return Listen(executor, *feed, handler,
                  {.on_end = [&](const std::exception_ptr&) {
                    ++called.times;
                    if (!subscription) return;  // Listen() has not returned
                    ended = subscription.ended();
                    subscription.Unsubscribe();
                  }});
  };
  const auto handler = [](int) {};
  SECTION("within Close") {
    subscription = make(handler);
    feed->Close();
  }
  SECTION("within the end of the feed") {
    subscription = make(handler);
    feed.reset();
  }
  SECTION("within Send") {
    subscription = make([](int) { throw std::runtime_error("thrown"); });
    CHECK(feed->Send(1) == 2);
  }
  SECTION("within Listen") {
    feed->Close();
    subscription = make(handler);
  }
  CHECK(called.times == 1);
  CHECK_FALSE(ended);
  CHECK(subscription.ended());
}

// --- Tasks -------------------------------------------------------------------

TEST_CASE("L3: no task is posted while nothing is queued") {
  Feed<int> feed;
  Hand hand;
  Numbers handled;
  const Subscription subscription =
      Listen(hand, feed, [&](int number) { handled.push_back(number); });
  CHECK(hand.posted() == 0);
  for (int i = 0; i < 3; ++i) {
    CHECK(feed.Send(i) == 1);
    CHECK(hand.posted() == 1);
    CHECK(handled.size() == static_cast<std::size_t>(i));
    hand.Run();
    CHECK(hand.posted() == 0);
  }
  CHECK(handled == Numbers{0, 1, 2});
}

TEST_CASE("L3: one task is posted for many values") {
  Feed<int> feed;
  Hand hand;
  int handled = 0;
  const Subscription subscription = Listen(hand, feed, [&](int) { ++handled; });
  for (int i = 0; i < 64; ++i) {
    CHECK(feed.Send(i) == 1);
    CHECK(hand.posted() == 1);
  }
  hand.Run();
  CHECK(handled == 64);
}

TEST_CASE("L3: a task handles 64 values and posts the next one") {
  Feed<int> feed;
  Hand hand;
  int handled = 0;
  const Subscription subscription =
      Listen(hand, feed, [&](int) { ++handled; }, {.capacity = 200});
  for (int i = 0; i < 150; ++i) CHECK(feed.Send(i) == 1);
  for (const int expected : {64, 128, 150}) {
    CHECK(hand.posted() == 1);
    hand.Run();
    CHECK(handled == expected);
  }
  CHECK(hand.posted() == 0);
  // The other way round: the channel is found empty after 64.
  for (int i = 0; i < 64; ++i) CHECK(feed.Send(i) == 1);
  hand.Run();
  CHECK(handled == 150 + 64);
  hand.RunAll();
  CHECK(feed.Send(1) == 1);
  CHECK(hand.posted() == 1);
}

TEST_CASE("L3: the last call of a task unsubscribes") {
  Feed<int> feed;
  Hand hand;
  int handled = 0;
  Subscription subscription;
  subscription = Listen(hand, feed,
                        [&](int) {
                          if (++handled == 64) subscription.Unsubscribe();
                        },
                        {.capacity = 200});
  for (int i = 0; i < 150; ++i) CHECK(feed.Send(i) == 1);
  hand.Run();
  CHECK(handled == 64);
  CHECK(subscription.ended());
  CHECK(hand.posted() == 0);
}

TEST_CASE("L3: never two calls at once and never two tasks posted") {
  Feed<int> feed;
  std::atomic<int> posted = 0;
  std::atomic<int> running = 0;
  std::atomic<bool> alone = true;
  int handled = 0;
  std::optional<Pool> pool(3);
  const auto executor = [&](Task task) {
    if (++posted > 1) alone = false;
    pool->Post([&posted, task = std::move(task)] {
      --posted;
      task();
    });
  };
  std::size_t capacity = 0;
  SECTION("capacity 0") {}
  SECTION("capacity 1") { capacity = 1; }
  SECTION("capacity 100") { capacity = 100; }
  const Subscription subscription = Listen(executor, feed,
                                           [&](int) {
                                             if (++running > 1) alone = false;
                                             ++handled;
                                             --running;
                                           },
                                           {.capacity = capacity});
  for (int i = 0; i < 1000; ++i) feed.Send(i);
  feed.Close();
  AwaitEnd(subscription);
  pool.reset();
  CHECK(handled == 1000);
  CHECK(alone);
}

TEST_CASE("L3: Unsubscribe does not wait for a task that is posted") {
  Feed<int> feed;
  Hand hand;
  bool called = false;
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> alive = token;
  Subscription subscription = Listen(
      hand, feed, [&called, token = std::move(token)](int) { called = true; });
  const auto err = subscription.Err();
  CHECK(feed.Send(1) == 1);
  CHECK(feed.Send(2) == 1);
  CHECK(hand.posted() == 1);
  SECTION("Unsubscribe") { subscription.Unsubscribe(); }
  SECTION("RequestUnsubscribe") { subscription.RequestUnsubscribe(); }
  SECTION("the end of the handle") { subscription = Subscription(); }
  CHECK(err.drained());
  CHECK(alive.expired());
  CHECK(feed.subscriber_count() == 0);
  hand.Run();
  CHECK_FALSE(called);
}

TEST_CASE("L3: Unsubscribe of an idle listener needs no task") {
  Feed<int> feed;
  Hand hand;
  Subscription subscription = Listen(hand, feed, [](int) {});
  const auto err = subscription.Err();
  SECTION("nothing was sent") {}
  SECTION("a task has run") {
    CHECK(feed.Send(1) == 1);
    hand.Run();
  }
  SECTION("the feed is closed") {
    feed.Close();
    CHECK(err.drained());
  }
  subscription.Unsubscribe();
  CHECK(err.drained());
  CHECK(hand.posted() == 0);
}

TEST_CASE("L3: a feed that was closed before needs no task") {
  Feed<int> feed;
  feed.Close();
  Hand hand;
  const Subscription subscription = Listen(hand, feed, [](int) {});
  CHECK(subscription.ended());
  CHECK(hand.posted() == 0);
}

TEST_CASE("L3: what is queued is handled in tasks after the feed is closed") {
  auto feed = std::make_unique<Feed<int>>();
  Hand hand;
  int handled = 0;
  const Subscription subscription =
      Listen(hand, *feed, [&](int) { ++handled; }, {.capacity = 100});
  for (int i = 0; i < 100; ++i) CHECK(feed->Send(i) == 1);
  SECTION("closed") { feed->Close(); }
  SECTION("destroyed") { feed.reset(); }
  CHECK(handled == 0);
  CHECK_FALSE(subscription.ended());
  hand.Run();
  CHECK(handled == 64);
  CHECK_FALSE(subscription.ended());
  hand.Run();
  CHECK(handled == 100);
  CHECK(subscription.ended());
  CHECK(hand.posted() == 0);
}

TEST_CASE("L3: capacity 0 takes one value at once and the next in a task") {
  Feed<int> feed;
  Hand hand;
  Numbers handled;
  const Subscription subscription =
      Listen(hand, feed, [&](int number) { handled.push_back(number); },
             {.capacity = 0});
  CHECK(feed.Send(1) == 1);
  CHECK(feed.TrySend(2) == 0);
  InThread sending([&] { return feed.Send(3); });
  AwaitThat([&] {
    hand.RunAll();
    return handled.size() == 2;
  });
  CHECK(sending.Get() == 1);
  CHECK(handled == Numbers{1, 3});
}

TEST_CASE("L3: an executor that throws ends the subscription") {
  Feed<int> feed;
  const Channel<int> others(300);
  const Subscription before = feed.Subscribe(others);
  Hand hand;
  int left = 0;
  int handled = 0;
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> alive = token;
  const auto make = [&](auto&& captured) {
    return Listen(
        [&hand, &left, captured](Task task) {
          if (left-- == 0) throw std::runtime_error("no task");
          hand(std::move(task));
        },
        feed, [&handled, captured](int) { ++handled; }, {.capacity = 200});
  };
  Subscription subscription;
  SECTION("at the first value") {
    subscription = make(std::exchange(token, nullptr));
    const Subscription after = feed.Subscribe(others);
    CHECK(feed.Send(1) == 3);
  }
  SECTION("at a later value") {
    left = 1;
    subscription = make(std::exchange(token, nullptr));
    CHECK(feed.Send(1) == 2);
    hand.Run();
    CHECK(feed.Send(2) == 2);
    CHECK(handled == 1);
  }
  SECTION("in a task") {
    left = 1;
    subscription = make(std::exchange(token, nullptr));
    for (int i = 0; i < 150; ++i) CHECK(feed.Send(i) == 2);
    hand.Run();
    CHECK(handled == 64);
  }
  CHECK(subscription.ended());
  CHECK(Text(subscription.Err().Receive()) == "no task");
  CHECK(alive.expired());
  CHECK(feed.subscriber_count() == 1);
  CHECK(feed.Send(3) == 1);
}

TEST_CASE("L3: an executor that throws though it has the task") {
  Feed<int> feed;
  std::vector<Task> tasks;
  int handled = 0;
  bool runs = false;
  const auto executor = [&](Task task) {
    tasks.push_back(std::move(task));
    if (runs) tasks.back()();
    throw std::runtime_error("thrown");
  };
  SECTION("it runs it later") {}
  SECTION("it has run it") { runs = true; }
  const Subscription subscription =
      Listen(executor, feed, [&](int) { ++handled; });
  CHECK(feed.Send(1) == 1);
  CHECK(Text(subscription.Err().Receive()) == "thrown");
  CHECK(handled == (runs ? 1 : 0));
  tasks.back()();
  CHECK(handled == (runs ? 1 : 0));
  CHECK(feed.subscriber_count() == 0);
}

TEST_CASE("L3: an executor that throws while the task runs elsewhere") {
  Feed<int> feed;
  std::optional<Pool> pool(1);
  const Channel<int> entered;
  const Channel<int> go;
  const Subscription subscription = Listen(
      [&](Task task) {
        pool->Post(std::move(task));
        static_cast<void>(entered.Receive());
        throw std::runtime_error("thrown");
      },
      feed,
      [&](int) {
        entered.Close();
        static_cast<void>(go.Receive());
      });
  const auto err = subscription.Err();
  CHECK(feed.Send(1) == 1);
  CHECK(feed.Send(2) == 1);
  CHECK_FALSE(err.closed());
  go.Close();
  CHECK(Text(err.Receive()) == "thrown");
}

TEST_CASE("L3: an executor that destroys a task ends the subscription") {
  Feed<int> feed;
  Hand hand;
  int handled = 0;
  Subscription subscription;
  const auto on_value = [&](int) { ++handled; };
  SECTION("later") {
    subscription = Listen(hand, feed, on_value);
    CHECK(feed.Send(1) == 1);
    Task copy = hand.Take();
    const Task other = copy;
    copy = nullptr;
    CHECK_FALSE(subscription.ended());
    hand(other);
    static_cast<void>(hand.Take());
    CHECK_FALSE(subscription.ended());  // `other` is left
  }
  SECTION("inside its call") {
    subscription = Listen([](const Task&) {}, feed, on_value);
    CHECK(feed.Send(1) == 1);
  }
  SECTION("not the first one") {
    subscription = Listen(hand, feed, on_value);
    CHECK(feed.Send(1) == 1);
    hand.Run();
    CHECK(handled == 1);
    CHECK(feed.Send(1) == 1);
    static_cast<void>(hand.Take());
  }
  CHECK(Text(subscription.Err().Receive()) ==
        "fanfare: the executor has destroyed a task that it had not run");
  CHECK(handled <= 1);
  CHECK(feed.subscriber_count() == 0);
}

TEST_CASE("L3: a task that runs twice has run once") {
  Feed<int> feed;
  Hand hand;
  int handled = 0;
  const Subscription subscription = Listen(hand, feed, [&](int) { ++handled; });
  CHECK(feed.Send(1) == 1);
  const Task task = hand.Take();
  task();
  task();
  CHECK(handled == 1);
  CHECK_FALSE(subscription.ended());
  CHECK(feed.Send(2) == 1);
  hand.Run();
  CHECK(handled == 2);
}

TEST_CASE("L3: a task may outlive everything") {
  Hand hand;
  std::optional<Feed<int>> feed(std::in_place);
  std::optional<Subscription> subscription(Listen(hand, *feed, [](int) {}));
  CHECK(feed->Send(1) == 1);
  SECTION("the feed first") {
    feed.reset();
    subscription.reset();
  }
  SECTION("the subscription first") {
    subscription.reset();
    feed.reset();
  }
  hand.RunAll();
}

TEST_CASE("L3: an executor that runs the task inside the call") {
  Feed<int> feed;
  Numbers handled;
  Subscription subscription;
  const auto executor = [](const Task& task) { task(); };
  SECTION("it handles the value within Send") {
    subscription =
        Listen(executor, feed, [&](int number) { handled.push_back(number); });
    for (int i = 1; i <= 3; ++i) {
      CHECK(feed.Send(i) == 1);
      CHECK(handled.size() == static_cast<std::size_t>(i));
    }
  }
  SECTION("it unsubscribes") {
    subscription = Listen(executor, feed, [&](int number) {
      handled.push_back(number);
      if (number == 3) subscription.Unsubscribe();
    });
    CHECK(feed.Send(1) == 1);
    CHECK(feed.Send(2) == 1);
    CHECK(feed.Send(3) == 1);
    CHECK(feed.Send(4) == 0);
    CHECK(subscription.ended());
  }
  CHECK(handled == Numbers{1, 2, 3});
}

TEST_CASE("L3: an executor that unsubscribes") {
  Feed<int> feed;
  Hand hand;
  Subscription subscription;
  bool called = false;
  subscription = Listen(
      [&](Task task) {
        hand(std::move(task));
        subscription.Unsubscribe();
      },
      feed, [&](int) { called = true; });
  const auto err = subscription.Err();
  CHECK(feed.Send(1) == 1);
  CHECK(err.drained());
  hand.Run();
  CHECK_FALSE(called);
}

TEST_CASE("L3: Unsubscribe waits for a call of the executor") {
  Feed<int> feed;
  const Channel<int> entered;
  const Channel<int> go;
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> alive = token;
  const Subscription subscription = Listen(
      [&, token = std::move(token)](const Task&) {
        entered.Close();
        static_cast<void>(go.Receive());
      },
      feed, [](int) {});
  InThread sending([&] { return feed.Send(1); });
  static_cast<void>(entered.Receive());
  std::atomic<bool> returned = false;
  InThread ending([&] {
    subscription.Unsubscribe();
    returned = true;
  });
  AwaitThat([&] { return feed.subscriber_count() == 0; });
  CHECK(StaysFalse([&] { return returned.load(); }));
  CHECK_FALSE(alive.expired());
  go.Close();
  ending.Get();
  CHECK(alive.expired());
  CHECK(subscription.ended());
  CHECK(sending.Get() == 1);
}

TEST_CASE("L3: a listener is unsubscribed during a Send that delivers to it") {
  // By the copy of the value, which the sender makes in its turn.
  struct Copying {
    Copying(const std::function<void()>* made) : on_copy(made) {}
    Copying(const Copying& other) : on_copy(other.on_copy) { (*on_copy)(); }
    Copying(Copying&&) noexcept = default;
    const std::function<void()>* on_copy;
  };
  Feed<Copying> feed;
  Hand hand;
  bool called = false;
  Subscription subscription =
      Listen(hand, feed, [&](const Copying&) { called = true; });
  const Channel<Copying> others(2);
  const Subscription other = feed.Subscribe(others);
  const Subscription another = feed.Subscribe(others);
  const auto err = subscription.Err();
  int copies = 0;
  bool ended = false;
  const std::function<void()> on_copy = [&] {
    // The second one is made after the delivery to the listener.
    if (++copies != 3) return;
    subscription.Unsubscribe();
    ended = err.drained();
  };
  const Copying value(&on_copy);
  CHECK(feed.Send(value) == 3);
  CHECK(ended);
  hand.RunAll();
  CHECK_FALSE(called);
}

TEST_CASE("L3: a task is posted though the Send waits for another one") {
  Feed<int> feed;
  Hand hand;
  int handled = 0;
  const auto on_value = [&](int) { ++handled; };
  const Channel<int> stuck;
  Subscription subscription;
  const Subscription other = feed.Subscribe(stuck);
  SECTION("it is handled meanwhile") {
    subscription = Listen(hand, feed, on_value);
    InThread sending([&] { return feed.Send(1); });
    AwaitThat([&] { return hand.posted() == 1; });
    hand.Run();
    CHECK(handled == 1);
    other.Unsubscribe();
    CHECK(sending.Get() == 1);
  }
  SECTION("it unsubscribes meanwhile") {
    subscription = Listen(hand, feed, [&](int) { subscription.Unsubscribe(); });
    InThread sending([&] { return feed.Send(1); });
    AwaitThat([&] { return hand.posted() == 1; });
    hand.Run();
    CHECK(subscription.ended());
    CHECK(feed.subscriber_count() == 1);
    CHECK(stuck.Receive() == 1);
    CHECK(sending.Get() == 2);
  }
  SECTION("inside the executor's call") {
    subscription = Listen([](const Task& task) { task(); }, feed,
                          [&](int) {
                            ++handled;
                            subscription.Unsubscribe();
                            other.Unsubscribe();
                          });
    CHECK(feed.Send(1) == 1);
    CHECK(handled == 1);
    CHECK(feed.subscriber_count() == 0);
  }
  SECTION("the executor throws meanwhile") {
    subscription = Listen(
        [&](const Task&) {
          other.RequestUnsubscribe();
          throw std::runtime_error("thrown");
        },
        feed, on_value);
    CHECK(feed.Send(1) == 1);
    CHECK(Text(subscription.Err().Receive()) == "thrown");
    CHECK(feed.subscriber_count() == 0);
  }
}

TEST_CASE("L3: nothing of it blocks the only thread of an executor") {
  Feed<int> feed;
  Pool pool(1);
  const auto executor = [&](Task task) { pool.Post(std::move(task)); };
  std::atomic<int> handled = 0;
  std::vector<Subscription> subscriptions;
  for (int i = 0; i < 100; ++i) {
    subscriptions.push_back(
        Listen(executor, feed, [&](int) { ++handled; }, {.capacity = 1}));
  }
  for (int i = 0; i < 100; ++i) CHECK(feed.Send(i) == 100);
  feed.Close();
  for (const Subscription& one : subscriptions) AwaitEnd(one);
  CHECK(handled == 100 * 100);
  // Nor does what is unsubscribed in a task of its own.
  const Channel<int> done;
  Feed<int> other;
  Subscription idle = Listen(executor, other, [](int) {});
  Subscription posted = Listen(executor, other, [](int) {});
  pool.Post([&] {
    other.Send(1);
    posted.Unsubscribe();
    idle = Subscription();
    done.Close();
  });
  static_cast<void>(done.Receive());
  CHECK(posted.ended());
}

TEST_CASE("L3 U3: an executor that owns the subscription ends with it") {
  struct Owner {
    Subscription subscription;
  };
  std::optional<Feed<int>> feed(std::in_place);
  auto owner = std::make_shared<Owner>();
  const std::weak_ptr<Owner> alive = owner;
  owner->subscription =
      Listen([owner](const Task& task) { task(); }, *feed, [](int) {});
  owner.reset();
  CHECK(feed->Send(1) == 1);
  feed.reset();
  CHECK(alive.expired());
}

// What waits for what a wake-up does, from inside of user code that a Send
// calls before it waits: a handler of a listener, or a stall handler.
TEST_CASE("L3 N4: a wake-up is not deferred while a Send calls user code") {
  const bool stall = GENERATE(false, true);
  CAPTURE(stall);
  Pool pool(1);
  Feed<int> questions;
  const Channel<int> answers(1);
  const Subscription answering =
      Listen([&](auto task) { pool.Post(std::move(task)); }, questions,
             [&](int value) { answers.Send(value + 1); });
  std::vector<int> answered;
  const auto ask = [&](int value) {
    questions.Send(value);
    answered.push_back(answers.Receive().value());
  };

  std::optional<Subscription> blocking;
  Feed<int> feed(
      fanfare::FeedOptions{.stall_after = std::chrono::milliseconds(1),
                           .on_stall = [&](const auto&) {
                             if (stall) ask(7);
                             blocking->Unsubscribe();
                           }});
  const Channel<int> full(0);
  blocking = feed.Subscribe(full);
  // The executor runs the task at once.
  const Subscription asking = Listen([](auto task) { task(); }, feed,
                                     [&](int value) {
                                       if (!stall) ask(value);
                                     });
  CHECK(feed.Send(7) == 1);
  CHECK(answered == Numbers{8});
}
