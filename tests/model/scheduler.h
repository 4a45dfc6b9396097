// SPDX-License-Identifier: MIT
//
// Runs one schedule: threads that are fibers, of which one goes on at a time,
// and which a Chooser lets take turns wherever one is about to do what another
// one could see.
#ifndef FANFARE_TESTS_MODEL_SCHEDULER_H_
#define FANFARE_TESTS_MODEL_SCHEDULER_H_

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "chooser.h"

namespace model {

using Body = std::function<void()>;

struct ThreadState {
  Body body;
  bool done = true;
  const void* waits_for = nullptr;  // unless it is ready, yielded or done
  std::chrono::nanoseconds end{};
  void* slot = nullptr;
};

class Scheduler {
 public:
  using Time = std::chrono::nanoseconds;
  static constexpr Time kNoEnd = Time::max();
  static constexpr std::size_t kMostThreads = 6;
  // What stands for the program outside of Interleave.
  static constexpr std::size_t kNobody = kMostThreads;

  // Runs `scenario` once, which calls Interleave, under the choices of
  // `chooser`. `trace` prints every step.
  static void Run(const char* name, void (*scenario)(), Chooser& chooser,
                  bool trace);

  // Runs the bodies in threads, together with those that were spawned before or
  // are meanwhile; returns when all have ended.
  static void Interleave(std::vector<Body> bodies);

  // Ends the program: this schedule is wrong.
  [[noreturn]] static void Fail(const char* why);

  // Another thread may come in here, before `what` is done with `object`.
  static void Point(const char* what, const void* object) {
    if (self_ == kNobody) return;
    Step(what, object);
    if (((ready_ | yielded_) & ~Bit(self_)) != 0) GiveWay();
  }

  // Blocks until somebody wakes who waits for `what`, or until the end.
  static void Wait(const void* what, Time end);
  static void Wake(const void* what, bool only_one);

  // Where somebody uninterrupted waited for the calling thread, it goes on.
  static void GiveBack() {
    if (uninterrupted_ != kNobody && uninterrupted_ != self_ &&
        (ready_ & Bit(uninterrupted_)) != 0) {
      SwitchTo(uninterrupted_);
    }
  }

  // Lets another one run first, one that did not yield itself if there is any:
  // who looks again and again does not keep it from what is looked for. A few
  // times the calling thread may go on all the same. Preempts nobody.
  static void Yield();

  // One of `count` numbers, each of which is tried.
  static std::size_t Choose(std::size_t count) {
    return chooser_->Pick(count, false);
  }

  static std::size_t Spawn(Body body);
  static void Join(std::size_t thread);

  [[nodiscard]] static std::size_t self() { return self_; }
  [[nodiscard]] static void*& slot() { return threads_[self_].slot; }
  // Another number for every schedule.
  [[nodiscard]] static unsigned run() { return run_; }

  // Time stands still while somebody can go on, unless a thread moves it.
  [[nodiscard]] static Time now() { return now_; }
  static void MoveTime(Time by);
  // Says that a thread will: to look at the clock is a point then.
  static void TimeWillMove() { clock_moves_ = true; }
  [[nodiscard]] static bool clock_moves() { return clock_moves_; }

  // Nobody comes in while it lives, but for those that its thread waits for.
  //
  // It stands around every request of a stop that has callbacks: libstdc++ asks
  // for the thread's identity to find out whether a callback that is destroyed
  // is just being called by another thread, and all threads are one here. To
  // interrupt a callback would make it outlive its end.
  class Uninterrupted {
   public:
    Uninterrupted() { uninterrupted_ = self_; }
    ~Uninterrupted() { uninterrupted_ = kNobody; }
    Uninterrupted(const Uninterrupted&) = delete;
    Uninterrupted& operator=(const Uninterrupted&) = delete;
  };

 private:
  using Threads = unsigned;  // a bit for each

  static constexpr Threads Bit(std::size_t thread) { return 1U << thread; }
  // The `n`th thread of a set.
  static std::size_t Nth(Threads threads, std::size_t n) {
    for (; n > 0; --n) threads &= threads - 1;
    return static_cast<std::size_t>(std::countr_zero(threads));
  }

  static void Step(const char* what, const void* object);
  static void GiveWay();
  static bool IsWaiting(std::size_t thread);
  static void LetTimePass();
  static void GoOnWith(Threads candidates);
  static void GoOnWithAny();
  static void SwitchTo(std::size_t next);
  static void RunBodies();

  static inline std::array<ThreadState, kMostThreads + 1> threads_;
  static inline std::size_t self_ = kNobody;
  static inline std::size_t previous_ = kNobody;
  static inline std::size_t spawned_ = 0;
  static inline Threads ready_ = 0;
  static inline Threads yielded_ = 0;
  static inline std::size_t uninterrupted_ = kNobody;
  static inline bool failing_ = false;
  static inline bool clock_moves_ = false;
  static inline bool trace_ = false;
  static inline Time now_{};
  static inline unsigned run_ = 0;
  static inline std::size_t steps_ = 0;
  static inline std::size_t stays_ = 0;
  static inline Chooser* chooser_ = nullptr;
  static inline const char* name_ = "";
};

}  // namespace model

#endif  // FANFARE_TESTS_MODEL_SCHEDULER_H_
