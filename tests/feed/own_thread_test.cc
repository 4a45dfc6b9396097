// SPDX-License-Identifier: MIT
//
// A Send that would wait for its own thread, while there are others: from the
// handler of a Listen() it is reported, and elsewhere a stall handler is told
// what is known.

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
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
using fanfare::FeedOptions;
using fanfare::Listen;
using fanfare::ListenOptions;
using fanfare::OnReceive;
using fanfare::Overflow;
using fanfare::Select;
using fanfare::SubscribeOptions;
using fanfare::SubscriberReport;
using fanfare::Subscription;

namespace {

using namespace std::chrono_literals;

// An executor with two threads, so that another one would be free.
class Pool {
 public:
  void operator()(std::function<void()> task) { tasks_.Send(std::move(task)); }
  ~Pool() { tasks_.Close(); }

 private:
  void Work() {
    for (const auto& task : tasks_) task();
  }

  Channel<std::function<void()>> tasks_{100};
  std::jthread first_{[this] { Work(); }};
  std::jthread second_{[this] { Work(); }};
};

enum class Form { kThread, kTasks };

template <typename Handler>
Subscription Listening(Form form, Pool& pool, Feed<int>& feed, Handler handler,
                       ListenOptions options) {
  if (form == Form::kThread) {
    return Listen(feed, std::move(handler), std::move(options));
  }
  return Listen([&](auto task) { pool(std::move(task)); }, feed,
                std::move(handler), std::move(options));
}

// The text of the error.
std::string Thrown(const Error& error) {
  if (!error.has_value()) return "none";
  try {
    std::rethrow_exception(*error);
  } catch (const std::logic_error& e) {
    return e.what();
  }
}

// Takes `count` values of the feed, and then waits for an hour before it misses
// one. That does not end a Send that waits for its own thread as well.
class Patient {
 public:
  Patient(Feed<int>& feed, std::size_t count)
      : channel_(count),
        subscription_(feed.Subscribe(
            channel_, {.overflow = Overflow::kDropNewest, .patience = 1h})) {}
  void Leave() { subscription_.Unsubscribe(); }

