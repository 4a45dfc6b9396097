// SPDX-License-Identifier: MIT
//
// R2, and the timeouts of Select and of channels, under a clock that only the
// test moves: the very waits, without waiting. A program of its own, because it
// replaces the platform; its threads can be made to fail, too.

#define FANFARE_PLATFORM ::FakePlatform
#define FANFARE_ABI fake_clock

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/fake_clock.h"

// A thread that cannot be had while `none_left` is set.
class FakeThread : public std::thread {
 public:
  static inline std::atomic<bool> none_left = false;

  FakeThread() = default;
  template <std::invocable F>
  explicit FakeThread(F&& f) : std::thread((MayStart(), std::forward<F>(f))) {}

 private:
  static void MayStart() {
    if (none_left) {
      throw std::system_error(
          std::make_error_code(std::errc::resource_unavailable_try_again));
    }
  }
};

struct FakePlatform : FakeTime {
  using Thread = FakeThread;
};

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/subscriptions.h"

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnStop;
using fanfare::OnTimeout;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::Select;
using fanfare::Subscription;
using fanfare::SubscriptionScope;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

namespace {

// A resubscription of which every attempt fails in the way it is told.
class Attempts {
 public:
  explicit Attempts(nanoseconds backoff_max)
      : subscription_(Resubscribe(backoff_max, [this](std::stop_token stop) {
          ++calls_;
          return next_.Receive(stop).value_or(Subscription());
        })) {}

  // Lets the running attempt have this subscription, an empty one if none.
  void Establish(Subscription one = {}) { next_.Send(std::move(one)); }

  // The wait after it, which is then over: not a nanosecond less.
  nanoseconds Wait() {
    const int before = calls_;
    const nanoseconds wait = FakeClock::AwaitSleeper();
    if (wait > 1ns) {
      FakeClock::Advance(wait - 1ns);
      if (FakeClock::AwaitSleeper() != 1ns) return nanoseconds(-1);
      if (!StaysFalse([&] { return calls_ != before; })) return nanoseconds(-2);
      FakeClock::Advance(1ns);
    } else {
      FakeClock::Advance(wait);
    }
    AwaitThat([&] { return calls_ == before + 1; });
    return wait;
  }

  [[nodiscard]] const Subscription& subscription() const {
    return subscription_;
  }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  std::atomic<int> calls_ = 0;
  Channel<Subscription> next_ = Channel<Subscription>();
  Subscription subscription_;
};

}  // namespace

TEST_CASE("R2: a function that fails is called after a tenth then doubled") {
  Attempts attempts(1000ms);
  for (const auto expected : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    attempts.Establish();
    CHECK(attempts.Wait() == expected);
  }
  CHECK(attempts.calls() == 7);
  CHECK_FALSE(attempts.subscription().Err().closed());
}

TEST_CASE("R2: established ones that fail at once are backed off as well") {
  Attempts attempts(1000ms);
  for (const auto expected : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    const Foreign foreign;
    foreign.Fail("at once");
    attempts.Establish(Subscription(foreign));
    CHECK(attempts.Wait() == expected);
  }
}

TEST_CASE("R2: failures of both kinds double the same wait") {
  Attempts attempts(1000ms);
  const auto established = [&] {
    const Foreign foreign;
    attempts.Establish(Subscription(foreign));
    foreign.Fail("later");
  };
  attempts.Establish();
  CHECK(attempts.Wait() == 100ms);
  established();
  CHECK(attempts.Wait() == 200ms);
  attempts.Establish();
  CHECK(attempts.Wait() == 400ms);
  established();
  CHECK(attempts.Wait() == 800ms);
}

TEST_CASE("R2: an attempt that lasted long enough starts the wait anew") {
  Attempts attempts(1000ms);
  attempts.Establish();
  CHECK(attempts.Wait() == 100ms);
  attempts.Establish();
  CHECK(attempts.Wait() == 200ms);
  SECTION("the function") {
    FakeClock::Advance(1000ms + 1ns);
    attempts.Establish();
    CHECK(attempts.Wait() == 100ms);
  }
  SECTION("the function and it was not long enough") {
    FakeClock::Advance(1000ms);
    attempts.Establish();
    CHECK(attempts.Wait() == 400ms);
    attempts.Establish();
    CHECK(attempts.Wait() == 800ms);
    return;
  }
  SECTION("the life of what it established") {
    const Foreign foreign;
    attempts.Establish(Subscription(foreign));
    FakeClock::Advance(1000ms + 1ns);
    foreign.Fail("late");
    CHECK(attempts.Wait() == 100ms);
  }
  SECTION("both together and neither alone") {
    FakeClock::Advance(600ms);
    const Foreign foreign;
    attempts.Establish(Subscription(foreign));
    FakeClock::Advance(600ms);
    foreign.Fail("late");
    CHECK(attempts.Wait() == 100ms);
  }
  attempts.Establish();
  CHECK(attempts.Wait() == 200ms);
}

