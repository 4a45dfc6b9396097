// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_DEFERRED_WAKE_H_
#define FANFARE_DETAIL_WAIT_DEFERRED_WAKE_H_

// A DeferredWake is a wake-up that runs user code, such as one that posts a
// task. It never runs while the thread holds a lock. It runs with a feed's turn
// only if a Send is about to wait, and must not send on that feed then.
//
// A waker is told of a completed operation without locks, but perhaps with a
// turn. So the functions that may complete operations with the turn held open a
// WakeHold. Meanwhile wake-ups are only put on a list of the thread, which runs
// them once it has left the turn. A Send that is about to wait for channels
// runs them before, with the turn, because receivers that have taken the value
// must not wait for those that have not.

#include <utility>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class DeferredWake {
 public:
  // Calls OnWake(), now or once the thread has nothing held. The object must
  // not be scheduled again before that call.
  inline void Schedule() noexcept;

  // The wake-up. May destroy this object.
  virtual void OnWake() noexcept = 0;

  DeferredWake* next_wake = nullptr;  // for WakeHold

 protected:
  ~DeferredWake() = default;
};

class WakeHold {
  // One in all libraries of a program: a Send in one library may complete a
  // receive of a listener in another.
  struct FANFARE_SHARED List {
    static List& OfThisThread() noexcept { return Platform::Local<List>(); }

    int holds = 0;
    DeferredWake* first = nullptr;
    DeferredWake* last = nullptr;
  };

 public:
  WakeHold() noexcept { ++list_.holds; }
  ~WakeHold() { --list_.holds; }
  WakeHold(const WakeHold&) = delete;
  WakeHold& operator=(const WakeHold&) = delete;

  // Returns whether there are wake-ups to run.
  [[nodiscard]] bool deferred() const noexcept {
    return list_.first != nullptr;
  }

  // While it lives, the thread has no hold. It is for a call of user code with
  // the turn held, which may wait for what a wake-up does.
  class Suspended {
   public:
    Suspended() noexcept : holds_(std::exchange(list_.holds, 0)) {}
    ~Suspended() { list_.holds = holds_; }
    Suspended(const Suspended&) = delete;
    Suspended& operator=(const Suspended&) = delete;

   private:
    List& list_ = List::OfThisThread();
    const int holds_;
  };

  // Runs the wake-ups, unless the thread has another hold.
  static void RunDeferred() noexcept {
    List& list = List::OfThisThread();
    if (list.holds == 0) Run(list);
  }
  // Runs the wake-ups in any case: before the thread blocks.
  static void RunBeforeWait() noexcept {
    const Suspended suspended;
    Run(List::OfThisThread());
  }

 private:
  friend class DeferredWake;

  static void Run(List& list) noexcept {
    while (DeferredWake* const wake = list.first) {
      list.first = wake->next_wake;
      wake->OnWake();
    }
  }

  List& list_ = List::OfThisThread();
};

inline void DeferredWake::Schedule() noexcept {
  auto& list = WakeHold::List::OfThisThread();
  if (list.holds == 0) return OnWake();
  next_wake = nullptr;
  (list.first == nullptr ? list.first : list.last->next_wake) = this;
  list.last = this;
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_DEFERRED_WAKE_H_
