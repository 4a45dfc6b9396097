// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_FEED_SUBSCRIPTION_H_
#define FANFARE_DETAIL_FEED_FEED_SUBSCRIPTION_H_

// A FeedSubscription is one subscription of a feed of one type: its channel,
// and memory for a copy of the value if T needs one.

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/manual_lifetime.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/feed_core.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Says what became of the values. Defined in subscriber_report.h, which knows
// the type.
inline void ReadStats(const Member& member, SubscriberStats& stats) noexcept;

// Takes the place of the copy if a subscription needs no memory for one.
struct NoCopy {};

template <typename T>
class FeedSubscription final : public Member {
 public:
  FeedSubscription(Ref<FeedCore> feed, Ref<ChannelCore<T>> channel,
                   Place where) noexcept
      : Member(feed.Release(), channel.Release(), where) {}
  ~FeedSubscription() override {
    using Core = ChannelCore<T>;
    Ref<Core>::Adopt(&static_cast<Core&>(channel())).reset();
    Ref<FeedCore>::Adopt(&feed()).reset();
  }

  // Keeps a copy of `original` for this subscription's channel, or what is
  // moved from it. The caller must hold no lock.
  T& KeepCopy(const T& original) {
    std::construct_at(copy_.get(), original);
    offer().owns_value = true;
    return copy();
  }
  T& KeepCopy(T&& original) noexcept {
    std::construct_at(copy_.get(), std::move(original));
    offer().owns_value = true;
    return copy();
  }
  // Returns the copy that is kept.
  T& copy() noexcept { return *copy_.get(); }

  bool ReadStats(SubscriberStats& stats) const noexcept override {
    detail::ReadStats(*this, stats);
    return true;
  }

  // See Policy::ReplaceVerb.
  static Outcome ReplaceOldest(ChannelEnds& channel, Operation& send,
                               BiasOwner& owner, Biases biases,
                               bool& evicted) noexcept {
    std::optional<T> oldest;
    return static_cast<ChannelCore<T>&>(channel).Replace(send, owner, biases,
                                                         oldest, evicted);
  }

  void RequestUnsubscribe() noexcept override {
    if constexpr (kCopiedAsBytes<T>) {
      feed().End(*this);
    } else {
      // Destroyed at the very end. A destructor of T may then do anything, even
      // call Send(): no Send waits for it any more.
      std::optional<T> undelivered;
      feed().End(*this, &TakeCopy, &undelivered);
    }
  }

 private:
  static void TakeCopy(Member& member, void* to) noexcept {
    static_cast<std::optional<T>*>(to)->emplace(
        std::move(*static_cast<T*>(member.offer().value)));
    member.DestroyCopy();
  }
  void DestroyOwnedCopy() noexcept override {
    if constexpr (!kCopiedAsBytes<T>) {
      offer().owns_value = false;
      std::destroy_at(copy_.get());
    }
  }

  // What the sender offers to this subscriber, if user code copies it.
  [[no_unique_address]] std::conditional_t<kCopiedAsBytes<T>, NoCopy,
                                           ManualLifetime<T>>
      copy_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_FEED_SUBSCRIPTION_H_
