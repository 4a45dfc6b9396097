// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_SLOW_ACTIONS_H_
#define FANFARE_DETAIL_FEED_SLOW_ACTIONS_H_

// SlowActions, for programs with options: what the policy of a subscription
// does if its channel stays full, and the report of a stall. All functions are
// for the holder of the turn.

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/channel/biased_lock.h>
#include <fanfare/detail/feed/policy.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class SlowActionFunctions {
 public:
  static constexpr SlowActions Table() noexcept {
    return {OnFull, ReplaceAtOnce, NextDeadline, OnWake};
  }

 private:
  using Clock = Platform::Clock;

  // The functions of the table; SlowActions (policy.h) says what each does.
  FANFARE_DECL static Fate OnFull(FeedCore& feed, Member& member,
                                  Policy& policy, bool& may_bias) noexcept;

  FANFARE_DECL static bool ReplaceAtOnce(FeedCore& feed, Member& member,
                                         Policy& policy,
                                         Biases biases) noexcept;

  FANFARE_DECL static Deadline NextDeadline(const SendWait& wait) noexcept;

  FANFARE_DECL static bool OnWake(SendWait& wait);

  // Lets the policies act that have no patience left. Returns true if that
  // completed the last offers.
  FANFARE_DECL static bool ActOnSlow(SendWait& wait) noexcept;

  // Calls the stall handler if it is time: at s, 3s, 7s, ... after the start,
  // if s is what the user gave.
  FANFARE_DECL static void ReportStall(SendWait& wait);
  // Returns the largest duration instead of one that is too large.
  FANFARE_DECL static Clock::duration Sum(Clock::duration a,
                                          Clock::duration b) noexcept;

  // Returns whether the policy acts, now that the member's channel is full.
  [[nodiscard]] FANFARE_DECL static bool RunsOut(const FeedCore& feed,
                                                 const Member& member,
                                                 Policy& policy) noexcept;

  // Does what the member's policy says. The offer must not be queued. Sets
  // `may_bias` to false if biases had to be revoked.
  FANFARE_DECL static Fate Act(FeedCore& feed, Member& member, Policy& policy,
                               bool& may_bias) noexcept;
  FANFARE_DECL static Fate ReplaceOrEnd(FeedCore& feed, Member& member,
                                        Policy& policy,
                                        bool& may_bias) noexcept;
  FANFARE_DECL static Outcome Replace(FeedCore& feed, Member& member,
                                      Policy& policy, Biases biases) noexcept;
};

inline constexpr SlowActions kSlowActions = SlowActionFunctions::Table();

}}}  // namespace fanfare::FANFARE_ABI::detail

#ifdef FANFARE_HEADER_ONLY
#include <fanfare/detail/feed/slow_actions.ipp>
#endif

#endif  // FANFARE_DETAIL_FEED_SLOW_ACTIONS_H_
