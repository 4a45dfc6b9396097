// SPDX-License-Identifier: MIT
//
// When a wait ends: clauses C4, C6, S1, S4 and S5, in simulated time.

#include "support/simulated_platform.h"
// The platform comes first.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <ratio>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/feed.h>
#include <fanfare/select.h>

#include "support/catch.h"
#include "support/manual_clock.h"

namespace {

using fanfare::Channel;
using fanfare::kNoCase;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnTimeout;
using fanfare::Receiver;
using fanfare::Select;
using fanfare::SelectCase;
using fanfare::Sender;
using fanfare::detail::Deadline;
using fanfare::detail::TimePoint;
using namespace std::chrono_literals;

using Steady = Simulation::Clock;
using std::chrono::nanoseconds;

struct Tag;
using Wall = ManualClock<Tag>;

// Sets the clocks and notes what is waited for. `step`, if there is one, is
// called at every wait with its number; false: the wait ends without a reason.
class Watch {
 public:
  using Step = std::function<bool(std::size_t)>;

  explicit Watch(Step step = {}) : start_(Steady::now()) {
    Wall::Set(0ns);
    Simulation::on_wait = [this,
                           step = std::move(step)](Steady::time_point end) {
      waits.push_back(end == Steady::time_point::max() ? nanoseconds::max()
                                                       : end - start_);
      return !step || step(waits.size());
    };
  }
  ~Watch() { Simulation::on_wait = nullptr; }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  [[nodiscard]] nanoseconds elapsed() const { return Steady::now() - start_; }

  std::vector<nanoseconds> waits;  // until when, from the start

 private:
  Steady::time_point start_;
};

void Advance(nanoseconds by) { Simulation::time_ += by; }

// ---------------------------------------------------------------------------
// Deadline
// ---------------------------------------------------------------------------

TEST_CASE("C6: a deadline passes at its moment, not before") {
  Deadline deadline = Deadline::After(10s);
  CHECK(deadline.bounded());
  CHECK(deadline.time_point() == Steady::now() + 10s);
  CHECK_FALSE(deadline.Expired());
  Advance(10s - 1ns);
  CHECK_FALSE(deadline.Expired());
  Advance(1ns);
  CHECK(deadline.Expired());
  Advance(1ns);
  CHECK(deadline.Expired());
}

TEST_CASE("C6: a deadline of no duration or less has passed") {
  const auto check = [](auto duration) {
    Deadline deadline = Deadline::After(duration);
    CHECK(deadline.bounded());
    CHECK(deadline.Expired());
    CHECK(deadline.time_point() == Steady::now());
  };
  check(0ns);
  check(-1ns);
  check(-1h);
  check(nanoseconds::min());
  check(std::chrono::hours::min());
  check(std::chrono::duration<double>(-1e300));
  check(
      std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()));
}

TEST_CASE("C6: a deadline too far away for the clock never passes") {
  const auto check = [](auto duration) {
    Deadline deadline = Deadline::After(duration);
    CHECK_FALSE(deadline.bounded());
    CHECK_FALSE(deadline.Expired());
  };
  check(nanoseconds::max());
  check(std::chrono::microseconds::max());
  check(std::chrono::hours::max());
  check(std::chrono::duration<double>::max());
  check(std::chrono::duration<float>::max());
  check(std::chrono::duration<double>(std::numeric_limits<double>::infinity()));
  check(std::chrono::years(300));
  CHECK_FALSE(Deadline::Never().bounded());
  Deadline never = Deadline::Never();
  CHECK_FALSE(never.Expired());
  // Two hundred years are few enough.
  CHECK(Deadline::After(std::chrono::years(200)).bounded());
  // A little less than the longest is too far away once time has passed.
  Advance(std::chrono::hours(1));
  check(nanoseconds::max() - nanoseconds(1));
  check(std::chrono::hours(2'562'047));
}

TEST_CASE("C6: a duration is rounded up to the clock's unit") {
  using Half = std::chrono::duration<double, std::nano>;
  using Picoseconds = std::chrono::duration<int, std::pico>;
  const auto now = Steady::now();
  CHECK(Deadline::After(Half(1.5)).time_point() == now + 2ns);
  CHECK(Deadline::After(Picoseconds(1)).time_point() == now + 1ns);
  CHECK(Deadline::After(Picoseconds(3000)).time_point() == now + 3ns);
}

