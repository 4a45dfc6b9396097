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
  FANFARE_DECL bool Add(ScopeEntry& entry,
                        const Ref<SubscriptionState>& subscription) noexcept;

  std::size_t Count() noexcept { return Sweep(); }

  FANFARE_DECL void Close() noexcept;

  // Closes the scope when it is destroyed. Releases subscriptions that do not
  // notify the scope when they have ended, even if the caller cannot wait for
  // them.
  FANFARE_DECL void CloseForGood() noexcept;

  // Stops counting an entry when its subscription is ending; Close() still
  // waits for it.
  FANFARE_DECL void StopCounting(ScopeEntry& entry) noexcept;

  // Takes an entry out, if it still is in a list.
  FANFARE_DECL void Forget(ScopeEntry& entry) noexcept;

 private:
  using List = IntrusiveList<ScopeEntry>;
  using Stage = SubscriptionState::Stage;

  struct Listed {
    Ref<ScopeEntry> entry;
    Ref<SubscriptionState> subscription;
  };

  // Return the next entry that is to be asked to end, which then is in asked_,
  // or to be waited for; nothing if there is none.
  FANFARE_DECL Listed NextToAsk() noexcept;
  FANFARE_DECL Listed NextToAwait() noexcept;

  // Forgets subscriptions that have ended without notifying the scope. Returns
  // how many subscriptions are alive.
  FANFARE_DECL std::size_t Sweep() noexcept;

  // The next three need the lock. A list has a counted reference to each entry:
  // Append() takes it over, TakeOut() passes it on to `gone`, and Remove()
  // leaves it to the caller.
  FANFARE_DECL void Append(List& list, ScopeEntry& entry) noexcept;
  FANFARE_DECL void TakeOut(ScopeEntry& entry, List& gone) noexcept;
  FANFARE_DECL void Remove(ScopeEntry& entry) noexcept;

  // Must be called without the lock.
  FANFARE_DECL static void ReleaseRemoved(List& gone) noexcept;

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

#ifdef FANFARE_HEADER_ONLY
#include <fanfare/detail/subscription/scope_core.ipp>
#endif

#endif  // FANFARE_DETAIL_SUBSCRIPTION_SCOPE_CORE_H_
