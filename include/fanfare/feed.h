// SPDX-License-Identifier: MIT
#ifndef FANFARE_FEED_H_
#define FANFARE_FEED_H_

// Feed<T>: delivers every value to all subscribed channels; Go's event.FeedOf.
//
//   Feed<Block> blocks;
//   Channel<Block> channel(16);
//   Subscription subscription = blocks.Subscribe(channel);
//   std::size_t served = blocks.Send(block);  // waits for slow subscribers
//
// Send blocks until each channel has taken the value; SendFor, SendUntil and a
// stop token bound that, SendReady and TrySend do not wait for channels.
// Unsubscribing releases a blocked Send.
//
// Thread safety: everything may be called from any thread at any time, but no
// call may start once the destructor runs.
//
// Memory ordering: Send happens before the receive of each of its values; every
// delivery through a subscription before its Unsubscribe returns.
//
// Unlike Go: N subscribers that lag cost O(N), not O(N^2), and there may be
// more than 65,536; subscribe and unsubscribe do not scan; Send can be
// bounded; a subscriber that closes its channel is unsubscribed instead of
// breaking the feed; a wrong channel is a compile error, a nil one an
// exception.

#include <cassert>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <fanfare/channel.h>
#include <fanfare/detail/feed/delivery.h>
#include <fanfare/subscription.h>

namespace fanfare { inline namespace FANFARE_ABI {

// T is what a Channel<T> takes (channel.h), and copy-constructible. (F1)
template <typename T>
class Feed {
  static_assert(std::is_object_v<T>,
                "fanfare: the T of a Feed<T> must be copy-constructible");

 public:
  using value_type = T;

  // Ready to use. May throw std::bad_alloc.
  Feed() {
    // Asked here, because T may be incomplete where the class is named: a
    // struct may have a feed of itself.
    static_assert(sizeof(detail::ChannelCore<T>) > 0);  // which asks for more
    static_assert(std::is_object_v<T> && std::is_copy_constructible_v<T>,
                  "fanfare: the T of a Feed<T> must be copy-constructible");
  }
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;
  // Closes, then blocks until the Sends under way have returned. Subscriptions
  // may outlive their feed. To start a call meanwhile or later is undefined (an
  // assertion fails in debug builds; later only without optimization, which
  // takes away what the destructor leaves behind). (F8)
  ~Feed() { core().CloseAndDrain(); }

