// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_PLATFORM_H_
#define FANFARE_DETAIL_BASE_PLATFORM_H_

// `Platform` is the library's only access to the platform: atomics, locks,
// condition variables, clock, threads and random numbers.
//
// A model checker, a fake clock or a fault injector can therefore be
// substituted. To replace the platform, declare a type with the members of
// `StdPlatform`. Then define the following before the first header of fanfare,
// in every file of the program alike:
//
//   #define FANFARE_PLATFORM ::MyPlatform
//   #define FANFARE_ABI my_platform  // other names, so that both may be linked

#include <fanfare/detail/base/config.h>  // first: <stop_token> may not exist

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>  // included nowhere else in the library
#include <thread>

// Durations, clocks and std::unique_ptr come with those headers. Including
// <chrono> and <memory> by name, with time zones and parallel algorithms, would
// add a fifth to every user's compile time.
#if !defined(__GLIBCXX__) && !defined(_LIBCPP_VERSION)
#include <chrono>
#include <memory>
#endif

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>  // glibc
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

  // Lets another thread run. Called in loops that wait for something that is
  // about to come.
  static void YieldThread() noexcept { std::this_thread::yield(); }

  // Like YieldThread(), but gives up the core whatever the threads' priorities
  // are.
  static void SleepBriefly() noexcept {
    [[maybe_unused]] const Uncancelled uncancelled;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }

  // Returns true if the program certainly has no other thread.
  static bool IsOnlyThread() noexcept {
#if __has_include(<sys/single_threaded.h>)
    return __libc_single_threaded != 0;
#else
    return false;
#endif
  }

  // Tells the processor that the thread is in such a loop.
  static void CpuRelax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  // Returns a pointer that belongs to the calling thread, null at first. It is
  // the same in all shared libraries of a program (but another one in each
  // DLL).
  FANFARE_SHARED static void*& ThreadSlot() noexcept {
    static thread_local void* slot = nullptr;
    return slot;
  }

  // Returns a T that belongs to the calling thread. It is the same in all
  // shared libraries of a program if T is FANFARE_SHARED.
  template <typename T>
  FANFARE_SHARED static T& Local() noexcept {
    static thread_local T local;
    return local;
  }

  // These limits say how a thread polls before it sleeps (adaptive_spin.h): how
  // long it spins before it yields, how long it polls in all, and how long it
  // lets values gather between two attempts.
  static constexpr std::chrono::nanoseconds kSpinTime{4000};
  static constexpr std::chrono::nanoseconds kLongestPoll{100'000};
  static constexpr std::chrono::nanoseconds kBetweenAttempts{600};

  // A lock may be biased once per this many values (biased_lock.h).
  static constexpr std::size_t kBiasEvery = 32;

  // Returns an unpredictable number for Select's choice (xorshift64*, by
  // Sebastiano Vigna; seeded from the clock and from the address of the
  // thread's slot).
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
