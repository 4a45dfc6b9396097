// SPDX-License-Identifier: MIT

#include "scheduler.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "arena.h"
#include "fiber.h"

namespace model {
namespace {

// How often a thread that yields may go on nevertheless, so that it comes to
// sleep while the one that it waits for stands still.
constexpr std::size_t kMostStays = 3;

constexpr std::size_t kStackSize = std::size_t{256} << 10;

alignas(64) char stacks[Scheduler::kMostThreads][kStackSize];
Fiber fibers[Scheduler::kMostThreads + 1];

}  // namespace

void Scheduler::Run(const char* name, void (*scenario)(), Chooser& chooser,
                    bool trace) {
  if (run_++ == 0) {
    for (std::size_t i = 0; i < kMostThreads; ++i) {
      fibers[i].Prepare(&RunBodies, stacks[i], kStackSize);
    }
  }
  name_ = name;
  chooser_ = &chooser;
  trace_ = trace;
  spawned_ = 0;
  ready_ = yielded_ = 0;
  clock_moves_ = false;
  now_ = Time{};
  steps_ = 0;
  for (ThreadState& thread : threads_) thread.slot = nullptr;
  Arena::Open();
  scenario();
  Arena::Close();
  if (Arena::live() != 0) Fail("memory is not freed");
}

void Scheduler::Interleave(std::vector<Body> bodies) {
  for (Body& body : bodies) Spawn(std::move(body));
  if (ready_ != 0) GoOnWith(ready_);
}

void Scheduler::Fail(const char* why) {
  Arena::Close();
  // A second fault on the way would tell nothing.
  if (!std::exchange(failing_, true)) {
    std::printf("%s: FAILED: %s, in\n  model_check %s --replay %s\n", name_,
                why, name_, chooser_->Told().c_str());
    std::fflush(stdout);
  }
  std::_Exit(1);
}

void Scheduler::Step(const char* what, const void* object) {
  if (++steps_ == kMostChoices) Fail("nobody comes to an end");
  if (trace_) {
    std::printf("%4zu thread %zu: %s %p\n", steps_, self_, what, object);
    std::fflush(stdout);
  }
}

// The running thread could go on; lets chance decide whether it does.
void Scheduler::GiveWay() {
  if (uninterrupted_ != kNobody) {
    const Threads both = ready_ | yielded_;
    if (uninterrupted_ != self_ && (both & Bit(uninterrupted_)) != 0) {
      SwitchTo(uninterrupted_);
      return;
    }
    if (uninterrupted_ == self_) return;
  }
  const Threads others = (ready_ | yielded_) & ~Bit(self_);
  const auto count = static_cast<std::size_t>(std::popcount(others));
  const std::size_t picked = chooser_->Pick(count + 1, true);
  if (picked != 0) SwitchTo(Nth(others, picked - 1));
}

void Scheduler::Wait(const void* what, Time end) {
  if (self_ == kNobody) Fail("the scenario waits outside of its threads");
  ThreadState& me = threads_[self_];
  me.waits_for = what;
  me.end = end;
  ready_ &= ~Bit(self_);
  GoOnWithAny();
  me.end = kNoEnd;
}

void Scheduler::Wake(const void* what, bool only_one) {
  for (std::size_t i = 0; i < spawned_; ++i) {
    if (!IsWaiting(i) || threads_[i].waits_for != what) continue;
    ready_ |= Bit(i);
    if (only_one) return;
  }
}

bool Scheduler::IsWaiting(std::size_t thread) {
  return ((ready_ | yielded_) & Bit(thread)) == 0 && !threads_[thread].done;
}

void Scheduler::Yield() {
  if (self_ == kNobody) return;
  Step("yields", nullptr);
  if (uninterrupted_ == self_) {
    // Whoever it waits for comes nearer by a step.
    const Threads others = (ready_ | yielded_) & ~Bit(self_);
    if (others == 0) return;
    std::size_t next = (self_ + steps_) % spawned_;
    while ((others & Bit(next)) == 0) next = (next + 1) % spawned_;
    return SwitchTo(next);
  }
  // The others that have not yielded themselves, or else all others.
  Threads others = ready_ & ~Bit(self_);
  if (others == 0) others = std::exchange(yielded_, 0U);
  if (others == 0) return;
  ready_ |= others;
  const auto count = static_cast<std::size_t>(std::popcount(others));
  const bool may_stay = stays_ < kMostStays;
  const std::size_t options = count + (may_stay ? 1 : 0);
  const std::size_t picked = options == 1 ? 0 : chooser_->Pick(options, false);
  if (picked == count) {
    ++stays_;
    return;
  }
  ready_ &= ~Bit(self_);
  yielded_ |= Bit(self_);
  SwitchTo(Nth(others, picked));
}

void Scheduler::MoveTime(Time by) {
  Point("time passes", nullptr);
  now_ += by;
  LetTimePass();
}

// Wakes those whose time has come.
void Scheduler::LetTimePass() {
  for (std::size_t i = 0; i < spawned_; ++i) {
    if (IsWaiting(i) && threads_[i].end <= now_) ready_ |= Bit(i);
  }
}

// The running thread cannot go on.
void Scheduler::GoOnWithAny() {
  if (uninterrupted_ != kNobody && (ready_ & Bit(uninterrupted_)) != 0) {
    return SwitchTo(uninterrupted_);
  }
  if (ready_ == 0) ready_ = std::exchange(yielded_, 0U);
  if (ready_ == 0) {
    // Everybody waits: for time, at best.
    Time earliest = kNoEnd;
    bool all_done = true;
    for (std::size_t i = 0; i < spawned_; ++i) {
      if (threads_[i].done) continue;
      all_done = false;
      earliest = std::min(earliest, threads_[i].end);
    }
    if (all_done) return SwitchTo(kNobody);
    if (earliest == kNoEnd) Fail("a deadlock");
    now_ = earliest;
    LetTimePass();
  }
  GoOnWith(ready_);
}

void Scheduler::GoOnWith(Threads candidates) {
  const auto count = static_cast<std::size_t>(std::popcount(candidates));
  SwitchTo(Nth(candidates, count == 1 ? 0 : chooser_->Pick(count, false)));
}

void Scheduler::SwitchTo(std::size_t next) {
  if (next != kNobody) {
    yielded_ &= ~Bit(next);
    ready_ |= Bit(next);
  }
  if (next == self_) return;
  previous_ = self_;
  self_ = next;
  stays_ = 0;
  Fiber::Switch(fibers[previous_], fibers[next]);
}

std::size_t Scheduler::Spawn(Body body) {
  if (spawned_ == kMostThreads) Fail("too many threads");
  ThreadState& thread = threads_[spawned_];
  thread.body = std::move(body);
  thread.done = false;
  thread.end = kNoEnd;
  ready_ |= Bit(spawned_);
  return spawned_++;
}

void Scheduler::Join(std::size_t thread) {
  Point("join", &threads_[thread]);
  while (!threads_[thread].done) Wait(&threads_[thread], kNoEnd);
}

// What each fiber runs: one body in each schedule.
void Scheduler::RunBodies() {
  Fiber::Started(fibers[previous_]);
  for (;;) {
    ThreadState& me = threads_[self_];
    me.body();
    me.body = nullptr;
    Point("end", &me);
    me.done = true;
    ready_ &= ~Bit(self_);
    Wake(&me, false);
    GoOnWithAny();
  }
}

}  // namespace model
