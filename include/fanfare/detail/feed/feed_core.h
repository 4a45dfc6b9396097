// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_FEED_CORE_H_
#define FANFARE_DETAIL_FEED_FEED_CORE_H_

// A FeedCore is a feed: a turnstile, through which its Sends go one after the
// other, and the members that they deliver to. It knows no values; delivery.h
// says how one Send delivers.

#include <cassert>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include <fanfare/detail/base/cache.h>
#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/dense_set.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/feed/membership.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/feed/turnstile.h>
#include <fanfare/detail/wait/deferred_wake.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/wait_queue.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Says what a Send waits for.
enum class Waits {
  kNever,   // nothing
  kTurn,    // its turn, but no channel
  kForAll,  // its turn, and each channel
};

// A QueuedSend is a Send that waits for its turn. The holder of the turn may
// make its offers (combine it).
struct QueuedSend : Operation {
  // Makes the offers of `send`, when its turn has come.
  using Combine = void(FeedCore& feed, QueuedSend& send) noexcept;

  QueuedSend(Waits what, Combine* how) noexcept : waits(what), combine(how) {}

  // Returns whether nothing is left to do.
  [[nodiscard]] bool complete() const noexcept {
    return was_combined && pending.empty();
  }

  const Waits waits;
  Combine* const combine;  // null: its offers run user code
  bool was_combined = false;
  std::size_t taken = 0;  // if it was combined, as the next one
  PendingOffers pending;
};

class alignas(kCacheLine) FeedCore final : public RefCounted {
 public:
  FeedCore() = default;

  FANFARE_COLD static void Destroy(FeedCore* core) noexcept { delete core; }

  // Returns `member`, or an ended subscription if the feed is closed.
  FANFARE_COLD static Ref<SubscriptionState> Subscribe(Ref<Member> member) {
    if (member->feed().Add(*member)) return member;
    return Ref<EndedSubscription>::Make();
  }
  [[noreturn]] FANFARE_COLD static void ThrowNilChannel() {
    throw std::invalid_argument("fanfare: Subscribe of a nil channel");
  }

  // Returns false if the feed is closed.
  FANFARE_COLD bool Add(Member& member) {
    // Memory that the sets need is allocated, and the old memory freed, without
    // the mutex.
    DenseSet::Memory memory;
    for (;;) {
      std::size_t all;
      {
        const std::lock_guard lock(turnstile.mutex());
        assert(!turnstile.destroying() &&
               "fanfare: Subscribe on a Feed being destroyed");
        if (turnstile.closed()) return false;
        const bool has_turn = TryBeginUpdate();
        all = members.total() + 1;
        const bool added = members.TryAdd(member, has_turn, memory);
        if (has_turn) turnstile.Leave();
        if (added) return true;
      }
      memory.Reserve(all);
    }
  }

  // Moves a copy out of the member into `to`. Its channel has not taken the
  // copy.
  using TakeCopy = void(Member& member, void* to) noexcept;

  // Ends a subscription. When any call returns, all of that has been done,
  // whichever thread did it. Calls `take(member, to)` if there is a copy that
  // was not taken. Without `take`, the copy stays with the Send that made it.
  FANFARE_COLD void End(Member& member, TakeCopy* take = nullptr,
                        void* to = nullptr) noexcept {
    // Released at the very end: this may destroy a channel and its values, and
    // their destructors may call Send().
    Ref<Member> removed;
    // From here on the member's channel refuses all values of this feed.
    if (member.channel().RevokeSend(member.offer)) {
      if (member.offer.owns_value && take != nullptr) take(member, to);
      member.offer.waker->Completed(Outcome::kClosed);
    }
    {
      const std::lock_guard lock(turnstile.mutex());
      if (members.BeginRemove(member)) {
        if (member.joining && !members.closing()) {
          removed = members.RemoveJoining(member);
        } else if (TryBeginUpdate()) {
          removed = members.RemoveActive(member);
          turnstile.Leave();
        } else {
          members.RemoveLater(member);
        }
      }
    }
    member.Finish();
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
    CompleteAll(refused);
    for (const DenseSet* const set : {&members.active(), &members.joining()}) {
      for (const auto& entry : *set) End(*entry.member);
    }
    Member* gone = nullptr;
    {
      const std::lock_guard lock(turnstile.mutex());
      members.EndClose();
      if (TryBeginUpdate()) {
        members.ApplyPending(gone);
        turnstile.Leave();
      }
    }
    ReleaseRemoved(gone);
    turnstile.EndCall();
  }

