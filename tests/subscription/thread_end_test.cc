// SPDX-License-Identifier: MIT
//
// Threads that end in the middle of things: by pthread_exit in a producer, and
// by pthread_cancel while they are in the library. With glibc, where that
// unwinds them.

#include "support/catch.h"

#if defined(__GLIBC__)

#include <pthread.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <variant>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::NewSubscription;
using fanfare::Resubscribe;
using fanfare::Subscription;
using fanfare::SubscriptionScope;
using namespace std::chrono_literals;

// ---------------------------------------------------------------------------
// A producer ends its thread
// ---------------------------------------------------------------------------

TEST_CASE("U6: a producer that exits its thread has ended without an error") {
  const auto captured = std::make_shared<int>(7);
  const Channel<int> began(1);
  const Subscription subscription =
      NewSubscription([captured, began](std::stop_token) {
        began.Send(7);
        pthread_exit(nullptr);
      });
  REQUIRE(began.Receive());
  SECTION("then Err() is closed and what it captured is gone") {
    CHECK_FALSE(subscription.Err().Receive());
    CHECK(captured.use_count() == 1);
    CHECK(subscription.Err().drained());
  }
  SECTION("then it can be unsubscribed") {
    subscription.Unsubscribe();
    CHECK(subscription.Err().drained());
    CHECK(captured.use_count() == 1);
  }
}

TEST_CASE("U6: a producer with a quit channel may exit its thread") {
  const Subscription subscription = NewSubscription(
      [](fanfare::Receiver<std::monostate>) { pthread_exit(nullptr); });
  CHECK_FALSE(subscription.Err().Receive());
}

TEST_CASE("U3 U6: a producer exits its thread after it has ended itself") {
  const Channel<const Subscription*> self(1);
  const Subscription subscription = NewSubscription([self](std::stop_token) {
    const auto me = self.Receive();
    (*me)->Unsubscribe();
    pthread_exit(nullptr);
  });
  self.Send(&subscription);
  CHECK_FALSE(subscription.Err().Receive());
}

TEST_CASE("U7: a join hears of a member that exits its thread") {
  const Channel<int> go(1);
  const Subscription join =
      fanfare::JoinSubscriptions(NewSubscription([go](std::stop_token) {
        static_cast<void>(go.Receive());
        pthread_exit(nullptr);
      }));
  go.Send(7);
  CHECK_FALSE(join.Err().Receive());
}

TEST_CASE("P2: a scope ends one that exits its thread when it is told to end") {
  const SubscriptionScope scope;
  scope.Track(NewSubscription([](std::stop_token stop) {
    static_cast<void>(Channel<int>().Receive(stop));
    pthread_exit(nullptr);
  }));
  scope.Close();
  CHECK(scope.Count() == 0);
}

TEST_CASE("R1: a resubscription whose function exits its thread has ended") {
  const Subscription resubscription = Resubscribe(
      1h, [](std::stop_token) -> Subscription { pthread_exit(nullptr); });
  CHECK_FALSE(resubscription.Err().Receive());
}

TEST_CASE("L2: a listener whose handler exits its thread has ended") {
  Feed<int> feed;
  const auto captured = std::make_shared<int>(7);
  const auto handler = [captured](int) { pthread_exit(nullptr); };
  bool called = false;
  const fanfare::ListenOptions options{
      .on_end = [&called, captured](const auto&) { called = true; }};
  const long users = captured.use_count();
  Subscription subscription;
  SECTION("in a thread") {
    subscription = fanfare::Listen(feed, handler, options);
    CHECK(feed.Send(1) == 1);
  }
  SECTION("in a task") {
    std::function<void()> task;
    subscription = fanfare::Listen([&](auto posted) { task = posted; }, feed,
                                   handler, options);
    CHECK(feed.Send(1) == 1);
    std::thread(task).join();
  }
  CHECK_FALSE(subscription.Err().Receive());
  CHECK(captured.use_count() == users);
  CHECK_FALSE(called);
  CHECK(feed.subscriber_count() == 0);
}

TEST_CASE("L2: a listener whose end handler exits its thread has ended") {
  Feed<int> feed;
  const auto captured = std::make_shared<int>(7);
  const auto handler = [captured](int) {};
  const fanfare::ListenOptions options{
      .on_end = [captured](const auto&) { pthread_exit(nullptr); }};
  const long users = captured.use_count();
  Subscription subscription;
  SECTION("in a thread") {
    subscription = fanfare::Listen(feed, handler, options);
    feed.Close();
  }
  SECTION("in a task") {
    std::function<void()> task;
    subscription = fanfare::Listen([&](auto posted) { task = posted; }, feed,
                                   handler, options);
    feed.Close();
    std::thread(task).join();
  }
  CHECK_FALSE(subscription.Err().Receive());
  CHECK(captured.use_count() == users);
}

// ---------------------------------------------------------------------------
// A thread is cancelled while it is in the library
// ---------------------------------------------------------------------------

// Calls `act` in a thread that is to be cancelled at its next cancellation
// point. Returns whether it came to the end of `act`, and was cancelled then.
bool CancelledAfter(const std::function<void()>& act) {
  bool returned = false;
  bool survived = false;
  std::thread([&] {
    pthread_cancel(pthread_self());
    act();
    returned = true;
    pthread_testcancel();
    survived = true;
  }).join();
  return returned && !survived;
}

