// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_FEED_CORE_IPP_
#define FANFARE_DETAIL_FEED_FEED_CORE_IPP_

#include <stdexcept>

#include <fanfare/detail/feed/feed_core.h>
#include <fanfare/detail/subscription/owner_tree.h>
#include <fanfare/detail/wait/wait_queue.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

Ref<SubscriptionState> FeedCore::Subscribe(Ref<Member> member) {
  if (!member->feed().Add(*member)) Finish(*member);
  return member;
}

Ref<SubscriptionState> FeedCore::Subscribe(Ref<Member> member,
                                           std::unique_ptr<Policy> policy) {
  if (policy == nullptr) return Subscribe(std::move(member));
  // Now, so that the error is there whenever Err() is called.
  if (policy->when_full == WhenFull::kEnd || policy->replay > 0) {
    member->Err();
  }
  member->SetPolicy(*policy.release());
  return Subscribe(std::move(member));
}

void FeedCore::ThrowNilChannel() {
  throw std::invalid_argument("fanfare: Subscribe of a nil channel");
}

bool FeedCore::Add(Member& member) {
  // Memory that the sets need is allocated, and the old memory freed, without
  // the mutex.
  DenseSet::Memory memory;
  bool replays;
  for (;;) {
    std::size_t all;
    {
      const std::lock_guard lock(turnstile.mutex());
      assert(!turnstile.destroying() &&
             "fanfare: Subscribe on a Feed being destroyed");
      if (turnstile.closed()) return false;
      const bool has_turn = TryBeginUpdate();
      all = members.total() + 1;
      const bool added = members.TryAdd(member, has_turn, sent(), memory);
      replays = added && has_turn && member.replays();
      if (has_turn && !replays) turnstile.Leave();
      if (added) break;
    }
    memory.Reserve(all);
  }
  if (replays) {
    const Turn turn(*this, std::adopt_lock);
    Replay(member);
  }
  return true;
}

void FeedCore::End(Member& member, TakeCopy* take, void* to) noexcept {
  // Released at the very end: this may destroy a channel and its values, and
  // their destructors may call Send().
  const Ref<Member> removed = Detach(member, take, to);
  Finish(member);
}

void FeedCore::End(Member& member, std::exception_ptr error) noexcept {
  const Ref<Member> removed = Detach(member, nullptr, nullptr);
  Finish(member, std::move(error));
}

void FeedCore::Close(bool destroying) noexcept {
  IntrusiveList<Operation> refused;
  {
    const std::lock_guard lock(turnstile.mutex());
    assert(!turnstile.destroying() &&
           "fanfare: Close on a Feed being destroyed");
    if (destroying) turnstile.Destroying();
    turnstile.BeginCall();
    members.BeginClose();
    turnstile.Close(refused);
  }
  Member* gone = nullptr;
  {
    const WakeHold hold;  // user code must not be called while this closes
    CompleteAll(refused);
    for (const DenseSet* const set : {&members.active(), &members.joining()}) {
      for (const auto& entry : *set) End(*entry.member);
    }
    const std::lock_guard lock(turnstile.mutex());
    members.EndClose();
    Member* welcome = nullptr;  // none: all have ended
    if (TryBeginUpdate()) {
      members.ApplyPending(sent(), gone, welcome);
      turnstile.Leave();
    }
  }
  ReleaseRemoved(gone);
  turnstile.EndCall();
  WakeHold::RunDeferred();
}

void FeedCore::CloseAndDrain() noexcept {
  Close(true);
  turnstile.Drain();
  if (extras_ != nullptr) extras_->Release();
  DenseSet::Memory active, joining;  // freed without the mutex
  const std::lock_guard lock(turnstile.mutex());
  members.TakeMemory(active, joining);
}

void FeedCore::EndClosed(Member& member) noexcept {
  member.DestroyCopy();
  LeaveFastPath();
  End(member);
}

std::size_t FeedCore::count() const noexcept {
  const std::lock_guard lock(turnstile.mutex());
  assert(!turnstile.destroying() &&
         "fanfare: a count of a Feed being destroyed");
  return members.count();
}

std::size_t FeedCore::waiting_senders() const noexcept {
  const std::lock_guard lock(turnstile.mutex());
  assert(!turnstile.destroying() &&
         "fanfare: a count of a Feed being destroyed");
  return turnstile.queued();
}

