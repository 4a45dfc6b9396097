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

#include <cstddef>

#include <fanfare/detail/operation.h>
#include <fanfare/detail/parker.h>

namespace fanfare::inline FANFARE_ABI::detail {

// One case; it is itself the operation that waits, so that the winner of the
// claim is the case to run.
class Case : public Operation {
 public:
  enum class State {
    kReady,    // performed, and this Select's choice
    kWaiting,  // may come
    kNever,    // nil: cannot happen any more
    kLost,     // another case of this Select was claimed meanwhile
  };

  Case() = default;
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;
  virtual ~Case() = default;

  // Called once, at the start of a Select.
  virtual void Arm() {}
  // Performs the case if that needs no waiting.
  virtual State Try() = 0;
  // Performs the case, or queues it for `waiter`.
  virtual State Start(ThreadWaiter& waiter) = 0;
  // Undoes Start, whatever has come of it.
  virtual void Cancel() noexcept = 0;
  // Whether the case, which another thread completed, can run: not if it found
  // its channel closed and has nothing to say to that.
  [[nodiscard]] virtual bool CanRun() const noexcept { return true; }
  // Calls the handler.
  virtual void Run() = 0;
  // When the case fires by itself.
  [[nodiscard]] virtual Deadline deadline() const { return Deadline::Never(); }
  [[nodiscard]] virtual bool is_default() const noexcept { return false; }
  // A send: gives up its value, if that is of the type which `type` stands for
  // and was not sent; the case is nil then.
  [[nodiscard]] virtual void* TakeUnsent(const void* /*type*/) noexcept {
    return nullptr;
  }

  std::size_t index = 0;  // among the arguments of Select
};

// Chooses and performs one of `cases`; null: none of them can ever happen.
// Reorders `cases`, a std::span<Case*>.
//
// A template, as the next is, so that a program which does not call Select does
// not spend time to compile it.
template <typename Span>
Case* Choose(Span cases) {
  Case* otherwise = nullptr;
  std::size_t count = 0;
  for (Case* const candidate : cases) {
    if (candidate->is_default()) {
      otherwise = candidate;
    } else {
      candidate->Arm();
      // Swaps it with a random one of those before it, or with itself
      // (Durstenfeld's shuffle, 1964).
      const std::size_t place =
          count == 0 ? 0 : Platform::Random() % (count + 1);
      cases[count++] = cases[place];
      cases[place] = candidate;
    }
  }
  cases = cases.first(count);
  for (;;) {
    // Is one ready? Those that can never be are left out from now on.
    count = 0;
    for (Case* const candidate : cases) {
      const Case::State state = candidate->Try();
      if (state == Case::State::kReady) return candidate;
      if (state == Case::State::kWaiting) cases[count++] = candidate;
    }
    cases = cases.first(count);
    if (otherwise != nullptr || cases.empty()) return otherwise;

    // Start them all, and stop at the first that is decided.
    ThreadWaiter waiter;
    Case* earliest = cases.front();
    Operation again;
    std::size_t started = 0;
    Case::State state = Case::State::kWaiting;
    while (started < cases.size() && state == Case::State::kWaiting) {
      Case* const candidate = cases[started++];
      if (candidate->deadline().Before(earliest->deadline())) {
        earliest = candidate;
      }
      state = candidate->Start(waiter);
    }
    // kNever: a case has become nil, and what is left is looked at again.
    const bool decided =
        state == Case::State::kReady ||
        (state == Case::State::kNever && waiter.claim.Try(again));
    if (!decided) waiter.Wait(earliest->deadline(), *earliest);
    for (Case* const candidate : cases.first(started)) candidate->Cancel();
    Operation* const winner = waiter.claim.winner();
    if (winner != &again && static_cast<Case*>(winner)->CanRun()) {
      return static_cast<Case*>(winner);
    }
  }
}

// Numbers the cases (null: nil), chooses, runs the chosen one's handler and
// returns its index.
template <typename Span>
std::size_t ChooseAndRun(Span cases, std::size_t none) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (cases[i] == nullptr) continue;
    cases[i]->index = i;
    cases[count++] = cases[i];
  }
  Case* const chosen = Choose(cases.first(count));
  if (chosen == nullptr) return none;
  const std::size_t index = chosen->index;
  chosen->Run();  // the handler may destroy its case
  return index;
}

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SELECT_ENGINE_H_
