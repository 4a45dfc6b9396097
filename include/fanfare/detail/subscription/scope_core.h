// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_SCOPE_CORE_H_
#define FANFARE_DETAIL_SUBSCRIPTION_SCOPE_CORE_H_

// A ScopeCore is the memory behind a SubscriptionScope: a list of entries, each
// of which holds one subscription until that has ended.
//
// No lock is held while a subscription is asked to end, is destroyed, or
// notifies the scope of its end. Under the lock a subscription is only asked
// for its stage, which may close its Err().

#include <cstddef>
#include <mutex>
#include <utility>

#include <fanfare/detail/base/intrusive_list.h>
#include <fanfare/detail/subscription/subscription_state.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class ScopeCore;

// A ScopeEntry is the place of one subscription in its scope. The subscription
// refers to its entry, and the entry to the subscription until the entry is
// forgotten.
class ScopeEntry final : public Observer, public ListNode<ScopeEntry> {
 public:
  explicit ScopeEntry(Ref<ScopeCore> scope) noexcept;

  // (Declared inline: otherwise every program would carry this class.)
  inline void OnEnding() noexcept override;
  inline void OnEnded() noexcept override;

  // A tracked subscription is part of its scope, and of everything that its
  // wrapper is part of.
  void SetWrappersParent(Ref<OwnerNode> parent) noexcept {
    wrapper_.SetParent(std::move(parent));
  }
  bool IsPartOf(const OwnerNode& whole) const noexcept override {
    return OwnerNode::IsPartOf(whole) || wrapper_.IsPartOf(whole);
  }

 private:
  friend class ScopeCore;

  class Wrapper final : public OwnerNode {};

  const Ref<ScopeCore> scope_;
  Wrapper wrapper_;
  // Guarded by the scope's lock while the entry is in a list. Afterwards they
  // belong to the thread that took the entry out.
  Ref<SubscriptionState> subscription_;
  IntrusiveList<ScopeEntry>* list_ = nullptr;
};

