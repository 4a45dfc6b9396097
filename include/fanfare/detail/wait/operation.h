// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_OPERATION_H_
#define FANFARE_DETAIL_WAIT_OPERATION_H_

// An Operation is one send or receive that waits: the one hard idea of the
// library, in three parts.
//
// An *operation* is a send or a receive that could not go ahead, and stands in
// the queue of its channel (or a Send, in that of its feed's turnstile). It
// lives where its waiter lives (on the stack of a blocked call, in a feed's
// subscription), so queueing allocates nothing. A channel knows nothing else
// about the waiter. An attempt that may turn out to wait is given one as well.
//
// A *claim* decides which of several operations of one waiter goes ahead. All
// operations of a Select share one claim, and the first thread to claim it
// wins. A thread that loses leaves the operation alone. A feed completes all of
// its operations, which have no claim. An operation without a claim belongs to
// the thread that takes it out of the queue.
//
// A *waker* is notified that an operation was completed: once for each
// operation, and after the channel's locks were released. A thread, a feed's
// Send and a coroutine differ in nothing but their wakers.
//
// The life of an operation. (1) The owner queues it under the channel's lock.
// (2a) A counterpart takes it out under the same lock, claims it, moves the
// value, unlocks, and calls Completed() as the very last thing. The owner waits
// for that call before it destroys or reuses the operation. Or (2b) the owner
// gives up. It claims first, so that no other thread can, and takes the
// operation out under the lock. In both cases no thread touches the operation
// afterwards: before the claim it is guarded by the lock, after it by the call
// that is still to come.

#include <cstdint>

#include <fanfare/detail/base/intrusive_list.h>
#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

enum class Outcome : std::uint8_t {
  kPending,  // nothing happened yet
  kDone,     // the value was moved
  // It will never go ahead: the channel is closed (for a receive: and empty),
  // the send was revoked, or it must not wait for its turn.
  kClosed,
  kLost,  // the waiter was claimed for another of its operations
  // The next two are used only between the parts of a channel:
  // Matching a queued operation takes both locks. After a receive, the front is
  // still locked.
  kCounterpartWaits,
  kBiasedElsewhere,  // the lock of the back is biased to another owner
};

struct Operation;

class Waker {
 public:
  // Called once `operation.outcome` is set, without locks, but perhaps with a
  // feed's turn: must not run user code (deferred_wake.h does that later). May
  // resume the waiter, which may destroy this object and the operation before
  // the call returns.
  virtual void Completed(Operation& operation) noexcept = 0;

 protected:
  ~Waker() = default;
};

class Claim;

struct Operation : ListNode<Operation> {
  // For a send, the T to move from; for a receive, the std::optional<T> to
  // fill.
  void* value = nullptr;
  Waker* waker = nullptr;
  // All that follows is guarded by the channel's lock while the operation is
  // queued.
  Outcome outcome = Outcome::kPending;
  bool queued = false;
  // The next two are one memory location. They are also read with the lock
  // held, or by a thread that alone knows the operation.
  // For a send: its channel refuses it from now on.
  bool revoked : 1 = false;
  // Whether `waker` is a Waiter. Its claim is then the operation's, too.
  bool has_claim : 1 = false;
  // For a send: its value is a copy for this operation alone. The thread that
  // moves from the copy must destroy it, and sets this to false.
  bool owns_value = false;

  // Returns the claim. If null, taking the operation out of the queue claims
  // it. (Defined in waiter.h.)
  [[nodiscard]] Claim* claim() const noexcept;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_OPERATION_H_