  // Subscribes a channel: from the next Send on it gets every value, until the
  // subscription ends. A channel subscribed k times gets each value k times.
  // Never blocks, not for a Send under way either. On a closed feed, returns a
  // subscription that has ended. Throws std::invalid_argument if the channel is
  // nil, and std::bad_alloc; nothing is subscribed then. Cost: one allocation,
  // and now and then one for the roll of all, which grows by a quarter and is
  // copied: constant time on average. Its Unsubscribe: constant time. (F1, F3,
  // F5, F10)
  [[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
  Subscribe(const Sender<T>& channel);
  template <typename Other>
    requires(!std::convertible_to<const Other&, const Sender<T>&>)
  Subscription Subscribe(const Other&)
  = delete;  // wants a Sender<T>

  // Delivers `value` to every channel that is subscribed when its turn comes.
  // Blocks until it is its turn, and then until each channel has taken the
  // value or has gone away. Sends run one after the other, so that all
  // subscribers see all values in one order: first come, first served, from
  // when waiting_senders() counts them. All channels that are ready are served
  // before it waits for any; one that becomes ready later is served at once, or
  // a few yields later while this thread still looks. Returns how many channels
  // took the value; 0 on a closed feed. (F2, F3, F4)
  //
  // The value is out of the caller's hands before a subscriber can see it: a
  // subscriber that has received it may change or destroy the caller's object
  // at once. An lvalue is copied at most once for each subscriber; a trivially
  // copyable T is not copied on the way to a single one. An rvalue is moved to
  // the last subscriber, and is left as it was if no channel took it. An
  // argument of another type is converted at the call. (F9, C5)
  //
  // Copies that run code of T's are made by this thread, which has the turn
  // then, outside all locks. If a copy throws, the exception leaves: deliveries
  // made stand, a channel that was not ready gets nothing, no subscriber sees
  // the failed copy, and the feed stays usable. (F9) Deadlock: a copy, or the
  // destructor of a copy that was not taken, must not call Send on the same
  // feed.
  //
  // Before it returns, it delivers for up to sixteen Sends that wait for their
  // turn, if T is trivially copyable, to the channels that have room.
  //
  // If a subscriber has closed its channel, its subscription has ended when
  // this returns. (F6)
  //
  // Cost: constant for each subscriber, whether its channel is ready or not,
  // and one wake-up of this thread; allocates nothing.
  std::size_t Send(const T& value) {
    return Deliver(value, detail::Waits::kForAll);
  }
  std::size_t Send(T&& value) { return Deliver(value, detail::Waits::kForAll); }

  // As Send, but blocks no longer than until `stop` is requested. Then it takes
  // its value back from the channels that have not taken it, and returns how
  // many have. Channels that are ready are served even if the stop was
  // requested before, unless another Send has the turn. (F7)
  std::size_t Send(const T& value, const std::stop_token& stop) {
    return Deliver(value, detail::Waits::kForAll, detail::Deadline::Never(),
                   stop);
  }
  std::size_t Send(T&& value, const std::stop_token& stop) {
    return Deliver(value, detail::Waits::kForAll, detail::Deadline::Never(),
                   stop);
  }

  // As Send, but blocks for at most `duration` (not at all if it is zero or
  // negative, without a limit if it is duration::max()), the wait for the turn
  // included, and no longer than until `stop` is requested. (F3, F7)
  template <typename Rep, typename Period>
  std::size_t SendFor(const T& value,
                      std::chrono::duration<Rep, Period> duration,
                      const std::stop_token& stop = {}) {
    return Deliver(value, detail::Waits::kForAll,
                   detail::Deadline::After(duration), stop);
  }
  template <typename Rep, typename Period>
  std::size_t SendFor(T&& value, std::chrono::duration<Rep, Period> duration,
                      const std::stop_token& stop = {}) {
    return Deliver(value, detail::Waits::kForAll,
                   detail::Deadline::After(duration), stop);
  }

  // As SendFor, until `deadline`, of any clock. The clock may be set: it is
  // asked again at least once a second. If its now() throws, the call gives up
  // as it does at `deadline`, then throws that; deliveries made stand. (F3, F7)
  template <typename Clock, typename Duration>
  std::size_t SendUntil(const T& value,
                        std::chrono::time_point<Clock, Duration> deadline,
                        const std::stop_token& stop = {}) {
    return DeliverUntil(value, deadline, stop);
  }
  template <typename Clock, typename Duration>
  std::size_t SendUntil(T&& value,
                        std::chrono::time_point<Clock, Duration> deadline,
                        const std::stop_token& stop = {}) {
    return DeliverUntil(value, deadline, stop);
  }

  // As Send, but delivers only to the channels that are ready when its turn
  // comes: a subscriber whose channel is full misses the value. Blocks until
  // the Sends before it have returned, or until `stop` is requested, but never
  // for a channel. For a sender that must not wait for a slow subscriber, on a
  // feed with several senders: TrySend would lose the value for all subscribers
  // where two of these meet. A Send that is blocked makes it wait, so such a
  // feed should have no other kind. (F3, F7)
  std::size_t SendReady(const T& value, const std::stop_token& stop = {}) {
    return Deliver(value, detail::Waits::kTurn, detail::Deadline::Never(),
                   stop);
  }
  std::size_t SendReady(T&& value, const std::stop_token& stop = {}) {
    return Deliver(value, detail::Waits::kTurn, detail::Deadline::Never(),
                   stop);
  }

  // Delivers to the channels that are ready. Never blocks. Returns 0 while
  // another Send is under way, unless that Send is over in a deadline: a 0 may
  // mean that no channel was ready, or that the feed was busy and no subscriber
  // has the value, whatever room there is. For a thread that must not block at
  // all; else use SendReady. (F3, F7)
  std::size_t TrySend(const T& value) {
    return Deliver(value, detail::Waits::kNever);
  }
  std::size_t TrySend(T&& value) {
    return Deliver(value, detail::Waits::kNever);
  }

  // Ends every subscription and releases blocked Sends. From now on Send
  // returns 0, and Subscribe a subscription that has ended. Never blocks; can
  // be called again. The subscribers' channels stay open. A copy that was not
  // taken is destroyed by the Send that made it. Cost: constant for each
  // subscriber. (F6, F8)
  void Close() noexcept { core().Close(); }

  // How many subscriptions have not ended. Never blocks.
  [[nodiscard]] std::size_t subscriber_count() const noexcept {
    return core().count();
  }
  // How many Sends wait for their turn. Never blocks.
  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    return core().waiting_senders();
  }

 private:
  // The destructor leaves a null behind; where the compiler optimizes, it need
  // not.
  detail::FeedCore& core() const noexcept {
    assert(core_ && "fanfare: a call on a Feed that was destroyed");
    return *core_;
  }

  // As Delivery's Send. (Where T is copied as bytes, an rvalue is an lvalue.)
  template <typename V, typename... Limits>
  std::size_t Deliver(V& value, detail::Waits waits, const Limits&... limits) {
    if constexpr (std::is_trivially_copyable_v<T>) {
      return detail::Delivery<T>::Send(core(), std::as_const(value), waits,
                                       limits...);
    } else {
      return detail::Delivery<T>::Send(core(), value, waits, limits...);
    }
  }

  template <typename V, typename Moment>
  std::size_t DeliverUntil(V& value, const Moment& deadline,
                           const std::stop_token& stop) {
    detail::TimePoint end(deadline);
    const std::size_t taken =
        Deliver(value, detail::Waits::kForAll, detail::Deadline::At(end), stop);
    end.Rethrow();
    return taken;
  }

  detail::Ref<detail::FeedCore> core_ = detail::Ref<detail::FeedCore>::Make();
};

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------

template <typename T>
Subscription Feed<T>::Subscribe(const Sender<T>& channel) {
  if (!channel)
    throw std::invalid_argument("fanfare: Subscribe of a nil channel");
  return detail::SubscriptionAccess::Make(detail::FeedCore::Subscribe(
      detail::Ref<detail::FeedSubscription<T>>::Make(
          detail::Ref<detail::FeedCore>::Share(&core()),
          detail::Access::Share(channel))));
}

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_FEED_H_
