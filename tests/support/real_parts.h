// SPDX-License-Identifier: MIT
//
// The parts of a platform that are those of the machine: a test's platform
// inherits them and replaces what it looks at. (StdPlatform is defined too late
// for that: it asks which platform is to be used.)
#ifndef FANFARE_TESTS_SUPPORT_REAL_PARTS_H_
#define FANFARE_TESTS_SUPPORT_REAL_PARTS_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

struct RealParts {
  template <typename T>
  using Atomic = std::atomic<T>;
  using Mutex = std::mutex;
  using ConditionVariable = std::condition_variable;
  using Clock = std::chrono::steady_clock;
  using Thread = std::thread;

  static void YieldThread() noexcept { std::this_thread::yield(); }
  static bool IsOnlyThread() noexcept { return false; }
  static void SleepBriefly() noexcept { std::this_thread::yield(); }
  static void CpuRelax() noexcept {}
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
  static constexpr std::size_t kBiasEvery = 2;
  static std::uint32_t Random() noexcept {
    static std::atomic<std::uint32_t> state{1};
    return state = state * 1664525U + 1013904223U;
  }
};

#endif  // FANFARE_TESTS_SUPPORT_REAL_PARTS_H_
