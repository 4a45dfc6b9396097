// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_TURNSTILE_H_
#define FANFARE_DETAIL_FEED_TURNSTILE_H_

// A Turnstile is a critical section with a queue, which one thread at a time
// has entered, its holder. It knows neither values nor subscriptions.
//
// Uncontended, it costs one exchange to enter (BiasOwner::TryEnter) and one
// store to leave. A thread that finds it entered locks the turnstile's mutex
// and leaves a request. The thread then polls until the turnstile is free or
// the holder has marked a slow exit. The mark is a commitment: the holder will
// process the recorded work, with the mutex held, before it leaves. So the
// thread records its work with the feed and returns (a delegation lock).
//
// A holder marks a slow exit as soon as it reads that there are requests. It
// also does so before it waits, takes the mutex, runs user code (but nothrow
// moves), or makes more than a few offers. So no thread polls for long. At the
// end the holder takes back a mark that no thread relies on, which needs no
// mutex.
//
// No fence is needed between the holder's last store and its load of the
// requests. If the load misses a request, the thread that made it finds the
// turnstile free.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/function_ref.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/spin_lock.h>
#include <fanfare/detail/channel/biased_lock.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/thread_waiter.h>
#include <fanfare/detail/wait/wait_queue.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class Turnstile : public BiasOwner {
 public:
  // This function and the next two are for the holder. Leaves and returns true.
  // If there may be more to do, marks a slow exit, keeps the turn and returns
  // false; the caller then takes the mutex and looks.
  FANFARE_ALWAYS_INLINE bool TryLeave() noexcept {
    if (requests_.load(std::memory_order_relaxed) != 0 && !UnmarkSlowExit())
        [[unlikely]] {
      MarkSlowExit();
      return false;
    }
    entered_.store(0, std::memory_order_release);
    return true;
  }
  void MarkSlowExit() noexcept {
    if ((requests_.load(std::memory_order_relaxed) & kSlowExit) != 0) return;
    requests_.fetch_or(kSlowExit, std::memory_order_relaxed);
  }
  // Makes TryLeave() return false, because the holder has more to do then.
  void ForceSlowExit() noexcept {
    requests_.fetch_or(kMore, std::memory_order_relaxed);
  }
  // May also be called with the mutex held.
  [[nodiscard]] bool closed() const noexcept {
    return (requests_.load(std::memory_order_relaxed) & kClosed) != 0;
  }

  // Guards the queue, and the work that is recorded for the holder. It is a
  // lock that spins.
  [[nodiscard]] Platform::Lock& mutex() const noexcept { return mutex_; }

  // The next functions must be called with the mutex held.

  // Enters and returns true, or makes sure that the holder will process the
  // recorded work and returns false.
  bool EnterOrDelegate() noexcept {
    if (TryEnter()) return true;
    SpinWait<Platform> entered;
    unsigned requests =
        requests_.fetch_or(kHasRequests, std::memory_order_relaxed);
    while ((requests & kSlowExit) == 0) {
      if (TryEnterIfFree()) {
        ResetRequests();
        return true;
      }
      entered.Wait();
      requests = requests_.load(std::memory_order_relaxed);
    }
    return false;
  }
  // For the holder, after it has done the recorded work.
  void Leave() noexcept {
    ResetRequests();
    entered_.store(0, std::memory_order_release);
  }
  // Takes out the first queued Send that has not given up, claimed, and returns
  // it. The thread keeps the turn until it has completed that Send or handed
  // the turn to it; the requests stay set for a new holder. If none is queued:
  // leaves, returns null, and sets `drained` to the operation of the destructor
  // that waits, if no call is in flight, else to null.
  Operation* NextOrLeave(Operation*& drained) noexcept {
    Operation* const next = Dequeue();
    if (next == nullptr) {
      Leave();
      drained = in_flight_ == 0 ? TakeDrained() : nullptr;
    }
    return next;
  }

  // Begins a call that the destructor waits for, in addition to those that are
  // queued.
  void BeginCall() noexcept { ++in_flight_; }

  // Moves all queued operations to `refused`. Nothing is queued from now on.
  void Close(IntrusiveList<Operation>& refused) noexcept {
    requests_.fetch_or(kClosed, std::memory_order_relaxed);
    while (Operation* waiting = Dequeue()) {
      waiting->outcome = Outcome::kClosed;
      refused.PushBack(*waiting);
    }
  }

  // Moves the queued operations for which `refuses(operation)` is true to
  // `refused`. The caller must complete them once it has released the mutex.
  template <typename Refuses>
  void RefuseIf(IntrusiveList<Operation>& refused, Refuses refuses) noexcept {
    in_flight_ -= static_cast<std::uint32_t>(queue_.CloseIf(refused, refuses));
  }

  // From now on no call may begin.
  void Destroying() noexcept { destroying_ = true; }
  [[nodiscard]] bool destroying() const noexcept { return destroying_; }

  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }

  // The remaining functions must be called without the mutex.

  // Enters, or queues the operation, which is completed with kDone once it has
  // the turn or the holder has done its work. Returns kDone if this thread has
  // entered, kPending if the operation is queued, and kClosed if the turnstile
  // is closed, or is entered and the operation must not wait. Calls `refuses()`
  // with the mutex held, before it would be queued; if true, it must not.
  Outcome Start(Operation& operation, bool may_wait,
                FunctionRef<bool()> refuses) noexcept {
    const std::lock_guard lock(mutex_);
    assert(!destroying_ && "fanfare: Send on a Feed being destroyed");
    if (closed()) return Outcome::kClosed;
    if (EnterOrDelegate()) return Outcome::kDone;
    if (!may_wait || refuses()) return Outcome::kClosed;
    queue_.Append(operation);
    ++in_flight_;
    return Outcome::kPending;
  }
  // Takes out an operation after its waiter has given up.
  void Cancel(Operation& operation) noexcept { EndCall(&operation); }

  // Does both for a thread, which waits in between. Returns kPending if the
  // deadline or the stop came first.
  Outcome Enter(Operation& operation, bool may_wait, const Deadline& deadline,
                const std::stop_token& stop, FunctionRef<bool()> refuses) {
    return WaitFor(
        operation, deadline, stop,
        [&](Operation& o) { return Start(o, may_wait, refuses); },
        [this](Operation& o) { Cancel(o); });
  }

  // Ends a call that is counted. The operation of a call that gave up may still
  // be queued.
  void EndCall(Operation* waiting = nullptr) noexcept {
    Operation* drained;
    {
      const std::lock_guard lock(mutex_);
      if (waiting != nullptr) queue_.Remove(*waiting);
      --in_flight_;
      drained = Drained();
    }
    if (drained != nullptr) drained->waker->Completed(*drained);
  }

  // Blocks until no call is in flight and the last holder has left.
  void Drain() noexcept {
    Operation drained;
    WaitFor(
        drained, Deadline::Never(), {},
        [this](Operation& operation) {
          const std::lock_guard lock(mutex_);
          drained_ = &operation;
          return Drained() != nullptr ? Outcome::kDone : Outcome::kPending;
        },
        [](Operation&) {});
  }

 private:
  // The bits of requests_ beside kRevoke.
  static constexpr unsigned kHasRequests = 2;  // set and reset with the mutex
  // Set by the holder, which may reset it while no other bit is set.
  static constexpr unsigned kSlowExit = 4;
  static constexpr unsigned kClosed = 8;  // set with the mutex held
  static constexpr unsigned kMore = 16;   // set by the holder

  // Returns false if any bit but kSlowExit is set. (A thread that relies on the
  // mark has made a request.)
  bool UnmarkSlowExit() noexcept {
    unsigned marked = kSlowExit;
    return requests_.compare_exchange_strong(marked, 0,
                                             std::memory_order_relaxed);
  }
  void ResetRequests() noexcept {
    requests_.store(closed() ? kClosed : 0, std::memory_order_relaxed);
  }

  // Claims and takes out the first operation in the queue that has not given
  // up. From here on its thread has entered or is told that all was done. In
  // neither case does the operation count as a call.
  Operation* Dequeue() noexcept {
    while (Operation* waiting = queue_.PopFront()) {
      if (waiting->claim()->Try(*waiting)) {
        --in_flight_;
        return waiting;
      }
    }
    return nullptr;
  }

  // Returns the operation that waits for the last call, if no call is in flight
  // any more. (Otherwise the thread that ends the last call checks again, or
  // the holder when it leaves.)
  Operation* Drained() noexcept {
    if (in_flight_ > 0 || drained_ == nullptr || !EnterOrDelegate()) {
      return nullptr;
    }
    Leave();
    return TakeDrained();
  }
  Operation* TakeDrained() noexcept {
    if (drained_ != nullptr) drained_->claim()->Try(*drained_);
    return std::exchange(drained_, nullptr);
  }

  // The mutex is small, so that the set of members, which a Send reads next,
  // begins in the same cache line (feed_core.h).
  mutable Platform::Lock mutex_;  // guards all that follows
  WaitQueue queue_;
  std::uint32_t in_flight_ = 0;  // queued operations and calls of BeginCall
  bool destroying_ = false;
  Operation* drained_ = nullptr;  // the destructor that waits for all of them
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_TURNSTILE_H_
