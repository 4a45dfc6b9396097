// SPDX-License-Identifier: MIT
//
// C4, C6: how a thread polls before it sleeps, in a time that only the test
// moves: a pause takes 50 ns, a yield as long as the test says.

#define FANFARE_PLATFORM ::SpinPlatform
#define FANFARE_ABI spin

#include <chrono>

#include <fanfare/detail/base/spin_lock.h>

#include "support/manual_clock.h"
#include "support/real_parts.h"

namespace spin {

using std::chrono::nanoseconds;

struct Steady;
inline nanoseconds yield_takes{0};
inline int pauses = 0;
inline int yields = 0;

}  // namespace spin

struct SpinPlatform : RealParts {
  using Lock = fanfare::detail::SpinLock<SpinPlatform>;
  using Clock = ManualClock<spin::Steady>;

  static void CpuRelax() noexcept {
    ++spin::pauses;
    Clock::Advance(spin::nanoseconds(50));
  }
  static void YieldThread() noexcept {
    ++spin::yields;
    Clock::Advance(spin::yield_takes);
  }
  static constexpr spin::nanoseconds kSpinTime{1'000};
  static constexpr spin::nanoseconds kLongestPoll{16'000};
  static constexpr spin::nanoseconds kBetweenAttempts{600};
};

#include <stop_token>

#include <fanfare/detail/wait/adaptive_spin.h>

#include "support/catch.h"

namespace {

using fanfare::detail::AdaptiveSpin;
using fanfare::detail::Deadline;
using fanfare::detail::Outcome;
using fanfare::detail::PollBeforeQueueing;
using fanfare::detail::PollForValues;
using fanfare::detail::SpinBeforeQueueing;
using spin::nanoseconds;
using spin::pauses;
using spin::yields;

// No other thread wants the core, and: a thread that runs a while.
constexpr nanoseconds kIdle{1'000};
constexpr nanoseconds kOthersRun{20'000};

constexpr auto Never = [] { return false; };

// Polls in vain, where a yield takes `time`.
void PollInVain(AdaptiveSpin& spin, nanoseconds time) {
  spin::yield_takes = time;
  pauses = yields = 0;
  CHECK_FALSE(spin.Poll(Never));
}

// How many attempts are made for nothing, where a yield takes `time`.
int AttemptInVain(nanoseconds time, Deadline deadline = Deadline::Never(),
                  const std::stop_token& stop = {}) {
  spin::yield_takes = time;
  yields = 0;
  int attempts = 0;
  CHECK(PollBeforeQueueing(deadline, stop, [&] {
          ++attempts;
          return Outcome::kPending;
        }) == Outcome::kPending);
  return attempts;
}

}  // namespace

TEST_CASE("C4: a thread whose core is free spins between two yields") {
  AdaptiveSpin spin;
  PollInVain(spin, kIdle);
  // 16 microseconds: eight times a microsecond of each.
  CHECK(yields == 8);
  CHECK(pauses == 8 * 20);
}

TEST_CASE("C4: a thread whose yields let others run does not spin") {
  AdaptiveSpin spin;
  PollInVain(spin, kOthersRun);
  // Before the first yield it cannot know. What others run is not its time.
  CHECK(yields == 15);
  CHECK(pauses == 20);
  PollInVain(spin, kOthersRun);
  CHECK(yields == 16);
  CHECK(pauses == 0);
  // The first yield after the others have gone tells so.
  PollInVain(spin, kIdle);
  CHECK(pauses > 0);
}

TEST_CASE("C4: a poll ends with the pause, or the yield, that finds it ready") {
  AdaptiveSpin spin;
  spin::yield_takes = kIdle;
  for (const int wanted : {1, 20, 21, 22, 42}) {
    INFO(wanted);
    int looks = 0;
    pauses = yields = 0;
    CHECK(spin.Poll([&] { return ++looks == wanted; }));
    CHECK(looks == wanted);
    CHECK(pauses + yields == wanted);
    CHECK(yields == wanted / 21);
  }
}

TEST_CASE("C4: after long sleeps a thread polls for shorter, down to a spin") {
  AdaptiveSpin spin;
  for (const int yielded : {8, 4, 2, 1, 1}) {
    PollInVain(spin, kIdle);
    CHECK(yields == yielded);
    spin.Slept(SpinPlatform::kLongestPoll);
  }
}

TEST_CASE("C4: after short sleeps a thread polls for longer, up to the most") {
  AdaptiveSpin spin;
  for (int i = 0; i < 10; ++i) spin.Slept(std::chrono::hours(1));
  for (const int yielded : {1, 1, 2, 4, 8, 8}) {
    PollInVain(spin, kIdle);
    CHECK(yields == yielded);
    spin.Slept(SpinPlatform::kLongestPoll - nanoseconds(1));
  }
}

TEST_CASE("C4: a few attempts before it queues, with some time between them") {
  CHECK(AttemptInVain(kIdle) == 3);
  CHECK(yields == 3);
  CHECK(AttemptInVain(nanoseconds(100)) == 4);
  CHECK(yields == 24);
  // What others run is not its time.
  CHECK(AttemptInVain(kOthersRun) == 3);
  CHECK(yields == 3);
}

TEST_CASE("C4: the first attempt that comes to something is the last") {
  spin::yield_takes = kIdle;
  for (const Outcome outcome : {Outcome::kDone, Outcome::kClosed}) {
    int attempts = 0;
    CHECK(PollBeforeQueueing(Deadline::Never(), {}, [&] {
            return ++attempts == 2 ? outcome : Outcome::kPending;
          }) == outcome);
    CHECK(attempts == 2);
  }
}

TEST_CASE(
    "C4: before it queues for one value a thread spins, if a core is free") {
  const auto attempts_of_a_spin = [] {
    int attempts = 0;
    yields = 0;
    CHECK(SpinBeforeQueueing(Deadline::Never(), {}, [&] {
            ++attempts;
            return Outcome::kPending;
          }) == Outcome::kPending);
    CHECK(yields == 0);
    return attempts;
  };
  PollInVain(AdaptiveSpin::OfThisThread(), kOthersRun);
  CHECK(attempts_of_a_spin() == 0);
  PollInVain(AdaptiveSpin::OfThisThread(), kIdle);
  CHECK(attempts_of_a_spin() == 20);
  for (const Outcome outcome : {Outcome::kDone, Outcome::kClosed}) {
    int attempts = 0;
    CHECK(SpinBeforeQueueing(Deadline::Never(), {}, [&] {
            return ++attempts == 2 ? outcome : Outcome::kPending;
          }) == outcome);
    CHECK(attempts == 2);
  }
}

namespace {

// How a thread receives its next value: by a spin, or after a while in which
// `gathered` values have come.
bool Spins(std::size_t gathered, Outcome outcome = Outcome::kDone) {
  yields = 0;
  CHECK(PollForValues(
            Deadline::Never(), {}, [&] { return outcome; },
            [&] { return gathered - 1; }) == outcome);
  return yields == 0;
}

// How many values in a row a thread receives by a spin.
int SpinsInARow() {
  int spins = 0;
  while (spins < 2'000 && Spins(1)) ++spins;
  return spins;
}

// As a thread is at first.
void ForgetHowValuesCame() {
  AdaptiveSpin::OfThisThread() = AdaptiveSpin();
  spin::yield_takes = nanoseconds(100);
}

}  // namespace

TEST_CASE(
    "C4: a thread lets values gather until that was in vain eight times") {
  ForgetHowValuesCame();
  for (const std::size_t few : {1U, 2U, 7U, 1U, 1U, 1U, 1U, 1U})
    CHECK_FALSE(Spins(few));
  CHECK(Spins(1));
  // Once in a while it looks whether that is still so.
  CHECK(SpinsInARow() == 510);
  CHECK(SpinsInARow() == 511);
  // What is there when it does decides.
  CHECK(Spins(8));
  CHECK(SpinsInARow() == 510);
  CHECK(SpinsInARow() == 511);
}

TEST_CASE("C4: a thread lets values gather again once many have come") {
  ForgetHowValuesCame();
  for (int i = 0; i < 8; ++i) CHECK_FALSE(Spins(1));
  for (int i = 0; i < 511; ++i) CHECK(Spins(1));
  CHECK_FALSE(Spins(8));
  for (int i = 0; i < 8; ++i) CHECK_FALSE(Spins(7));
  CHECK(Spins(1));
}

TEST_CASE("C4: many values in between count as a thread's first") {
  ForgetHowValuesCame();
  for (int i = 0; i < 7; ++i) CHECK_FALSE(Spins(1));
  CHECK_FALSE(Spins(8));
  for (int i = 0; i < 8; ++i) CHECK_FALSE(Spins(1));
  CHECK(Spins(1));
}

TEST_CASE("C4: a thread that others want the core of lets values gather") {
  ForgetHowValuesCame();
  for (int i = 0; i < 8; ++i) CHECK_FALSE(Spins(1));
  PollInVain(AdaptiveSpin::OfThisThread(), kOthersRun);
  for (int i = 0; i < 3; ++i) {
    spin::yield_takes = kOthersRun;
    CHECK_FALSE(Spins(1));
  }
  spin::yield_takes = nanoseconds(100);
  CHECK_FALSE(Spins(1));
  CHECK(Spins(1));
}

TEST_CASE("C4: a channel that stayed empty, or was closed, had few values") {
  for (const Outcome outcome : {Outcome::kPending, Outcome::kClosed}) {
    ForgetHowValuesCame();
    for (int i = 0; i < 8; ++i) CHECK_FALSE(Spins(100, outcome));
    CHECK(Spins(1));
    // After a spin for nothing it queues.
    CHECK(Spins(1, Outcome::kPending));
  }
}

TEST_CASE("C6: a spin before it queues ends with its time, or with a stop") {
  PollInVain(AdaptiveSpin::OfThisThread(), kIdle);
  int attempts = 0;
  const auto attempt = [&] {
    ++attempts;
    return Outcome::kPending;
  };
  SpinBeforeQueueing(Deadline::After(nanoseconds(200)), {}, attempt);
  CHECK(attempts == 3);
  std::stop_source stop;
  stop.request_stop();
  SpinBeforeQueueing(Deadline::Never(), stop.get_token(), attempt);
  CHECK(attempts == 3);
}

TEST_CASE("C6: no attempt is made when the time is over, or after a stop") {
  CHECK(AttemptInVain(kIdle, Deadline::After(nanoseconds(0))) == 0);
  CHECK(AttemptInVain(kIdle, Deadline::After(nanoseconds(1))) == 1);
  std::stop_source stop;
  stop.request_stop();
  CHECK(AttemptInVain(kIdle, Deadline::Never(), stop.get_token()) == 0);
  CHECK(yields == 0);
}