bool FeedCore::AwaitTurn(QueuedSend& send, const Deadline& deadline,
                         const std::stop_token& stop) {
  if (!deadline.bounded() && !stop.stop_possible()) {
    send.runs = RunningScope::Innermost();
  }
  const Outcome outcome =
      turnstile.Enter(send, send.waits != Waits::kNever, deadline, stop,
                      [&] { return deadlocks.Finds(send); });
  // The feed may have been destroyed.
  if (send.deadlocked) DeadlockWatch::Throw(*send.deadlocked, send.where);
  return outcome == Outcome::kDone && !send.complete();
}

void FeedCore::LeaveFastPath() noexcept {
  turnstile.MarkSlowExit();
  RevokeBiases();
}

void FeedCore::RevokeBiases() noexcept {
  for (auto entry = members.active().begin(); turnstile.biased() > 0; ++entry) {
    entry->channel->Unbias(turnstile);
  }
}

FeedCore::Clock::duration FeedCore::waited() const noexcept {
  const Clock::rep since = waiting_since_.load(std::memory_order_relaxed);
  if (since == kNotWaiting) return Clock::duration::zero();
  return Clock::now() - Clock::time_point(Clock::duration(since));
}

Ref<Member> FeedCore::Detach(Member& member, TakeCopy* take,
                             void* to) noexcept {
  if (member.channel().RevokeSend(member.offer())) {
    if (member.offer().owns_value && take != nullptr) take(member, to);
    member.offer().waker->Completed(member.offer());
  }
  const std::lock_guard lock(turnstile.mutex());
  if (members.BeginRemove(member)) {
    if (member.joining && !members.closing()) {
      return members.RemoveJoining(member);
    }
    if (TryBeginUpdate()) {
      Ref<Member> removed = members.RemoveActive(member, sent());
      turnstile.Leave();
      return removed;
    }
    members.RemoveLater(member);
  }
  return {};
}

void FeedCore::Finish(Member& member, std::exception_ptr error) noexcept {
  member.Finish(std::move(error));
  // Last, so that a receiver that finds the channel closed finds the error.
  const Policy* const policy = member.policy();
  if (policy != nullptr && policy->close_channel) member.channel().Close();
}

void FeedCore::Record(const void* value) {
  if (extras_->history == nullptr) return;
  turnstile.MarkSlowExit();  // a copy is user code
  extras_->history->Record(value);
}

void FeedCore::Replay(Member& member) noexcept {
  if (extras_ == nullptr || extras_->history == nullptr) return;
  const Hold hold(*this);
  LeaveFastPath();
  try {
    extras_->history->Replay(member, turnstile);
  } catch (...) {
    End(member, std::current_exception());
  }
}

bool FeedCore::TryBeginUpdate() noexcept {
  return !members.closing() && turnstile.EnterOrDelegate();
}

// It makes the offers of queued Sends, one after the other, so that no thread
// has to be woken in between ("flat combining", Hendler, Incze, Shavit and
// Tzafrir, 2010). If the offers of a Send are not all taken at once, that
// Send gets the turn and continues in its own thread.
void FeedCore::LeaveSlowly() noexcept {
  constexpr int kMaxCombined = 16;  // Sends of other threads in a row
  Member* gone = nullptr;
  for (int combined = 0;; ++combined) {
    if (turnstile.TakeRevokeRequest()) RevokeBiases();
    QueuedSend* next = nullptr;
    Operation* drained = nullptr;
    Member* welcome = nullptr;
    {
      const std::lock_guard lock(turnstile.mutex());
      const bool counted = gone != nullptr;
      if (!members.closing()) members.ApplyPending(sent(), gone, welcome);
      // The destructor waits until the removed members are released.
      if (gone != nullptr && !counted) turnstile.BeginCall();
      if (welcome == nullptr) {
        next = static_cast<QueuedSend*>(turnstile.NextOrLeave(drained));
      }
    }
    if (welcome != nullptr) {
      for (; welcome != nullptr; welcome = welcome->next_pending) {
        Replay(*welcome);
      }
      continue;
    }
    if (drained != nullptr) drained->waker->Completed(*drained);
    if (next == nullptr) break;
    const bool complete = combined < kMaxCombined && Combine(*next);
    if (!complete) RevokeBiases();  // the next thread may sleep
    next->outcome = Outcome::kDone;
    next->waker->Completed(*next);
    if (!complete) break;
  }
  // Both may run user code, which is done only without the turn. The second
  // may destroy the feed.
  if (gone != nullptr) {
    ReleaseRemoved(gone);
    turnstile.EndCall();
  }
  WakeHold::RunDeferred();
}

bool FeedCore::Combine(QueuedSend& send) noexcept {
  if (send.combine == nullptr) return false;
  send.combine(*this, send);
  send.was_combined = true;
  return send.complete();
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_FEED_CORE_IPP_
