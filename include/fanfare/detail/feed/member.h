// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_MEMBER_H_
#define FANFARE_DETAIL_FEED_MEMBER_H_

// A Member is one subscription of a feed, with all the memory that a Send needs
// for it. (feed_subscription.h has what depends on the type of the values.)

#include <cstdint>

#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/subscription/subscription_state.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class FeedCore;

class Member : public SubscriptionState {
 public:
  using SubscriptionState::Finish;

  [[nodiscard]] FeedCore& feed() const noexcept { return *feed_; }
  [[nodiscard]] ChannelEnds& channel() const noexcept { return *channel_; }

  // Destroys the copy, if its channel did not take it.
  void DestroyCopy() noexcept {
    if (offer.owns_value) DestroyOwnedCopy();
  }

  // For the member's set (dense_set.h): its index there. (Fits into padding, as
  // do the two flags.)
  std::uint32_t index = 0;

 protected:
  // Takes over a counted reference to each; the derived class drops both.
  Member(FeedCore* feed, ChannelEnds* channel) noexcept
      : feed_(feed), channel_(channel) {}

  virtual void DestroyOwnedCopy() noexcept = 0;

 private:
  FeedCore* const feed_;
  ChannelEnds* const channel_;

 public:
  // For the Send in progress: the send that the channel sees; next_pending
  // below is the next member with a channel that was not ready.
  [[no_unique_address]] Operation offer;
  // For Membership, guarded by its mutex: whether the member has not ended, and
  // whether it is still joining.
  bool listed = false;
  bool joining = false;

  Member* next_pending = nullptr;
  // For Membership: the next member that is leaving.
  Member* next_leaving = nullptr;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_MEMBER_H_