TEST_CASE("C6: an uneven unit is no shorter wait") {
  using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 1193182>>;
  const auto now = Steady::now();
  CHECK(Deadline::After(Ticks(1193182) * 3600 * 5).time_point() == now + 5h);
  CHECK(Deadline::After(Ticks(1)).time_point() == now + 839ns);
  CHECK_FALSE(Deadline::After(Ticks::max()).bounded());
}

TEST_CASE("S5: of two deadlines the earlier one ends first") {
  const Deadline never = Deadline::Never();
  const Deadline soon = Deadline::After(1s);
  const Deadline late = Deadline::After(2s);
  CHECK(soon.Before(late));
  CHECK_FALSE(late.Before(soon));
  CHECK_FALSE(soon.Before(soon));
  CHECK(soon.Before(never));
  CHECK_FALSE(never.Before(soon));
  CHECK_FALSE(never.Before(never));
}

TEST_CASE("C4: a moment of another clock is asked of that clock") {
  Wall::Set(0ns);
  TimePoint end(Wall::now() + 1s);
  Deadline deadline = Deadline::At(end);
  CHECK(deadline.bounded());
  CHECK_FALSE(deadline.Expired());
  CHECK(deadline.time_point() == Steady::now() + 1s);
  // The steady clock alone does not decide.
  Advance(1s);
  Wall::Advance(400ms);
  CHECK_FALSE(deadline.Expired());
  CHECK(deadline.time_point() == Steady::now() + 600ms);
  Advance(600ms);
  Wall::Advance(600ms - 1ns);
  CHECK_FALSE(deadline.Expired());
  Advance(1us);
  Wall::Advance(1us);
  CHECK(deadline.Expired());
}

// ---------------------------------------------------------------------------
// Send and Receive
// ---------------------------------------------------------------------------

TEST_CASE("C4 C6: SendFor and ReceiveFor wait for as long as they are told") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  {
    const Watch watch;
    CHECK_FALSE(channel.ReceiveFor(250ms));
    CHECK(watch.elapsed() == 250ms);
    CHECK(watch.waits == std::vector<nanoseconds>{250ms});
  }
  for (std::size_t i = 0; i < capacity; ++i) channel.TrySend(7);
  const Watch watch;
  CHECK_FALSE(channel.SendFor(7, 3h));
  CHECK(watch.elapsed() == 3h);
  CHECK(watch.waits == std::vector<nanoseconds>{3h});
  CHECK(channel.waiting_senders() == 0);
}

TEST_CASE("C3: a nil handle waits for as long as it is told") {
  const Watch watch;
  CHECK_FALSE(Receiver<int>().ReceiveFor(2s));
  CHECK(watch.elapsed() == 2s);
  CHECK_FALSE(Sender<int>().SendFor(7, 3s));
  CHECK(watch.elapsed() == 5s);
}

TEST_CASE("C6: no wait is too short to be none") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch;
  CHECK_FALSE(channel.ReceiveFor(0s));
  CHECK_FALSE(channel.ReceiveFor(-1s));
  CHECK_FALSE(channel.ReceiveUntil(Wall::now()));
  CHECK_FALSE(channel.ReceiveUntil(Wall::time_point::min()));
  CHECK(watch.waits.empty());
  CHECK(watch.elapsed() == 0s);
}

TEST_CASE("C6: the longest wait is one without an end") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch([&](std::size_t) {
    channel.Send(7);
    return false;
  });
  CHECK(channel.ReceiveFor(std::chrono::hours::max()) == 7);
  CHECK(watch.waits == std::vector{nanoseconds::max()});
}

TEST_CASE("C4: a wait that wakes without a reason goes on") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch([](std::size_t wait) {
    Advance(1s);
    return wait == 4;
  });
  CHECK_FALSE(channel.ReceiveFor(10s));
  CHECK(watch.waits == std::vector<nanoseconds>(4, 10s));
  CHECK(watch.elapsed() == 10s);
}

TEST_CASE("C6: a value that comes with the deadline is received") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch([&](std::size_t) { return channel.TrySend(7); });
  CHECK(channel.ReceiveFor(1s) == 7);
  CHECK(watch.elapsed() == 1s);
  CHECK(channel.size() == 0);
}