TEST_CASE("R2: waits do not count as a part of an attempt") {
  Attempts attempts(1000ms);
  // Each wait and the attempt after it are longer than the maximum together.
  for (const auto expected : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    FakeClock::Advance(950ms);
    attempts.Establish();
    CHECK(attempts.Wait() == expected);
  }
}

TEST_CASE("R2: the shortest and the longest of maximal waits") {
  SECTION("a nanosecond") {
    Attempts attempts(1ns);
    for (int i = 0; i < 3; ++i) {
      attempts.Establish();
      CHECK(attempts.Wait() == 1ns);
    }
  }
  SECTION("the longest") {
    Attempts attempts(nanoseconds::max());
    attempts.Establish();
    CHECK(FakeClock::AwaitSleeper() == nanoseconds::max() / 10);
    CHECK(StaysFalse([&] { return attempts.calls() != 1; }));
    attempts.subscription().Unsubscribe();
  }
}

TEST_CASE("R4: Unsubscribe ends a wait though the clock stands still") {
  Attempts attempts(1000ms);
  attempts.Establish();
  CHECK(FakeClock::AwaitSleeper() == 100ms);
  attempts.subscription().Unsubscribe();
  CHECK(attempts.subscription().Err().drained());
  CHECK(attempts.calls() == 1);
}

TEST_CASE("R4: an established one that lasts for days is waited for") {
  Attempts attempts(1000ms);
  Puppet puppet;
  attempts.Establish(puppet.Subscribe());
  FakeClock::Advance(std::chrono::hours(100));
  CHECK(StaysFalse([&] { return puppet.gone() || attempts.calls() != 1; }));
  puppet.EndWell();
  CHECK(Text(attempts.subscription().Err().Receive()) == "closed");
}

// --- Timeouts ----------------------------------------------------------------

