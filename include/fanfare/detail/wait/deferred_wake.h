// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_DEFERRED_WAKE_H_
#define FANFARE_DETAIL_WAIT_DEFERRED_WAKE_H_

// A DeferredWake is a wake-up that runs user code. A thread that has a feed's
// turn runs it when it has left the turn, or when it is about to wait for
// receivers. In the latter state, as in that of copying a value, user code may
// do anything but send on the same feed.

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class DeferredWake {
 public:
  // Calls OnWake(), now or when the thread leaves its last WakeScope. The
  // object must not be scheduled again before that call.
  inline void Schedule() noexcept;

  // The wake-up. May destroy this object.
  virtual void OnWake() noexcept = 0;

  DeferredWake* next_wake = nullptr;  // for WakeScope

 protected:
  ~DeferredWake() = default;
};

// Within a WakeScope, the wake-ups of this thread are only put on a list. The
// end of the outermost scope runs them.
class WakeScope {
 public:
  WakeScope() noexcept { ++Deferred::OfThisThread().depth; }
  ~WakeScope() {
    Deferred& deferred = Deferred::OfThisThread();
    if (--deferred.depth == 0 && deferred.first != nullptr) Run(deferred);
  }
  // Runs the wake-ups now.
  static void RunAll() noexcept {
    Deferred& deferred = Deferred::OfThisThread();
    if (deferred.first != nullptr) Run(deferred);
  }
  WakeScope(const WakeScope&) = delete;
  WakeScope& operator=(const WakeScope&) = delete;

 private:
  friend class DeferredWake;

  struct Deferred {
    static Deferred& OfThisThread() noexcept {
      return Platform::Local<Deferred>();
    }
    int depth = 0;
    DeferredWake* first = nullptr;
    DeferredWake* last = nullptr;
  };

  FANFARE_COLD static void Run(Deferred& deferred) noexcept {
    while (DeferredWake* const wake = deferred.first) {
      deferred.first = wake->next_wake;
      wake->OnWake();
    }
  }
};

inline void DeferredWake::Schedule() noexcept {
  auto& deferred = WakeScope::Deferred::OfThisThread();
  if (deferred.depth == 0) return OnWake();
  next_wake = nullptr;
  (deferred.first == nullptr ? deferred.first : deferred.last->next_wake) =
      this;
  deferred.last = this;
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_DEFERRED_WAKE_H_
