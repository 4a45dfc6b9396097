// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_CHANNEL_CLOSER_H_
#define FANFARE_DETAIL_SUBSCRIPTION_CHANNEL_CLOSER_H_

// A ChannelCloser closes the channel of a subscription when the subscription
// ends, so that a receiver sees the end behind the last value.

#include <utility>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/subscription/subscription_state.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename T>
class ChannelCloser final : public Observer {
 public:
  explicit ChannelCloser(Ref<ChannelCore<T>> channel) noexcept
      : channel_(std::move(channel)) {}

  // From now on, closes the channel when `subscription` ends, or at once if it
  // has ended. The subscription must not have a parent.
  static void Attach(SubscriptionState& subscription,
                     Ref<ChannelCore<T>> channel) {
    subscription.SetParent(Ref<ChannelCloser>::Make(std::move(channel)));
    subscription.Observe();
    subscription.NotifyParent();
  }

  void OnEnding() noexcept override {}
  // The channel already refuses everything that the subscription would deliver.
  void OnEnded() noexcept override { channel_->Close(); }

 private:
  const Ref<ChannelCore<T>> channel_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_CHANNEL_CLOSER_H_