TEST_CASE("C6 C5: room that comes with the deadline is taken") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) channel.TrySend(7);
  const Watch watch(
      [&](std::size_t) { return channel.TryReceive().has_value(); });
  CHECK(channel.SendFor(8, 1s));
  CHECK(channel.size() == capacity);
}

TEST_CASE("C4: a clock that falls behind is asked again") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  // The wall clock goes at half the speed.
  const Watch watch([](std::size_t wait) {
    Wall::Advance(wait < 4 ? 800ms / (1 << wait) : 100ms);
    return true;
  });
  CHECK_FALSE(channel.ReceiveUntil(Wall::now() + 800ms));
  CHECK(watch.waits == std::vector<nanoseconds>{800ms, 1200ms, 1400ms, 1500ms});
}

TEST_CASE("C4: a clock that is set back makes the wait longer") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch([](std::size_t wait) {
    Wall::Advance(wait == 1 ? -500ms : 1s);
    return true;
  });
  CHECK_FALSE(channel.ReceiveUntil(Wall::now() + 500ms));
  CHECK(watch.waits == std::vector<nanoseconds>{500ms, 1500ms});
}

TEST_CASE("C4: a clock that is set forward is noticed within a second") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch([](std::size_t wait) {
    Wall::Advance(wait < 3 ? 1s : 500h);
    return true;
  });
  CHECK_FALSE(channel.ReceiveUntil(Wall::now() + 500h));
  CHECK(watch.waits == std::vector<nanoseconds>{1s, 2s, 3s});
}

TEST_CASE("C4: the steady clock, which is not set, is not polled") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch;
  CHECK_FALSE(channel.ReceiveUntil(Steady::now() + 90min));
  CHECK(watch.waits == std::vector<nanoseconds>{60min, 90min});
}

TEST_CASE("C6: a moment beyond the steady clock's range is waited for") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  nanoseconds unit = 1h;
  const auto check = [&](auto moment) {
    const Watch watch([&](std::size_t wait) {
      if (wait == 3) channel.Send(7);
      return true;
    });
    CHECK(channel.ReceiveUntil(moment) == 7);
    CHECK(watch.waits == std::vector<nanoseconds>{unit, 2 * unit, 3 * unit});
  };
  check(Steady::time_point::max());
  unit = 1s;
  check(Wall::time_point::max());
  check(std::chrono::system_clock::time_point::max());
  check(std::chrono::time_point<Wall, std::chrono::hours>::max());
  check(std::chrono::sys_days::max());
  check(std::chrono::time_point<Wall, std::chrono::duration<double>>::max());
}

TEST_CASE("C4: a moment in an uneven unit is waited for") {
  using Samples = std::chrono::duration<std::int64_t, std::ratio<1, 44100>>;
  const Channel<int> channel;
  const Watch watch([](std::size_t) {
    Wall::Set(std::chrono::years(50) + 500ms);
    return true;
  });
  Wall::Set(std::chrono::years(50));
  const std::chrono::time_point<Wall, Samples> now(
      std::chrono::duration_cast<Samples>(std::chrono::years(50)));
  CHECK_FALSE(channel.ReceiveUntil(now + Samples(22050)).has_value());
  REQUIRE(watch.waits.size() == 1);
  CHECK(watch.waits[0] - 500ms < 1us);
  CHECK(500ms - watch.waits[0] < 1us);
}

TEST_CASE("C6: the first moment of a coarse clock has passed") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch;
  CHECK_FALSE(channel.ReceiveUntil(std::chrono::sys_days::min()));
  CHECK(watch.waits.empty());
}

// ---------------------------------------------------------------------------
// Select
// ---------------------------------------------------------------------------

