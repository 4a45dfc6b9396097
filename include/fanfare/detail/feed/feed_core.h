// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_FEED_CORE_H_
#define FANFARE_DETAIL_FEED_FEED_CORE_H_

// A FeedCore is a feed: a turnstile, through which its Sends go one after the
// other, and the members that they deliver to. It knows no values; delivery.h
// says how one Send delivers.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include <fanfare/detail/base/cache.h>
#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/deadlock_watch.h>
#include <fanfare/detail/feed/dense_set.h>
#include <fanfare/detail/feed/feed_extras.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/feed/membership.h>
#include <fanfare/detail/feed/policy.h>
#include <fanfare/detail/feed/queued_send.h>
#include <fanfare/detail/feed/tally.h>
#include <fanfare/detail/feed/turnstile.h>
#include <fanfare/detail/subscription/owner_tree.h>
#include <fanfare/detail/wait/deferred_wake.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/wait_queue.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class alignas(kCacheLine) FeedCore final : public RefCounted {
 public:
  using Clock = Platform::Clock;

  FeedCore() = default;
  // Takes over what the feed has in addition; null: nothing.
  explicit FeedCore(FeedExtras* extras) noexcept : extras_(extras) {}
  ~FeedCore() { delete extras_; }
  FeedCore(const FeedCore&) = delete;
  FeedCore& operator=(const FeedCore&) = delete;

  FANFARE_COLD static void Destroy(FeedCore* core) noexcept { delete core; }

  // Subscribes the member. If the feed is closed, the member has ended.
  FANFARE_COLD static Ref<SubscriptionState> Subscribe(Ref<Member> member) {
    if (!member->feed().Add(*member)) Finish(*member);
    return member;
  }
  // The same with options, if the policy is not null.
  FANFARE_COLD static Ref<SubscriptionState> Subscribe(
      Ref<Member> member, std::unique_ptr<Policy> policy) {
    if (policy == nullptr) return Subscribe(std::move(member));
    // Now, so that the error is there whenever Err() is called.
    if (policy->when_full == WhenFull::kEnd || policy->replay > 0) {
      member->Err();
    }
    member->SetPolicy(*policy.release());
    return Subscribe(std::move(member));
  }
  [[noreturn]] FANFARE_COLD static void ThrowNilChannel() {
    throw std::invalid_argument("fanfare: Subscribe of a nil channel");
  }

  // Returns false if the feed is closed.
  FANFARE_COLD bool Add(Member& member) {
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

  // Moves a copy out of the member into `to`. Its channel has not taken the
  // copy.
  using TakeCopy = void(Member& member, void* to) noexcept;

  // Ends a subscription. When any call returns, all of that has been done,
  // whichever thread did it. Calls `take(member, to)` if there is a copy that
  // was not taken. Without `take`, the copy stays with the Send that made it.
  FANFARE_COLD void End(Member& member, TakeCopy* take, void* to) noexcept {
    // Released at the very end: this may destroy a channel and its values, and
    // their destructors may call Send().
    const Ref<Member> removed = Detach(member, take, to);
    Finish(member);
  }
  // The same without `take`; with an error, if it is not null.
  FANFARE_COLD void End(Member& member,
                        std::exception_ptr error = nullptr) noexcept {
    const Ref<Member> removed = Detach(member, nullptr, nullptr);
    Finish(member, std::move(error));
  }

  FANFARE_COLD void Close(bool destroying = false) noexcept {
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
      for (const DenseSet* const set :
           {&members.active(), &members.joining()}) {
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

  // Closes the feed, then waits for the Sends in progress (and for other
  // Closes).
  FANFARE_COLD void CloseAndDrain() noexcept {
    Close(true);
    turnstile.Drain();
    if (extras_ != nullptr) extras_->Release();
    DenseSet::Memory active, joining;  // freed without the mutex
    const std::lock_guard lock(turnstile.mutex());
    members.TakeMemory(active, joining);
  }

  // Ends a subscription after its channel has refused the value, for the holder
  // of the turn.
  FANFARE_COLD void EndClosed(Member& member) noexcept {
    member.DestroyCopy();
    LeaveFastPath();
    End(member);
  }

  [[nodiscard]] std::size_t count() const noexcept {
    const std::lock_guard lock(turnstile.mutex());
    assert(!turnstile.destroying() &&
           "fanfare: a count of a Feed being destroyed");
    return members.count();
  }
  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    const std::lock_guard lock(turnstile.mutex());
    assert(!turnstile.destroying() &&
           "fanfare: a count of a Feed being destroyed");
    return turnstile.queued();
  }

  // Calls `visit` for each member that has not ended, with the mutex held, if
  // there are at most `most`. Returns how many there are.
  template <typename Visitor>
  std::size_t Visit(std::size_t most, Visitor visit) const {
    const std::lock_guard lock(turnstile.mutex());
    assert(!turnstile.destroying() &&
           "fanfare: a report of a Feed being destroyed");
    const std::size_t count = members.count();
    if (count > most) return count;
    for (const DenseSet* const set : {&members.active(), &members.joining()}) {
      for (const auto& entry : *set) {
        if (entry.member->listed) visit(*entry.member);
      }
    }
    return count;
  }

  // Leaves the turn at its end; the thread has entered before.
  class Turn {
   public:
    Turn(FeedCore& feed, std::adopt_lock_t) noexcept : feed_(feed) {}
    FANFARE_ALWAYS_INLINE ~Turn() {
      if (!feed_.turnstile.TryLeave()) feed_.LeaveSlowly();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    FeedCore& feed_;
  };

  // While the holder of the turn completes operations, wake-ups that run user
  // code are deferred until it has left.
  class Hold : public WakeHold {
   public:
    explicit Hold(FeedCore& feed) noexcept : feed_(feed) {}
    ~Hold() {
      if (deferred()) feed_.turnstile.ForceSlowExit();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    FeedCore& feed_;
  };

  // Blocks until the Send has its turn. Returns false if the holder has done
  // all that the Send had to do, the Send gave up, or the feed was closed.
  // Throws if the holder waits for this thread, and neither has a limit.
  FANFARE_COLD bool AwaitTurn(QueuedSend& send, const Deadline& deadline,
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

  // The remaining functions are for the holder of the turn.

  // Marks a slow exit and revokes all biases: before the holder may wait for a
  // lock that is biased to another feed, or for user code. (A Send that is
  // about to wait for receivers does the same in two steps, in
  // SlowChannels::Settle and Delivery::Offer.)
  FANFARE_COLD void LeaveFastPath() noexcept {
    turnstile.MarkSlowExit();
    RevokeBiases();
  }
  // Afterwards no channel is biased to this feed.
  FANFARE_COLD void RevokeBiases() noexcept {
    for (auto entry = members.active().begin(); turnstile.biased() > 0;
         ++entry) {
      entry->channel->Unbias(turnstile);
    }
  }

  // Counts a value that is about to be offered, and keeps it in the history.
  // Throws what copying the value throws, and has no effect then.
  FANFARE_ALWAYS_INLINE void CountValue(const void* value) {
    if (extras_ != nullptr) [[unlikely]]
      Record(value);
    sent_.Add();
  }

  // Begins and ends a wait for channels.
  void BeginWait(Clock::time_point now) noexcept {
    waiting_since_.store(now.time_since_epoch().count(),
                         std::memory_order_relaxed);
  }
  void EndWait() noexcept {
    waiting_since_.store(kNotWaiting, std::memory_order_relaxed);
  }

  // These functions may be called by any thread.

  // Returns how many values were offered.
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_.Get(); }
  // Returns for how long the Send in progress has waited for channels.
  [[nodiscard]] Clock::duration waited() const noexcept {
    const Clock::rep since = waiting_since_.load(std::memory_order_relaxed);
    if (since == kNotWaiting) return Clock::duration::zero();
    return Clock::now() - Clock::time_point(Clock::duration(since));
  }
  // Returns null if the feed has none.
  [[nodiscard]] FeedExtras* extras() const noexcept { return extras_; }

  Turnstile turnstile;
  Membership members;

 private:
  static constexpr Clock::rep kNotWaiting = -1;

  // Makes the member's channel refuse all values of this feed from here on, and
  // takes the member out of the set. Returns the set's reference, unless the
  // holder of the turn will drop it.
  FANFARE_COLD Ref<Member> Detach(Member& member, TakeCopy* take,
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
  static void Finish(Member& member,
                     std::exception_ptr error = nullptr) noexcept {
    member.Finish(std::move(error));
    // Last, so that a receiver that finds the channel closed finds the error.
    const Policy* const policy = member.policy();
    if (policy != nullptr && policy->close_channel) member.channel().Close();
  }

  FANFARE_COLD void Record(const void* value) {
    if (extras_->history == nullptr) return;
    turnstile.MarkSlowExit();  // a copy is user code
    extras_->history->Record(value);
  }
  // Delivers the feed's history to a new member, for the holder of the turn. If
  // a copy throws, the subscription ends with that exception.
  FANFARE_COLD void Replay(Member& member) noexcept {
    if (extras_ == nullptr || extras_->history == nullptr) return;
    const Hold hold(*this);
    LeaveFastPath();
    try {
      extras_->history->Replay(member, turnstile);
    } catch (...) {
      End(member, std::current_exception());
    }
  }

  // Called with the mutex held. Returns true if this thread has the turn, which
  // it keeps until Leave(). If it returns false, the holder of the turn, or the
  // last Close, calls ApplyPending().
  bool TryBeginUpdate() noexcept {
    return !members.closing() && turnstile.EnterOrDelegate();
  }

  // Does the work that was recorded while this thread had the turn, and hands
  // the turn to the next Send, or leaves.
  //
  // It makes the offers of queued Sends, one after the other, so that no thread
  // has to be woken in between ("flat combining", Hendler, Incze, Shavit and
  // Tzafrir, 2010). If the offers of a Send are not all taken at once, that
  // Send gets the turn and continues in its own thread.
  FANFARE_COLD void LeaveSlowly() noexcept {
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

  // Makes the offers of another Send, in its turn. Returns true if all were
  // taken, so that the Send needs no turn.
  bool Combine(QueuedSend& send) noexcept {
    if (send.combine == nullptr) return false;
    send.combine(*this, send);
    send.was_combined = true;
    return send.complete();
  }

  // The largest number of other threads' Sends that one thread combines in a
  // row.
  static constexpr int kMaxCombined = 16;

  Count sent_;
  // When the Send in progress began to wait for channels, or kNotWaiting.
  Platform::Atomic<Clock::rep> waiting_since_{kNotWaiting};
  FeedExtras* const extras_ = nullptr;

 public:
  DeadlockWatch deadlocks{turnstile};
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_FEED_CORE_H_
