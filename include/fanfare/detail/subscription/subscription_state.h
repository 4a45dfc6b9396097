// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_SUBSCRIPTION_STATE_H_
#define FANFARE_DETAIL_SUBSCRIPTION_SUBSCRIPTION_STATE_H_

// What every kind of subscription is made of: how it is asked to end, how one
// waits for that, and who is told.

#include <exception>
#include <utility>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/subscription/owner_tree.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// The channel that tells the error of a subscription.
using ErrChannel = ChannelCore<std::exception_ptr>;

// One that is closed, for what has no error to tell. Never destroyed, so that
// subscriptions with static storage can use it till the end.
inline Ref<ErrChannel> ClosedErr() {
  static ErrChannel* const closed = [] {
    ErrChannel* const made = ErrChannel::Make(1).Release();
    made->Close();
    return made;
  }();
  return Ref<ErrChannel>::Share(closed);
}

// Is told when a subscription ends. Both are called outside all locks, and more
// than once if several threads end the subscription together.
class Observer : public OwnerNode {
 public:
  // Before Err() is closed.
  virtual void OnEnding() noexcept = 0;
  // After.
  virtual void OnEnded() noexcept = 0;
};

class SubscriptionState : public OwnerNode {
 public:
  enum class Stage {
    kAlive,
    kEnding,  // no scope counts it any more
    kEnded,   // Err() has its error, if any, and is closed
  };

  ~SubscriptionState() override {
    if (ErrChannel* err = err_.load(std::memory_order_relaxed)) {
      Ref<ErrChannel>::Adopt(err).reset();
    }
  }

  // Asks for the end. Never waits for a producer.
  virtual void RequestUnsubscribe() noexcept = 0;

  // Asks for the end and waits for it, unless the caller runs inside.
  virtual void Unsubscribe() noexcept {
    RequestUnsubscribe();
    if (!RunningScope::IsInside(*this)) WaitUntilEnded();
  }

  // What the destructor of the handle does.
  virtual void OnHandleDropped() noexcept { Unsubscribe(); }

  virtual Ref<ErrChannel> Err() {
    ErrChannel* err = err_.load();
    if (err == nullptr) {
      Ref<ErrChannel> made = ErrChannel::Make(1);
      if (err_.compare_exchange_strong(err, made.get())) err = made.Release();
    }
    // Finish() may have looked for a channel before this one was there.
    Finished();
    return Ref<ErrChannel>::Share(err);
  }

  [[nodiscard]] virtual Stage stage() const noexcept {
    if (Finished()) return Stage::kEnded;
    return ended_.load() ? Stage::kEnding : Stage::kAlive;
  }

  // False: a watcher is not told; stage() has to be asked.
  [[nodiscard]] virtual bool NotifiesObserver() const noexcept { return true; }

  // Its parent, a Observer, is told from now on.
  void Observe() noexcept { observed_.store(true); }
  // After Observe: tells it of an end that came before. (Of one that has only
  // begun it was told, or has learned from stage().)
  void NotifyParent() noexcept {
    if (Finished()) observer().OnEnded();
  }

 protected:
  // Ends the subscription. May be called by several threads; when any call
  // returns all of it has been done. An error is told only if Err() was called
  // before.
  //
  // All accesses to ended_, finished_, err_ and observed_, but the
  // destructor's, are sequentially consistent: each side writes its own and
  // then reads the other's, so at least one of them sees both.
  void Finish(std::exception_ptr error = nullptr) noexcept {
    ended_.store(true);
    if (observed_.load()) observer().OnEnding();
    if (error != nullptr) {
      if (ErrChannel* err = err_.load()) err->TrySend(error);
    }
    finished_.store(true);
    Finished();
    if (observed_.load()) observer().OnEnded();
  }

 private:
  // Blocks until the subscription has ended, where a producer has to.
  virtual void WaitUntilEnded() noexcept {}

  // Whether Err() has all that comes. Whoever finds that closes it: between the
  // two, Finish() may lose its processor for long.
  bool Finished() const noexcept {
    if (!finished_.load()) return false;
    if (ErrChannel* err = err_.load()) err->Close();
    return true;
  }

  [[nodiscard]] Observer& observer() const noexcept {
    return static_cast<Observer&>(*parent());
  }

  // The small ones last: a derived class goes on in what is left of the word.
  Platform::Atomic<ErrChannel*> err_{nullptr};  // a counted reference
  Platform::Atomic<bool> ended_{false};
  Platform::Atomic<bool> finished_{false};  // and Err() has its error
  Platform::Atomic<bool> observed_{false};  // the parent is a Observer
};

// A subscription that has ended when it is made.
class EndedSubscription final : public SubscriptionState {
 public:
  EndedSubscription() noexcept { Finish(); }
  void RequestUnsubscribe() noexcept override {}
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_SUBSCRIPTION_STATE_H_
