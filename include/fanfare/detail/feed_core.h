// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_CORE_H_
#define FANFARE_DETAIL_FEED_CORE_H_

// The memory behind a feed: the roll of its subscriptions (roll.h), the turn to
// send, and Send itself, which is one select that completes all of its cases.
//
// A Send walks once over the subscriptions that were there when its turn came,
// and offers the value to the channel of each. A channel that is not ready
// keeps the offer in its queue; the operation lives in the subscription. The
// receiver that makes room takes the value by itself and counts down; the last
// one wakes the sender. So a Send to N subscribers that lag costs O(N) and one
// wake-up.
//
// The roll is changed only by who has the lock and the turn, and so not while a
// Send walks. Who ends meanwhile is retired in its channel, which from that
// moment refuses the feed's offers; who comes waits in a second roll. The Send
// does for them what is to be done before it gives the turn back (turn.h).
//
// It also does what it can for the Sends that wait for their turn: it makes
// their offers, one Send after the other, so that no thread has to be woken in
// between ("flat combining", Hendler, Incze, Shavit and Tzafrir, 2010). A Send
// whose offers are not all taken at once goes on by itself, with the turn.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/channel_core.h>
#include <fanfare/detail/fan_out.h>
#include <fanfare/detail/feed_subscription.h>
#include <fanfare/detail/parker.h>
#include <fanfare/detail/roll.h>
#include <fanfare/detail/turn.h>

namespace fanfare::inline FANFARE_ABI::detail {

template <typename T>
class alignas(64) FeedCore final : public RefCounted {
  static_assert(std::is_object_v<T> && std::is_copy_constructible_v<T>,
                "fanfare: the T of a Feed<T> must be copy-constructible");

 public:
  using Member = FeedSubscription<T>;
  using Members = Roll<Member, ChannelCore<T>>;

  // Null: the feed is closed.
  Ref<Member> Add(Ref<ChannelCore<T>> channel) {
    auto member =
        Ref<Member>::Make(Ref<FeedCore>::Share(this), std::move(channel));
    // Whatever memory is wanted for the rolls is got, and the old one freed,
    // without the lock.
    typename Members::Memory memory;
    for (;;) {
      std::size_t all;
      {
        const std::lock_guard lock(lock_);
        assert(!destroying_ && "fanfare: Subscribe on a Feed being destroyed");
        if (turn_.closed()) return {};
        member->newcomer_ = !BeginChange();
        all = members_.size() + newcomers_.size() + 1;
        const bool added = Enter(*member, all, memory);
        if (!member->newcomer_) turn_.Free();
        if (added) return member;
      }
      Members::Reserve(memory, all);
    }
  }

  // Ends a subscription; when it returns, all of that has been done, whoever
  // did it.
  void End(Member& member) noexcept {
    // Both are let go of at the very end: what a destructor of T does, even to
    // Send, then finds no Send waiting for it.
    std::optional<T> taken_back;
    Ref<Member> removed;
    // From here on its channel takes nothing of this feed.
    if (member.channel_->RetireSend(member.offer_)) {
      if (member.offer_.consumed) {
        taken_back.emplace(std::move(*static_cast<T*>(member.offer_.value)));
        Unload(member);
      }
      member.offer_.waker->Completed(Outcome::kClosed);
    }
    {
      const std::lock_guard lock(lock_);
      if (std::exchange(member.listed_, false)) {
        --count_;
        if (member.newcomer_ && closes_ == 0) {
          newcomers_.Remove(member);
          removed = Ref<Member>::Adopt(&member);
        } else if (BeginChange()) {
          members_.Remove(member);
          turn_.Free();
          removed = Ref<Member>::Adopt(&member);
        } else {
          member.next_ended_ = std::exchange(ended_, &member);
        }
      }
    }
    member.Finish();
  }

  // V is T, which is moved from for the last subscriber, or const T. With
  // `wait` false nothing is waited for; else until the `limits`: none, a
  // deadline, or a deadline and a stop token.
  template <typename V, typename... Limits>
  std::size_t Send(V& value, bool wait, const Limits&... limits) {
    if (!turn_.TryTake()) return SendLater(value, wait, limits...);
    const Holder holder(*this);
    if (turn_.closed()) return 0;
    std::size_t taken = 0;
    Member* const laggards = Offer(value, wait, taken);
    if (laggards != nullptr) taken += Await(laggards, limits...);
    return taken;
  }

