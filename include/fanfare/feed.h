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
// Send blocks until each channel has taken the value; SendFor, SendUntil, a
// stop token and TrySend bound that. Unsubscribing releases a blocked Send.
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
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <fanfare/channel.h>
#include <fanfare/detail/feed_core.h>
#include <fanfare/subscription.h>

namespace fanfare::inline FANFARE_ABI {

// T is what a Channel<T> takes (channel.h), and copy-constructible. (F1)
template <typename T>
class Feed {
 public:
  using value_type = T;

  // Ready to use. May throw std::bad_alloc.
  Feed() = default;
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
  // when waiting_senders() counts them. All that are ready are served before it
  // waits for any; who becomes ready later is served at once, or a few yields
  // later while this thread still looks. Returns how many took it; 0 on a
  // closed feed. (F2, F3, F4)
  //
  // Before it returns, it delivers for up to sixteen Sends that wait for their
  // turn, if T is trivially copyable and as far as channels are ready.
  //
  // A channel that its owner has closed counts as unsubscribed: its
  // subscription ends, in this Send or in the next. (F6)
  //
  // An argument of another type is converted first; what that throws leaves
  // before anything is sent. Copies that run code of T's are made by this
  // thread, which has the turn then, outside all locks; the last subscriber is
  // given an rvalue itself, moved. If a copy throws, the exception leaves;
  // deliveries made stand, who was not ready gets nothing, nobody sees the
  // failed copy, the feed stays usable. (F9) To Send on the same feed from
  // inside a copy, or from the destructor of one that was not taken, blocks
  // until the feed is closed.
  //
  // Cost: constant for each subscriber, lagging or not, and one wake-up of this
  // thread; allocates nothing.
  template <typename U = T>
    requires std::is_convertible_v<U&&, T> std::size_t Send(U&& value) {
      return Deliver(std::forward<U>(value), true);
    }

  // As Send, but blocks no longer than until `stop` is requested. It takes its
  // value back from the channels that have not taken it then, and returns how
  // many have. (F7)
  template <typename U = T>
    requires std::is_convertible_v<U&&, T> std::size_t Send(
        U&& value, const std::stop_token& stop) {
      return Deliver(std::forward<U>(value), true, detail::Deadline::Never(),
                     stop);
    }

  // As Send, but blocks for at most `duration` (none if it is zero or negative,
  // for ever if it is duration::max()), the wait for the turn included. (F3,
  // F7)
  template <typename U = T, typename Rep, typename Period>
    requires std::is_convertible_v<U&&, T> std::size_t SendFor(
        U&& value, std::chrono::duration<Rep, Period> duration) {
      return Deliver(std::forward<U>(value), true,
                     detail::Deadline::After(duration));
    }

  // As SendFor, until `moment`, of any clock.
  template <typename U = T, typename Clock, typename Duration>
    requires std::is_convertible_v<U&&, T> std::size_t SendUntil(
        U&& value, std::chrono::time_point<Clock, Duration> moment) {
      return Deliver(std::forward<U>(value), true,
                     detail::Deadline::At(moment));
    }

  // Delivers to the channels that are ready. Never blocks; returns 0 while
  // another Send is under way, unless that one is over in a moment. (F3,
  // F7)
  template <typename U = T>
    requires std::is_convertible_v<U&&, T> std::size_t TrySend(U&& value) {
      return Deliver(std::forward<U>(value), false);
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
  detail::FeedCore<T>& core() const noexcept {
    assert(core_ && "fanfare: a call on a Feed that was destroyed");
    return *core_;
  }

  // As FeedCore's Send.
  template <typename U, typename... Limits>
  std::size_t Deliver(U&& value, bool wait, const Limits&... limits);

  detail::Ref<detail::FeedCore<T>> core_ =
      detail::Ref<detail::FeedCore<T>>::Make();
};

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------

template <typename T>
Subscription Feed<T>::Subscribe(const Sender<T>& channel) {
  if (!channel)
    throw std::invalid_argument("fanfare: Subscribe of a nil channel");
  detail::Ref<detail::SubscriptionState> state =
      core().Add(detail::Access::Share(channel));
  if (!state) state = detail::Ref<detail::EndedSubscription>::Make();
  return detail::SubscriptionAccess::Make(std::move(state));
}

template <typename T>
template <typename U, typename... Limits>
std::size_t Feed<T>::Deliver(U&& value, bool wait, const Limits&... limits) {
  if constexpr (std::is_same_v<U, T>) {
    return core().Send(value, wait, limits...);
  } else if constexpr (std::is_same_v<std::remove_cvref_t<U>, T>) {
    return core().Send(std::as_const(value), wait, limits...);
  } else {
    return Deliver(static_cast<T>(std::forward<U>(value)), wait, limits...);
  }
}

}  // namespace fanfare::inline FANFARE_ABI

#endif  // FANFARE_FEED_H_
