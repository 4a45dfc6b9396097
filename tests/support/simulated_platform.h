// SPDX-License-Identifier: MIT
//
// A platform for the library on which nothing is left to chance. Included
// before any header of fanfare, it takes the place of StdPlatform.
//
// Time is simulated: it moves when everybody waits, to the earliest moment that
// somebody waits for; a test can look on through `on_wait`.
//
// Threads can be simulated: Interleave runs functions in threads of which only
// one goes on at a time, and lets chance, from a seed, decide which, whenever
// one is about to lock a mutex or to use an atomic. What no run of the clock
// would show (somebody comes between two lines) is seen, and seen again.
#ifndef FANFARE_TESTS_SUPPORT_SIMULATED_PLATFORM_H_
#define FANFARE_TESTS_SUPPORT_SIMULATED_PLATFORM_H_

#ifdef FANFARE_DETAIL_BASE_PLATFORM_H_
#error "support/simulated_platform.h comes before the headers of fanfare"
#endif
#define FANFARE_PLATFORM ::SimulatedPlatform
#define FANFARE_ABI simulated

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/detail/base/spin_lock.h>

#include "tried.h"

class Simulation {
 public:
  struct Clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<Clock>;
    static constexpr bool is_steady = true;
    static time_point now() noexcept { return time_; }
  };

  static inline Clock::time_point time_{};

  // Called, without locks, when the only thread waits until a moment (max():
  // without end). Returns whether time then moves on to that moment.
  static inline std::function<bool(Clock::time_point)> on_wait;

  // Runs the functions as told above; returns when all of them have. A deadlock
  // ends the program.
  static void Interleave(std::uint64_t seed,
                         std::vector<std::function<void()>> functions) {
    tried_schedules += 1;
    Simulation simulation(seed, functions.size());
    current_ = &simulation;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < functions.size(); ++i) {
      threads.emplace_back([&simulation, i, run = std::move(functions[i])] {
        self_ = i;
        simulation.Begin();
        run();
        simulation.End();
        self_ = kNobody;
      });
    }
    simulation.Resume();
    // The last one first: then glibc gives every thread the stack that the one
    // before it had. Two Selects that meet go by the addresses of their claims,
    // and so a seed tells the same order of events again.
    while (!threads.empty()) {
      threads.back().join();
      threads.pop_back();
    }
    current_ = nullptr;
  }

  // Where another thread may come in.
  static void Point() {
    if (self_ != kNobody) current_->Pass(State::kReady, nullptr, kNoEnd);
  }

  // Returns when all others have ended or wait for something other than time.
  static void AwaitStandstill() {
    current_->Pass(State::kIdle, nullptr, kNoEnd);
  }

  class Mutex {
   public:
    void lock() {
      Point();
      while (locked_) {
        if (self_ == kNobody) Die("a thread locks what it has locked");
        current_->Pass(State::kWaiting, this, kNoEnd);
      }
      locked_ = true;
      ++locks_held;
    }
    void unlock() {
      locked_ = false;
      --locks_held;
      if (current_ != nullptr) current_->Wake(this, false);
    }

   private:
    bool locked_ = false;
  };

  class ConditionVariable {
   public:
    void notify_one() {
      most_locks_at_notify = std::max(most_locks_at_notify, locks_held);
      if (current_ != nullptr) current_->Wake(this, true);
    }
    void wait(std::unique_lock<Mutex>& lock) { wait_until(lock, kNoEnd); }
    void wait_until(std::unique_lock<Mutex>& lock, Clock::time_point end) {
      lock.unlock();
      if (self_ != kNobody) {
        current_->Pass(State::kWaiting, this, end);
      } else {
        const bool move_on = !on_wait || on_wait(end);
        if (move_on && end == kNoEnd) Die("the only thread waits for ever");
        if (move_on) time_ = std::max(time_, end);
      }
      lock.lock();
    }
  };

  template <typename T>
  class Atomic {
   public:
    constexpr Atomic() noexcept : value_() {}
    constexpr Atomic(T value) noexcept : value_(value) {}  // NOLINT
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(std::memory_order order = kOrder) const noexcept {
      Point();
      return value_.load(order);
    }
    void store(T value, std::memory_order order = kOrder) noexcept {
      Point();
      value_.store(value, order);
    }
    T exchange(T value, std::memory_order order = kOrder) noexcept {
      Point();
      return value_.exchange(value, order);
    }
    bool compare_exchange_weak(T& expected, T value, std::memory_order success,
                               std::memory_order failure) noexcept {
      Point();
      return value_.compare_exchange_strong(expected, value, success, failure);
    }
    bool compare_exchange_strong(T& expected, T value,
                                 std::memory_order order = kOrder) noexcept {
      Point();
      return value_.compare_exchange_strong(expected, value, order);
    }
    T fetch_or(T bits, std::memory_order order = kOrder) noexcept {
      Point();
      return value_.fetch_or(bits, order);
    }
    T fetch_and(T bits, std::memory_order order = kOrder) noexcept {
      Point();
      return value_.fetch_and(bits, order);
    }
    T fetch_add(T by, std::memory_order order = kOrder) noexcept {
      Point();
      return value_.fetch_add(by, order);
    }
    T fetch_sub(T by, std::memory_order order = kOrder) noexcept {
      Point();
      return value_.fetch_sub(by, order);
    }

   private:
    static constexpr auto kOrder = std::memory_order_seq_cst;
    std::atomic<T> value_;
  };

  static void Yield() noexcept {
    if (self_ == kNobody) {
      std::this_thread::yield();
    } else {
      current_->Pass(State::kYielding, nullptr, kNoEnd);
    }
  }

  static std::uint32_t Random() noexcept {
    return static_cast<std::uint32_t>(chance_());
  }

  // How many locks and mutexes the calling thread holds.
  static inline thread_local int locks_held = 0;
  // How many a thread had locked when it woke another, at most.
  static inline int most_locks_at_notify = 0;

 private:
  enum class State { kStarting, kReady, kYielding, kIdle, kWaiting, kDone };
  struct Thread {
    State state = State::kStarting;
    const void* what = nullptr;  // it waits for
    Clock::time_point end = kNoEnd;
    std::condition_variable resumed;
  };

  static constexpr Clock::time_point kNoEnd = Clock::time_point::max();
  static constexpr std::size_t kNobody = static_cast<std::size_t>(-1);
  static constexpr int kTooManySteps = 1000000;

  Simulation(std::uint64_t seed, std::size_t count) : threads_(count) {
    chance_.seed(static_cast<std::uint32_t>(seed));
  }

  [[noreturn]] static void Die(const char* why) {
    std::fprintf(stderr, "simulation: %s\n", why);
    std::abort();
  }

  void Begin() {
    std::unique_lock lock(mutex_);
    threads_[self_].state = State::kReady;
    started_.notify_one();
    Await(lock);
  }

  void End() {
    const std::lock_guard lock(mutex_);
    threads_[self_].state = State::kDone;
    Choose();
  }

  // Lets the first thread go on, once all are there.
  void Resume() {
    std::unique_lock lock(mutex_);
    started_.wait(lock, [&] {
      return std::all_of(threads_.begin(), threads_.end(), [](auto& thread) {
        return thread.state != State::kStarting;
      });
    });
    Choose();
  }

  // The calling thread gives way, in `state`.
  void Pass(State state, const void* what, Clock::time_point end) {
    std::unique_lock lock(mutex_);
    Thread& me = threads_[self_];
    me.state = state;
    me.what = what;
    me.end = end;
    Choose();
    Await(lock);
  }

  void Await(std::unique_lock<std::mutex>& lock) {
    Thread& me = threads_[self_];
    me.resumed.wait(lock, [&] { return running_ == self_; });
    me.state = State::kReady;
    me.end = kNoEnd;
  }

  void Wake(const void* what, bool only_one) {
    const std::lock_guard lock(mutex_);
    for (Thread& thread : threads_) {
      if (thread.state != State::kWaiting || thread.what != what) continue;
      thread.state = State::kReady;
      if (only_one) return;
    }
  }

  // Picks who goes on.
  void Choose() {
    if (++steps_ == kTooManySteps) Die("nobody comes to an end");
    std::vector<std::size_t> candidates;
    const auto collect = [&](State state) {
      for (std::size_t i = 0; i < threads_.size(); ++i) {
        if (threads_[i].state == state) candidates.push_back(i);
      }
    };
    // Now and then time passes although somebody could go on.
    const auto next = std::min_element(
        threads_.begin(), threads_.end(), [](const auto& a, const auto& b) {
          return (a.state == State::kWaiting ? a.end : kNoEnd) <
                 (b.state == State::kWaiting ? b.end : kNoEnd);
        });
    const bool timed = next != threads_.end() &&
                       next->state == State::kWaiting && next->end != kNoEnd;
    collect(State::kReady);
    if (timed && (candidates.empty() || chance_() % 16 == 0)) {
      time_ = std::max(time_, next->end);
      next->state = State::kReady;
      candidates.clear();
      collect(State::kReady);
    }
    if (candidates.empty() || chance_() % 4 == 0) collect(State::kYielding);
    if (candidates.empty()) collect(State::kIdle);
    if (candidates.empty()) {
      running_ = kNobody;
      if (std::any_of(threads_.begin(), threads_.end(), [](auto& thread) {
            return thread.state == State::kWaiting;
          })) {
        Die("a deadlock");
      }
      return;
    }
    running_ = candidates[chance_() % candidates.size()];
    threads_[running_].resumed.notify_one();
  }

  static inline Simulation* current_ = nullptr;
  static inline thread_local std::size_t self_ = kNobody;
  static inline std::mt19937 chance_;

  std::mutex mutex_;  // guards all that follows
  std::condition_variable started_;
  std::vector<Thread> threads_;
  std::size_t running_ = kNobody;
  int steps_ = 0;
};

