// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_TURNSTILE_H_
#define FANFARE_DETAIL_FEED_TURNSTILE_H_

// A feed's turnstile: a critical section with a queue, which one thread at a
// time has entered, its holder. It knows neither values nor subscriptions.
//
// If nothing is in the way, it costs one exchange to enter and one store to
// leave. A thread that finds it entered locks the turnstile's mutex, leaves a
// request, and polls until either it is free, or its holder has marked a slow
// exit: the holder will then look at what there is to do, with the mutex held,
// before it leaves. The thread records its work with the feed and goes (a
// delegation lock). A holder marks a slow exit as soon as it reads that there
// are requests, and before it waits, takes the mutex, runs user code (but
// nothrow moves), or has made more than a few offers: so no thread polls for
// long. A mark that no thread relies on is taken back at the end, which needs
// no mutex.
//
// No fence is needed between the holder's last store and its look at the
// requests: if it misses one, the thread that made it finds the turnstile free.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/spin_lock.h>
#include <fanfare/detail/channel/biased_lock.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/thread_waiter.h>
#include <fanfare/detail/wait/wait_queue.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class Turnstile : public BiasOwner {
 public:
  // For the holder, as the next two. Leaves; returns false if there is work to
  // do first, with the mutex held.
  bool TryLeave() noexcept {
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
  // Also with the mutex held.
  [[nodiscard]] bool closed() const noexcept {
    return (requests_.load(std::memory_order_relaxed) & kClosed) != 0;
  }

  // Guards the queue, and whatever work is recorded for the holder.
  [[nodiscard]] Platform::Lock& mutex() const noexcept { return mutex_; }

  // The next functions are called with the mutex held.

  // Enters (true), or makes sure that the holder will look at the recorded work
  // (false).
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
  // For the holder, which has done the recorded work.
  void Leave() noexcept {
    ResetRequests();
    entered_.store(0, std::memory_order_release);
  }
  // The same, but if an operation is queued, that becomes the holder's: it is
  // returned, claimed and taken out, and bound by the mark of a slow exit.
  // `drained` becomes what waits for the last call, if there is none any more.
  Operation* NextOrLeave(Operation*& drained) noexcept {
    Operation* const next = Dequeue();
    if (next == nullptr) {
      Leave();
      drained = in_flight_ == 0 ? TakeDrained() : nullptr;
    }
    return next;
  }

  // A call that the destructor waits for, beside those that are queued.
  void BeginCall() noexcept { ++in_flight_; }

  // Moves all that is queued to `refused`; nothing is queued from now on.
  void Close(IntrusiveList<Operation>& refused) noexcept {
    requests_.fetch_or(kClosed, std::memory_order_relaxed);
    while (Operation* waiting = Dequeue()) {
      waiting->outcome = Outcome::kClosed;
      refused.PushBack(*waiting);
    }
  }

  // No call may begin from now on.
  void Destroying() noexcept { destroying_ = true; }
  [[nodiscard]] bool destroying() const noexcept { return destroying_; }

  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }

  // What follows is called without the mutex.

  // Enters, or queues the operation and waits. Returns kDone if the thread has
  // entered or the holder completed the operation, kClosed if the turnstile is
  // closed, or entered and the thread must not wait, and kPending if the
  // deadline or the stop came first.
  Outcome Enter(Operation& operation, bool may_wait, const Deadline& deadline,
                const std::stop_token& stop) {
    return WaitFor(
        operation, deadline, stop,
        [this, may_wait](Operation& waiting) {
          const std::lock_guard lock(mutex_);
          assert(!destroying_ && "fanfare: Send on a Feed being destroyed");
          if (closed()) return Outcome::kClosed;
          if (EnterOrDelegate()) return Outcome::kDone;
          if (!may_wait) return Outcome::kClosed;
          queue_.Append(waiting);
          ++in_flight_;
          return Outcome::kPending;
        },
        [this](Operation& waiting) { EndCall(&waiting); });
  }

  // A call that is counted is over; an operation that gave up may still be
  // queued.
  void EndCall(Operation* waiting = nullptr) noexcept {
    Operation* drained;
    {
      const std::lock_guard lock(mutex_);
      if (waiting != nullptr) queue_.Remove(*waiting);
      --in_flight_;
      drained = Drained();
    }
    if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
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
  // Bits of requests_ beside kRevoke.
  static constexpr unsigned kHasRequests = 2;  // set and reset with the mutex
  static constexpr unsigned kSlowExit = 4;  // by the holder, alone till asked
  static constexpr unsigned kClosed = 8;    // set with the mutex held

  // Returns false if there is more than a mark. (A thread that relies on the
  // mark has made a request.)
  bool UnmarkSlowExit() noexcept {
    unsigned marked = kSlowExit;
    return requests_.compare_exchange_strong(marked, 0,
                                             std::memory_order_relaxed);
  }
  void ResetRequests() noexcept {
    requests_.store(closed() ? kClosed : 0, std::memory_order_relaxed);
  }

  // The first operation in the queue that has not given up, claimed and taken
  // out. From here on it has entered or is told that all was done: in neither
  // case does it count as a call.
  Operation* Dequeue() noexcept {
    while (Operation* waiting = queue_.PopFront()) {
      if (waiting->claim->Try(*waiting)) {
        --in_flight_;
        return waiting;
      }
    }
    return nullptr;
  }

  // What waits for the last call, if there is none any more. (Else the thread
  // that ends it looks again.)
  Operation* Drained() noexcept {
    if (in_flight_ > 0 || drained_ == nullptr || !EnterOrDelegate()) {
      return nullptr;
    }
    Leave();
    return TakeDrained();
  }
  Operation* TakeDrained() noexcept {
    if (drained_ != nullptr) drained_->claim->Try(*drained_);
    return std::exchange(drained_, nullptr);
  }

  // Small, so that the set of members, which a Send reads next, begins in the
  // same cache line (feed_core.h).
  mutable Platform::Lock mutex_;  // guards all that follows
  WaitQueue queue_;
  std::uint32_t in_flight_ = 0;  // the queued, and those of BeginCall
  bool destroying_ = false;
  Operation* drained_ = nullptr;  // the destructor that waits for all of them
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_TURNSTILE_H_
