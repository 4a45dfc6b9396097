// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_ADAPTIVE_SPIN_H_
#define FANFARE_DETAIL_WAIT_ADAPTIVE_SPIN_H_

// AdaptiveSpin is how a thread polls before it sleeps: the one polling policy
// of the library.
//
// What a thread waits for is often about to come, and to sleep and be woken
// costs tens of microseconds. So a thread polls for about as long as that would
// have cost. All budgets are times, because a pause of one processor takes a
// third of another's. Three things are learnt, for each thread:
//   - whether a core is free. A yield returns at once if no other thread wants
//     the core. In that case spinning harms no other thread, and a spin sees
//     the answer of another core at once. If the yield let others run, the
//     thread only yields, because the answer may have to come from one of them.
//   - how long polling pays off. A sleep that was shorter than the longest poll
//     doubles the budget, a longer one halves it.
//   - whether values come in bursts. If they do, it pays to let them gather:
//     the thread polls less often, and each poll takes a cache line from the
//     sender. If values come one by one, letting them gather would only delay
//     them.

#include <cstddef>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/function_ref.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class AdaptiveSpin {
 public:
  using Clock = Platform::Clock;

  static AdaptiveSpin& OfThisThread() noexcept {
    return Platform::Local<AdaptiveSpin>();
  }

  // Calls `ready()` until it returns true or the budget is used up. Returns
  // whether `ready()` did.
  bool Poll(FunctionRef<bool()> ready) {
    Clock::duration used{};
    do {
      const auto start = Clock::now();
      if (Spin(ready)) return true;
      used += Clock::now() - start;
      used += GiveWay();
      if (ready()) return true;
    } while (used < budget_);
    return false;
  }

  // Spins only, and only if a core is free.
  bool Spin(FunctionRef<bool()> ready) {
    if (crowded_) return false;
    const auto end = Clock::now() + Platform::kSpinTime;
    do {
      Platform::CpuRelax();
      if (ready()) return true;
    } while (Clock::now() < end);
    return false;
  }

  // Yields once, and again until `time` has passed or another thread has run.
  // Returns how much of the time this thread itself used.
  Clock::duration GiveWay(Clock::duration time = {}) noexcept {
    const auto start = Clock::now();
    auto now = start;
    do {
      const auto before = now;
      Platform::YieldThread();
      now = Clock::now();
      crowded_ = now - before > kLongestIdleYield;
    } while (now - start < time);
    return crowded_ ? Clock::duration(kCrowdedYield) : now - start;
  }

  // Returns whether to spin for the next value instead of letting values
  // gather. Every kSpinsPerGather-th call returns false, to probe whether
  // values come in bursts now.
  [[nodiscard]] bool SpinsForValues() noexcept {
    if (crowded_ || in_vain_ < kGatherInVain) return false;
    if (++spins_ < kSpinsPerGather) return true;
    spins_ = 0;
    return false;
  }

  // Learns how many values have gathered in the time that they were given.
  void Gathered(std::size_t values) noexcept {
    if (values >= kMany) {
      in_vain_ = 0;
    } else if (in_vain_ < kGatherInVain) {
      ++in_vain_;
    }
  }

  // Adapts the budget: doubles it if a longer poll would have been cheaper than
  // that sleep, and halves it otherwise.
  void Slept(Clock::duration duration) noexcept {
    budget_ = duration < kMost ? 2 * budget_ : budget_ / 2;
    if (budget_ > kMost) budget_ = kMost;
    if (budget_ < kLeast) budget_ = kLeast;
  }

 private:
  static constexpr Clock::duration kMost = Platform::kLongestPoll;
  static constexpr Clock::duration kLeast = Platform::kSpinTime;
  // Longer than any kernel takes to find no other thread, and shorter than two
  // context switches.
  static constexpr std::chrono::microseconds kLongestIdleYield{2};
  static constexpr std::chrono::microseconds kCrowdedYield{1};

  static constexpr std::size_t kMany = 8;
  // More than one failure in a row, because a sender of many values may be away
  // for a while.
  static constexpr int kGatherInVain = 8;
  static constexpr int kSpinsPerGather = 512;

  bool crowded_ = false;
  int in_vain_ = 0;
  int spins_ = 0;
  Clock::duration budget_ = kMost;
};

// Makes a few attempts before an operation is queued in a channel that buffers,
// until one no longer returns kPending. There are only a few, because an
// operation that is not queued may be overtaken. Some time passes between two
// attempts. A thread that polls too often finds few values each time, and takes
// the channel's memory from the other side.
inline Outcome PollBeforeQueueing(Deadline deadline,
                                  const std::stop_token& stop,
                                  FunctionRef<Outcome()> attempt) noexcept {
  constexpr int kAttempts = 4;
  AdaptiveSpin& spin = AdaptiveSpin::OfThisThread();
  AdaptiveSpin::Clock::duration used{};
  do {
    if (deadline.Expired() || stop.stop_requested()) return Outcome::kPending;
    used += spin.GiveWay(Platform::kBetweenAttempts);
    const Outcome outcome = attempt();
    if (outcome != Outcome::kPending) return outcome;
  } while (used < kAttempts * Platform::kBetweenAttempts);
  return Outcome::kPending;
}

// Like PollBeforeQueueing(), for a receive from a channel with room for one
// value, where no more can gather. It spins, because a value is received sooner
// from the ring than from a send that matches a receive in the queue.
inline Outcome SpinBeforeQueueing(Deadline deadline,
                                  const std::stop_token& stop,
                                  FunctionRef<Outcome()> attempt) noexcept {
  Outcome outcome = Outcome::kPending;
  AdaptiveSpin::OfThisThread().Spin([&] {
    if (deadline.Expired() || stop.stop_requested()) return true;
    outcome = attempt();
    return outcome != Outcome::kPending;
  });
  return outcome;
}

// For a receive from a channel that buffers: PollBeforeQueueing(), or
// SpinBeforeQueueing() if the thread has learnt that values come one by one.
// `left()` returns how many values are in the channel.
inline Outcome PollForValues(Deadline deadline, const std::stop_token& stop,
                             FunctionRef<Outcome()> attempt,
                             FunctionRef<std::size_t()> left) noexcept {
  AdaptiveSpin& spin = AdaptiveSpin::OfThisThread();
  if (spin.SpinsForValues()) return SpinBeforeQueueing(deadline, stop, attempt);
  const Outcome outcome = PollBeforeQueueing(deadline, stop, attempt);
  spin.Gathered(outcome == Outcome::kDone ? left() + 1 : 0);
  return outcome;
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_ADAPTIVE_SPIN_H_
