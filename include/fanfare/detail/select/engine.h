// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SELECT_ENGINE_H_
#define FANFARE_DETAIL_SELECT_ENGINE_H_

// Choose() is how a Select chooses one of its cases.
//
// First it tries the cases in random order, which makes the choice among those
// that are ready uniform. If none is ready, it starts them one after the other:
// each is completed on the spot or queued in its channel. The cases share one
// claim, so at most one of them goes ahead, in this thread or in another one.
// Then the thread waits, and in the end takes the other cases out of their
// queues. At no time is more than one channel locked.
//
// The end of a subscription, also one that is received from Err(), is tried and
// started after all other receives. So a value that was delivered before the
// end is received before it.

#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/thread_waiter.h>
#include <fanfare/detail/wait/waiter.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Says what a SelectLoop does after a case has run.
enum class After {
  kContinue,
  kBreak,  // the handler has ended the loop
  kDrop,   // its channel is closed, the handler was told: never ready again
};

// A Case is one case of a Select. It is itself the operation that waits, so
// that the winner of the claim is the case to run.
class Case : public Operation {
 public:
  enum class Kind {
    kReceive,
    kSend,
    kEnd,       // of a subscription
    kErr,       // a receive from a channel that reports such an end
    kTimeout,   // a duration, which starts with each Select
    kDeadline,  // a time point
    kStop,
    kDefault,
  };

  enum class State {
    kReady,    // performed, and this Select's choice
    kWaiting,  // may become ready
    kNever,    // will never be ready again
    kLost,     // another case of this Select was claimed meanwhile
  };

  explicit Case(Kind what) noexcept : kind(what) {}
  Case(const Case&) = delete;  // write it inside the call, or make a SelectCase
  Case& operator=(const Case&) = delete;
  virtual ~Case() = default;

  // Returns whether the case depends on another thread's send, receive or end.
  [[nodiscard]] bool has_peer() const noexcept {
    return kind == Kind::kReceive || kind == Kind::kSend || reports_end();
  }
  // Returns whether the case comes after the receives.
  [[nodiscard]] bool reports_end() const noexcept {
    return kind == Kind::kEnd || kind == Kind::kErr;
  }
  // Returns whether the case ends a SelectLoop, because it would stay ready.
  [[nodiscard]] bool ends_loop() const noexcept {
    return kind == Kind::kEnd || kind == Kind::kDeadline || kind == Kind::kStop;
  }

  // Called once, at the start of a Select.
  virtual void Arm() {}
  // Performs the case if that needs no waiting.
  virtual State Try() = 0;
  // Performs the case, or queues it for `waiter`.
  virtual State Start(Waiter& waiter) = 0;
  // Undoes Start(), whatever the outcome was.
  virtual void Cancel() noexcept = 0;
  // Returns whether the case can run after another thread has completed it. It
  // cannot if its channel was closed and it has no handler for that.
  [[nodiscard]] virtual bool CanRun() const noexcept { return true; }
  // Calls the handler, which may destroy the case.
  virtual After Run() = 0;
  // Returns when the case must be tried again if nothing happens before.
  [[nodiscard]] virtual Deadline deadline() const { return Deadline::Never(); }
  // For a send: gives up its value if the value was not sent and is of the type
  // that `type` stands for. The case is never ready afterwards.
  [[nodiscard]] virtual void* TakeUnsent(const void* /*type*/) noexcept {
    return nullptr;
  }

  const Kind kind;
  std::size_t index = 0;  // among the arguments of Select
};

// Puts receives before ends, by reordering a std::span<Case*>. (This function
// and those below are templates, so that a program that does not call Select
// spends no time to compile them.)
template <typename Span>
void PutReceivesFirst(Span cases) {
  std::size_t end = 0;
  std::size_t receive = cases.size();
  for (;;) {
    while (end < receive && !cases[end]->reports_end()) ++end;
    while (end < receive && cases[receive - 1]->kind != Case::Kind::kReceive) {
      --receive;
    }
    if (end == receive) return;
    std::swap(cases[end], cases[receive - 1]);
  }
}

// Returns whether one of `cases` depends on another thread.
template <typename Span>
bool HasPeer(Span cases) {
  for (const Case* const one : cases) {
    if (one->has_peer()) return true;
  }
  return false;
}

// Blocks until one of `cases`, all of which were started, has won.
template <typename Span>
Operation& AwaitWinner(Span cases, ThreadWaiter& waiter) {
  for (;;) {
    Case* earliest = cases.front();
    for (Case* const candidate : cases) {
      if (candidate->deadline().Before(earliest->deadline())) {
        earliest = candidate;
      }
    }
    if (waiter.Wait(earliest->deadline())) return waiter.winner();
    // A user-defined clock may report that time is left.
    if (earliest->Try() == Case::State::kReady) return waiter.GiveUp(*earliest);
  }
}