class ScopeCore final : public OwnerNode {
 public:
  // Takes a subscription in. Returns false if the scope is closed.
  bool Add(ScopeEntry& entry,
           const Ref<SubscriptionState>& subscription) noexcept {
    Sweep();
    // The parents are set first. As soon as the entry is in a list, the
    // subscription's producer may close the scope from inside.
    entry.SetParent(Ref<ScopeCore>::Share(this));
    subscription->SetParent(Ref<ScopeEntry>::Share(&entry));
    const bool notifies = subscription->NotifiesObserver();
    if (notifies) subscription->Observe();
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return false;
      entry.subscription_ = subscription;
      List* list = &polled_;
      if (notifies) {
        // If the subscription ends after this check, it notifies the scope, and
        // waits for the lock.
        const bool alive = subscription->stage() == Stage::kAlive;
        list = alive ? &notifying_ : &ending_;
      }
      Append(*list, *Ref<ScopeEntry>::Share(&entry).Release());
    }
    if (notifies) subscription->NotifyParent();
    return true;
  }

  std::size_t Count() noexcept { return Sweep(); }

  void Close() noexcept {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    // Checked only now that no more are added: the caller may run inside one
    // that was added until now.
    const bool inside = RunningScope::IsInside(*this);
    // Requests the end of all, then waits for each. Several threads that close
    // share the requests, and each thread waits for all.
    for (;;) {
      const Listed next = NextToAsk();
      if (!next.entry) break;
      next.subscription->RequestUnsubscribe();
    }
    // A thread that runs inside must not wait for the others, which end later.
    if (inside) return;
    for (;;) {
      const Listed next = NextToAwait();
      if (!next.entry) break;
      next.subscription->Unsubscribe();
      Forget(*next.entry);
    }
  }

  // Closes the scope when it is destroyed. Releases subscriptions that do not
  // notify the scope when they have ended, even if the caller cannot wait for
  // them.
  void CloseForGood() noexcept {
    Close();
    List gone;
    {
      const std::lock_guard lock(mutex_);
      for (ScopeEntry* entry = asked_.front(); entry != nullptr;) {
        ScopeEntry* const next = List::Next(*entry);
        if (!entry->subscription_->NotifiesObserver()) TakeOut(*entry, gone);
        entry = next;
      }
    }
    for (ScopeEntry* entry = gone.front(); entry != nullptr;
         entry = List::Next(*entry)) {
      entry->subscription_
          ->OnHandleDropped();  // no effect if it belongs to another scope
    }
    ReleaseRemoved(gone);
  }

  // Stops counting an entry when its subscription is ending; Close() still
  // waits for it.
  void StopCounting(ScopeEntry& entry) noexcept {
    const std::lock_guard lock(mutex_);
    if (entry.list_ == nullptr) return;
    Remove(entry);
    Append(ending_, entry);
  }

  // Takes an entry out, if it still is in a list.
  void Forget(ScopeEntry& entry) noexcept {
    List gone;
    {
      const std::lock_guard lock(mutex_);
      if (entry.list_ != nullptr) TakeOut(entry, gone);
    }
    ReleaseRemoved(gone);
  }

 private:
  using List = IntrusiveList<ScopeEntry>;
  using Stage = SubscriptionState::Stage;

  struct Listed {
    Ref<ScopeEntry> entry;
    Ref<SubscriptionState> subscription;
  };

  Listed NextToAsk() noexcept {
    const std::lock_guard lock(mutex_);
    ScopeEntry* entry =
        notifying_.empty() ? polled_.front() : notifying_.front();
    if (entry == nullptr) return {};
    Remove(*entry);
    Append(asked_, *entry);
    return {Ref<ScopeEntry>::Share(entry), entry->subscription_};
  }

  Listed NextToAwait() noexcept {
    const std::lock_guard lock(mutex_);
    ScopeEntry* entry = asked_.empty() ? ending_.front() : asked_.front();
    if (entry == nullptr) return {};
    return {Ref<ScopeEntry>::Share(entry), entry->subscription_};
  }

  // Forgets subscriptions that have ended without notifying the scope. Returns
  // how many subscriptions are alive.
  std::size_t Sweep() noexcept {
    List gone;
    std::size_t count = 0;
    {
      const std::lock_guard lock(mutex_);
      for (List* list : {&polled_, &asked_}) {
        for (ScopeEntry* entry = list->front(); entry != nullptr;) {
          ScopeEntry* const next = List::Next(*entry);
          const SubscriptionState& state = *entry->subscription_;
          const Stage stage =
              state.NotifiesObserver() ? Stage::kAlive : state.stage();
          if (stage == Stage::kAlive) ++count;
          if (stage == Stage::kEnded) TakeOut(*entry, gone);
          entry = next;
        }
      }
      count += notifying_count_;
    }
    ReleaseRemoved(gone);
    return count;
  }

  // The next three need the lock. The first two keep the reference that a list
  // has.
  void Append(List& list, ScopeEntry& entry) noexcept {
    if (&list == &notifying_) ++notifying_count_;
    list.PushBack(entry);
    entry.list_ = &list;
  }
  void TakeOut(ScopeEntry& entry, List& gone) noexcept {
    Remove(entry);
    gone.PushBack(entry);
  }
  void Remove(ScopeEntry& entry) noexcept {
    if (entry.list_ == &notifying_) --notifying_count_;
    std::exchange(entry.list_, nullptr)->Remove(entry);
  }

  // Must be called without the lock.
  static void ReleaseRemoved(List& gone) noexcept {
    while (ScopeEntry* entry = gone.PopFront()) {
      const auto owned = Ref<ScopeEntry>::Adopt(entry);
      entry->subscription_.reset();
    }
  }

  Platform::Mutex mutex_;  // guards all that follows
  bool closed_ = false;
  List notifying_;  // these notify the scope when they end
  List polled_;     // these must be asked whether they have ended
  List asked_;      // Close has requested the end of these
  List ending_;     // these are ending: they do not count, but Close waits
  std::size_t notifying_count_ = 0;
};

inline ScopeEntry::ScopeEntry(Ref<ScopeCore> scope) noexcept
    : scope_(std::move(scope)) {}

inline void ScopeEntry::OnEnding() noexcept { scope_->StopCounting(*this); }
inline void ScopeEntry::OnEnded() noexcept { scope_->Forget(*this); }

// A ScopeWrapper is what Track returns: the tracked subscription, except that
// destroying its handle does not unsubscribe.
class ScopeWrapper final : public SubscriptionState {
 public:
  ScopeWrapper(const Ref<ScopeCore>& scope, Ref<SubscriptionState> tracked)
      : scope_(scope),
        entry_(Ref<ScopeEntry>::Make(scope)),
        tracked_(std::move(tracked)) {}

  [[nodiscard]] ScopeEntry& entry() const noexcept { return *entry_; }

  void RequestUnsubscribe() noexcept override {
    tracked_->RequestUnsubscribe();
  }
  void Unsubscribe() noexcept override {
    tracked_->Unsubscribe();
    // The others notify the scope.
    if (!tracked_->NotifiesObserver() && tracked_->stage() == Stage::kEnded) {
      scope_->Forget(*entry_);
    }
  }
  void OnHandleDropped() noexcept override {}
  Ref<ErrChannel> Err() override { return tracked_->Err(); }
  Stage stage() const noexcept override { return tracked_->stage(); }
  bool ReadStats(SubscriberStats& stats) const noexcept override {
    return tracked_->ReadStats(stats);
  }
  bool NotifiesObserver() const noexcept override { return false; }
  void SetParent(Ref<OwnerNode> parent) noexcept override {
    entry_->SetWrappersParent(std::move(parent));
  }

 private:
  const Ref<ScopeCore> scope_;
  const Ref<ScopeEntry> entry_;
  const Ref<SubscriptionState> tracked_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_SCOPE_CORE_H_
