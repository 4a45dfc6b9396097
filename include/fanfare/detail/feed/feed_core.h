// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_FEED_CORE_H_
#define FANFARE_DETAIL_FEED_FEED_CORE_H_

// A feed: Sends that take turns, and how it is closed. (What a Send does when
// it has the turn: delivery.h. Who is subscribed: membership.h.)
//
// A Send does what it can for those that wait for their turn: it makes their
// offers, one Send after the other, so that no thread has to be woken in
// between ("flat combining", Hendler, Incze, Shavit and Tzafrir, 2010). A Send
// whose offers are not all taken at once goes on by itself, with the turn.

#include <cassert>
#include <cstddef>
#include <mutex>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/cache.h>
#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/delivery.h>
#include <fanfare/detail/feed/feed_subscription.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/feed/sent_value.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/parker.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename T>
class alignas(kCacheLine) FeedCore final : public FeedOffers<T> {
  static_assert(std::is_object_v<T> && std::is_copy_constructible_v<T>,
                "fanfare: the T of a Feed<T> must be copy-constructible");

 public:
  using Base = FeedOffers<T>;
  using Base::End;
  using Member = FeedSubscription<T>;

  // Null: the feed is closed.
  Ref<Member> Add(Ref<ChannelCore<T>> channel) {
    auto member =
        Ref<Member>::Make(Ref<FeedCore>::Share(this), std::move(channel));
    if (!Add(*member)) return {};
    return member;
  }

  // V is T, an rvalue, or const T. Waits until the `limits`: none, a deadline,
  // or a deadline and a stop token. Returns how many channels took the value.
  template <typename V, typename... Limits>
  std::size_t Send(V& value, Waits waits, const Limits&... limits) {
    if (!turnstile_.TryEnter()) return SendQueued(value, waits, limits...);
    SentValue<T> sent;  // destroyed without the turn
    const Holder holder(*this);
    if (turnstile_.closed()) return 0;
    return Deliver(value, sent, waits, limits...);
  }

  void Close(bool destroying = false) noexcept {
    OperationQueue refused;
    {
      const std::lock_guard lock(lock_);
      assert(!destroying_ && "fanfare: Close on a Feed being destroyed");
      destroying_ = destroying;
      ++in_flight_;
      ++closing_;
      turnstile_.Close();
      while (Operation* waiting = DequeueNext()) {
        waiting->outcome = Outcome::kClosed;
        refused.PushBack(*waiting);
      }
    }
    while (Operation* waiting = refused.PopFront()) {
      waiting->waker->Completed(Outcome::kClosed);
    }
    for (const auto* const set : {&members_, &joining_}) {
      for (const auto& entry : *set) End(*entry.member, true);
    }
    Member* gone = nullptr;
    {
      const std::lock_guard lock(lock_);
      --closing_;
      if (TryBeginUpdate()) {
        ApplyPending(gone);
        turnstile_.Leave();
      }
    }
    ReleaseRemoved(gone);
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
    FreeMemory();
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
      if (!feed_.turnstile_.TryLeave()) feed_.PassTurn();
    }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