  // Closes the feed, then waits for the Sends in progress (and for other
  // Closes).
  FANFARE_COLD void CloseAndDrain() noexcept {
    Close(true);
    turnstile.Drain();
    DenseSet::Memory active, joining;  // freed without the mutex
    const std::lock_guard lock(turnstile.mutex());
    members.TakeMemory(active, joining);
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

  // A Turn is the turn, held for as long as the object lives.
  class Turn {
   public:
    explicit Turn(FeedCore& feed) noexcept : feed_(feed) {}
    ~Turn() {
      if (!feed_.turnstile.TryLeave()) feed_.LeaveSlowly();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    const WakeScope without_turn_;  // ends last
    FeedCore& feed_;
  };

  // Blocks until the Send has its turn. Returns false if the holder has done
  // all that the Send had to do, the Send gave up, or the feed was closed.
  bool AwaitTurn(QueuedSend& send, const Deadline& deadline,
                 const std::stop_token& stop) {
    const Outcome outcome =
        turnstile.Enter(send, send.waits != Waits::kNever, deadline, stop);
    return outcome == Outcome::kDone && !send.complete();
  }

  // The remaining functions are for the holder of the turn.

  // Marks a slow exit and revokes all biases: before the holder may block on a
  // lock. (A Send that is about to wait for receivers does the same in two
  // steps, in Delivery::Offer.)
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

  // Called when an offer was not taken. kClosed says that the member's owner
  // closed the channel, or that another thread is about to end the member.
  FANFARE_COLD void Refused(Member& member, Outcome outcome) noexcept {
    member.DestroyCopy();
    if (outcome == Outcome::kClosed) {
      LeaveFastPath();
      End(member);
    }
  }

  // Blocks until the channels have taken the offers. Adds the number of those
  // that did to `taken`.
  FANFARE_COLD void Await(PendingOffers pending, const ChannelVerbs& verbs,
                          std::size_t& taken,
                          const Deadline& deadline = Deadline::Never(),
                          const std::stop_token& stop = {}) {
    // Receivers that have taken the value must not wait for those that have
    // not.
    WakeScope::RunAll();
    pending.Await(
        verbs, deadline, stop,
        [this](Member& m, Outcome outcome) { Refused(m, outcome); }, taken);
  }

  Turnstile turnstile;
  Membership members;

 private:
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
      QueuedSend* next;
      Operation* drained = nullptr;
      {
        const std::lock_guard lock(turnstile.mutex());
        const bool counted = gone != nullptr;
        if (!members.closing()) members.ApplyPending(gone);
        // The destructor waits until the removed members are released.
        if (gone != nullptr && !counted) turnstile.BeginCall();
        next = static_cast<QueuedSend*>(turnstile.NextOrLeave(drained));
      }
      if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
      if (next == nullptr) break;
      const bool complete = combined < kMaxCombined && Combine(*next);
      if (!complete) RevokeBiases();  // the next thread may sleep
      next->outcome = Outcome::kDone;
      next->waker->Completed(Outcome::kDone);
      if (!complete) break;
    }
    // Released only without the turn.
    if (gone != nullptr) {
      ReleaseRemoved(gone);
      turnstile.EndCall();
    }
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
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_FEED_CORE_H_
