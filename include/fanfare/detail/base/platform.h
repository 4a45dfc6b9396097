// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_PLATFORM_H_
#define FANFARE_DETAIL_BASE_PLATFORM_H_

// The one door between the library and the machine: atomics, locks, condition
// variable, clock, thread and chance are reached through `Platform` and through
// nothing else, so that a model checker, a fake clock or a fault injector can
// stand in. To replace it, declare a type with the members of `StdPlatform`,
// then, before the first header of fanfare, in every file of the program alike:
//
//   #define FANFARE_PLATFORM ::MyPlatform
//   #define FANFARE_ABI my_platform  // other names, so that both may be linked

#include <fanfare/detail/base/config.h>  // first: <stop_token> may not exist

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>  // nowhere else in the library
#include <thread>

// Durations, clocks and std::unique_ptr come with those. To include <chrono>
// and <memory> by name, with time zones and parallel algorithms, would take
// everybody's compiler a fifth longer.
#if !defined(__GLIBCXX__) && !defined(_LIBCPP_VERSION)
#include <chrono>
#include <memory>
#endif

#include <fanfare/detail/base/spin_lock.h>
#include <fanfare/detail/base/uncancelled.h>

#ifndef FANFARE_PLATFORM
#define FANFARE_PLATFORM StdPlatform
#endif

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

struct StdPlatform {
  template <typename T>
  using Atomic = std::atomic<T>;
  using Lock = SpinLock<StdPlatform>;  // for everything but sleeping
  using Mutex = std::mutex;
  using ConditionVariable = std::condition_variable;
  using Clock = std::chrono::steady_clock;
  using Thread = std::thread;

  // Lets another thread run; called in loops that wait for one that is about to
  // come.
  static void YieldThread() noexcept { std::this_thread::yield(); }

  // The same, and lets go of the processor whatever the priorities.
  static void SleepBriefly() noexcept {
    [[maybe_unused]] const Uncancelled uncancelled;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }

  // Tells the processor that such a loop goes on.
  static void CpuRelax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  // A word that belongs to the calling thread, null at first. The same in all
  // shared libraries of a program (but in each DLL another one).
  FANFARE_SHARED static void*& ThreadSlot() noexcept {
    static thread_local void* slot = nullptr;
    return slot;
  }

  // A T of the calling thread's own.
  template <typename T>
  static T& Local() noexcept {
    static thread_local T local;
    return local;
  }

  // How a thread polls before it sleeps (adaptive_spin.h): how long it spins
  // before it yields, how long it polls in all, and how long it lets values
  // gather between two attempts.
  static constexpr std::chrono::nanoseconds kSpinTime{4000};
  static constexpr std::chrono::nanoseconds kLongestPoll{100'000};
  static constexpr std::chrono::nanoseconds kBetweenAttempts{600};

  // Of how many values one may be followed by a loan (biased_lock.h).
  static constexpr std::size_t kBiasEvery = 32;

  // A number that is not predictable, for Select's choice (xorshift64*, by
  // Sebastiano Vigna; seeded from the clock and the thread's own address).
  FANFARE_WRAPS static std::uint32_t Random() noexcept {
    static thread_local std::uint64_t state =
        (static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()) ^
         reinterpret_cast<std::uintptr_t>(&ThreadSlot())) |
        1U;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return static_cast<std::uint32_t>((state * 0x2545F4914F6CDD1DULL) >> 32);
  }
};

using Platform = FANFARE_PLATFORM;

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_PLATFORM_H_
