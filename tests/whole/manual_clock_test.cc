// SPDX-License-Identifier: MIT
//
// The clock for users' tests (testing/manual_clock.h), used as a user would: a
// program of its own, without names of detail.

#include <fanfare/testing/manual_clock.h>
// It comes first, because it replaces the library's clock.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/subscriptions.h"
#include "support/waiters.h"

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Listen;
using fanfare::OnReceive;
using fanfare::OnTimeout;
using fanfare::Resubscribe;
using fanfare::Select;
using fanfare::Subscription;
using fanfare::testing::ManualClock;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

TEST_CASE("a backoff of 25 seconds passes at once") {
  const auto began = std::chrono::steady_clock::now();
  std::atomic<int> calls = 0;
  const Subscription subscription =
      Resubscribe(10s, [&](std::stop_token) -> Subscription {
        ++calls;
        throw std::runtime_error("not yet");
      });
  nanoseconds waited{0};
  for (const auto wait : {1s, 2s, 4s, 8s, 10s}) {
    CHECK(ManualClock::AwaitSleeper() == wait);
    const int before = calls;
    ManualClock::Advance(wait);
    AwaitThat([&] { return calls > before; });
    waited += wait;
  }
  subscription.Unsubscribe();
  CHECK(calls == 6);
  CHECK(waited == 25s);
  CHECK(std::chrono::steady_clock::now() - began < waited);
}

TEST_CASE("a send for an hour passes at once") {
  const auto began = std::chrono::steady_clock::now();
  Feed<int> feed;
  const Channel<int> stuck;
  const Subscription subscription = feed.Subscribe(stuck);
  InThread sending([&] { return feed.SendFor(1, 1h); });
  CHECK(ManualClock::AwaitSleeper() == 1h);
  ManualClock::Advance(1h);
  CHECK(sending.Get() == 0);
  CHECK(std::chrono::steady_clock::now() - began < 1h);
}

TEST_CASE("a timeout is over when the clock says so and not before") {
  const Channel<int> channel;
  std::atomic<bool> done = false;
  InThread receiving([&] {
    const bool received = channel.ReceiveFor(3s).has_value();
    done = true;
    return received;
  });
  CHECK(ManualClock::AwaitSleeper() == 3s);
  ManualClock::Advance(3s - 1ns);
  CHECK(ManualClock::AwaitSleeper() == 1ns);
  CHECK(StaysFalse([&] { return done.load(); }));
  ManualClock::Advance(1ns);
  CHECK_FALSE(receiving.Get());
}

TEST_CASE("a time point of the clock") {
  const Channel<int> channel;
  const auto moment = ManualClock::now() + 5s;
  InThread sending([&] { return channel.SendUntil(1, moment); });
  CHECK(ManualClock::AwaitSleeper() == 5s);
  ManualClock::Advance(5s);
  CHECK(ManualClock::now() == moment);
  CHECK_FALSE(sending.Get());
}

TEST_CASE("the first of several threads to wake up") {
  const Channel<int> channel;
  const auto select = [&](auto timeout) {
    return [&channel, timeout] {
      return Select(OnReceive(channel, [](int) {}), OnTimeout(timeout));
    };
  };
  InThread later(select(9s));
  InThread sooner(select(2s));
  AwaitReceivers(channel, 2);
  AwaitThat([] { return ManualClock::AwaitSleeper() == 2s; });
  ManualClock::Advance(2s);
  CHECK(sooner.Get() == 1);
  CHECK(ManualClock::AwaitSleeper() == 7s);
  SECTION("a value comes before the time") {
    channel.Send(1);
    InThread sending([] { return Channel<int>().SendFor(1, 50s); });
    CHECK(ManualClock::AwaitSleeper() == 50s);
    CHECK(later.Get() == 0);
    ManualClock::Advance(50s);
    CHECK_FALSE(sending.Get());
  }
  SECTION("the time comes") {
    ManualClock::Advance(100s);
    CHECK(later.Get() == 1);
  }
}

TEST_CASE("one step wakes all whose time has come") {
  const Channel<int> channel;
  const auto receive = [&](auto timeout) {
    return
        [&channel, timeout] { return channel.ReceiveFor(timeout).has_value(); };
  };
  InThread first(receive(1s));
  InThread second(receive(2s));
  AwaitThat([] { return ManualClock::AwaitSleeper() == 1s; });
  AwaitReceivers(channel, 2);
  ManualClock::Advance(2s);
  CHECK_FALSE(first.Get());
  CHECK_FALSE(second.Get());
}

TEST_CASE("a thread without a timeout is no sleeper and is woken as ever") {
  const Channel<int> channel;
  InThread receiving([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  InThread awaiting([] { return ManualClock::AwaitSleeper(); });
  InThread sending([&] { return Channel<int>().SendFor(1, 4s); });
  CHECK(awaiting.Get() == 4s);
  ManualClock::Advance(4s);
  CHECK_FALSE(sending.Get());
  channel.Send(7);
  CHECK(receiving.Get() == 7);
}

namespace {

// A clock on the wall.
struct Wall {
  using duration = std::chrono::seconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Wall>;
  [[maybe_unused]] static constexpr bool is_steady = false;
  static inline std::atomic<rep> seconds = 100;
  static time_point now() { return time_point(duration(seconds)); }
};

}  // namespace

TEST_CASE("another clock is read once per second of this one") {
  const Channel<int> channel;
  InThread receiving(
      [&] { return channel.ReceiveUntil(Wall::time_point(110s)).has_value(); });
  CHECK(ManualClock::AwaitSleeper() == 1s);
  Wall::seconds = 110;
  ManualClock::Advance(1s);
  CHECK_FALSE(receiving.Get());
}

TEST_CASE("everything else works as ever") {
  Feed<int> feed;
  std::vector<int> handled;
  const Subscription subscription = Listen(
      feed, [&](int number) { handled.push_back(number); }, {.capacity = 1});
  for (int i = 0; i < 100; ++i) CHECK(feed.Send(i) == 1);
  feed.Close();
  static_cast<void>(subscription.Err().Receive());
  CHECK(handled.size() == 100);
}
