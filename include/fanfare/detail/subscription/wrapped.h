// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_WRAPPED_H_
#define FANFARE_DETAIL_SUBSCRIPTION_WRAPPED_H_

// A WrappedSubscription is a user-defined source of events as a subscription.

#include <utility>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/subscription/subscription_state.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename Source>
class WrappedSubscription final : public SubscriptionState {
 public:
  WrappedSubscription(Source&& source, Ref<ErrChannel> err)
      : source_(std::move(source)), err_(std::move(err)) {}
  // A scope may release a source that has ended without a call of
  // Unsubscribe(). The source may still have a thread to join.
  ~WrappedSubscription() override {
    if (!unsubscribed_.load(std::memory_order_relaxed)) source_.Unsubscribe();
  }

  Ref<ErrChannel> Err() override { return err_; }
  Stage stage() const noexcept override {
    return err_ && err_->closed() ? Stage::kEnded : Stage::kAlive;
  }
  bool NotifiesObserver() const noexcept override { return false; }
  void RequestUnsubscribe() noexcept override {
    if constexpr (requires { source_.RequestUnsubscribe(); }) {
      source_.RequestUnsubscribe();
    } else {
      Unsubscribe();
    }
  }
  void Unsubscribe() noexcept override {
    unsubscribed_.store(true, std::memory_order_relaxed);
    source_.Unsubscribe();
  }

 private:
  Source source_;
  const Ref<ErrChannel> err_;  // null: it never reports an end
  Platform::Atomic<bool> unsubscribed_{false};
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_WRAPPED_H_
