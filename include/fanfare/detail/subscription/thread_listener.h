// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_THREAD_LISTENER_H_
#define FANFARE_DETAIL_SUBSCRIPTION_THREAD_LISTENER_H_

// A ThreadListener is a subscription that handles the values of a channel in
// its own thread.

#include <exception>
#include <optional>
#include <stop_token>
#include <utility>

#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/blocking.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/channel/result_slot.h>
#include <fanfare/detail/subscription/producer.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Says how the handler is called. Defined in listen.h.
template <typename Handler, typename T>
void CallListener(Handler& handler, T&& value, const std::stop_token& stop);

template <typename T, typename Handler>
class ThreadListener final : public ProducerSubscription {
 public:
  // `source` delivers to `channel`, which is closed after `source` ends.
  template <typename H>
  ThreadListener(H&& handler, EndHandler on_end, Ref<ChannelCore<T>> channel,
                 Ref<SubscriptionState> source)
      : channel_(std::move(channel)),
        source_(std::move(source)),
        handler_(std::in_place, std::forward<H>(handler)),
        on_end_(std::move(on_end)) {}

  void RequestUnsubscribe() noexcept override {
    ProducerSubscription::RequestUnsubscribe();
    // At once, because a Send may wait for this listener while its handler
    // runs. This wakes the thread.
    source_->Unsubscribe();
  }

  bool ReadStats(SubscriberStats& stats) const noexcept override {
    return source_->ReadStats(stats);
  }
  bool Consumes(const ChannelEnds& channel) const noexcept override {
    return &channel == channel_.get();
  }

 private:
  std::exception_ptr Produce(const std::stop_token& stop) override {
    const Release at_end{*this};
    std::exception_ptr error = HandleValues(stop);
    if (!on_end_) return error;
    EndSource();
    if (stop.stop_requested()) return error;
    return CallOnEnd(on_end_, std::move(error));
  }

  // Returns the error that has ended the subscription, or null.
  std::exception_ptr HandleValues(const std::stop_token& stop) {
    try {
      while (std::optional<T> value = Receive()) {
        if (stop.stop_requested()) break;
        detail::CallListener(*handler_, *std::move(value), stop);
      }
      return source_->TakeError();
    } catch (...) {
      return detail::CurrentException();
    }
  }

  std::optional<T> Receive() {
    std::optional<T> value = EmptyOptional<T>();
    ResultSlot<T> slot(value);
    ReceiveBlocking(*channel_, slot);
    slot.Done(value);
    return value;
  }

  // Ends the subscription to the feed, and discards what is queued.
  void EndSource() noexcept {
    source_->Unsubscribe();
    std::optional<T> queued;
    Operation receive;
    receive.value = &queued;
    while (channel_->TryReceive(receive, ChannelCore<T>::kMoves) ==
           Outcome::kDone) {
      queued.reset();
    }
  }

  // Destroys everything that was captured or queued before the end can be seen,
  // even if the thread is unwound.
  struct Release {
    ~Release() {
      listener.EndSource();
      listener.handler_.reset();
      listener.on_end_ = nullptr;
    }
    ThreadListener& listener;
  };

  const Ref<ChannelCore<T>> channel_;
  const Ref<SubscriptionState> source_;
  std::optional<Handler> handler_;
  EndHandler on_end_;  // may be empty
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_THREAD_LISTENER_H_