TEST_CASE("S5: the earliest of several timeouts fires, wherever it stands") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const std::array<std::array<nanoseconds, 3>, 6> orders{{{1s, 2s, 3s},
                                                          {1s, 3s, 2s},
                                                          {2s, 1s, 3s},
                                                          {3s, 1s, 2s},
                                                          {2s, 3s, 1s},
                                                          {3s, 2s, 1s}}};
  const Channel<int> channel(capacity);
  for (const auto& order : orders) {
    for (int round = 0; round < 10; ++round) {
      const Watch watch;
      const std::size_t index =
          Select(OnReceive(channel, [](int) {}), OnTimeout(order[0]),
                 OnTimeout(nanoseconds::max()), OnTimeout(order[1]),
                 OnTimeout(order[2]));
      constexpr std::array<std::size_t, 3> kIndex{1, 3, 4};
      std::size_t expected = 0;
      while (order[expected] != 1s) ++expected;
      CHECK(index == kIndex[expected]);
      CHECK(watch.elapsed() == 1s);
      CHECK(watch.waits == std::vector<nanoseconds>{1s});
    }
  }
}

TEST_CASE("S4 S5: a timeout alone is waited for") {
  const Watch watch;
  CHECK(Select(OnTimeout(5s)) == 0);
  CHECK(watch.elapsed() == 5s);
  CHECK(Select(OnTimeout(0s)) == 0);
  CHECK(Select(OnTimeout(-5s)) == 0);
  CHECK(watch.elapsed() == 5s);
  CHECK(watch.waits.size() == 1);
}

TEST_CASE("S4 C6: a timeout of the longest duration is a wait without end") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch([&](std::size_t) {
    channel.Send(7);
    return false;
  });
  CHECK(Select(OnTimeout(std::chrono::hours::max()),
               OnReceive(channel, [](int) {})) == 1);
  CHECK(watch.waits == std::vector{nanoseconds::max()});
}

TEST_CASE("S5 S7: a timeout runs from the start of the Select it is used in") {
  std::vector<SelectCase> cases;
  cases.push_back(OnTimeout(5s));
  cases.push_back(OnTimeout(6s));
  Advance(100s);
  for (int round = 0; round < 3; ++round) {
    const Watch watch;
    CHECK(Select(cases) == 0);
    CHECK(watch.elapsed() == 5s);
    Advance(100s);
  }
}

TEST_CASE(
    "S2 S5: going on without a closed channel does not restart timeouts") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> receiving(capacity);
  const Channel<int> sending(capacity);
  for (std::size_t i = 0; i < capacity; ++i) sending.TrySend(7);
  const Watch watch([&](std::size_t wait) {
    Advance(3s);
    if (wait == 1) receiving.Close();
    if (wait == 2) sending.Close();
    return wait == 3;
  });
  CHECK(Select(OnReceive(receiving, [](int) {}), OnSend(sending, 8),
               OnTimeout(10s)) == 2);
  CHECK(watch.waits == std::vector<nanoseconds>(3, 10s));
  CHECK(watch.elapsed() == 10s);
}

TEST_CASE("S1: a value that comes with the timeout is received") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch([&](std::size_t) { return channel.TrySend(7); });
  CHECK(Select(OnTimeout(1s), OnReceive(channel, [](int) {})) == 1);
  CHECK(channel.size() == 0);
}

TEST_CASE("S1: a Select that wakes without a reason goes on waiting") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Watch watch([&](std::size_t wait) {
    if (wait == 3) channel.Send(7);
    return false;
  });
  CHECK(Select(OnTimeout(1s), OnReceive(channel, [](int) {})) == 1);
  CHECK(watch.waits == std::vector<nanoseconds>(3, 1s));
}

}  // namespace

namespace {

// A clock that, when it is asked, serves who waits by it.
struct ServingClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<ServingClock>;
  [[maybe_unused]] static constexpr bool is_steady = false;
  static inline const fanfare::Channel<int>* channel = nullptr;
  static inline bool serves = false;

  static time_point now() noexcept {
    if (serves && channel->waiting_receivers() == 1) channel->TrySend(7);
    return time_point();
  }
};

}  // namespace

TEST_CASE("C4 C8: a clock is asked outside all locks and may use the channel") {
  const fanfare::Channel<int> channel;
  ServingClock::channel = &channel;
  const ServingClock::time_point moment(std::chrono::seconds(1));
  // Before the thread sleeps, and between two times that it does.
  const std::size_t sleeps = GENERATE(0U, 1U, 2U);
  ServingClock::serves = sleeps == 0;
  const Watch watch([sleeps](std::size_t wait) {
    ServingClock::serves = wait == sleeps;
    return true;
  });
  CHECK(channel.ReceiveUntil(moment) == 7);
  CHECK(watch.waits.size() == sleeps);
}