  void Close(bool destroying = false) noexcept {
    OperationQueue refused;
    {
      const std::lock_guard lock(lock_);
      assert(!destroying_ && "fanfare: Close on a Feed being destroyed");
      destroying_ = destroying;
      ++calls_;
      ++closes_;
      turn_.Close();
      while (Operation* waiting = NextTurn()) {
        waiting->outcome = Outcome::kClosed;
        refused.PushBack(*waiting);
      }
    }
    while (Operation* waiting = refused.PopFront()) {
      waiting->waker->Completed(Outcome::kClosed);
    }
    for (const auto* const roll : {&members_, &newcomers_}) {
      for (const auto& entry : *roll) End(*entry.member);
    }
    Member* gone = nullptr;
    {
      const std::lock_guard lock(lock_);
      --closes_;
      if (BeginChange()) {
        Change(gone);
        turn_.Free();
      }
    }
    LetGo(gone);
    EndCall();
  }

  // Close, then wait for the Sends under way (and other Closes).
  void CloseAndDrain() noexcept {
    Close(true);
    Operation drained;
    WaitFor(
        drained, Deadline::Never(), {},
        [this](Operation& operation) {
          const std::lock_guard lock(lock_);
          drained_ = &operation;
          return Drained() != nullptr ? Outcome::kDone : Outcome::kPending;
        },
        [](Operation&) {});
    // Subscriptions may outlive the feed; this need not.
    typename Members::Memory memories[2];
    const std::lock_guard lock(lock_);
    memories[0] = members_.TakeMemory();
    memories[1] = newcomers_.TakeMemory();
  }

  [[nodiscard]] std::size_t count() const noexcept {
    const std::lock_guard lock(lock_);
    assert(!destroying_ && "fanfare: a count of a Feed being destroyed");
    return count_;
  }
  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    const std::lock_guard lock(lock_);
    assert(!destroying_ && "fanfare: a count of a Feed being destroyed");
    return turns_.size();
  }

 private:
  // Has the turn; passes it on when it goes.
  class Holder {
   public:
    explicit Holder(FeedCore& feed) noexcept : feed_(feed) {}
    ~Holder() {
      if (!feed_.turn_.GiveBack()) feed_.PassTurn();
    }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

   private:
    FeedCore& feed_;
  };

  // A Send that has to wait for its turn.
  struct WaitingSend : Operation {
    bool offered = false;  // to everybody; then:
    std::size_t taken = 0;
    Member* laggards = nullptr;  // those whose channels were not ready
  };

  // A Send that does not find the turn free.
  template <typename V>
  FANFARE_SELDOM std::size_t SendLater(
      V& value, bool wait, const Deadline& deadline = Deadline::Never(),
      const std::stop_token& stop = {}) {
    WaitingSend send;
    send.value = const_cast<T*>(std::addressof(value));
    if (!AwaitTurn(send, deadline, stop, wait)) return send.taken;
    const Holder holder(*this);
    if (!send.offered) send.laggards = Offer(value, wait, send.taken);
    if (send.laggards != nullptr) {
      send.taken += Await(send.laggards, deadline, stop);
    }
    return send.taken;
  }

  // Blocks until the Send has the turn (true). False: another one has made all
  // that it had to do, or it gave up, or the feed was closed.
  bool AwaitTurn(WaitingSend& send, const Deadline& deadline,
                 const std::stop_token& stop, bool wait) {
    const Outcome outcome = WaitFor(
        send, deadline, stop,
        [this, wait](Operation& operation) {
          const std::lock_guard lock(lock_);
          assert(!destroying_ && "fanfare: Send on a Feed being destroyed");
          if (turn_.closed()) return Outcome::kClosed;
          if (!wait) return turn_.TryTake() ? Outcome::kDone : Outcome::kClosed;
          if (turn_.TakeOrAsk()) return Outcome::kDone;
          turns_.PushBack(operation);
          operation.queued = true;
          ++calls_;
          return Outcome::kPending;
        },
        [this](Operation& operation) { EndCall(&operation); });
    return outcome == Outcome::kDone && !WasServed(send);
  }

  // Looks after what has come up while this thread had the turn, and gives it
  // to the next Send, or back.
  FANFARE_SELDOM void PassTurn() noexcept {
    Member* gone = nullptr;
    for (int served = 0;; ++served) {
      WaitingSend* next;
      Operation* drained = nullptr;
      {
        const std::lock_guard lock(lock_);
        const bool counted = gone != nullptr;
        if (closes_ == 0) Change(gone);
        if (gone != nullptr && !counted) ++calls_;  // the destructor waits
        next = NextTurn();
        if (next == nullptr) {
          turn_.Free();
          drained = calls_ == 0 ? TakeDrained() : nullptr;
        }
      }
      if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
      if (next == nullptr) break;
      const bool was_served = served < kMostServed && Serve(*next);
      next->outcome = Outcome::kDone;
      next->waker->Completed(Outcome::kDone);
      if (!was_served) break;
    }
    // Only without the turn: with a channel may go values whose destructors
    // Send.
    if (gone != nullptr) {
      LetGo(gone);
      EndCall();
    }
  }

