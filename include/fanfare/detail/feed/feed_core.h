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
#include <fanfare/detail/wait/deferred_wake.h>
#include <fanfare/detail/wait/operation.h>

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
  FANFARE_COLD FANFARE_DECL static Ref<SubscriptionState> Subscribe(
      Ref<Member> member);
  // The same with options, if the policy is not null.
  FANFARE_COLD FANFARE_DECL static Ref<SubscriptionState> Subscribe(
      Ref<Member> member, std::unique_ptr<Policy> policy);
  [[noreturn]] FANFARE_COLD FANFARE_DECL static void ThrowNilChannel();

  // Returns false if the feed is closed.
  FANFARE_COLD FANFARE_DECL bool Add(Member& member);

  // Moves a copy out of the member into `to`. Its channel has not taken the
  // copy.
  using TakeCopy = void(Member& member, void* to) noexcept;

  // Ends a subscription. When any call returns, all of that has been done,
  // whichever thread did it. Calls `take(member, to)` if there is a copy that
  // was not taken. Without `take`, the copy stays with the Send that made it.
  FANFARE_COLD FANFARE_DECL void End(Member& member, TakeCopy* take,
                                     void* to) noexcept;
  // The same without `take`; with an error, if it is not null.
  FANFARE_COLD FANFARE_DECL void End(
      Member& member, std::exception_ptr error = nullptr) noexcept;

  FANFARE_COLD FANFARE_DECL void Close(bool destroying = false) noexcept;

  // Closes the feed, then waits for the Sends in progress (and for other
  // Closes).
  FANFARE_COLD FANFARE_DECL void CloseAndDrain() noexcept;

  // Ends a subscription after its channel has refused the value, for the holder
  // of the turn.
  FANFARE_COLD FANFARE_DECL void EndClosed(Member& member) noexcept;

  [[nodiscard]] FANFARE_DECL std::size_t count() const noexcept;
  [[nodiscard]] FANFARE_DECL std::size_t waiting_senders() const noexcept;

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

  FANFARE_ALWAYS_INLINE void Leave() noexcept {
    if (!turnstile.TryLeave()) LeaveSlowly();
  }
  // Leaves the turn at its end; the thread has entered before.
  class Turn {
   public:
    Turn(FeedCore& feed, std::adopt_lock_t) noexcept : feed_(feed) {}
    FANFARE_ALWAYS_INLINE ~Turn() { feed_.Leave(); }
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
  FANFARE_COLD FANFARE_DECL bool AwaitTurn(QueuedSend& send,
                                           const Deadline& deadline,
                                           const std::stop_token& stop);

  // The remaining functions are for the holder of the turn.

  // Marks a slow exit and revokes all biases: before the holder may wait for a
  // lock that is biased to another feed, or for user code. (A Send that is
  // about to wait for receivers does the same in two steps, in
  // SlowChannels::Settle and Delivery::Offer.)
  FANFARE_COLD FANFARE_DECL void LeaveFastPath() noexcept;
  // Afterwards no channel is biased to this feed.
  FANFARE_COLD FANFARE_DECL void RevokeBiases() noexcept;

  // Counts a value that is about to be offered, and keeps it in the history.
  // Throws what copying the value throws, and has no effect then.
  FANFARE_ALWAYS_INLINE void CountValue(const void* value) {
    if (extras_ != nullptr) [[unlikely]]
      Record(value);
    CountValue();
  }
  // The same for a feed without extras.
  FANFARE_ALWAYS_INLINE void CountValue() noexcept { sent_.Add(); }

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
  [[nodiscard]] FANFARE_DECL Clock::duration waited() const noexcept;
  // Returns null if the feed has none.
  [[nodiscard]] FeedExtras* extras() const noexcept { return extras_; }

  Turnstile turnstile;
  Membership members;

 private:
  static constexpr Clock::rep kNotWaiting = -1;

  // Makes the member's channel refuse all values of this feed from here on, and
  // takes the member out of the set. Returns the set's reference, unless the
  // holder of the turn will drop it.
  FANFARE_COLD FANFARE_DECL Ref<Member> Detach(Member& member, TakeCopy* take,
                                               void* to) noexcept;
  FANFARE_DECL static void Finish(Member& member,
                                  std::exception_ptr error = nullptr) noexcept;

  FANFARE_COLD FANFARE_DECL void Record(const void* value);
  // Delivers the feed's history to a new member, for the holder of the turn. If
  // a copy throws, the subscription ends with that exception.
  FANFARE_COLD FANFARE_DECL void Replay(Member& member) noexcept;

  // Called with the mutex held. Returns true if this thread has the turn, which
  // it keeps until Leave(). If it returns false, the holder of the turn, or the
  // last Close, calls ApplyPending().
  FANFARE_DECL bool TryBeginUpdate() noexcept;

  // Does the work that was recorded while this thread had the turn, and hands
  // the turn to the next Send, or leaves.
  FANFARE_COLD FANFARE_DECL void LeaveSlowly() noexcept;

  // Makes the offers of another Send, in its turn. Returns true if all were
  // taken, so that the Send needs no turn.
  FANFARE_DECL bool Combine(QueuedSend& send) noexcept;

  Count sent_;
  // When the Send in progress began to wait for channels, or kNotWaiting.
  Platform::Atomic<Clock::rep> waiting_since_{kNotWaiting};
  FeedExtras* const extras_ = nullptr;

 public:
  DeadlockWatch deadlocks{turnstile};
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#ifdef FANFARE_HEADER_ONLY
#include <fanfare/detail/feed/feed_core.ipp>
#endif

#endif  // FANFARE_DETAIL_FEED_FEED_CORE_H_