TEST_CASE("S5: a timeout of Select fires when it is over and not before") {
  const Channel<int> channel;
  std::atomic<std::size_t> chosen = 99;
  std::jthread selecting([&] {
    chosen = Select(OnReceive(channel, [](int) {}), OnTimeout(7s),
                    OnTimeout(5s), OnTimeout(9s));
  });
  CHECK(FakeClock::AwaitSleeper() == 5s);
  FakeClock::Advance(5s - 1ns);
  CHECK(FakeClock::AwaitSleeper() == 1ns);
  CHECK(StaysFalse([&] { return chosen != 99; }));
  FakeClock::Advance(1ns);
  selecting.join();
  CHECK(chosen == 2);
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("S5: timeouts run from the start of each Select") {
  const Channel<int> channel;
  const Channel<int> first_done;
  std::vector<std::size_t> chosen(2, 99);
  std::jthread selecting([&] {
    for (std::size_t& one : chosen) {
      one = Select(OnReceive(channel, [](int) {}), OnTimeout(5s));
      first_done.Close();
    }
  });
  CHECK(FakeClock::AwaitSleeper() == 5s);
  FakeClock::Advance(3s);
  CHECK(FakeClock::AwaitSleeper() == 2s);
  channel.Send(1);
  static_cast<void>(first_done.Receive());
  CHECK(FakeClock::AwaitSleeper() == 5s);
  FakeClock::Advance(5s);
  selecting.join();
  CHECK(chosen == std::vector<std::size_t>{0, 1});
}

TEST_CASE("S5 S7: a timeout that is kept runs from the start of each Select") {
  const Channel<int> channel(1);
  std::array<fanfare::SelectCase, 2> cases{OnReceive(channel, [](int) {}),
                                           OnTimeout(5s)};
  channel.Send(1);
  FakeClock::Advance(1s);
  CHECK(Select(cases) == 0);
  // Over, had it run on from the first Select.
  FakeClock::Advance(6s);
  channel.Send(2);
  std::size_t others = 0;
  for (int i = 0; i < 100; ++i) {
    others += Select(cases);
    channel.TrySend(2);
  }
  CHECK(others == 0);
}

TEST_CASE("S5: a timeout that is over is ready at once") {
  const Channel<int> channel;
  CHECK(Select(OnReceive(channel, [](int) {}), OnTimeout(0s)) == 1);
  CHECK(Select(OnReceive(channel, [](int) {}), OnTimeout(-1s)) == 1);
}

TEST_CASE("S4: a timeout of the longest duration alone waits") {
  std::atomic<std::size_t> chosen = 99;
  // On the heap: g++ 12 takes one on the stack for uninitialized here.
  const auto stop = std::make_unique<std::stop_source>();
  std::jthread selecting([&chosen, token = stop->get_token()] {
    chosen = Select(OnTimeout(nanoseconds::max()),
                    OnTimeout(std::chrono::hours::max()), OnStop(token));
  });
  CHECK(StaysFalse([&] { return chosen != 99; }));
  FakeClock::Advance(std::chrono::hours(1'000'000));
  CHECK(StaysFalse([&] { return chosen != 99; }));
  stop->request_stop();
  selecting.join();
  CHECK(chosen == 2);
}

TEST_CASE("C4: ReceiveFor and SendFor give up when their time is over") {
  const Channel<int> channel;
  std::atomic<bool> done = false;
  bool succeeded = true;
  std::jthread blocked;
  SECTION("ReceiveFor") {
    blocked = std::jthread([&] {
      succeeded = channel.ReceiveFor(3s).has_value();
      done = true;
    });
  }
  SECTION("SendFor") {
    blocked = std::jthread([&] {
      succeeded = channel.SendFor(1, 3s);
      done = true;
    });
  }
  SECTION("ReceiveUntil") {
    const auto moment = FakeClock::now() + 3s;
    blocked = std::jthread([&, moment] {
      succeeded = channel.ReceiveUntil(moment).has_value();
      done = true;
    });
  }
  SECTION("ReceiveFor on nil") {
    blocked = std::jthread([&] {
      succeeded = Receiver<int>().ReceiveFor(3s).has_value();
      done = true;
    });
  }
  CHECK(FakeClock::AwaitSleeper() == 3s);
  FakeClock::Advance(3s - 1ns);
  CHECK(FakeClock::AwaitSleeper() == 1ns);
  CHECK(StaysFalse([&] { return done.load(); }));
  FakeClock::Advance(1ns);
  blocked.join();
  CHECK_FALSE(succeeded);
  CHECK(channel.waiting_receivers() == 0);
  CHECK(channel.waiting_senders() == 0);
}

TEST_CASE("F1 F7: a feed's SendFor gives up when its time is over") {
  Feed<int> feed;
  const Channel<int> slow;
  const Channel<int> ready(1);
  const Subscription one = feed.Subscribe(slow);
  const Subscription two = feed.Subscribe(ready);
  std::size_t count = 99;
  std::jthread sending([&] { count = feed.SendFor(1, 3s); });
  CHECK(FakeClock::AwaitSleeper() == 3s);
  FakeClock::Advance(3s - 1ns);
  CHECK(FakeClock::AwaitSleeper() == 1ns);
  FakeClock::Advance(1ns);
  sending.join();
  CHECK(count == 1);
  CHECK(slow.waiting_senders() == 0);
}

namespace {

// A clock on the wall, which is set as one likes.
struct WallClock {
  using duration = std::chrono::seconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallClock>;
  [[maybe_unused]] static constexpr bool is_steady = false;
  static inline std::atomic<rep> seconds = 0;
  static time_point now() noexcept { return time_point(duration(seconds)); }
};

}  // namespace

TEST_CASE("C4 C6: another clock is asked once a second") {
  WallClock::seconds = 1000;
  const Channel<int> channel;
  bool received = true;
  std::jthread receiving([&] {
    received = channel.ReceiveUntil(WallClock::time_point(1010s)).has_value();
  });
  CHECK(FakeClock::AwaitSleeper() == 1s);
  // It is set forward, and back, meanwhile.
  for (const int now : {1009, 1004, 1008}) {
    WallClock::seconds = now;
    FakeClock::Advance(1s);
    CHECK(FakeClock::AwaitSleeper() == 1s);
  }
  WallClock::seconds = 1010;
  FakeClock::Advance(1s);
  receiving.join();
  CHECK_FALSE(received);
}

// --- No thread ---------------------------------------------------------------

TEST_CASE("U6: a producer for which there is no thread is not called") {
  std::atomic<int> calls = 0;
  const auto token = std::make_shared<int>();
  const auto producer = [&calls, token](std::stop_token) { ++calls; };
  const long users = token.use_count();
  FakeThread::none_left = true;
  CHECK_THROWS_AS(NewSubscription(producer), std::system_error);
  FakeThread::none_left = false;
  CHECK(calls == 0);
  CHECK(token.use_count() == users);
}

TEST_CASE("U7: a join for which there is no thread ends its members") {
  Puppet puppet;
  Foreign foreign;
  std::vector<Subscription> members;
  members.push_back(puppet.Subscribe());
  members.emplace_back(foreign);
  const std::weak_ptr<void> alive = foreign.alive();
  FakeThread::none_left = true;
  CHECK_THROWS_AS(JoinSubscriptions(std::move(members)), std::system_error);
  FakeThread::none_left = false;
  CHECK(puppet.gone());
  CHECK(foreign.unsubscribed() >= 1);
  foreign = Foreign();
  CHECK(alive.expired());
}

TEST_CASE("R1: a resubscription for which there is no thread") {
  std::atomic<int> calls = 0;
  const auto token = std::make_shared<int>();
  const auto fn = [&calls, token](std::stop_token) {
    ++calls;
    return Subscription();
  };
  const long users = token.use_count();
  FakeThread::none_left = true;
  CHECK_THROWS_AS(Resubscribe(1s, fn), std::system_error);
  FakeThread::none_left = false;
  CHECK(calls == 0);
  CHECK(token.use_count() == users);
}
