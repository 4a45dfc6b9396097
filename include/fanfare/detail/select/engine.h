// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SELECT_ENGINE_H_
#define FANFARE_DETAIL_SELECT_ENGINE_H_

// How a Select chooses one of its cases.
//
// First it tries them in random order, which makes the choice among those that
// are ready uniform. If none is, it starts them one after the other: each is
// completed on the spot or queued in its channel. They share one claim, so
// whatever happens first, here or in another thread, happens alone. Then the
// thread waits, and in the end takes the others out of their queues. At no time
// is more than one channel locked.
//
// The end of a subscription is tried and started after all receives, so that a
// value which was delivered before the end is received before it.

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

// What a SelectLoop does after a case has run.
enum class After {
  kContinue,
  kBreak,  // the handler has ended the loop
  kDrop,  // the case was told that its channel is closed: it is nil from now on
};

// One case; it is itself the operation that waits, so that the winner of the
// claim is the case to run.
class Case : public Operation {
 public:
  enum class Kind {
    kReceive,
    kSend,
    kEnd,       // of a subscription
    kTimeout,   // a duration, which starts with each Select
    kDeadline,  // a time point
    kStop,
    kDefault,
  };

  enum class State {
    kReady,    // performed, and this Select's choice
    kWaiting,  // may come
    kNever,    // nil: cannot happen any more
    kLost,     // another case of this Select was claimed meanwhile
  };

  explicit Case(Kind what) noexcept : kind(what) {}
  Case(const Case&) = delete;  // write it inside the call, or make a SelectCase
  Case& operator=(const Case&) = delete;
  virtual ~Case() = default;

  // Whether it depends on another thread's send, receive or end.
  [[nodiscard]] bool has_peer() const noexcept {
    return kind == Kind::kReceive || kind == Kind::kSend || kind == Kind::kEnd;
  }
  // Whether it ends a SelectLoop: it would stay ready.
  [[nodiscard]] bool ends_loop() const noexcept {
    return kind == Kind::kEnd || kind == Kind::kDeadline || kind == Kind::kStop;
  }

  // Called once, at the start of a Select.
  virtual void Arm() {}
  // Performs the case if that needs no waiting.
  virtual State Try() = 0;
  // Performs the case, or queues it for `waiter`.
  virtual State Start(Waiter& waiter) = 0;
  // Undoes Start, whatever has come of it.
  virtual void Cancel() noexcept = 0;
  // Whether the case, which another thread completed, can run: not if it found
  // its channel closed and has nothing to say to that.
  [[nodiscard]] virtual bool CanRun() const noexcept { return true; }
  // Calls the handler, which may destroy the case.
  virtual After Run() = 0;
  // When the case is to be tried again, if nothing happens before.
  [[nodiscard]] virtual Deadline deadline() const { return Deadline::Never(); }
  // A send: gives up its value, if that is of the type which `type` stands for
  // and was not sent; the case is nil then.
  [[nodiscard]] virtual void* TakeUnsent(const void* /*type*/) noexcept {
    return nullptr;
  }

  const Kind kind;
  std::size_t index = 0;  // among the arguments of Select
};

// Puts receives before ends. (Reorders a std::span<Case*>. A template, as those
// below, so that a program which does not call Select does not spend time to
// compile it.)
template <typename Span>
void PutReceivesFirst(Span cases) {
  std::size_t end = 0;
  std::size_t receive = cases.size();
  for (;;) {
    while (end < receive && cases[end]->kind != Case::Kind::kEnd) ++end;
    while (end < receive && cases[receive - 1]->kind != Case::Kind::kReceive) {
      --receive;
    }
    if (end == receive) return;
    std::swap(cases[end], cases[receive - 1]);
  }
}

// Blocks until one of `cases`, which were started, has won.
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
    // A user's clock may say that time is left.
    if (earliest->Try() == Case::State::kReady) return waiter.GiveUp(*earliest);
  }
}

// Chooses and performs one of `cases`; null: none of them can ever happen.
// Reorders `cases`.
//
// If `needs_peer`, timeouts and stops alone do not count; a timeout that has
// expired when Select starts comes after all others, so that this is noticed.
template <typename Span>
Case* Choose(Span cases, bool needs_peer = false) {
  Case* otherwise = nullptr;
  bool has_end = false;
  std::size_t count = 0;
  for (Case* const candidate : cases) {
    if (candidate->kind == Case::Kind::kDefault) {
      otherwise = candidate;
    } else {
      candidate->Arm();
      has_end = has_end || candidate->kind == Case::Kind::kEnd;
      // Swaps it with a random one of those before it, or with itself
      // (Durstenfeld's shuffle, 1964).
      const std::size_t place =
          count == 0 ? 0 : Platform::Random() % (count + 1);
      cases[count++] = cases[place];
      cases[place] = candidate;
    }
  }
  cases = cases.first(count);
  if (has_end) detail::PutReceivesFirst(cases);
  for (;;) {
    // Is one ready? Those that can never be are left out from now on.
    count = 0;
    bool has_peer = false;
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
        has_peer = has_peer || candidate->has_peer();
      }
    }
    cases = cases.first(count);
    if (needs_peer && !has_peer) return nullptr;
    if (expired != nullptr) return expired;
    if (otherwise != nullptr || cases.empty()) return otherwise;

    // Start them all, and stop at the first that is decided.
    ThreadWaiter waiter;
    Operation again;
    std::size_t started = 0;
    Case::State state = Case::State::kWaiting;
    while (started < cases.size() && state == Case::State::kWaiting) {
      state = cases[started++]->Start(waiter);
    }
    // kNever: a case has become nil, and what is left is looked at again.
    Operation& winner = state == Case::State::kReady ? *cases[started - 1]
                        : state == Case::State::kNever
                            ? waiter.GiveUp(again)
                            : detail::AwaitWinner(cases, waiter);
    for (Case* const candidate : cases.first(started)) candidate->Cancel();
    if (&winner != &again && static_cast<Case&>(winner).CanRun()) {
      return &static_cast<Case&>(winner);
    }
  }
}

// Numbers the cases and leaves out those that are null, for nil. Returns how
// many are left.
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

// Chooses, runs the chosen one's handler and returns its index.
template <typename Span>
std::size_t ChooseAndRun(Span cases, std::size_t none) {
  Case* const chosen = detail::Choose(cases.first(detail::Number(cases)));
  if (chosen == nullptr) return none;
  const std::size_t index = chosen->index;
  chosen->Run();
  return index;
}

// The same again and again, until one ends the loop or none can happen.
template <std::size_t kCount>
std::size_t ChooseAndRunLoop(std::array<Case*, kCount> cases,
                             std::size_t none) {
  std::size_t count = detail::Number(std::span(cases));
  bool has_peer = false;
  for (const Case* one : cases) has_peer = has_peer || one->has_peer();
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
