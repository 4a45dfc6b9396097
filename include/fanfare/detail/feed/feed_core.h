// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_FEED_CORE_H_
#define FANFARE_DETAIL_FEED_FEED_CORE_H_

// A feed: a turnstile, through which its Sends go one after the other, and the
// members that they deliver to. It knows no values; one Send: delivery.h.

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
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/wait_queue.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// What a Send waits for.
enum class Waits {
  kNever,   // nothing
  kTurn,    // its turn, but no channel
  kForAll,  // its turn, and each channel
};

// A Send that waits for its turn. The holder of the turn may make its offers
// (combine it).
struct QueuedSend : Operation {
  // Makes the offers of `send`, in its turn.
  using Combine = void(FeedCore& feed, QueuedSend& send) noexcept;

  QueuedSend(Waits what, Combine* how) noexcept : waits(what), combine(how) {}

  // Nothing is left to do.
  [[nodiscard]] bool complete() const noexcept {
    return was_combined && pending.empty();
  }

  const Waits waits;
  Combine* const combine;  // null: its offers run user code
  bool was_combined = false;
  std::size_t taken = 0;  // if it was combined, as is the next:
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
    // Whatever memory is wanted for the sets is allocated, and the old one
    // freed, without the mutex.
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
      DenseSet::Reserve(memory, all);
    }
  }

  // Takes a copy that its channel has not taken out of the member.
  using TakeCopy = void(Member& member, void* to) noexcept;

  // Ends a subscription; when any call returns, all of that has been done,
  // whichever thread did it. `take(member, to)` is called if there is a copy
  // that was not taken; without it, the copy stays with the Send that made it.
  FANFARE_COLD void End(Member& member, TakeCopy* take = nullptr,
                        void* to = nullptr) noexcept {
    // Dropped at the very end: with a channel may go values whose destructors
    // Send.
    Ref<Member> removed;
    // From here on its channel takes nothing of this feed.
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

  // Close, then wait for the Sends under way (and other Closes).
  FANFARE_COLD void CloseAndDrain() noexcept {
    Close(true);
    turnstile.Drain();
    Membership::Memories freed;
    const std::lock_guard lock(turnstile.mutex());
    freed = members.TakeMemory();
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

  // The turn, for as long as this object lives.
  class Turn {
   public:
    explicit Turn(FeedCore& feed) noexcept : feed_(feed) {}
    ~Turn() {
      if (!feed_.turnstile.TryLeave()) feed_.LeaveSlowly();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    FeedCore& feed_;
  };

  // Blocks until the Send has its turn (true). False: the holder has made all
  // that it had to do, or it gave up, or the feed was closed.
  bool AwaitTurn(QueuedSend& send, const Deadline& deadline,
                 const std::stop_token& stop) {
    const Outcome outcome =
        turnstile.Enter(send, send.waits != Waits::kNever, deadline, stop);
    return outcome == Outcome::kDone && !send.complete();
  }

  // What follows is for the holder of the turn.

  // The one exit from the fast path: before the holder waits, runs user code or
  // takes a mutex.
  FANFARE_COLD void LeaveFastPath() noexcept {
    turnstile.MarkSlowExit();
    RevokeBiases();
  }
  // No channel is biased to this feed any more.
  FANFARE_COLD void RevokeBiases() noexcept {
    for (auto entry = members.active().begin(); turnstile.biased() > 0;
         ++entry) {
      entry->channel->Unbias(turnstile);
    }
  }

  // An offer was not taken; kClosed: the member's owner closed the channel, or
  // another thread is about to end the member.
  FANFARE_COLD void Refused(Member& member, Outcome outcome) noexcept {
    member.DestroyCopy();
    if (outcome == Outcome::kClosed) {
      LeaveFastPath();
      End(member);
    }
  }

  // Blocks until the channels have taken the offers; adds those that did to
  // `taken`.
  FANFARE_COLD void Await(PendingOffers pending, const ChannelVerbs& verbs,
                          std::size_t& taken,
                          const Deadline& deadline = Deadline::Never(),
                          const std::stop_token& stop = {}) {
    pending.Await(
        verbs, deadline, stop,
        [this](Member& m, Outcome outcome) { Refused(m, outcome); }, taken);
  }

  Turnstile turnstile;
  Membership members;

 private:
  // With the mutex held. True: this thread has the turn, until Leave(). False:
  // the holder of the turn, or the last Close, calls ApplyPending.
  bool TryBeginUpdate() noexcept {
    return !members.closing() && turnstile.EnterOrDelegate();
  }

  // Does the work that was recorded while this thread had the turn, and hands
  // the turn to the next Send, or leaves.
  //
  // It makes the offers of Sends that are queued, one after the other, so that
  // no thread has to be woken in between ("flat combining", Hendler, Incze,
  // Shavit and Tzafrir, 2010). A Send whose offers are not all taken at once
  // goes on itself, with the turn.
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
        // The destructor waits until they are released.
        if (gone != nullptr && !counted) turnstile.BeginCall();
        next = static_cast<QueuedSend*>(turnstile.NextOrLeave(drained));
      }
      if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
      if (next == nullptr) break;
      const bool complete = combined < kMaxCombined && Combine(*next);
      if (!complete) RevokeBiases();  // it may sleep
      next->outcome = Outcome::kDone;
      next->waker->Completed(Outcome::kDone);
      if (!complete) break;
    }
    // Only without the turn.
    if (gone != nullptr) {
      ReleaseRemoved(gone);
      turnstile.EndCall();
    }
  }

  // Makes the offers of another Send, in its turn. True: all were taken, so
  // that it needs no turn.
  bool Combine(QueuedSend& send) noexcept {
    if (send.combine == nullptr) return false;
    send.combine(*this, send);
    send.was_combined = true;
    return send.complete();
  }

  // How many Sends of other threads one makes the offers of, at most.
  static constexpr int kMaxCombined = 16;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_FEED_CORE_H_
