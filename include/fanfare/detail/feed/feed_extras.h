// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_FEED_EXTRAS_H_
#define FANFARE_DETAIL_FEED_FEED_EXTRAS_H_

// FeedExtras are what a feed has only if the user asks for it: a name, a
// history, and a function that is called when a Send waits for long.

#include <cstddef>
#include <string>
#include <utility>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/channel/biased_lock.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class FeedCore;
class Member;
struct SlowActions;

// A History keeps the last values of a feed. Only the holder of the turn calls
// its functions.
class History {
 public:
  History() = default;
  History(const History&) = delete;
  History& operator=(const History&) = delete;
  virtual ~History() = default;

  // Keeps a copy of the value. Throws what copying the value throws, and has no
  // effect then.
  virtual void Record(const void* value) = 0;
  // Sends the newest values to a member's channel, oldest first: as many as its
  // policy says, or as its channel has room for. A policy that replaces at once
  // makes room. `owner` is what the turn is called for biased locks; there must
  // be no biases. Throws what copying a value throws.
  virtual void Replay(Member& member, BiasOwner& owner) = 0;
};

class FeedExtras {
 public:
  using Clock = Platform::Clock;

  FeedExtras() = default;
  FeedExtras(const FeedExtras&) = delete;
  FeedExtras& operator=(const FeedExtras&) = delete;
  virtual ~FeedExtras() { delete history; }

  // Called when the feed is destroyed, which subscriptions may outlive: frees
  // what is the user's.
  virtual void Release() noexcept { delete std::exchange(history, nullptr); }

  // Called by a Send that has waited for `stall_after`, then at doubled
  // intervals. Runs user code.
  virtual void OnStall(const FeedCore& feed) = 0;

  const SlowActions* actions = nullptr;
  std::string name;
  Clock::duration stall_after = Clock::duration::max();
  History* history = nullptr;  // owned; null: none is kept
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_FEED_EXTRAS_H_
