// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_WAIT_QUEUE_H_
#define FANFARE_DETAIL_WAIT_WAIT_QUEUE_H_

// A WaitQueue holds the operations of one kind that wait at one end of a
// channel, or for a feed's turn, in the order of their arrival. The lock of its
// owner guards it.

#include <cstddef>

#include <fanfare/detail/base/intrusive_list.h>
#include <fanfare/detail/wait/claim.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/waiter.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class WaitQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  // Takes time linear in the result.
  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }

  void Append(Operation& operation) noexcept {
    list_.PushBack(operation);
    operation.queued = true;
  }

  // Returns false if the operation is no longer queued.
  bool Remove(Operation& operation) noexcept {
    if (!operation.queued) return false;
    list_.Remove(operation);
    operation.queued = false;
    return true;
  }

  // Takes out the first operation, or returns null. The caller must claim the
  // operation.
  Operation* PopFront() noexcept {
    Operation* const first = list_.PopFront();
    if (first != nullptr) first->queued = false;
    return first;
  }

  // Takes out the first operation that can go ahead together with `mine`, sets
  // `partner` to it, and its outcome to kDone. On the way, takes out operations
  // that have lost their claim. Returns kPending if there is no partner, and
  // kLost if `mine` has lost its claim.
  Outcome Match(Operation& mine, Claim* claim, Operation*& partner) noexcept {
    for (Operation* theirs = list_.front(); theirs != nullptr;) {
      Operation* const next = List::Next(*theirs);
      // A Select never matches one of its cases with another.
      if (claim == nullptr || claim != theirs->claim()) {
        const Claim::Pair pair = ClaimTogether(claim, mine, *theirs);
        if (pair == Claim::Pair::kMineLost) return Outcome::kLost;
        Remove(*theirs);
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

  // Moves the operations that can still be claimed, and for which
  // `chooses(operation)` is true, to `closed`, with the outcome kClosed. The
  // caller must complete them once it has released the lock. Returns how many
  // there are.
  template <typename Chooses>
  std::size_t CloseIf(IntrusiveList<Operation>& closed, Chooses chooses) {
    std::size_t count = 0;
    for (Operation* operation = list_.front(); operation != nullptr;) {
      Operation* const next = List::Next(*operation);
      if (chooses(*operation) && operation->claim()->Try(*operation)) {
        Remove(*operation);
        operation->outcome = Outcome::kClosed;
        closed.PushBack(*operation);
        ++count;
      }
      operation = next;
    }
    return count;
  }
  // Moves all operations that can still be claimed to `closed`, with the
  // outcome kClosed. The caller must complete them once it has released the
  // lock.
  void CloseAll(IntrusiveList<Operation>& closed) noexcept {
    while (Operation* operation = PopFront()) {
      if (operation->claim() != nullptr &&
          !operation->claim()->Try(*operation)) {
        continue;
      }
      operation->outcome = Outcome::kClosed;
      closed.PushBack(*operation);
    }
  }

 private:
  using List = IntrusiveList<Operation>;

  List list_;
};

// Completes operations that were closed. The caller must hold no lock.
inline void CompleteAll(IntrusiveList<Operation>& closed) noexcept {
  while (Operation* operation = closed.PopFront()) {
    operation->waker->Completed(*operation);
  }
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_WAIT_QUEUE_H_
