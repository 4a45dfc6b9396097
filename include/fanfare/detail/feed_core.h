// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_CORE_H_
#define FANFARE_DETAIL_FEED_CORE_H_

// The memory behind a feed: the list of its subscriptions, the turn to send,
// and Send itself, which is one select that completes all of its cases.
//
// A Send walks once over the subscriptions that were there when its turn came,
// and offers the value to the channel of each. A channel that is not ready
// keeps the offer in its queue; the operation lives in the subscription. The
// receiver that makes room takes the value by itself and counts down; the last
// one wakes the sender. So a Send to N subscribers that lag costs O(N) and one
// wake-up.
//
// The walk reads the list without the lock. For that, while one is under way,
// nothing is taken out that it could meet: who ends then is retired in its
// channel, which from that moment refuses the feed's offers, and is taken out
// of the list at the end of the walk. What is added is added behind the last
// that the walk will look at.

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
#include <fanfare/detail/intrusive_list.h>
#include <fanfare/detail/parker.h>

namespace fanfare::inline FANFARE_ABI::detail {

template <typename T>
class FeedCore final : public RefCounted {
  static_assert(std::is_object_v<T> && std::is_copy_constructible_v<T>,
                "fanfare: the T of a Feed<T> must be copy-constructible");

 public:
  using Member = FeedSubscription<T>;

  // Null: the feed is closed.
  Ref<Member> Add(Ref<ChannelCore<T>> channel) {
    auto member =
        Ref<Member>::Make(Ref<FeedCore>::Share(this), std::move(channel));
    const std::lock_guard lock(mutex_);
    assert(!destroying_ && "fanfare: Subscribe on a Feed being destroyed");
    if (closed_) return {};
    member->joined_ = generation_;
    member->listed_ = true;
    ++count_;
    members_.PushBack(*Ref<Member>(member).Release());  // the list's reference
    return member;
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
      const std::lock_guard lock(mutex_);
      if (std::exchange(member.listed_, false)) {
        --count_;
        const bool no_walk_meets_it =
            walks_ == 0 || (!closed_ && member.joined_ == generation_);
        if (no_walk_meets_it) {
          members_.Remove(member);
          removed = Ref<Member>::Adopt(&member);
        } else {
          member.next_ended_ = std::exchange(ended_, &member);
        }
      }
    }
    member.Finish();
  }

  // V is T, which is moved from for the last subscriber, or const T. With
  // `wait` false nothing is waited for.
  template <typename V>
  std::size_t Send(V& value, const Deadline& deadline,
                   const std::stop_token& stop, bool wait) {
    Walk walk;
    if (!TakeTurn(walk, deadline, stop, wait)) return 0;
    const Turn turn(*this);
    return Deliver(walk, value, deadline, stop, wait);
  }

  void Close() noexcept {
    OperationQueue refused;
    Walk walk;
    {
      const std::lock_guard lock(mutex_);
      ++calls_;
      closed_ = true;
      while (Operation* waiting = NextTurn()) {
        waiting->outcome = Outcome::kClosed;
        refused.PushBack(*waiting);
      }
      walk = BeginWalk();
    }
    while (Operation* waiting = refused.PopFront()) {
      waiting->waker->Completed(Outcome::kClosed);
    }
    for (Member* m = walk.first; m != nullptr; m = walk.After(*m)) End(*m);
    Member* ended;
    Operation* drained;
    {
      const std::lock_guard lock(mutex_);
      ended = EndWalk();
      drained = Leave();
    }
    LetGo(ended);
    if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
  }

  // Close, then wait for the Sends under way (and other Closes).
  void CloseAndDrain() noexcept {
    {
      const std::lock_guard lock(mutex_);
      destroying_ = true;
    }
    Close();
    Operation drained;
    WaitFor(
        drained, Deadline::Never(), {},
        [this](Operation& operation) {
          const std::lock_guard lock(mutex_);
          if (calls_ == 0) return Outcome::kDone;
          drained_ = &operation;
          return Outcome::kPending;
        },
        [](Operation&) {});
  }