struct SimulatedPlatform {
  template <typename T>
  using Atomic = Simulation::Atomic<T>;
  class Lock : public fanfare::detail::SpinLock<SimulatedPlatform> {
   public:
    void lock() noexcept {
      SpinLock::lock();
      ++Simulation::locks_held;
    }
    void unlock() noexcept {
      --Simulation::locks_held;
      SpinLock::unlock();
    }
  };
  using Mutex = Simulation::Mutex;
  using ConditionVariable = Simulation::ConditionVariable;
  using Clock = Simulation::Clock;
  using Thread = std::thread;

  static void YieldThread() noexcept { Simulation::Yield(); }
  static bool IsOnlyThread() noexcept { return false; }
  static void SleepBriefly() noexcept { Simulation::Yield(); }
  static void CpuRelax() noexcept { Simulation::Yield(); }
  static void*& ThreadSlot() noexcept {
    static thread_local void* slot = nullptr;
    return slot;
  }
  template <typename T>
  static T& Local() noexcept {
    static thread_local T local;
    return local;
  }
  // A thread that waits spins once and yields once before it sleeps.
  static constexpr std::chrono::nanoseconds kSpinTime{0};
  static constexpr std::chrono::nanoseconds kLongestPoll{0};
  static constexpr std::chrono::nanoseconds kBetweenAttempts{0};
  static constexpr std::size_t kBiasEvery = 1;
  static std::uint32_t Random() noexcept { return Simulation::Random(); }
};

#endif  // FANFARE_TESTS_SUPPORT_SIMULATED_PLATFORM_H_