// A clock whose now() is a cancellation point.
struct Cancellable {
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Cancellable>;
  [[maybe_unused]] static constexpr bool is_steady = true;

  static time_point now() {
    pthread_testcancel();
    return time_point(std::chrono::steady_clock::now().time_since_epoch());
  }
  static time_point Soon() {
    return time_point(
        (std::chrono::steady_clock::now() + 1ms).time_since_epoch());
  }
};

TEST_CASE("C4: a blocked call of a channel is not cancelled before its end") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> empty(capacity);
  const Channel<int> full(capacity);
  while (full.TrySend(7)) {
  }
  bool done = true;
  SECTION("receive") {
    CHECK(CancelledAfter([&] { done = empty.ReceiveFor(1ms).has_value(); }));
  }
  SECTION("send") {
    CHECK(CancelledAfter([&] { done = full.SendFor(8, 1ms); }));
  }
  SECTION("receive on a nil handle") {
    const fanfare::Receiver<int> nil;
    CHECK(CancelledAfter([&] { done = nil.ReceiveFor(1ms).has_value(); }));
  }
  SECTION("receive by a clock that may be cancelled") {
    CHECK(CancelledAfter(
        [&] { done = empty.ReceiveUntil(Cancellable::Soon()).has_value(); }));
  }
  SECTION("select") {
    CHECK(CancelledAfter([&] {
      const std::size_t chosen =
          fanfare::Select(fanfare::OnReceive(empty, [](int) {}),
                          fanfare::OnSend(full, 8), fanfare::OnTimeout(1ms));
      done = chosen != 2;
    }));
  }
  CHECK_FALSE(done);
  CHECK(empty.waiting_receivers() == 0);
  CHECK(full.waiting_senders() == 0);
  CHECK(full.size() == capacity);
}

TEST_CASE("C7: a receive that is cancelled while it waits loses no value") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  for (int round = 0; round < 100; ++round) {
    const Channel<int> channel(capacity);
    std::optional<int> received;
    std::jthread sender([&] {
      AwaitReceivers(channel, 1);
      channel.Send(7);
    });
    REQUIRE(CancelledAfter([&] { received = channel.Receive(); }));
    REQUIRE(received == 7);
  }
}

TEST_CASE("F3 F7: a Send of a feed is not cancelled before its end") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> full(capacity);
  const Channel<int> ready(64);
  Feed<int> feed;
  const Subscription one = feed.Subscribe(full);
  const Subscription other = feed.Subscribe(ready);
  while (full.TrySend(7)) {
  }
  std::size_t taken = 7;
  SECTION("while it waits for a channel") {
    CHECK(CancelledAfter([&] { taken = feed.SendFor(8, 1ms); }));
    CHECK(taken == 1);
  }
  SECTION("while it waits for its turn") {
    std::stop_source stop;
    std::jthread sender([&] { feed.Send(8, stop.get_token()); });
    AwaitSenders(full, 1);
    CHECK(CancelledAfter([&] { taken = feed.SendFor(9, 1ms); }));
    CHECK(taken == 0);
    stop.request_stop();
  }
  AwaitThat([&] { return feed.TrySend(10) == 1; });
  CHECK(full.waiting_senders() == 0);
}

TEST_CASE("U2 P2 F8: what waits for an end is not cancelled before that") {
  const auto make = [] {
    return NewSubscription([](std::stop_token stop) {
      static_cast<void>(Channel<int>().Receive(stop));
    });
  };
  SECTION("Unsubscribe") {
    const Subscription subscription = make();
    CHECK(CancelledAfter([&] { subscription.Unsubscribe(); }));
    CHECK(subscription.Err().drained());
  }
  SECTION("the destructor of a subscription") {
    CHECK(CancelledAfter([&] { static_cast<void>(make()); }));
  }
  SECTION("the Close of a scope") {
    const SubscriptionScope scope;
    scope.Track(make());
    CHECK(CancelledAfter([&] { scope.Close(); }));
    CHECK(scope.Count() == 0);
  }
  SECTION("the destructor of a feed") {
    std::optional<Feed<int>> feed(std::in_place);
    const Channel<int> channel;
    const Subscription subscription = feed->Subscribe(channel);
    std::jthread sender([&] { feed->Send(7); });
    AwaitSenders(channel, 1);
    CHECK(CancelledAfter([&] { feed.reset(); }));
  }
}

TEST_CASE("C4: a thread that has put off its cancellation is not cancelled") {
  const Channel<int> channel;
  bool survived = false;
  std::thread([&] {
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_cancel(pthread_self());
    static_cast<void>(channel.ReceiveFor(1ms));
    pthread_testcancel();
    survived = true;
  }).join();
  CHECK(survived);
}

TEST_CASE("U6: a producer that is cancelled has ended without an error") {
  const Channel<pthread_t> began(1);
  const Subscription subscription = NewSubscription([began](std::stop_token) {
    began.Send(pthread_self());
    for (;;) {
      pthread_testcancel();
      std::this_thread::yield();
    }
  });
  pthread_cancel(*began.Receive());
  CHECK_FALSE(subscription.Err().Receive());
}

}  // namespace

#endif  // __GLIBC__