  [[nodiscard]] std::size_t count() const noexcept {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    const std::lock_guard lock(mutex_);
    return turns_.size();
  }

 private:
  // A part of the list that is read without the lock.
  struct Walk {
    Member* first = nullptr;
    Member* last = nullptr;

    [[nodiscard]] Member* After(const Member& member) const noexcept {
      return &member == last ? nullptr : IntrusiveList<Member>::Next(member);
    }
  };

  // Has the turn; passes it on when it goes.
  class Turn {
   public:
    explicit Turn(FeedCore& feed) noexcept : feed_(feed) {}
    ~Turn() { feed_.PassTurn(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    FeedCore& feed_;
  };

  // Blocks until this Send is the one under way; false: it gave up or the feed
  // was closed.
  bool TakeTurn(Walk& walk, const Deadline& deadline,
                const std::stop_token& stop, bool wait) {
    {
      const std::lock_guard lock(mutex_);
      assert(!destroying_ && "fanfare: Send on a Feed being destroyed");
      if (closed_ || (sending_ && !wait)) return false;
      ++calls_;
      if (!sending_) {
        sending_ = true;
        walk = BeginWalk();
        return true;
      }
    }
    Operation turn;
    const Outcome outcome = WaitFor(
        turn, deadline, stop,
        [this](Operation& operation) {
          const std::lock_guard lock(mutex_);
          if (closed_) return Outcome::kClosed;
          if (!std::exchange(sending_, true)) return Outcome::kDone;
          turns_.PushBack(operation);
          operation.queued = true;
          return Outcome::kPending;
        },
        [this](Operation& operation) {
          const std::lock_guard lock(mutex_);
          if (operation.queued) turns_.Remove(operation);
        });
    Operation* drained = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (outcome == Outcome::kDone) {
        walk = BeginWalk();
      } else {
        drained = Leave();
      }
    }
    if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
    return outcome == Outcome::kDone;
  }

  void PassTurn() noexcept {
    Member* ended;
    Operation* next;
    Operation* drained;
    {
      const std::lock_guard lock(mutex_);
      ended = EndWalk();
      next = NextTurn();
      if (next != nullptr) {
        next->outcome = Outcome::kDone;
      } else {
        sending_ = false;
      }
      drained = Leave();
    }
    if (next != nullptr) next->waker->Completed(Outcome::kDone);
    LetGo(ended);
    if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
  }

  template <typename V>
  std::size_t Deliver(const Walk& walk, V& value, const Deadline& deadline,
                      const std::stop_token& stop, bool wait) {
    FanOut fan_out;
    std::size_t taken = 0;
    // Those whose channels keep the offer, and how many they are.
    Member* pending = nullptr;
    std::ptrdiff_t kept = 0;

    // Offer the value to everybody.
    try {
      for (Member* m = walk.first; m != nullptr; m = walk.After(*m)) {
        Load(*m, value, m == walk.last);
        m->offer_.waker = &fan_out;
        switch (wait ? m->channel_->StartSend(m->offer_)
                     : m->channel_->TrySend(m->offer_)) {
          case Outcome::kDone:
            ++taken;
            break;
          case Outcome::kPending:
            if (wait) {
              m->next_pending_ = std::exchange(pending, m);
              ++kept;
            } else {
              Unload(*m);
            }
            break;
          case Outcome::kClosed:
          case Outcome::kLost:
            // Its owner closed the channel, or somebody is about to end it.
            Unload(*m);
            End(*m);
        }
      }
    } catch (...) {
      // A copy failed: what was delivered stands.
      if (!fan_out.Expect(kept)) TakeBack(fan_out, pending);
      UnloadRefused(fan_out, pending);
      throw;
    }

    // Wait for those who lag.
    std::size_t withdrawn = 0;
    if (kept > 0 && !fan_out.Expect(kept) && !fan_out.Wait(deadline, stop)) {
      withdrawn = TakeBack(fan_out, pending);
    }
    UnloadRefused(fan_out, pending);
    return taken + static_cast<std::size_t>(kept) - fan_out.refused() -
           withdrawn;
  }

