// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_QUEUED_SEND_H_
#define FANFARE_DETAIL_FEED_QUEUED_SEND_H_

// A QueuedSend is a Send that waits for its turn.

#include <cstddef>

#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/feed/policy.h>
#include <fanfare/detail/subscription/owner_tree.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Says what a Send waits for.
enum class Waits {
  kNever,   // nothing
  kTurn,    // its turn, but no channel
  kForAll,  // its turn, and each channel
};

// The holder of the turn may make the offers of the Send (combine it).
struct QueuedSend : Operation {
  // Makes the offers of `send`, when its turn has come.
  using Combine = void(FeedCore& feed, QueuedSend& send) noexcept;

  QueuedSend(Waits what, Combine* how) noexcept : waits(what), combine(how) {}

  // Returns whether nothing is left to do.
  [[nodiscard]] bool complete() const noexcept {
    return was_combined && pending.empty();
  }

  const Waits waits;
  Combine* const combine;  // null: its offers run user code
  bool was_combined = false;
  std::size_t taken = 0;  // if it was combined, as the next one
  PendingOffers pending;
  // What its thread runs, if it waits for its turn without a limit.
  const RunningScope* runs = nullptr;
  // Set if it is refused because the Send in progress waits, without a limit,
  // for a receive from this member's channel that only its own thread could
  // make.
  Ref<Member> deadlocked;
  Place where{};  // that member was subscribed
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_QUEUED_SEND_H_
