// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_DEFERRED_WAKE_H_
#define FANFARE_DETAIL_WAIT_DEFERRED_WAKE_H_

// A DeferredWake is a wake-up that runs user code. A thread that holds a feed's
// turn runs it once it has left the turn.

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class DeferredWake {
 public:
  // Calls OnWake(), now or when the thread leaves its last WakeScope. The
  // object must not be scheduled again before that call.
  inline void Schedule() noexcept;

 protected:
  ~DeferredWake() = default;

 private:
  friend class WakeScope;

  // May destroy this object.
  virtual void OnWake() noexcept = 0;

  DeferredWake* next_ = nullptr;
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
      deferred.first = wake->next_;
      wake->OnWake();
    }
  }
};

inline void DeferredWake::Schedule() noexcept {
  auto& deferred = WakeScope::Deferred::OfThisThread();
  if (deferred.depth == 0) return OnWake();
  next_ = nullptr;
  (deferred.first == nullptr ? deferred.first : deferred.last->next_) = this;
  deferred.last = this;
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_DEFERRED_WAKE_H_