  // Takes the value back from the channels that still keep it, waits for those
  // that are just being served, and returns how many were taken back.
  static std::size_t TakeBack(FanOut& fan_out, Member* pending) noexcept {
    std::ptrdiff_t withdrawn = 0;
    for (Member* m = pending; m != nullptr; m = m->next_pending_) {
      if (m->channel_->CancelSend(m->offer_)) {
        Unload(*m);
        ++withdrawn;
      }
    }
    // If none was taken back, whoever completed the last one says so.
    if (withdrawn == 0 || !fan_out.Withdraw(withdrawn)) fan_out.WaitForAll();
    return static_cast<std::size_t>(withdrawn);
  }

  // Destroys the copies for channels that were closed while they kept the
  // offer. Nobody else has to do with an offer by now.
  static void UnloadRefused(const FanOut& fan_out, Member* pending) noexcept {
    if (fan_out.refused() == 0) return;
    for (Member* m = pending; m != nullptr; m = m->next_pending_) Unload(*m);
  }

  // Sets the value that a subscriber's channel will take: the sender's own,
  // where it is copied late or moved to the last, or a copy made here and now,
  // by the sender's thread and outside all locks.
  template <typename V>
  static void Load(Member& member, V& value, bool last) {
    Operation& offer = member.offer_;
    if constexpr (Member::kCopiesLate) {
      offer.value = const_cast<T*>(std::addressof(value));
    } else if (!std::is_const_v<V> && last) {
      offer.value = const_cast<T*>(std::addressof(value));
      offer.consumed = false;
    } else {
      offer.value = std::construct_at(member.copy_.get(), std::as_const(value));
      offer.consumed = true;
    }
  }

  // Destroys a copy that was not taken.
  static void Unload(Member& member) noexcept {
    if (std::exchange(member.offer_.consumed, false)) {
      std::destroy_at(static_cast<T*>(member.offer_.value));
    }
  }

  static void LetGo(Member* ended) noexcept {
    while (ended != nullptr) {
      const auto owned = Ref<Member>::Adopt(ended);
      ended = ended->next_ended_;
    }
  }

  // The rest is called with the lock held.

  Walk BeginWalk() noexcept {
    ++walks_;
    ++generation_;
    return {members_.front(), members_.back()};
  }

  // Takes out who has ended meanwhile, if this was the last walk.
  Member* EndWalk() noexcept {
    if (--walks_ > 0) return nullptr;
    for (Member* m = ended_; m != nullptr; m = m->next_ended_) {
      members_.Remove(*m);
    }
    return std::exchange(ended_, nullptr);
  }

  // The first Send in the queue that has not given up, claimed and taken out.
  Operation* NextTurn() noexcept {
    while (Operation* waiting = turns_.PopFront()) {
      waiting->queued = false;
      if (waiting->claim->Try(*waiting)) return waiting;
    }
    return nullptr;
  }

  // Says that a call is over; returns who waits for the last one.
  Operation* Leave() noexcept {
    if (--calls_ > 0 || drained_ == nullptr) return nullptr;
    drained_->claim->Try(*drained_);
    return std::exchange(drained_, nullptr);
  }

  mutable Platform::Mutex mutex_;  // guards all that follows
  IntrusiveList<Member> members_;  // each with a counted reference
  Member* ended_ = nullptr;        // still in members_, to be taken out
  std::size_t count_ = 0;          // without those
  std::size_t walks_ = 0;          // under way: at most one Send, and Closes
  std::uint64_t generation_ = 0;   // of the latest walk
  bool sending_ = false;           // somebody has the turn
  OperationQueue turns_;           // the Sends that wait for theirs
  std::size_t calls_ = 0;          // of Send and Close that have not returned
  bool closed_ = false;
  bool destroying_ = false;
  Operation* drained_ = nullptr;  // the destructor that waits for them
};

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_CORE_H_