  // Makes the offers of another Send, in its turn. True: all were taken, so
  // that it needs no turn.
  bool Serve(WaitingSend& send) noexcept {
    if constexpr (Member::kCopiesLate) {
      const T& value = *static_cast<const T*>(send.value);
      send.laggards = Offer(value, true, send.taken);
      send.offered = true;
    }
    return WasServed(send);
  }
  static bool WasServed(const WaitingSend& send) noexcept {
    return send.offered && send.laggards == nullptr;
  }

  // Offers the value to everybody. Returns those whose channels were not ready.
  template <typename V>
  Member* Offer(V& value, bool wait, std::size_t& taken) {
    Member* laggards = nullptr;
    Member* last = nullptr;  // of these
    std::size_t refused = 0;
    try {
      for (auto entry = members_.begin(); entry != members_.end();) {
        const auto [channel, m] = *entry;
        T& offered = Load(*m, value, ++entry == members_.end());
        const Outcome outcome = channel->TrySend(m->offer_, offered);
        if (outcome == Outcome::kDone) [[likely]] {
          if (++taken == kFew) turn_.PromiseToLook();
        } else if (outcome == Outcome::kPending && wait) {
          if (laggards == nullptr) turn_.PromiseToLook();
          m->offer_.value = std::addressof(offered);
          m->next_laggard_ = nullptr;
          (last == nullptr ? laggards : last->next_laggard_) = m;
          last = m;
        } else {
          if (++refused == kFew) turn_.PromiseToLook();
          Refused(*m, outcome);
        }
      }
    } catch (...) {
      // A copy failed: what was delivered stands.
      UnloadAll(laggards);
      throw;
    }
    return laggards;
  }

  // Blocks until all laggards have taken their offers, or the deadline or a
  // stop; then the value is taken back. Returns how many took it.
  FANFARE_SELDOM std::size_t Await(Member* laggards,
                                   const Deadline& deadline = Deadline::Never(),
                                   const std::stop_token& stop = {}) {
    std::size_t taken = 0;
    // Most lag because they wait for the processor. It looks at one of them,
    // not at all.
    if (laggards->channel_->gathers()) {
      LingerFor(deadline, stop, [&] {
        for (; laggards != nullptr; laggards = laggards->next_laggard_) {
          const Outcome outcome = laggards->channel_->TrySend(laggards->offer_);
          if (outcome == Outcome::kPending) return outcome;
          if (outcome == Outcome::kDone) {
            ++taken;
          } else {
            Refused(*laggards, outcome);
          }
        }
        return Outcome::kDone;
      });
    }

    // Leave the offers to the channels of the others.
    FanOut fan_out;
    Member* pending = nullptr;
    std::ptrdiff_t kept = 0;
    while (laggards != nullptr) {
      Member& member = *laggards;
      laggards = member.next_laggard_;
      member.offer_.waker = &fan_out;
      const Outcome outcome = member.channel_->StartSend(member.offer_);
      if (outcome == Outcome::kPending) {
        member.next_laggard_ = std::exchange(pending, &member);
        ++kept;
      } else if (outcome == Outcome::kDone) {
        ++taken;
      } else {
        Refused(member, outcome);
      }
    }
    if (kept == 0) return taken;
    std::size_t withdrawn = 0;
    if (!fan_out.Expect(kept) && !fan_out.Wait(deadline, stop)) {
      withdrawn = TakeBack(fan_out, pending);
    }
    // The copies for channels that were closed meanwhile are still there.
    // Nobody else has to do with an offer by now.
    if (fan_out.refused() > 0) UnloadAll(pending);
    return taken + static_cast<std::size_t>(kept) - fan_out.refused() -
           withdrawn;
  }

  // An offer was not taken; kClosed: the member's owner closed the channel, or
  // somebody is about to end it.
  FANFARE_SELDOM void Refused(Member& member, Outcome outcome) noexcept {
    Unload(member);
    if (outcome == Outcome::kClosed) {
      turn_.PromiseToLook();
      End(member);
    }
  }

  // Takes the value back from the channels that still keep it, waits for those
  // that are just being served, and returns how many were taken back.
  static std::size_t TakeBack(FanOut& fan_out, Member* pending) noexcept {
    std::ptrdiff_t withdrawn = 0;
    for (Member* m = pending; m != nullptr; m = m->next_laggard_) {
      if (m->channel_->CancelSend(m->offer_)) {
        Unload(*m);
        ++withdrawn;
      }
    }
    // If none was taken back, whoever completed the last one says so.
    if (withdrawn == 0 || !fan_out.Withdraw(withdrawn)) fan_out.WaitForAll();
    return static_cast<std::size_t>(withdrawn);
  }

