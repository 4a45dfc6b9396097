// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_SCOPE_CORE_IPP_
#define FANFARE_DETAIL_SUBSCRIPTION_SCOPE_CORE_IPP_

#include <fanfare/detail/subscription/scope_core.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

bool ScopeCore::Add(ScopeEntry& entry,
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

void ScopeCore::Close() noexcept {
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

void ScopeCore::CloseForGood() noexcept {
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

void ScopeCore::StopCounting(ScopeEntry& entry) noexcept {
  const std::lock_guard lock(mutex_);
  if (entry.list_ == nullptr) return;
  Remove(entry);
  Append(ending_, entry);
}

void ScopeCore::Forget(ScopeEntry& entry) noexcept {
  List gone;
  {
    const std::lock_guard lock(mutex_);
    if (entry.list_ != nullptr) TakeOut(entry, gone);
  }
  ReleaseRemoved(gone);
}

ScopeCore::Listed ScopeCore::NextToAsk() noexcept {
  const std::lock_guard lock(mutex_);
  ScopeEntry* entry = notifying_.empty() ? polled_.front() : notifying_.front();
  if (entry == nullptr) return {};
  Remove(*entry);
  Append(asked_, *entry);
  return {Ref<ScopeEntry>::Share(entry), entry->subscription_};
}

ScopeCore::Listed ScopeCore::NextToAwait() noexcept {
  const std::lock_guard lock(mutex_);
  ScopeEntry* entry = asked_.empty() ? ending_.front() : asked_.front();
  if (entry == nullptr) return {};
  return {Ref<ScopeEntry>::Share(entry), entry->subscription_};
}

std::size_t ScopeCore::Sweep() noexcept {
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

void ScopeCore::Append(List& list, ScopeEntry& entry) noexcept {
  if (&list == &notifying_) ++notifying_count_;
  list.PushBack(entry);
  entry.list_ = &list;
}

void ScopeCore::TakeOut(ScopeEntry& entry, List& gone) noexcept {
  Remove(entry);
  gone.PushBack(entry);
}

void ScopeCore::Remove(ScopeEntry& entry) noexcept {
  if (entry.list_ == &notifying_) --notifying_count_;
  std::exchange(entry.list_, nullptr)->Remove(entry);
}

void ScopeCore::ReleaseRemoved(List& gone) noexcept {
  while (ScopeEntry* entry = gone.PopFront()) {
    const auto owned = Ref<ScopeEntry>::Adopt(entry);
    entry->subscription_.reset();
  }
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_SCOPE_CORE_IPP_