   private:
    FeedCore& feed_;
  };

  // Gives an rvalue back that no channel has taken.
  struct Returning {
    ~Returning() {
      if (taken == 0) sent.Return(value);
    }
    SentValue<T>& sent;
    T& value;
    const std::size_t& taken;
  };

  // For the thread that has the turn.
  template <typename V, typename... Limits>
  FANFARE_ALWAYS_INLINE std::size_t Deliver(V& value, SentValue<T>& sent,
                                            Waits waits,
                                            const Limits&... limits) {
    std::size_t taken = 0;
    if constexpr (std::is_const_v<V>) {
      // A copy is the user's code, and may take its time.
      if (!Member::kCopiesLate) turnstile_.MarkSlowExit();
      DeliverOwn(sent.Take(value, members_.size()), waits, taken, limits...);
    } else {
      const Returning returning{sent, value, taken};
      DeliverOwn(sent.Take(value, members_.size()), waits, taken, limits...);
    }
    return taken;
  }
  template <typename... Limits>
  FANFARE_ALWAYS_INLINE void DeliverOwn(T& offered, Waits waits,
                                        std::size_t& taken,
                                        const Limits&... limits) {
    const PendingOffers<T> pending =
        Offer(offered, waits == Waits::kForAll, taken);
    if (!pending.empty()) Await(pending, taken, limits...);
  }

  // A Send that has to wait for its turn.
  struct QueuedSend : Operation {
    explicit QueuedSend(Waits what) noexcept : waits(what) {}

    const Waits waits;
    SentValue<T> sent;
    bool was_combined = false;  // to all; then:
    std::size_t taken = 0;
    PendingOffers<T> pending;
  };

  // A Send that does not find the turn free.
  template <typename V>
  FANFARE_COLD std::size_t SendQueued(
      V& value, Waits waits, const Deadline& deadline = Deadline::Never(),
      const std::stop_token& stop = {}) {
    QueuedSend send(waits);
    send.value = const_cast<T*>(std::addressof(value));
    if (!AwaitTurn(send, deadline, stop)) return send.taken;
    const Holder holder(*this);
    if (!send.was_combined)
      return Deliver(value, send.sent, waits, deadline, stop);
    Await(send.pending, send.taken, deadline, stop);
    return send.taken;
  }

  // Blocks until the Send has the turn (true). False: another one has made all
  // that it had to do, or it gave up, or the feed was closed.
  bool AwaitTurn(QueuedSend& send, const Deadline& deadline,
                 const std::stop_token& stop) {
    const Outcome outcome = WaitFor(
        send, deadline, stop,
        [this, &send](Operation& operation) {
          const std::lock_guard lock(lock_);
          assert(!destroying_ && "fanfare: Send on a Feed being destroyed");
          if (turnstile_.closed()) return Outcome::kClosed;
          if (turnstile_.EnterOrDelegate()) return Outcome::kDone;
          if (send.waits == Waits::kNever) return Outcome::kClosed;
          turns_.PushBack(operation);
          operation.queued = true;
          ++in_flight_;
          return Outcome::kPending;
        },
        [this](Operation& operation) { EndCall(&operation); });
    return outcome == Outcome::kDone && !IsComplete(send);
  }

  // Looks after what has come up while this thread had the turn, and gives it
  // to the next Send, or back.
  FANFARE_COLD void PassTurn() noexcept {
    Member* gone = nullptr;
    for (int served = 0;; ++served) {
      if (turnstile_.TakeRevokeRequest()) RevokeBiases();
      QueuedSend* next;
      Operation* drained = nullptr;
      {
        const std::lock_guard lock(lock_);
        const bool counted = gone != nullptr;
        if (closing_ == 0) ApplyPending(gone);
        if (gone != nullptr && !counted) ++in_flight_;  // the destructor waits
        next = DequeueNext();
        if (next == nullptr) {
          turnstile_.Leave();
          drained = in_flight_ == 0 ? TakeDrained() : nullptr;
        }
      }
      if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
      if (next == nullptr) break;
      const bool complete = served < kMaxCombined && Combine(*next);
      if (!complete) RevokeBiases();  // it may sleep
      next->outcome = Outcome::kDone;
      next->waker->Completed(Outcome::kDone);
      if (!complete) break;
    }
    // Only without the turn: with a channel may go values whose destructors
    // Send.
    if (gone != nullptr) {
      ReleaseRemoved(gone);
      EndCall();
    }
  }

  // Makes the offers of another Send, in its turn. True: all were taken, so
  // that it needs no turn.
  bool Combine(QueuedSend& send) noexcept {
    if constexpr (Member::kCopiesLate) {
      T& offered =
          send.sent.Take(*static_cast<const T*>(send.value), members_.size());
      send.pending = Offer(offered, send.waits == Waits::kForAll, send.taken);
      send.was_combined = true;
    }
    return IsComplete(send);
  }
  static bool IsComplete(const QueuedSend& send) noexcept {
    return send.was_combined && send.pending.empty();
  }

  // A call that is counted in in_flight_ is over; a Send that gave up may still
  // be in the queue.
  void EndCall(Operation* send = nullptr) noexcept {
    Operation* drained;
    {
      const std::lock_guard lock(lock_);
      if (send != nullptr && send->queued) turns_.Remove(*send);
      --in_flight_;
      drained = Drained();
    }
    if (drained != nullptr) drained->waker->Completed(Outcome::kDone);
  }

  // The rest is called with the lock held.

  // The first Send in the queue that has not given up, claimed and taken out.
  // From here on it has the turn or is told that all was done: in neither case
  // does it count as a call.
  QueuedSend* DequeueNext() noexcept {
    while (Operation* waiting = turns_.PopFront()) {
      waiting->queued = false;
      if (waiting->claim->Try(*waiting)) {
        --in_flight_;
        return static_cast<QueuedSend*>(waiting);
      }
    }
    return nullptr;
  }

  // Who waits for the last call, if there is none any more. (Else whoever makes
  // it asks again.)
  Operation* Drained() noexcept {
    if (in_flight_ > 0 || drained_ == nullptr || !turnstile_.EnterOrDelegate())
      return nullptr;
    turnstile_.Leave();
    return TakeDrained();
  }
  Operation* TakeDrained() noexcept {
    if (drained_ != nullptr) drained_->claim->Try(*drained_);
    return std::exchange(drained_, nullptr);
  }

  // How many Sends of others one makes the offers of, at most.
  static constexpr int kMaxCombined = 16;

  using Base::Await, Base::TryBeginUpdate, Base::ApplyPending,
      Base::RevokeBiases, Base::Add, Base::FreeMemory, Base::ReleaseRemoved,
      Base::Offer, Base::closing_, Base::destroying_, Base::lock_,
      Base::members_, Base::joining_, Base::turnstile_;

  // Guarded by lock_, too.
  OperationQueue turns_;          // the Sends that wait for theirs
  std::size_t in_flight_ = 0;     // Closes, those Sends, LetGos
  Operation* drained_ = nullptr;  // the destructor that waits for all of them
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_FEED_CORE_H_