// Shuffles the cases that may wait, and moves the case that is chosen
// otherwise, if there is one, to `otherwise`. Returns the cases that may wait.
template <typename Span>
Span Arm(Span cases, Case*& otherwise) {
  bool has_end = false;
  std::size_t count = 0;
  for (Case* const candidate : cases) {
    if (candidate->kind == Case::Kind::kDefault) {
      otherwise = candidate;
    } else {
      candidate->Arm();
      has_end = has_end || candidate->reports_end();
      // Swaps the case with a random one of those before it, or with itself
      // (Durstenfeld's shuffle, 1964).
      const std::size_t place =
          count == 0 ? 0 : Platform::Random() % (count + 1);
      cases[count++] = cases[place];
      cases[place] = candidate;
    }
  }
  cases = cases.first(count);
  if (has_end) detail::PutReceivesFirst(cases);
  return cases;
}

// Performs the first case that is ready, and returns it, or null. Leaves out
// the cases that can never be ready.
//
// If `needs_peer`, a timeout comes after all other cases.
template <typename Span>
Case* TryAll(Span& cases, bool needs_peer) {
  std::size_t count = 0;
  Case* expired = nullptr;
  for (Case* const candidate : cases) {
    const Case::State state = candidate->Try();
    if (state == Case::State::kReady) {
      if (!needs_peer || candidate->kind != Case::Kind::kTimeout) {
        return candidate;
      }
      expired = candidate;
    } else if (state == Case::State::kWaiting) {
      cases[count++] = candidate;
    }
  }
  cases = cases.first(count);
  return expired;
}

// Starts the cases, and stops at the first that is decided. Sets `started` to
// the number of cases that were started, and returns the state of the last.
template <typename Span>
Case::State StartAll(Span cases, Waiter& waiter, std::size_t& started) {
  auto state = Case::State::kWaiting;
  started = 0;
  while (started < cases.size() && state == Case::State::kWaiting) {
    state = cases[started++]->Start(waiter);
  }
  return state;
}

// Starts the cases and blocks until one of them has won. Returns null if none
// has, because a case can never be ready any more.
template <typename Span>
Case* WaitForOne(Span cases) {
  ThreadWaiter waiter;
  Operation none;
  std::size_t started;
  const Case::State state = detail::StartAll(cases, waiter, started);
  Operation& winner = state == Case::State::kReady ? *cases[started - 1]
                      : state == Case::State::kNever
                          ? waiter.GiveUp(none)
                          : detail::AwaitWinner(cases, waiter);
  for (Case* const candidate : cases.first(started)) candidate->Cancel();
  return &winner == &none ? nullptr : &static_cast<Case&>(winner);
}

// Chooses and performs one of `cases`, and reorders `cases`. Returns null if
// none of them can ever become ready.
//
// If `needs_peer`, timeouts and stops alone do not count. A timeout that has
// expired when Select starts then comes after all other cases, so that it is
// noticed if only timeouts and stops are left.
template <typename Span>
Case* Choose(Span cases, bool needs_peer = false) {
  Case* otherwise = nullptr;
  cases = detail::Arm(cases, otherwise);
  for (;;) {
    Case* const ready = detail::TryAll(cases, needs_peer);
    if (ready != nullptr && ready->kind != Case::Kind::kTimeout) return ready;
    if (needs_peer && !detail::HasPeer(cases)) return nullptr;
    if (ready != nullptr) return ready;
    if (otherwise != nullptr || cases.empty()) return otherwise;
    Case* const winner = detail::WaitForOne(cases);
    if (winner != nullptr && winner->CanRun()) return winner;
  }
}

// Numbers the cases and leaves out those that are null, which are never ready.
// Returns how many are left.
template <typename Span>
std::size_t Number(Span cases) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (cases[i] == nullptr) continue;
    cases[i]->index = i;
    cases[count++] = cases[i];
  }
  return count;
}

// Chooses a case, runs its handler and returns its index.
template <typename Span>
std::size_t ChooseAndRun(Span cases, std::size_t none) {
  Case* const chosen = detail::Choose(cases.first(detail::Number(cases)));
  if (chosen == nullptr) return none;
  const std::size_t index = chosen->index;
  chosen->Run();
  return index;
}

// Like ChooseAndRun(), again and again until a case ends the loop or none can
// become ready.
template <std::size_t kCount>
std::size_t ChooseAndRunLoop(std::array<Case*, kCount> cases,
                             std::size_t none) {
  std::size_t count = detail::Number(std::span(cases));
  const bool has_peer = detail::HasPeer(std::span(cases).first(count));
  for (;;) {
    auto shuffled = cases;
    Case* const chosen =
        detail::Choose(std::span(shuffled).first(count), has_peer);
    if (chosen == nullptr) return none;
    const After after = chosen->Run();
    if (after == After::kBreak || chosen->ends_loop()) return chosen->index;
    if (after == After::kDrop) {
      std::size_t place = 0;
      while (cases[place] != chosen) ++place;
      cases[place] = cases[--count];
    }
  }
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SELECT_ENGINE_H_