  // What a subscriber's channel is to take: the sender's value, where it is
  // copied late or moved to the last, or a copy made here and now, by the
  // sender's thread and outside all locks.
  template <typename V>
  T& Load(Member& member, V& value, bool last) {
    if constexpr (Member::kCopiesLate) {
      return const_cast<T&>(value);
    } else if (!std::is_const_v<V> && last) {
      return const_cast<T&>(value);
    } else {
      // A copy is the user's code, and may take its time.
      turn_.PromiseToLook();
      T* const copy =
          std::construct_at(member.copy_.get(), std::as_const(value));
      member.offer_.consumed = true;
      return *copy;
    }
  }

  // Destroys a copy that was not taken.
  static void Unload(Member& member) noexcept {
    if constexpr (!Member::kCopiesLate) {
      if (std::exchange(member.offer_.consumed, false)) {
        std::destroy_at(member.copy_.get());
      }
    }
  }

  static void UnloadAll(Member* members) noexcept {
    for (Member* m = members; m != nullptr; m = m->next_laggard_) Unload(*m);
  }

  static void LetGo(Member* gone) noexcept {
    while (gone != nullptr) {
      const auto owned = Ref<Member>::Adopt(gone);
      gone = gone->next_ended_;
    }
  }

  // A call that is counted in calls_ is over; a Send that gave up may still be
  // in the queue.
  void EndCall(Operation* send = nullptr) noexcept {
    Operation* drained;
    {
      const std::lock_guard lock(lock_);
      if (send != nullptr && send->queued) turns_.Remove(*send);
      --calls_;
      drained = Drained();
    }
    if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
  }

  // The rest is called with the lock held.

  // Enters a member into its roll, which may move into `memory` for that.
  // False: there is no room for `all`.
  bool Enter(Member& member, std::size_t all,
             typename Members::Memory& memory) {
    Members& roll = member.newcomer_ ? newcomers_ : members_;
    // One of the two has room for all: Change cannot fail.
    const bool room = member.newcomer_ && members_.HasRoom(all)
                          ? newcomers_.MakeRoom(newcomers_.size() + 1, memory)
                          : roll.MakeRoom(all, memory);
    if (!room) return false;
    roll.Add(*Ref<Member>::Share(&member).Release());  // the roll's reference
    ++count_;
    return member.listed_ = true;
  }

  // True: nobody walks over the roll, until turn_.Free(). False: whoever is the
  // last to walk calls Change.
  bool BeginChange() noexcept { return closes_ == 0 && turn_.TakeOrAsk(); }

  // Takes in who came and takes out who ended, whom it puts in front of `gone`.
  void Change(Member*& gone) noexcept {
    for (const auto& entry : newcomers_) entry.member->newcomer_ = false;
    members_.TakeAll(newcomers_);
    while (Member* const m = ended_) {
      members_.Remove(*m);
      ended_ = std::exchange(m->next_ended_, gone);
      gone = m;
    }
  }

  // The first Send in the queue that has not given up, claimed and taken out.
  // From here on it has the turn or is told that all was done: in neither case
  // does it count as a call.
  WaitingSend* NextTurn() noexcept {
    while (Operation* waiting = turns_.PopFront()) {
      waiting->queued = false;
      if (waiting->claim->Try(*waiting)) {
        --calls_;
        return static_cast<WaitingSend*>(waiting);
      }
    }
    return nullptr;
  }

  // Who waits for the last call, if there is none any more. (Else whoever makes
  // it asks again.)
  Operation* Drained() noexcept {
    if (calls_ > 0 || drained_ == nullptr || !turn_.TakeOrAsk()) return nullptr;
    turn_.Free();
    return TakeDrained();
  }
  Operation* TakeDrained() noexcept {
    if (drained_ != nullptr) drained_->claim->Try(*drained_);
    return std::exchange(drained_, nullptr);
  }

  // How many Sends of others one makes the offers of, at most.
  static constexpr int kMostServed = 16;
  // So many offers are soon made.
  static constexpr std::size_t kFew = 64;

  Turn turn_;
  Members members_;              // each with a counted reference
  mutable Platform::Lock lock_;  // guards all that follows
  Members newcomers_;
  Member* ended_ = nullptr;  // still in a roll, to be taken out
  std::size_t count_ = 0;    // without those
  OperationQueue turns_;     // the Sends that wait for theirs
  std::size_t calls_ = 0;    // Closes, Sends that wait for their turn, LetGos
  std::size_t closes_ = 0;   // Closes that walk over the rolls
  bool destroying_ = false;
  Operation* drained_ = nullptr;  // the destructor that waits for all of them
};

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_CORE_H_
