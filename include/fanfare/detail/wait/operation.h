// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_OPERATION_H_
#define FANFARE_DETAIL_WAIT_OPERATION_H_

// One waiting operation: the one hard idea of the library, in three parts.
//
// An *operation* is a send or a receive that could not go ahead and stands in
// the queue of its channel. It lives where its waiter lives (on the stack of a
// blocked call, in a feed's subscription), so queueing allocates nothing. A
// channel knows nothing else about who waits.
//
// A *claim* decides which of several operations of one waiter goes ahead: all
// operations of a Select share one, and the first to claim it wins. Whoever
// loses leaves the operation alone. An operation without a claim (a feed's,
// which completes all of its operations) belongs to who takes it out of the
// queue.
//
// A *waker* is told that an operation was completed: once for each, and after
// the channel's locks were released. It is what differs between a thread, a
// feed's Send and a coroutine.
//
// The life of an operation. (1) The owner queues it under the channel's lock.
// (2a) A counterpart takes it out under the same lock, claims it, moves the
// value, unlocks, and calls Completed() as the very last thing; the owner waits
// for that call before it lets the operation go. Or (2b) the owner gives up: it
// claims first, so that nobody else can, and takes the operation out under the
// lock. In both cases nobody touches the operation afterwards: before the claim
// it is guarded by the lock, after it by the call that is still to come.

#include <cstdint>

#include <fanfare/detail/base/intrusive_list.h>
#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

enum class Outcome : std::uint8_t {
  kPending,  // nothing happened yet
  kDone,     // the value was moved
  kClosed,   // the channel is closed (for a receive: and empty)
  kLost,     // the waiter was claimed for another of its operations
  // Between the parts of a channel alone:
  kCounterpartWaits,  // to match a queued operation takes both locks
  kBiasedElsewhere,   // the lock of the back is biased to another owner
};

class Waker {
 public:
  // May resume the waiter, which may destroy this object and the operation
  // before the call returns to its caller.
  virtual void Completed(Outcome outcome) noexcept = 0;

 protected:
  ~Waker() = default;
};

class Claim;

struct Operation : ListNode<Operation> {
  // A send: the T to move from. A receive: the std::optional<T> to fill.
  void* value = nullptr;
  // Null: to take it out of the queue is to claim it.
  Claim* claim = nullptr;
  Waker* waker = nullptr;
  // The next three are guarded by the channel's lock while it is queued.
  Outcome outcome = Outcome::kPending;
  bool queued = false;
  // A send that its channel refuses from now on.
  bool revoked = false;
  // A send whose value is a copy for it alone, to be destroyed by whoever moves
  // from it; false once that was done.
  bool owns_value = false;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_OPERATION_H_
