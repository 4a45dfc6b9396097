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

using OperationQueue = IntrusiveList<Operation>;

class Claim {
 public:
  // Claims for `winner`; false: another one has won.
  bool Try(Operation& winner) noexcept { return Take(Word(winner)); }

  enum class Pair { kClaimed, kMineLost, kTheirsLost };

  // Claims `mine` and `theirs` together or neither, for two waiters that meet
  // while each may still be claimed elsewhere: two Selects on crossed channels.
  // The claim at the lower address is held for the few instructions until the
  // other is decided. Whoever meets a held claim waits for it, and the one that
  // holds it waits for higher addresses only: so it ends. After the protocol of
  // Reppy, Russo and Xiao, "Parallel Concurrent ML" (2009), which backs off
  // and retries instead of keeping an order.
  static Pair TryBoth(Claim& mine, Operation& my_winner, Claim& theirs,
                      Operation& their_winner) noexcept {
    const bool mine_first = reinterpret_cast<std::uintptr_t>(&mine) <
                            reinterpret_cast<std::uintptr_t>(&theirs);
    Claim& first = mine_first ? mine : theirs;
    Claim& second = mine_first ? theirs : mine;
    const auto lost = [](bool is_mine) {
      return is_mine ? Pair::kMineLost : Pair::kTheirsLost;
    };
    if (!first.Take(kHeld)) return lost(mine_first);
    if (!second.Take(Word(mine_first ? their_winner : my_winner))) {
      first.state_.store(kOpen, std::memory_order_release);
      return lost(!mine_first);
    }
    first.state_.store(Word(mine_first ? my_winner : their_winner),
                       std::memory_order_release);
    return Pair::kClaimed;
  }

  // For the waiter, once it knows that somebody has won.
  [[nodiscard]] Operation* winner() const noexcept {
    return reinterpret_cast<Operation*>(state_.load(std::memory_order_acquire));
  }

 private:
  // The state: open, held by TryBoth, or the address of the winner.
  static constexpr std::uintptr_t kOpen = 0;
  static constexpr std::uintptr_t kHeld = 1;

  static std::uintptr_t Word(Operation& winner) noexcept {
    return reinterpret_cast<std::uintptr_t>(&winner);
  }

  // Acquire and release: the loser sees what the winner did before it won, and
  // whoever comes after TryBoth what was done before that opened the claim.
  bool Take(std::uintptr_t next) noexcept {
    SpinWait<Platform> held;
    std::uintptr_t state = kOpen;
    while (!state_.compare_exchange_weak(state, next, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
      if (state == kHeld) held.Wait();
      if (state > kHeld) return false;
      state = kOpen;
    }
    return true;
  }

  Platform::Atomic<std::uintptr_t> state_{kOpen};
};

// Claims `theirs`, found in a queue, on behalf of `mine`, which is not queued.
// `claim` is mine's where mine may be claimed elsewhere at this moment, else
// null.
inline Claim::Pair ClaimTogether(Claim* claim, Operation& mine,
                                 Operation& theirs) noexcept {
  if (claim == nullptr) {
    return theirs.claim == nullptr || theirs.claim->Try(theirs)
               ? Claim::Pair::kClaimed
               : Claim::Pair::kTheirsLost;
  }
  if (theirs.claim == nullptr) {
    return claim->Try(mine) ? Claim::Pair::kClaimed : Claim::Pair::kMineLost;
  }
  return Claim::TryBoth(*claim, mine, *theirs.claim, theirs);
}

// What follows works on a queue whose lock is held.

// False: the operation is not in it any more.
inline bool Remove(OperationQueue& queue, Operation& operation) noexcept {
  if (!operation.queued) return false;
  queue.Remove(operation);
  operation.queued = false;
  return true;
}

// Takes the first operation out of `queue` that can go ahead together with
// `mine`; on the way, those that have lost their claim.
inline Outcome Match(OperationQueue& queue, Operation& mine, Claim* claim,
                     Operation*& partner) noexcept {
  for (Operation* theirs = queue.front(); theirs != nullptr;) {
    Operation* const next = OperationQueue::Next(*theirs);
    // A Select never meets itself.
    if (claim == nullptr || claim != theirs->claim) {
      const Claim::Pair pair = ClaimTogether(claim, mine, *theirs);
      if (pair == Claim::Pair::kMineLost) return Outcome::kLost;
      Remove(queue, *theirs);
      if (pair == Claim::Pair::kClaimed) {
        theirs->outcome = Outcome::kDone;
        partner = theirs;
        return Outcome::kDone;
      }
    }
    theirs = next;
  }
  return Outcome::kPending;
}

// Moves whatever can still be claimed from `queue` to `refused`.
inline void CloseAll(OperationQueue& queue, OperationQueue& refused) noexcept {
  while (Operation* operation = queue.front()) {
    Remove(queue, *operation);
    if (operation->claim != nullptr && !operation->claim->Try(*operation)) {
      continue;
    }
    operation->outcome = Outcome::kClosed;
    refused.PushBack(*operation);
  }
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_OPERATION_H_
