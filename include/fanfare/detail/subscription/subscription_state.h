// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_SUBSCRIPTION_STATE_H_
#define FANFARE_DETAIL_SUBSCRIPTION_SUBSCRIPTION_STATE_H_

// A SubscriptionState is what every kind of subscription is made of: how it is
// asked to end, how a thread waits for that, and what is notified.

#include <exception>
#include <optional>
#include <utility>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/subscription/owner_tree.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI {

struct SubscriberStats;

namespace detail {

// The channel that reports the error of a subscription.
using ErrChannel = ChannelCore<std::exception_ptr>;

inline Ref<ErrChannel> MakeErr() {
  Ref<ErrChannel> made = ErrChannel::Make(1);
  made->MarkAsEnd();
  return made;
}

// Returns a closed channel, for a subscription that has no error to report. The
// channel is never destroyed, so that subscriptions with static storage can use
// it until the end.
inline Ref<ErrChannel> ClosedErr() {
  static ErrChannel* const closed = [] {
    ErrChannel* const made = MakeErr().Release();
    made->Close();
    return made;
  }();
  return Ref<ErrChannel>::Share(closed);
}

// An Observer is notified when a subscription ends. Both functions are called
// outside all locks, and more than once if several threads end the subscription
// together.
class Observer : public OwnerNode {
 public:
  // Called before Err() is closed.
  virtual void OnEnding() noexcept = 0;
  // Called after Err() is closed.
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

  // Requests the end. Never waits for a producer.
  virtual void RequestUnsubscribe() noexcept = 0;

  // Requests the end and waits for it, unless the caller runs inside.
  FANFARE_DECL virtual void Unsubscribe() noexcept;

  // Does what the destructor of the handle does.
  virtual void OnHandleDropped() noexcept { Unsubscribe(); }

  FANFARE_DECL virtual Ref<ErrChannel> Err();

  // Returns the error that has ended the subscription, unless it was taken
  // before; else null.
  [[nodiscard]] FANFARE_DECL std::exception_ptr TakeError() noexcept;

  [[nodiscard]] FANFARE_DECL virtual Stage stage() const noexcept;

  // Returns false if this is not a subscription of a feed. Otherwise says what
  // became of the feed's values.
  virtual bool ReadStats(SubscriberStats& /*stats*/) const noexcept {
    return false;
  }

  // Returns false if an observer is not notified; stage() must then be polled.
  [[nodiscard]] virtual bool NotifiesObserver() const noexcept { return true; }

  // From now on the parent, which must be an Observer, is notified.
  void Observe() noexcept { observed_.store(true); }
  // Called after Observe(): notifies the parent of an end that came before. (If
  // the end has only begun, the parent was notified, or has learnt it from
  // stage().)
  void NotifyParent() noexcept {
    if (Finished()) observer().OnEnded();
  }

 protected:
  // Ends the subscription. Several threads may call it; when any call returns,
  // all of it has been done. An error is reported only if Err() was called
  // before.
  //
  // All accesses to ended_, finished_, err_ and observed_ are sequentially
  // consistent, except those of the destructor. Each side writes its own
  // variable and then reads the other's, so at least one of them sees both.
  FANFARE_DECL void Finish(std::exception_ptr error = nullptr) noexcept;

 private:
  // Blocks until the subscription has ended, if it has a producer to wait for.
  virtual void WaitUntilEnded() noexcept {}

  // Returns whether Err() has received all that it ever will. The thread that
  // finds this closes the channel, because the thread in Finish() may be
  // preempted in between.
  FANFARE_DECL bool Finished() const noexcept;

  [[nodiscard]] Observer& observer() const noexcept {
    return static_cast<Observer&>(*parent());
  }

  // The small members come last: a derived class continues in the rest of the
  // word.
  Platform::Atomic<ErrChannel*> err_{nullptr};  // a counted reference
  Platform::Atomic<bool> ended_{false};
  Platform::Atomic<bool> finished_{false};  // and Err() has its error
  Platform::Atomic<bool> observed_{false};  // the parent is an Observer
};

// An EndedSubscription has ended when it is made.
class EndedSubscription final : public SubscriptionState {
 public:
  EndedSubscription() noexcept { Finish(); }
  void RequestUnsubscribe() noexcept override {}
};

}  // namespace detail

}}  // namespace fanfare::FANFARE_ABI

#ifdef FANFARE_HEADER_ONLY
#include <fanfare/detail/subscription/subscription_state.ipp>
#endif

#endif  // FANFARE_DETAIL_SUBSCRIPTION_SUBSCRIPTION_STATE_H_
