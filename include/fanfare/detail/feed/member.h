// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_MEMBER_H_
#define FANFARE_DETAIL_FEED_MEMBER_H_

// A Member is one subscription of a feed, with all the memory that a Send needs
// for it. (feed_subscription.h has what depends on the type of the values.)

#include <cstdint>

#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/feed/policy.h>
#include <fanfare/detail/feed/tally.h>
#include <fanfare/detail/subscription/subscription_state.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class FeedCore;

// A ListedSubscription is what a feed's set needs of a subscription.
class ListedSubscription : public SubscriptionState {
 public:
  [[nodiscard]] FeedCore& feed() const noexcept { return *feed_; }
  [[nodiscard]] ChannelEnds& channel() const noexcept { return *channel_; }

 protected:
  ListedSubscription(FeedCore* feed, ChannelEnds* channel) noexcept
      : listed(false), joining(false), feed_(feed), channel_(channel) {}

 public:
  // The small members stand where they fit into padding.
  // For Membership, guarded by its mutex: whether the member has not ended, and
  // whether it is still joining.
  bool listed : 1;
  bool joining : 1;
  // For the set (dense_set.h): the member's index there.
  std::uint32_t index = 0;

 private:
  FeedCore* const feed_;
  ChannelEnds* const channel_;
};

// The Operation is the offer of the Send in progress: the send that the channel
// sees. It is a base, so that the member can be found from it. What a Send
// needs for a channel that is not ready stands beside it.
class Member : public ListedSubscription, public Operation {
 public:
  using SubscriptionState::Finish;

  ~Member() override { delete policy(); }

  [[nodiscard]] Operation& offer() noexcept { return *this; }
  [[nodiscard]] const Operation& offer() const noexcept { return *this; }
  // Returns the member that makes the offer.
  [[nodiscard]] static Member& Of(Operation& offer) noexcept {
    return static_cast<Member&>(offer);
  }

  // Returns null if the subscription has no options.
  [[nodiscard]] Policy* policy() const noexcept {
    return has_policy() ? options_.policy : nullptr;
  }
  // Returns null also if the Send only waits.
  [[nodiscard]] Policy* acting_policy() const noexcept {
    Policy* const has = policy();
    return has != nullptr && has->actions != nullptr ? has : nullptr;
  }
  // Returns whether the policy ends the wait for the channel, which is full.
  [[nodiscard]] bool policy_will_act() const noexcept {
    const Policy* const has = acting_policy();
    return has != nullptr && has->RunsOutAt().bounded();
  }
  // Returns whether a full channel's oldest value makes room at once. The
  // member has a policy then.
  [[nodiscard]] bool replaces_at_once() const noexcept {
    return line_ == kReplacesAtOnce;
  }
  // Returns the place of the call of Subscribe(). The mutex must be held, and
  // the member must not be leaving.
  [[nodiscard]] Place where() const noexcept {
    return has_policy() ? options_.policy->where : Place{options_.file, line_};
  }
  // For Membership: the next member that is leaving.
  [[nodiscard]] Member*& next_leaving() noexcept {
    return has_policy() ? options_.policy->next : options_.next;
  }

  // Gives the subscription options, before any other thread knows it.
  // Takes the policy over.
  void SetPolicy(Policy& policy) noexcept {
    policy.where = {options_.file, line_};
    line_ = policy.when_full == WhenFull::kReplace && !policy.has_patience()
                ? kReplacesAtOnce
                : kHasPolicy;
    options_.policy = &policy;
  }
  // Returns whether the member is to receive the feed's history first.
  [[nodiscard]] bool replays() const noexcept {
    return policy() != nullptr && policy()->replay > 0;
  }

  // Notes that a Send did not wait for the channel any longer.
  void Miss() noexcept {
    tally.missed.Add();
    DestroyCopy();
  }
  // Destroys the copy, if its channel did not take it.
  void DestroyCopy() noexcept {
    if (owns_value) DestroyOwnedCopy();
  }

 protected:
  // Takes over a counted reference to each; the derived class drops both.
  Member(FeedCore* feed, ChannelEnds* channel, Place where) noexcept
      : ListedSubscription(feed, channel),
        line_(IsLine(where.line) ? where.line : 1),
        options_{where.file} {}

  virtual void DestroyOwnedCopy() noexcept = 0;

 private:
  // No lines have these numbers.
  static constexpr std::uint32_t kHasPolicy = 0;
  static constexpr std::uint32_t kReplacesAtOnce = 0xffffffff;
  [[nodiscard]] static constexpr bool IsLine(std::uint32_t line) noexcept {
    return line != kHasPolicy && line != kReplacesAtOnce;
  }

  [[nodiscard]] bool has_policy() const noexcept { return !IsLine(line_); }

  // The place of the call of Subscribe(). A member that has a policy keeps it
  // there. A member that is leaving does not need the file any more.
  std::uint32_t line_;
  union {
    const char* file;
    Policy* policy;
    Member* next;
  } options_;

 public:
  // The next member with a channel that was not ready, for the Send in progress
  // (pending_offers.h); or the next one that was removed (membership.h).
  Member* next_pending = nullptr;
  Tally tally;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_MEMBER_H_
