// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_SUBSCRIPTION_STATE_IPP_
#define FANFARE_DETAIL_SUBSCRIPTION_SUBSCRIPTION_STATE_IPP_

#include <fanfare/detail/subscription/subscription_state.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

void SubscriptionState::Unsubscribe() noexcept {
  RequestUnsubscribe();
  if (!RunningScope::IsInside(*this)) WaitUntilEnded();
}

Ref<ErrChannel> SubscriptionState::Err() {
  ErrChannel* err = err_.load();
  if (err == nullptr) {
    Ref<ErrChannel> made = MakeErr();
    if (err_.compare_exchange_strong(err, made.get())) err = made.Release();
  }
  // Finish() may have read err_ before this channel was there.
  Finished();
  return Ref<ErrChannel>::Share(err);
}

std::exception_ptr SubscriptionState::TakeError() noexcept {
  std::optional<std::exception_ptr> error;
  Operation receive;
  receive.value = &error;
  if (ErrChannel* err = err_.load()) err->TryReceive(receive, err->kMoves);
  return error ? *std::move(error) : nullptr;
}

SubscriptionState::Stage SubscriptionState::stage() const noexcept {
  if (Finished()) return Stage::kEnded;
  return ended_.load() ? Stage::kEnding : Stage::kAlive;
}

void SubscriptionState::Finish(std::exception_ptr error) noexcept {
  ended_.store(true);
  if (observed_.load()) observer().OnEnding();
  if (error != nullptr) {
    if (ErrChannel* err = err_.load()) err->TrySend(error);
  }
  finished_.store(true);
  Finished();
  if (observed_.load()) observer().OnEnded();
}

bool SubscriptionState::Finished() const noexcept {
  if (!finished_.load()) return false;
  if (ErrChannel* err = err_.load()) err->Close();
  return true;
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_SUBSCRIPTION_STATE_IPP_
