// SPDX-License-Identifier: MIT
//
// C4, F3, S6: a thread that waits for one which lost its processor in the
// middle of a few instructions sleeps in the end. It may be of a priority that
// keeps the other from running as long as it runs itself, whether it gives way
// or not.

#define FANFARE_PLATFORM ::PriorityPlatform
#define FANFARE_ABI priority

#include <array>
#include <atomic>
#include <mutex>
#include <thread>

#include <fanfare/detail/base/spin_lock.h>

#include "support/real_parts.h"

namespace halfway {

// The thread that says so stops when it has written a one to an atomic.
inline thread_local bool stops = false;
inline std::atomic<bool> stopped{false};
inline std::atomic<bool> goes_on{false};
inline std::atomic<int> naps{0};

inline void Stop() noexcept {
  if (!stops) return;
  stops = false;
  stopped = true;
  while (!goes_on) std::this_thread::yield();
}

template <typename T>
class StoppingAtomic : public std::atomic<T> {
 public:
  using std::atomic<T>::atomic;
  template <typename... Orders>
  bool compare_exchange_weak(T& expected, T desired,
                             Orders... orders) noexcept {
    const bool done =
        std::atomic<T>::compare_exchange_weak(expected, desired, orders...);
    if (done && desired == static_cast<T>(1)) Stop();
    return done;
  }
  T exchange(T desired, std::memory_order order) noexcept {
    const T before = std::atomic<T>::exchange(desired, order);
    if (desired == static_cast<T>(1)) Stop();
    return before;
  }
};

}  // namespace halfway

struct PriorityPlatform : RealParts {
  template <typename T>
  using Atomic = halfway::StoppingAtomic<T>;
  using Lock = fanfare::detail::SpinLock<PriorityPlatform>;

  static void SleepBriefly() noexcept {
    ++halfway::naps;
    std::this_thread::yield();
  }
};

#include <fanfare/detail/feed/turnstile.h>
#include <fanfare/detail/wait/claim.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"

namespace {

// Lets `hold` stop halfway in another thread, until one that calls `meet` has
// slept; returns what `meet` returned.
template <typename Hold, typename Meet>
bool MeetHalfway(Hold hold, Meet meet) {
  halfway::stopped = halfway::goes_on = false;
  halfway::naps = 0;
  InThread holding([&] {
    halfway::stops = true;
    hold();
  });
  AwaitThat([] { return halfway::stopped.load(); });
  InThread meeting([&] { return meet(); });
  AwaitThat([] { return halfway::naps > 0; });
  halfway::goes_on = true;
  holding.Get();
  return meeting.Get();
}

}  // namespace

TEST_CASE("S6: whoever meets a claim that is held for long sleeps") {
  using fanfare::detail::Claim;
  using fanfare::detail::Operation;
  std::array<Claim, 2> claims;
  std::array<Operation, 3> winners;
  Claim::Pair both = Claim::Pair::kMineLost;
  CHECK_FALSE(MeetHalfway(
      [&] {
        both = Claim::TryBoth(claims[0], winners[0], claims[1], winners[1]);
      },
      [&] { return claims[0].Try(winners[2]); }));
  CHECK(both == Claim::Pair::kClaimed);
  CHECK(claims[0].winner() == &winners[0]);
}

TEST_CASE("C4: whoever meets a lock that is held for long sleeps") {
  PriorityPlatform::Lock lock;
  int value = 0;
  CHECK(MeetHalfway(
      [&] {
        const std::lock_guard holding(lock);
        value = 1;
      },
      [&] {
        const std::lock_guard holding(lock);
        return value == 1;
      }));
}

TEST_CASE("F3: whoever asks for a turn that is held for long sleeps") {
  using fanfare::detail::Turnstile;
  Turnstile turn;
  bool locks = true;
  const bool taken = MeetHalfway(
      [&] {
        if (turn.TryEnter()) locks = !turn.TryLeave();
      },
      [&] { return turn.EnterOrDelegate(); });
  // Either the one who asked has it, or the other one said that it would look.
  CHECK(taken != locks);
}