// ---------------------------------------------------------------------------
// A clock that throws
// ---------------------------------------------------------------------------

namespace {

// Goes on by 100 ms each time it is asked, and throws at one of these calls.
struct FaultyClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<FaultyClock>;
  [[maybe_unused]] static constexpr bool is_steady = false;

  struct Thrown {};
  static constexpr time_point kEnd{1s};  // it is asked ten times until then

  static time_point now() {
    if (++calls == wanted) {
      if (meanwhile) meanwhile();
      thrown_at = Steady::now();
      throw Thrown();
    }
    return time_point(100ms * calls);
  }

  // Calls `act` with the n-th call throwing; returns whether `act` threw that.
  static bool Throws(int n, const std::function<void()>& act) {
    calls = 0;
    wanted = n;
    try {
      act();
    } catch (const Thrown&) {
      return true;
    }
    return false;
  }
  // Whether the last `act` asked so often.
  static bool struck() { return calls >= wanted; }
  // Whether it was over then.
  static bool struck_last() {
    return calls == wanted && thrown_at == Steady::now();
  }

  static inline int calls = 0;
  static inline int wanted = 0;
  static inline Steady::time_point thrown_at;
  static inline std::function<void()> meanwhile;  // before it throws
};

// Calls `round(n)` with n = 1, 2, … until the clock is not asked so often.
void ForEachCall(const std::function<void(int)>& round) {
  int n = 0;
  do {
    round(++n);
    CHECK(FaultyClock::struck_last() == FaultyClock::struck());
  } while (FaultyClock::struck());
  FaultyClock::meanwhile = nullptr;
  CHECK(n > 5);
}

// Calls a function of the test's when it is copied the next time.
struct Copied {
  Copied() = default;
  Copied(const Copied&) {
    if (const auto act = std::exchange(on_copy, nullptr)) act();
  }
  Copied(Copied&&) noexcept {}
  static inline std::function<void()> on_copy;
};

}  // namespace

TEST_CASE("C6: a clock that throws is not asked where nothing blocks") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<int> channel(capacity);
  fanfare::Feed<int> feed;
  const auto subscription = feed.Subscribe(channel);
  FaultyClock::wanted = FaultyClock::calls + 1;
  CHECK(channel.SendUntil(7, FaultyClock::kEnd));
  CHECK(channel.ReceiveUntil(FaultyClock::kEnd) == 7);
  CHECK(feed.SendUntil(8, FaultyClock::kEnd) == 1);
  CHECK_FALSE(FaultyClock::struck());
}

TEST_CASE("C6: what a clock throws leaves a blocked receive, which is over") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  ForEachCall([&](int n) {
    const Watch watch;
    std::optional<int> value;
    const bool thrown = FaultyClock::Throws(
        n, [&] { value = channel.ReceiveUntil(FaultyClock::kEnd); });
    CHECK(thrown == FaultyClock::struck());
    CHECK_FALSE(value);
    CHECK(channel.waiting_receivers() == 0);
  });
}

TEST_CASE(
    "C5 C6: what a clock throws leaves a blocked send, its value intact") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<std::unique_ptr<int>> channel(capacity);
  while (channel.TrySend(std::make_unique<int>(7))) {
  }
  ForEachCall([&](int n) {
    const Watch watch;
    auto value = std::make_unique<int>(8);
    bool sent = false;
    const bool thrown = FaultyClock::Throws(n, [&] {
      sent = channel.SendUntil(std::move(value), FaultyClock::kEnd);
    });
    CHECK(thrown == FaultyClock::struck());
    CHECK_FALSE(sent);
    CHECK(value != nullptr);
    CHECK(channel.waiting_senders() == 0);
    CHECK(channel.size() == capacity);
  });
}

TEST_CASE("C6: a receive that was served before its clock threw returns") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  ForEachCall([&](int n) {
    const Watch watch;
    bool sent = false;
    FaultyClock::meanwhile = [&] { sent = channel.TrySend(7); };
    std::optional<int> value;
    const bool thrown = FaultyClock::Throws(
        n, [&] { value = channel.ReceiveUntil(FaultyClock::kEnd); });
    CHECK_FALSE(thrown);
    CHECK(sent == FaultyClock::struck());
    CHECK(value.has_value() == sent);
    CHECK(channel.size() == 0);
  });
}

