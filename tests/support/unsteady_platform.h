// SPDX-License-Identifier: MIT
//
// A platform that, while `unsteady::on`, gives way to other threads at random
// around every lock and every atomic, so that windows of a few instructions are
// met. To be included before the first header of the library.
#ifndef FANFARE_TESTS_SUPPORT_UNSTEADY_PLATFORM_H_
#define FANFARE_TESTS_SUPPORT_UNSTEADY_PLATFORM_H_

#define FANFARE_PLATFORM ::UnsteadyPlatform
#define FANFARE_ABI unsteady

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <random>
#include <thread>

#include <fanfare/detail/base/spin_lock.h>

#include "real_parts.h"

namespace unsteady {

inline std::atomic<bool> on = false;

// Of this thread; reproducible only as far as threads are.
inline std::uint32_t Chance(std::uint32_t below) {
  static std::atomic<std::uint32_t> seeds = 1;
  static thread_local std::minstd_rand chance(seeds += 7919);
  return static_cast<std::uint32_t>(chance()) % below;
}

inline void Stumble() noexcept {
  if (on.load(std::memory_order_relaxed) && Chance(8) == 0) {
    std::this_thread::yield();
  }
}

class Mutex {
 public:
  void lock() {
    Stumble();
    mutex_.lock();
  }
  void unlock() {
    mutex_.unlock();
    Stumble();
  }

 private:
  std::mutex mutex_;
};

// What the library uses of std::atomic.
template <typename T>
class Atomic {
 public:
  Atomic() = default;
  constexpr Atomic(T value) noexcept  // NOLINT(google-explicit-constructor)
      : value_(value) {}

  T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    Stumble();
    return value_.load(order);
  }
  void store(T value,
             std::memory_order order = std::memory_order_seq_cst) noexcept {
    Stumble();
    value_.store(value, order);
    Stumble();
  }
  T exchange(T value,
             std::memory_order order = std::memory_order_seq_cst) noexcept {
    Stumble();
    return value_.exchange(value, order);
  }
  template <typename D>
  T fetch_add(D by,
              std::memory_order order = std::memory_order_seq_cst) noexcept {
    Stumble();
    return value_.fetch_add(static_cast<T>(by), order);
  }
  template <typename D>
  T fetch_sub(D by,
              std::memory_order order = std::memory_order_seq_cst) noexcept {
    Stumble();
    return value_.fetch_sub(static_cast<T>(by), order);
  }
  T fetch_or(T bits,
             std::memory_order order = std::memory_order_seq_cst) noexcept {
    Stumble();
    return value_.fetch_or(bits, order);
  }
  T fetch_and(T bits,
              std::memory_order order = std::memory_order_seq_cst) noexcept {
    Stumble();
    return value_.fetch_and(bits, order);
  }
  template <typename... Orders>
  bool compare_exchange_strong(T& expected, T desired,
                               Orders... orders) noexcept {
    Stumble();
    return value_.compare_exchange_strong(expected, desired, orders...);
  }
  template <typename... Orders>
  bool compare_exchange_weak(T& expected, T desired,
                             Orders... orders) noexcept {
    Stumble();
    return value_.compare_exchange_weak(expected, desired, orders...);
  }

 private:
  std::atomic<T> value_;
};

}  // namespace unsteady

struct UnsteadyPlatform : RealParts {
  template <typename T>
  using Atomic = unsteady::Atomic<T>;
  using Lock = fanfare::detail::SpinLock<UnsteadyPlatform>;
  using Mutex = unsteady::Mutex;
  using ConditionVariable = std::condition_variable_any;

  static std::uint32_t Random() noexcept { return unsteady::Chance(1U << 30); }
};

#endif  // FANFARE_TESTS_SUPPORT_UNSTEADY_PLATFORM_H_