 private:
  Channel<int> channel_;
  Subscription subscription_;
};

// Ignores what a call returned.
template <typename T>
void Drop(const T&) {}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE(
    "a Send from a handler of Listen is reported once its own channel is "
    "full") {
  const Form form = GENERATE(Form::kThread, Form::kTasks);
  const std::size_t capacity = GENERATE(0U, 1U, 3U);
  const bool named = GENERATE(false, true);
  // Whether the handler's first Send waits for its turn.
  const bool contended = GENERATE(false, true);
  if (contended && capacity == 0) return;  // see below
  const bool beside_patient = GENERATE(false, true);
  // A patience that never ends lets no policy act.
  const bool patient = GENERATE(false, true);
  CAPTURE(static_cast<int>(form), capacity, named, contended, beside_patient,
          patient);

  Feed<int> feed;
  Pool pool;
  const Channel<int> log(100);
  const auto logged = feed.Subscribe(log);
  const Channel<int> begin(1);
  ListenOptions options{.capacity = capacity, .subscribe = {}};
  if (named) options.subscribe.name = "echo";
  if (patient) {
    options.subscribe.overflow = Overflow::kDropNewest;
    options.subscribe.patience = std::chrono::nanoseconds::max();
  }
  auto echo = Listening(
      form, pool, feed,
      [&](int value) {
        Drop(begin.Receive());
        for (;;) feed.Send(value + 1);
      },
      std::move(options));
  const auto error = echo.Err();
  std::optional<Patient> beside;
  if (beside_patient) beside.emplace(feed, capacity + 1);
  const std::size_t others = beside_patient ? 2 : 1;
  REQUIRE(feed.Send(1) == 1 + others);

  if (contended) {
    AwaitThat([&] { return feed.Report()[1].stats.queued == 0; });
    const Channel<int> slow(0);
    auto slowly = feed.Subscribe(slow);
    InThread other([&] { return feed.Send(1); });
    AwaitThat([&] { return feed.Report().back().stats.blocks; });
    begin.Send(0);
    AwaitThat([&] { return feed.waiting_senders() == 1; });
    slowly.Unsubscribe();
    CHECK(other.Get() == 1 + others);
  } else {
    begin.Send(0);
  }
  const std::string text = Thrown(error.Receive());
  if (beside) beside->Leave();
  CHECK(Contains(text, named ? "channel of echo" : "channel of own_thread"));
  // The values that found room, and the one that was withdrawn.
  CHECK(log.size() == capacity + 2);
  CHECK(feed.Send(1) == 1);
}

TEST_CASE(
    "a Send is reported that waits for its turn behind one that waits for "
    "its thread") {
  const Form form = GENERATE(Form::kThread, Form::kTasks);
  const std::size_t capacity = GENERATE(0U, 1U, 3U);
  const bool ready = GENERATE(false, true);
  // Which of the two begins to wait first.
  const bool handler_first = GENERATE(false, true);
  if (handler_first && capacity == 0) return;
  const bool beside_patient = GENERATE(false, true);
  CAPTURE(static_cast<int>(form), capacity, ready, handler_first,
          beside_patient);

  Feed<int> feed;
  Pool pool;
  const Channel<int> begin(1);
  const Channel<int> slow(0);
  Subscription slowly;
  auto echo = Listening(form, pool, feed,
                        [&](int) {
                          Drop(begin.Receive());
                          ready ? feed.SendReady(99) : feed.Send(99);
                        },
                        {.capacity = capacity, .subscribe = {.name = "echo"}});
  const auto error = echo.Err();
  const auto stats = [&] { return feed.Report()[0].stats; };
  std::optional<Patient> patient;
  if (beside_patient) patient.emplace(feed, capacity + 1);
  const std::size_t all = beside_patient ? 2 : 1;
  REQUIRE(feed.Send(0) == all);  // which the handler has
  AwaitThat([&] { return stats().queued == 0; });
  const std::size_t room = handler_first ? 1 : 0;
  for (std::size_t i = room; i < capacity; ++i) REQUIRE(feed.Send(0) == all);

  // Has the turn, and waits for `slow` alone.
  if (handler_first) slowly = feed.Subscribe(slow);
  InThread holder([&] { return handler_first ? feed.Send(1) : all + 1; });
  if (handler_first) {
    AwaitThat([&] { return feed.Report().back().stats.blocks; });
  }
  InThread other([&] { return feed.Send(3); });
  AwaitThat([&] {
    return handler_first ? feed.waiting_senders() == 1 : stats().blocks;
  });
  begin.Send(0);
  if (handler_first) {
    AwaitThat([&] { return feed.waiting_senders() == 2; });
    CHECK(slow.Receive() == 1);
  }
  CHECK(Contains(Thrown(error.Receive()), "channel of echo"));
  if (patient) patient->Leave();
  if (handler_first) CHECK(slow.Receive() == 3);
  CHECK(holder.Get() == all + 1);
  CHECK(other.Get() == room);
  CHECK(feed.waiting_senders() == 0);
}

TEST_CASE("a Send of a handler waits for its turn behind one that goes on") {
  const Form form = GENERATE(Form::kThread, Form::kTasks);
  enum class Holder {
    kWaitsForAnother,
    kHasADeadline,
    kMayBeStopped,
    kHasPatience
  };
  const auto kind = GENERATE(Holder::kWaitsForAnother, Holder::kHasADeadline,
                             Holder::kMayBeStopped, Holder::kHasPatience);
  const bool after_another = GENERATE(false, true);
  CAPTURE(static_cast<int>(form), static_cast<int>(kind), after_another);

  Feed<int> feed;
  Pool pool;
  const Channel<int> begin(1);
  const Channel<int> slow(0);
  const Channel<std::size_t> sent(1);
  std::stop_source stop;
  ListenOptions options{.capacity = 0, .subscribe = {.name = "echo"}};
  if (kind == Holder::kHasPatience) {
    options.subscribe.overflow = Overflow::kDropNewest;
    options.subscribe.patience = 1h;
  }
  auto echo = Listening(
      form, pool, feed,
      [&](int value) {
        if (value != 1) return;
        Drop(begin.Receive());
        sent.Send(feed.SendReady(99));
      },
      std::move(options));
  if (after_another) {
    // A wait without a limit, which has ended.
    auto slowly = feed.Subscribe(slow);
    InThread first([&] { return feed.Send(0); });
    CHECK(slow.Receive() == 0);
    CHECK(first.Get() == 2);
  }
  Subscription slowly;
  if (kind == Holder::kWaitsForAnother) slowly = feed.Subscribe(slow);
  // The handler has this value; its channel is not what the Send waits for.
  InThread first([&] { return feed.Send(1); });
  if (kind != Holder::kWaitsForAnother) CHECK(first.Get() == 1);
  InThread second([&]() -> std::size_t {
    switch (kind) {
      case Holder::kWaitsForAnother:
        return 0;
      case Holder::kHasADeadline:
        return feed.SendFor(2, 1h, stop.get_token());
      case Holder::kHasPatience:
        return feed.Send(2);
      default:
        return feed.Send(2, stop.get_token());
    }
  });
  AwaitThat([&] { return feed.Report().back().stats.blocks; });
  begin.Send(0);
  AwaitThat([&] { return feed.waiting_senders() == 1; });
  if (kind == Holder::kWaitsForAnother) {
    CHECK(slow.Receive() == 1);
    CHECK(first.Get() == 2);
  }
  stop.request_stop();
  if (kind == Holder::kHasPatience) echo.Unsubscribe();
  CHECK(sent.Receive() == 0U);  // and no error
  CHECK(second.Get() == 0);
  CHECK(echo.ended() == (kind == Holder::kHasPatience));
}

TEST_CASE("a Send of a handler gives up its turn, and its thread receives") {
  const Form form = GENERATE(Form::kThread, Form::kTasks);
  const bool stopped = GENERATE(false, true);
  CAPTURE(static_cast<int>(form), stopped);

  Feed<int> feed;
  Pool pool;
  const Channel<int> begin(1);
  const Channel<std::size_t> sent(1);
  std::stop_source stop;
  auto echo = Listening(form, pool, feed,
                        [&](int value) {
                          if (value != 1) return;
                          Drop(begin.Receive());
                          sent.Send(stopped ? feed.Send(99, stop.get_token())
                                            : feed.SendFor(99, 5ms));
                        },
                        {.capacity = 0, .subscribe = {}});
  REQUIRE(feed.Send(1) == 1);
  InThread other([&] { return feed.Send(2); });
  AwaitThat([&] { return feed.Report()[0].stats.blocks; });
  begin.Send(0);
  if (stopped) {
    AwaitThat([&] { return feed.waiting_senders() == 1; });
    stop.request_stop();
  }
  CHECK(sent.Receive() == 0U);
  CHECK(other.Get() == 1);
  CHECK_FALSE(echo.ended());
}

TEST_CASE("a Send from a handler is not reported if something ends the wait") {
  const Form form = GENERATE(Form::kThread, Form::kTasks);
  CAPTURE(static_cast<int>(form));
  using Send = std::function<std::size_t(Feed<int>&)>;
  std::stop_source stop;
  const Channel<int> waits(1);
  struct Case {
    const char* name;
    Send send;
    SubscribeOptions subscribe;
  };
  const Case cases[] = {
      {"deadline", [](auto& feed) { return feed.SendFor(2, 1ms); }, {}},
      {"no wait", [](auto& feed) { return feed.SendReady(2); }, {}},
      {"drops",
       [](auto& feed) { return feed.Send(2); },
       {.overflow = Overflow::kDropNewest, .patience = 1ms}},
      {"stop",
       [&](auto& feed) {
         waits.Send(0);
         return feed.Send(2, stop.get_token());
       },
       {}},
  };
  for (const Case& one : cases) {
    CAPTURE(one.name);
    Feed<int> feed;
    Pool pool;
    const Channel<std::size_t> sent(9);
    const Channel<int> begin(1);
    auto echo = Listening(form, pool, feed,
                          [&](int value) {
                            if (value != 1) return;
                            Drop(begin.Receive());
                            sent.Send(one.send(feed));
                          },
                          {.capacity = 1, .subscribe = one.subscribe});
    REQUIRE(feed.Send(1) == 1);
    AwaitThat([&] { return feed.Report()[0].stats.queued == 0; });
    REQUIRE(feed.Send(0) == 1);
    begin.Send(0);
    if (one.name == std::string("stop")) {
      Drop(waits.Receive());
      AwaitThat([&] { return feed.Report()[0].stats.blocks; });
      stop.request_stop();
    }
    CHECK(sent.Receive() == 0U);
    echo.Unsubscribe();
  }
}

TEST_CASE("a Send of a handler waits for other channels, and after its end") {
  const Form form = GENERATE(Form::kThread, Form::kTasks);
  CAPTURE(static_cast<int>(form));
  Feed<int> numbers;
  Feed<int> doubled;
  Pool pool;
  const Channel<int> slow(0);
  const auto received = doubled.Subscribe(slow);
  Subscription twice;
  const Channel<int> ready(1);
  twice = Listening(form, pool, numbers,
                    [&](int value) {
                      doubled.Send(2 * value);  // waits for the receives below
                      if (value < 3) return;
                      Drop(ready.Receive());
                      twice.Unsubscribe();
                      for (int i = 0; i < 9; ++i)
                        numbers.Send(i);  // it has no subscriber
                      doubled.Send(99);
                    },
                    {.capacity = 1, .subscribe = {}});
  InThread sending([&] {
    for (int i = 1; i <= 3; ++i) numbers.Send(i);
  });
  for (int i = 1; i <= 3; ++i) CHECK(slow.Receive() == 2 * i);
  sending.Get();
  ready.Send(0);
  CHECK(slow.Receive() == 99);
}

TEST_CASE("a stall handler is told whether the sender receives itself") {
  // Which threads have received before: the one that sends, or another.
  enum class By { kSender, kOther };
  const auto threads =
      GENERATE(std::vector{By::kSender}, std::vector{By::kOther},
               std::vector{By::kSender, By::kOther},
               std::vector{By::kOther, By::kSender},
               std::vector{By::kSender, By::kSender});
  const auto way = GENERATE(0, 1, 2, 3, 4);
  enum class First { kValue, kBlockedSend, kReceive };
  const auto first =
      GENERATE(First::kValue, First::kBlockedSend, First::kReceive);
  if (way == 1 && first == First::kReceive) return;  // it does not wait
  const bool sole =
      threads.front() == By::kSender && threads.back() == By::kSender;
  CAPTURE(threads.size(), sole, way, static_cast<int>(first));
  std::vector<bool> told;
  std::vector<std::string> names;
  Feed<int> feed(
      FeedOptions{.stall_after = 1ms, .on_stall = [&](const auto& slow) {
                    for (const SubscriberReport& one : slow) {
                      told.push_back(one.received_here);
                      names.push_back(one.name);
                    }
                    throw std::runtime_error("enough");
                  }});
  const std::size_t capacity = first == First::kBlockedSend ? 0 : 1;
  const Channel<int> channel(capacity);
  const auto subscription = feed.Subscribe(channel, {.name = "loop"});
  const auto receive = [&] {
    switch (way) {
      case 0:
        return Drop(channel.Receive());
      case 1:
        return Drop(channel.TryReceive());
      case 2:
        return Drop(channel.ReceiveFor(1h));
      case 3:
        return Drop(Select(OnReceive(channel, [](int) {})));
      default:
        for (const int value : channel) return Drop(value);
    }
  };
  for (const By thread : threads) {
    InThread sending([&] {
      if (first == First::kReceive) {
        AwaitThat([&] { return channel.waiting_receivers() == 1; });
      }
      channel.Send(1);
    });
    if (first == First::kValue) sending.Get();
    if (first == First::kBlockedSend) {
      AwaitThat([&] { return channel.waiting_senders() == 1; });
    }
    if (thread == By::kSender) {
      receive();
    } else {
      InThread other(receive);
      other.Get();
    }
  }
  if (capacity > 0) REQUIRE(feed.Send(2) == 1);
  CHECK_THROWS_AS(feed.Send(3), std::runtime_error);
  CHECK(names == std::vector<std::string>{"loop"});
#ifdef NDEBUG
  CHECK(told == std::vector{false});
#else
  CHECK(told == std::vector{sole});
#endif
}

TEST_CASE("a stall handler is told if the sender is the subscriber's handler") {
  std::vector<bool> told;
  Feed<int> feed(
      FeedOptions{.stall_after = 1ms, .on_stall = [&](const auto& slow) {
                    for (const SubscriberReport& one : slow) {
                      told.push_back(one.received_here);
                    }
                    throw std::runtime_error("enough");
                  }});
  auto echo = Listen(feed,
                     [&](int) {
                       for (;;) feed.Send(2);
                     },
                     {.capacity = 1, .subscribe = {}});
  const auto error = echo.Err();
  REQUIRE(feed.Send(1) == 1);
  CHECK(Text(error.Receive()) == "enough");
  CHECK(told == std::vector{true});
}

TEST_CASE("a Send from a handler inside a handler is reported as well") {
  Feed<int> feed;
  Feed<int> inner_feed;
  const auto outer = Listen(feed, [&](int value) { inner_feed.Send(value); },
                            {.capacity = 1, .subscribe = {.name = "outer"}});
  // The executor runs the task in the thread of the outer handler.
  auto inner = Listen([](auto task) { task(); }, inner_feed,
                      [&](int value) {
                        for (;;) feed.Send(value);
                      });
  const auto error = inner.Err();
  REQUIRE(feed.Send(1) == 1);
  CHECK(Contains(Thrown(error.Receive()), "channel of outer"));
}

TEST_CASE("a Send is reported for its own thread, among other full channels") {
  const bool slow_first = GENERATE(false, true);
  CAPTURE(slow_first);
  Feed<int> feed;
  const Channel<int> slow(1);
  Subscription slowly;
  if (slow_first) slowly = feed.Subscribe(slow);
  auto echo = Listen(feed,
                     [&](int value) {
                       for (;;) feed.Send(value);
                     },
                     {.capacity = 1, .subscribe = {.name = "echo"}});
  if (!slow_first) slowly = feed.Subscribe(slow);
  const auto error = echo.Err();
  REQUIRE(feed.Send(1) == 2);
  // The handler's first Send waits for this receive.
  CHECK(slow.Receive() == 1);
  CHECK(Contains(Thrown(error.Receive()), "channel of echo"));
}
