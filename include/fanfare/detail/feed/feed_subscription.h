// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_FEED_SUBSCRIPTION_H_
#define FANFARE_DETAIL_FEED_FEED_SUBSCRIPTION_H_

// One subscription of a feed, with the memory that a Send needs for it.

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/dense_set.h>
#include <fanfare/detail/feed/sent_value.h>
#include <fanfare/detail/subscription/subscription_state.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename T>
class FeedCore;
template <typename T>
class FeedMembers;
template <typename T>
class FeedOffers;
template <typename T>
class PendingOffers;

// Where a subscription needs no memory of its own for the copy.
struct NoCopy {};

template <typename T>
class FeedSubscription final : public SubscriptionState {
 public:
  FeedSubscription(Ref<FeedCore<T>> feed, Ref<ChannelCore<T>> channel) noexcept
      : feed_(std::move(feed)), channel_(std::move(channel)) {}

  void RequestUnsubscribe() noexcept override { feed_->End(*this); }

 private:
  friend class FeedCore<T>;
  friend class FeedMembers<T>;
  friend class FeedOffers<T>;
  friend class PendingOffers<T>;
  friend class DenseSet<FeedSubscription, ChannelCore<T>>;

  // A trivially copyable value is copied by who takes it, from the sender's;
  // of any other, the sender makes a copy first.
  static constexpr bool kCopiesLate = std::is_trivially_copyable_v<T>;

  ChannelCore<T>& channel() const noexcept { return *channel_; }

  // For a channel of its own; outside all locks.
  T& MakeCopy(const T& value) {
    T* const copy = std::construct_at(copy_.get(), value);
    offer_.owns_value = true;
    return *copy;
  }
  // Destroys a copy that was not taken.
  void DestroyCopy() noexcept {
    if constexpr (!kCopiesLate) {
      if (std::exchange(offer_.owns_value, false)) std::destroy_at(copy_.get());
    }
  }

  // In its roll; changed as that. (Fits into padding, as do the two flags.)
  std::uint32_t index_ = 0;
  const Ref<FeedCore<T>> feed_;
  const Ref<ChannelCore<T>> channel_;
  // The send that its channel sees.
  [[no_unique_address]] Operation offer_;
  // Guarded by the feed's lock: whether it has not ended, and in which roll it
  // is.
  bool listed_ = false;
  bool is_joining_ = false;
  [[no_unique_address]] std::conditional_t<kCopiesLate, NoCopy,
                                           ManualLifetime<T>>
      copy_;
  // For the Send under way: the next whose channel was not ready.
  FeedSubscription* next_pending_ = nullptr;
  // Guarded by the feed's lock: the next one that has ended.
  FeedSubscription* next_leaving_ = nullptr;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_FEED_SUBSCRIPTION_H_
