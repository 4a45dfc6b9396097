// SPDX-License-Identifier: MIT
//
// The platform of the model checker, to be included before any header of
// fanfare: everything that threads share goes through the Scheduler, one step
// at a time, and is sequentially consistent, whatever the memory order. (What
// weaker orders allow is for ThreadSanitizer.)
#ifndef FANFARE_TESTS_MODEL_MODEL_PLATFORM_H_
#define FANFARE_TESTS_MODEL_MODEL_PLATFORM_H_

#ifdef FANFARE_DETAIL_BASE_PLATFORM_H_
#error "model/model_platform.h comes before the headers of fanfare"
#endif
#define FANFARE_PLATFORM ::model::Platform
#define FANFARE_ABI model_checked

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include "scheduler.h"

namespace model {

// Tells whether the object that it is a part of is still there. Memory is not
// used twice in the arena, and on a stack others overwrite it.
class Life {
 public:
  constexpr Life() noexcept = default;
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  constexpr ~Life() { Set(0xDEADDEAD); }

  void Check() const {
    if (word_ != kAlive) Scheduler::Fail("something is used after its end");
  }

 private:
  static constexpr std::uint32_t kAlive = 0xA11FEA11;

  // Not left out for being the last that is done with the object.
  constexpr void Set(std::uint32_t word) {
    *const_cast<volatile std::uint32_t*>(&word_) = word;
  }

  std::uint32_t word_ = kAlive;
};

template <typename T>
class Atomic {
 public:
  constexpr Atomic() noexcept = default;
  constexpr Atomic(T value) noexcept : value_(value) {}  // NOLINT
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order = kOrder) const noexcept { return At("load"); }
  void store(T value, std::memory_order = kOrder) noexcept {
    At("store") = value;
  }
  T exchange(T value, std::memory_order = kOrder) noexcept {
    return std::exchange(At("exchange"), value);
  }
  bool compare_exchange_weak(T& expected, T value, std::memory_order success,
                             std::memory_order failure) noexcept {
    return compare_exchange_strong(expected, value, success, failure);
  }
  bool compare_exchange_strong(T& expected, T value, std::memory_order = kOrder,
                               std::memory_order = kOrder) noexcept {
    T& mine = At("compare and exchange");
    if (mine != expected) {
      expected = mine;
      return false;
    }
    mine = value;
    return true;
  }
  T fetch_or(T bits, std::memory_order = kOrder) noexcept {
    T& mine = At("fetch or");
    return std::exchange(mine, static_cast<T>(mine | bits));
  }
  T fetch_and(T bits, std::memory_order = kOrder) noexcept {
    T& mine = At("fetch and");
    return std::exchange(mine, static_cast<T>(mine & bits));
  }
  T fetch_add(T by, std::memory_order = kOrder) noexcept {
    T& mine = At("fetch add");
    return std::exchange(mine, static_cast<T>(mine + by));
  }
  T fetch_sub(T by, std::memory_order = kOrder) noexcept {
    T& mine = At("fetch sub");
    return std::exchange(mine, static_cast<T>(mine - by));
  }

 private:
  static constexpr auto kOrder = std::memory_order_seq_cst;

  T& At(const char* what) const {
    Scheduler::Point(what, this);
    life_.Check();
    return value_;
  }

  mutable T value_{};
  Life life_;
};

class Mutex {
 public:
  void lock() {
    Scheduler::Point("lock", this);
    life_.Check();
    while (locked_) {
      Scheduler::Wait(this, Scheduler::kNoEnd);
      life_.Check();
    }
    locked_ = true;
  }
  void unlock() {
    Release();
    Scheduler::GiveBack();
  }

 private:
  friend class ConditionVariable;
  void Release() {
    life_.Check();
    locked_ = false;
    Scheduler::Wake(this, false);
  }

  bool locked_ = false;
  Life life_;
};

struct Clock {
  using duration = Scheduler::Time;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept {
    if (Scheduler::clock_moves()) Scheduler::Point("clock", nullptr);
    return time_point(Scheduler::now());
  }
};

class ConditionVariable {
 public:
  void notify_one() {
    Scheduler::Point("notify", this);
    life_.Check();
    Scheduler::Wake(this, true);
  }
  void wait(std::unique_lock<Mutex>& lock) {
    wait_until(lock, Clock::time_point::max());
  }
  void wait_until(std::unique_lock<Mutex>& lock, Clock::time_point end) {
    Scheduler::Point("wait", this);
    life_.Check();
    lock.mutex()->Release();
    if (end.time_since_epoch() > Scheduler::now()) {
      Scheduler::Wait(this, end.time_since_epoch());
    }
    life_.Check();
    lock.mutex()->lock();
  }

 private:
  Life life_;
};

class Thread {
 public:
  Thread() = default;
  explicit Thread(Body body) : index_(Scheduler::Spawn(std::move(body))) {}
  Thread(Thread&& other) noexcept
      : index_(std::exchange(other.index_, Scheduler::kNobody)) {}
  Thread& operator=(Thread&& other) noexcept {
    if (joinable()) Scheduler::Fail("a thread is lost");
    index_ = std::exchange(other.index_, Scheduler::kNobody);
    return *this;
  }
  ~Thread() {
    if (joinable()) Scheduler::Fail("a thread is lost");
  }

  [[nodiscard]] bool joinable() const { return index_ != Scheduler::kNobody; }
  void join() {
    if (!joinable() || std::exchange(joining_, true)) {
      Scheduler::Fail("a thread is joined twice");
    }
    Scheduler::Join(index_);
    joining_ = false;
    index_ = Scheduler::kNobody;
  }
  void detach() { index_ = Scheduler::kNobody; }

 private:
  std::size_t index_ = Scheduler::kNobody;
  bool joining_ = false;
};

struct Platform {
  template <typename T>
  using Atomic = model::Atomic<T>;
  // The library's own is a scenario; elsewhere it would add steps, not cases.
  using Lock = model::Mutex;
  using Mutex = model::Mutex;
  using ConditionVariable = model::ConditionVariable;
  using Clock = model::Clock;
  using Thread = model::Thread;

  static void YieldThread() noexcept { Scheduler::Yield(); }
  static bool IsOnlyThread() noexcept { return false; }
  static void SleepBriefly() noexcept { Scheduler::Yield(); }
  static void CpuRelax() noexcept { Scheduler::Yield(); }
  static void*& ThreadSlot() noexcept { return Scheduler::slot(); }
  // New in each schedule.
  template <typename T>
  static T& Local() noexcept {
    struct Slot {
      unsigned run = 0;
      T value;
    };
    static std::array<Slot, Scheduler::kMostThreads + 1> slots;
    Slot& mine = slots[Scheduler::self()];
    if (std::exchange(mine.run, Scheduler::run()) != Scheduler::run()) {
      mine.value = T();
    }
    return mine.value;
  }
  // A thread that waits spins once and yields once before it sleeps.
  static constexpr std::chrono::nanoseconds kSpinTime{0};
  static constexpr std::chrono::nanoseconds kLongestPoll{0};
  static constexpr std::chrono::nanoseconds kBetweenAttempts{0};
  static constexpr std::size_t kBiasEvery = 1;
  // Enough for a Select with two cases: both orders are tried.
  static std::uint32_t Random() noexcept {
    return static_cast<std::uint32_t>(Scheduler::Choose(2));
  }
};

}  // namespace model

#endif  // FANFARE_TESTS_MODEL_MODEL_PLATFORM_H_
