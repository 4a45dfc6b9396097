// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_CLAIM_H_
#define FANFARE_DETAIL_WAIT_CLAIM_H_

// A claim decides which of several operations of one waiter goes ahead.
//
// All operations of a Select share one claim, and the first thread to claim it
// wins. A thread that loses leaves the operation alone. An operation without a
// claim belongs to the thread that takes it out of its queue.

#include <cstdint>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class Claim {
 public:
  // Claims for `winner`. Returns false if another operation has won.
  bool Try(Operation& winner) noexcept { return Take(Word(winner)); }

  enum class Pair { kClaimed, kMineLost, kTheirsLost };

  // Claims `mine` and `theirs` together or neither. Two waiters need this when
  // they match while each may still be claimed elsewhere: two Selects on
  // crossed channels.
  //
  // The claim at the lower address is held for the few instructions until the
  // other one is decided. A thread that finds a claim held waits for it. The
  // thread that holds a claim waits only for claims at higher addresses, so the
  // waiting ends. The protocol follows Reppy, Russo and Xiao, "Parallel
  // Concurrent ML" (2009), which backs off and retries instead of keeping an
  // order.
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

  // For the waiter, once it knows that an operation has won.
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

  // Acquire and release: the loser sees what the winner did before it won. A
  // thread that takes the claim after TryBoth() sees what was done before
  // TryBoth() opened it.
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

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_CLAIM_H_