TEST_CASE("C6: a send that was served before its clock threw returns") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  ForEachCall([&](int n) {
    while (channel.TrySend(7)) {
    }
    const Watch watch;
    bool received = false;
    FaultyClock::meanwhile = [&] {
      received = channel.TryReceive().has_value();
    };
    bool sent = false;
    const bool thrown = FaultyClock::Throws(
        n, [&] { sent = channel.SendUntil(8, FaultyClock::kEnd); });
    CHECK_FALSE(thrown);
    CHECK(received == FaultyClock::struck());
    CHECK(sent == received);
    CHECK(channel.waiting_senders() == 0);
    CHECK(channel.size() == capacity);
  });
}

TEST_CASE("C3 C6: what a clock throws leaves a call on a nil handle") {
  ForEachCall([](int n) {
    const Watch watch;
    std::optional<int> value;
    const bool receive_throws = FaultyClock::Throws(
        n, [&] { value = Receiver<int>().ReceiveUntil(FaultyClock::kEnd); });
    CHECK(receive_throws == FaultyClock::struck());
    CHECK_FALSE(value);
    bool sent = false;
    const bool send_throws = FaultyClock::Throws(
        n, [&] { sent = Sender<int>().SendUntil(7, FaultyClock::kEnd); });
    CHECK(send_throws == FaultyClock::struck());
    CHECK_FALSE(sent);
  });
}

TEST_CASE("F7: what a clock throws leaves a feed's Send; deliveries stand") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<std::string> full(capacity);
  const Channel<std::string> ready(100);
  fanfare::Feed<std::string> feed;
  const auto one = feed.Subscribe(full);
  const auto other = feed.Subscribe(ready);
  while (full.TrySend("before")) {
  }
  ForEachCall([&](int n) {
    const Watch watch;
    std::size_t taken = 7;
    const bool thrown = FaultyClock::Throws(
        n, [&] { taken = feed.SendUntil("now", FaultyClock::kEnd); });
    CHECK(thrown == FaultyClock::struck());
    CHECK(taken == (thrown ? 7 : 1));
    CHECK(full.waiting_senders() == 0);
    CHECK(full.size() == capacity);
    CHECK(ready.TryReceive() == "now");
    CHECK(ready.size() == 0);
    // The turn was given back.
    CHECK(feed.TrySend("then") == 1);
    CHECK(ready.TryReceive() == "then");
  });
}

TEST_CASE("F3 F7: what a clock throws leaves a Send that waits for its turn") {
  const Channel<Copied> first(100);
  const Channel<Copied> second(100);
  fanfare::Feed<Copied> feed;
  const auto one = feed.Subscribe(first);
  const auto other = feed.Subscribe(second);
  ForEachCall([&](int n) {
    const Watch watch;
    bool thrown = false;
    // The Send that copies has the turn.
    Copied::on_copy = [&] {
      std::size_t taken = 0;
      thrown = FaultyClock::Throws(
          n, [&] { taken = feed.SendUntil(Copied(), FaultyClock::kEnd); });
      CHECK(taken == 0);
    };
    CHECK(feed.Send(Copied()) == 2);
    CHECK(thrown == FaultyClock::struck());
    CHECK(feed.waiting_senders() == 0);
    CHECK(feed.TrySend(Copied()) == 2);
    CHECK(first.size() == second.size());
    while (first.TryReceive() && second.TryReceive()) {
    }
  });
}

TEST_CASE("C6 C7: no value is lost where a clock throws while it is sent") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  for (int n = 1; n <= 8; ++n) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      const Channel<int> channel(capacity);
      std::optional<int> received;
      bool sent = false;
      Simulation::Interleave(
          seed, {[&] {
                   FaultyClock::Throws(n, [&] {
                     received = channel.ReceiveUntil(FaultyClock::kEnd);
                   });
                 },
                 [&] {
                   Simulation::Yield();
                   sent = channel.TrySend(7);
                 }});
      const std::size_t left = channel.size();
      if (sent != (received.has_value() || left == 1)) {
        FAIL("call " << n << ", seed " << seed);
      }
    }
  }
}
