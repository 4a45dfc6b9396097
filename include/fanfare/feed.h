// SPDX-License-Identifier: MIT
#ifndef FANFARE_FEED_H_
#define FANFARE_FEED_H_

// Feed<T>: delivers every value to all subscribed channels. It is the
// equivalent of Go's event.FeedOf.
//
//   Feed<Block> blocks;
//   Channel<Block> channel(16);
//   Subscription subscription = blocks.Subscribe(channel);
//   std::size_t delivered = blocks.Send(block);  // waits for slow subscribers
//
// Send() blocks until each channel has accepted the value. SendFor(),
// SendUntil() and a stop token limit that wait. SendReady() and TrySend() do
// not wait for channels. Unsubscribing a channel releases a Send() that is
// blocked on it.
//
// SubscribeOptions limit how long Sends wait for one subscriber
// (subscribe_options.h). FeedOptions keep values for late subscribers, and call
// a function when a Send waits for long (feed_options.h). Report() and
// DebugString() tell which subscribers a Send waits for.
//
// Thread safety: all member functions may be called concurrently, but no call
// may begin once the destructor has begun.
//
// Memory ordering: a Send() happens before each receive of its value returns.
// Every delivery through a subscription happens before Unsubscribe() on that
// subscription returns.
//
// Differences from Go:
//   - A Send() that is blocked on N subscribers costs O(N), not O(N^2).
//   - There may be more than 65,536 subscribers.
//   - Subscribing and unsubscribing do not scan the subscriber list.
//   - A Send() can have a deadline, and a subscription a policy for the case
//     that its channel stays full.
//   - A subscriber that closes its channel is unsubscribed, and does not break
//     the feed.
//   - A channel of a wrong type is a compile error, and a nil channel an
//     exception.

#include <cassert>
#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/channel.h>
#include <fanfare/detail/feed/delivery.h>
#include <fanfare/numbered.h>
#include <fanfare/subscribe_options.h>
#include <fanfare/subscriber_report.h>
#include <fanfare/subscription.h>

namespace fanfare { inline namespace FANFARE_ABI {

struct FeedOptions;  // feed_options.h

namespace detail {

// What Feed<T>::Send() takes.
template <typename T>
struct Sent {
  using Type = T;
};
template <typename T>
struct Sent<Numbered<T>> {
  using Type = T;
};

}  // namespace detail

/// Delivers each value to all channels that are subscribed.
///
/// T must meet the requirements of Channel<T> (channel.h), and must be
/// copy-constructible. (F1)
///
/// To compile a feed only once in a program, write
/// `extern template class fanfare::Feed<Event>;` beside Event, and the same
/// without `extern` in one source file.
template <typename T>
class Feed {
  static_assert(std::is_object_v<T>,
                "fanfare: the T of a Feed<T> must be copy-constructible");

 public:
  /// The type of the values.
  using value_type = T;

  /// What Send() takes: T, or for a Feed<Numbered<U>> the value U without its
  /// number. (N3)
  using sent_type = typename detail::Sent<T>::Type;

  /// Creates an open feed without subscribers.
  ///
  /// \throws std::bad_alloc
  Feed() : core_(detail::Ref<detail::FeedCore>::Make()) { Check(); }
  /// Creates an open feed with a name, a history or a stall handler.
  ///
  /// A call needs `#include <fanfare/feed_options.h>`.
  /// \throws std::invalid_argument if `stall_after` is not positive, and
  ///     std::bad_alloc
  /// (N4, V1)
  template <std::same_as<FeedOptions> Options = FeedOptions>
  explicit Feed(Options options);
  /// A feed cannot be copied.
  Feed(const Feed&) = delete;
  /// A feed cannot be assigned to.
  Feed& operator=(const Feed&) = delete;
  /// Closes the feed.
  ///
  /// Blocks until the Sends in progress have returned. Subscriptions may
  /// outlive their feed.
  /// \warning Undefined: no call may begin once the destructor has begun. In
  ///     debug builds, an assertion fails. After the destructor has returned,
  ///     it fails only without optimization, because an optimizing compiler
  ///     removes what the destructor leaves behind.
  /// (F8)
  ~Feed() { core().CloseAndDrain(); }

  /// Subscribes a channel: it gets the value of every Send() that has its turn
  /// after this call, until the subscription ends.
  ///
  /// A channel that is subscribed k times gets each value k times.
  ///
  /// Never blocks, not even while a Send() is in progress.
  /// \returns the subscription; on a closed feed, one that has ended.
  /// \throws std::invalid_argument if `channel` is nil, and std::bad_alloc.
  ///     Nothing is subscribed then.
  /// \par Complexity
  /// Amortized constant. The call makes one allocation, and occasionally
  /// another one for the subscriber list, which grows by a quarter and is
  /// copied. Unsubscribe() takes constant time.
  /// (F1, F3, F5, F10)
  [[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
  Subscribe(const Sender<T>& channel, CallSite where = CallSite::Here());
  /// Subscribes a channel like Subscribe(const Sender<T>&, CallSite), with
  /// options: a name, what happens when the channel stays full, and what is
  /// delivered first.
  ///
  /// With Overflow::kDropOldest, a value that replaces another one does not
  /// queue in the channel. If the channel has other senders, the value
  /// therefore passes their blocked sends. (O5)
  ///
  /// Values that are taken out of the channel, and copies that were not
  /// accepted, are destroyed by the sender, outside all locks, while it has the
  /// turn. (O8)
  ///
  /// The replayed values and all later ones come without a gap, and none comes
  /// twice, also while other threads send. If copying a value for the replay
  /// throws, the subscription ends, and Err() delivers that exception. (V1)
  ///
  /// Never blocks, not even while a Send() is in progress. The replay is done
  /// by this call, or by the Send in progress when it ends.
  /// \returns the subscription; on a closed feed, one that has ended.
  /// \throws std::invalid_argument if `channel` is nil, if the patience is
  ///     negative, if it is not zero with Overflow::kWait, if the channel has
  ///     no buffer with Overflow::kDropOldest, or if the replay exceeds the
  ///     capacity; and std::bad_alloc. Nothing is subscribed then.
  /// \warning Deadlock: the rule of Send(const T&) applies to copies that are
  ///     made for a replay.
  /// \par Complexity
  /// As for Subscribe(const Sender<T>&, CallSite), and one more allocation. A
  /// third one is made for Err() if the subscription may end with an error. A
  /// delivery to a channel with room costs no more than without options.
  /// (O1, O2, O3, O4, O5, O6, O7, O8, O9, V1)
  [[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
  Subscribe(const Sender<T>& channel, SubscribeOptions options,
            CallSite where = CallSite::Here());
  /// Rejects an argument that is not a Sender<T>.
  template <typename Other, typename... Options>
    requires(!std::convertible_to<const Other&, const Sender<T>&>)
  Subscription Subscribe(const Other&, const Options&...)
  = delete;  // `channel` must be a Sender<T>

  /// Delivers `value` to every channel that is subscribed when its turn comes.
  ///
  /// Blocks until it is the turn of this Send, and then until each channel has
  /// accepted the value, was closed or was unsubscribed, or until the policy of
  /// its subscription has acted (SubscribeOptions). (F2, F3, F4, O1)
  ///
  /// Sends on one feed run one after the other, so that all subscribers see all
  /// values in one order. They run first come, first served, from the time when
  /// waiting_senders() counts them.
  ///
  /// A channel is ready if it has room, or if a receive waits. All channels
  /// that are ready get the value before the call waits for any channel. A
  /// channel that becomes ready later gets the value at once, or a few yields
  /// later while this thread still polls.
  ///
  /// The call does not use the caller's object any more once a subscriber can
  /// see the value. A subscriber that has received the value may therefore
  /// change or destroy that object at once.
  ///
  /// User code copies an lvalue at most once for each subscriber. A trivially
  /// copyable T is not copied on the way to a single subscriber. An rvalue is
  /// moved to the last subscriber, and is left as it was if no channel accepted
  /// it. An argument of another type is converted to T at the call. (F9, C5)
  ///
  /// If copying T runs user code, this thread makes the copies while it has the
  /// turn, outside all locks. (F9)
  ///
  /// If T is trivially copyable, the call also delivers for up to sixteen Sends
  /// that wait for their turn, before it returns. For these, it delivers only
  /// to the channels that are ready.
  ///
  /// If a subscriber has closed its channel, its subscription has ended when
  /// this call returns. (F6)
  /// \returns the number of channels that accepted the value; 0 on a closed
  ///     feed. A value that made room for itself counts; a value that a policy
  ///     dropped does not. (O3)
  /// \throws what a copy or the stall handler throws. Deliveries already made
  ///     stand, and a channel that was not ready gets nothing. No subscriber
  ///     sees the failed copy, and the feed stays usable. (F9, N4)
  /// \throws std::logic_error with the name of the subscription, if the call
  ///     would wait without a limit for a full channel from which no other
  ///     thread can receive: that of a Listen(), if its handler makes the call,
  ///     or any channel if the program has no other thread (with glibc). The
  ///     same holds if the call would wait for its turn, behind a Send() that
  ///     waits so for this thread. If the feed has a stall handler, the Send()
  ///     that has the turn calls that instead. It can tell what is known of
  ///     these and of other cases (SubscriberReport::received_here).
  /// \warning Deadlock: T's copy constructor, and the destructor of a value
  ///     that was not accepted or was taken out of a channel, must not call
  ///     Send() on the same feed.
  /// \par Complexity
  /// Constant for each subscriber, whether its channel is ready or not. The
  /// call causes one wake-up of this thread. For each patience that runs out it
  /// causes another one, and passes over those it still waits for. It allocates
  /// nothing, except for a SlowSubscriber and for the report to a stall
  /// handler.
  std::size_t Send(const sent_type& value) {
    return Deliver(value, detail::Waits::kForAll);
  }
  /// \overload
  std::size_t Send(sent_type&& value) {
    return Deliver(value, detail::Waits::kForAll);
  }

  /// Delivers `value` like Send(const T&), unless `stop` is requested first.
  ///
  /// Blocks at most until `stop` is requested. Then the call withdraws the
  /// value from the channels that have not accepted it. If the stop was
  /// requested before, the channels that are ready still get the value, unless
  /// another Send has the turn.
  /// \returns the number of channels that accepted the value.
  /// \throws what Send(const T&) throws.
  /// \warning Deadlock: the rule of Send(const T&) applies.
  /// (F7)
  std::size_t Send(const sent_type& value, const std::stop_token& stop) {
    return Deliver(value, detail::Waits::kForAll, detail::Deadline::Never(),
                   stop);
  }
  /// \overload
  std::size_t Send(sent_type&& value, const std::stop_token& stop) {
    return Deliver(value, detail::Waits::kForAll, detail::Deadline::Never(),
                   stop);
  }

  /// Delivers `value` like Send(const T&), waiting for at most `duration`.
  ///
  /// Blocks for at most `duration`, which includes the wait for the turn, and
  /// at most until `stop` is requested. If `duration` is zero or negative, the
  /// call does not block. If it is duration::max(), the time is not limited.
  /// On timeout, the call withdraws the value as it does on a stop. No policy
  /// acts at the call's own limit. (O4)
  /// \returns the number of channels that accepted the value.
  /// \throws what Send(const T&) throws.
  /// \warning Deadlock: the rule of Send(const T&) applies.
  /// (F3, F7)
  template <typename Rep, typename Period>
  std::size_t SendFor(const sent_type& value,
                      std::chrono::duration<Rep, Period> duration,
                      const std::stop_token& stop = {}) {
    return Deliver(value, detail::Waits::kForAll,
                   detail::Deadline::After(duration), stop);
  }
  /// \overload
  template <typename Rep, typename Period>
  std::size_t SendFor(sent_type&& value,
                      std::chrono::duration<Rep, Period> duration,
                      const std::stop_token& stop = {}) {
    return Deliver(value, detail::Waits::kForAll,
                   detail::Deadline::After(duration), stop);
  }

  /// Delivers `value` like Send(const T&), waiting until `deadline` at most.
  ///
  /// Blocks at most until `deadline`, a time point of any clock, which includes
  /// the wait for the turn, and at most until `stop` is requested. A clock that
  /// may be set is read again at least once a second. At the deadline, the call
  /// withdraws the value as it does on a stop.
  /// \returns the number of channels that accepted the value.
  /// \throws what Send(const T&) throws, and what the clock's now() throws. If
  ///     now() throws, the call first gives up as it does at `deadline`.
  ///     Deliveries already made stand.
  /// \warning Deadlock: the rule of Send(const T&) applies.
  /// (F3, F7)
  template <typename Clock, typename Duration>
  std::size_t SendUntil(const sent_type& value,
                        std::chrono::time_point<Clock, Duration> deadline,
                        const std::stop_token& stop = {}) {
    return DeliverUntil(value, deadline, stop);
  }
  /// \overload
  template <typename Clock, typename Duration>
  std::size_t SendUntil(sent_type&& value,
                        std::chrono::time_point<Clock, Duration> deadline,
                        const std::stop_token& stop = {}) {
    return DeliverUntil(value, deadline, stop);
  }

  /// Delivers `value` like Send(const T&), but only to the channels that are
  /// ready when its turn comes.
  ///
  /// A subscriber misses the value if its channel is full. Use this function
  /// where a sender must not wait for a slow subscriber, on a feed with several
  /// senders. If two of them called TrySend() at the same time, all subscribers
  /// would miss one of the values. A blocked Send() makes this call wait, so
  /// such a feed should have no other kind of Send.
  ///
  /// Blocks until the Sends before it have returned, or until `stop` is
  /// requested, but never for a channel. A policy acts at a full channel if its
  /// patience is zero or has run out. (O4)
  /// \returns the number of channels that accepted the value.
  /// \throws what Send(const T&) throws.
  /// \warning Deadlock: the rule of Send(const T&) applies.
  /// (F3, F7)
  std::size_t SendReady(const sent_type& value,
                        const std::stop_token& stop = {}) {
    return Deliver(value, detail::Waits::kTurn, detail::Deadline::Never(),
                   stop);
  }
  /// \overload
  std::size_t SendReady(sent_type&& value, const std::stop_token& stop = {}) {
    return Deliver(value, detail::Waits::kTurn, detail::Deadline::Never(),
                   stop);
  }

  /// Delivers `value` to the channels that are ready, unless another Send is in
  /// progress.
  ///
  /// Never blocks. If another Send is in progress, the call polls briefly, in
  /// case that Send is about to end. Use this function in a thread that must
  /// not block at all; otherwise use SendReady().
  /// \returns the number of channels that accepted the value. A result of 0 may
  ///     mean that no channel was ready, or that the feed was busy. If the feed
  ///     was busy, no subscriber has the value, whatever room there is.
  /// \throws what Send(const T&) throws.
  /// \warning Deadlock: the rule of Send(const T&) applies.
  /// (F3, F7)
  std::size_t TrySend(const sent_type& value) {
    return Deliver(value, detail::Waits::kNever);
  }
  /// \overload
  std::size_t TrySend(sent_type&& value) {
    return Deliver(value, detail::Waits::kNever);
  }

  /// Ends every subscription and releases blocked Sends.
  ///
  /// From then on, Send() returns 0 and Subscribe() returns a subscription that
  /// has ended. The subscribers' channels stay open, unless
  /// SubscribeOptions::close_channel says otherwise. A copy that was not
  /// accepted is destroyed by the Send that made it.
  ///
  /// Never blocks. The function may be called again.
  /// \par Complexity
  /// Constant for each subscriber.
  /// (F6, F8)
  void Close() noexcept { core().Close(); }

  /// Returns the number of subscriptions that have not ended. Never blocks.
  [[nodiscard]] std::size_t subscriber_count() const noexcept {
    return core().count();
  }
  /// Reports what each subscription that has not ended is called, and what
  /// became of its values.
  ///
  /// Never waits for a Send, not even for one that is blocked.
  /// \returns one element for each subscription, in no particular order.
  /// \throws std::bad_alloc
  /// \par Complexity
  /// Constant for each subscriber.
  /// (N1, N2)
  [[nodiscard]] std::vector<SubscriberReport> Report() const {
    return detail::Report(core());
  }
  /// Describes the feed and each subscription in a line of text. The
  /// subscriptions that a Send waits for now come first.
  ///
  /// Never waits for a Send. The text is for human readers, and may change in
  /// every version.
  /// \throws std::bad_alloc
  /// (N2, N4)
  [[nodiscard]] std::string DebugString() const {
    return detail::Describe(core());
  }

  /// Returns the number of Sends that wait for their turn. Never blocks.
  ///
  /// This is a barrier for tests: once the function counts a call, no later
  /// Send overtakes it.
  /// \par Complexity
  /// Linear in the result.
  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    return core().waiting_senders();
  }

 private:
  // These checks are made by the constructors, because T may be incomplete
  // where the class is named: a struct may have a feed of itself.
  static constexpr void Check() noexcept {
    static_assert(sizeof(detail::ChannelCore<T>) > 0);  // makes its checks
    static_assert(std::is_object_v<T> && std::is_copy_constructible_v<T>,
                  "fanfare: the T of a Feed<T> must be copy-constructible");
  }

  // The destructor leaves a null pointer behind. An optimizing compiler may
  // leave that store out.
  detail::FeedCore& core() const noexcept {
    assert(core_ && "fanfare: a call on a Feed that was destroyed");
    return *core_;
  }

  // Calls Delivery's Send, with a const V for an lvalue. If T is trivially
  // copyable, an rvalue is passed as an lvalue, too.
  template <typename V, typename... Limits>
  std::size_t Deliver(V& value, detail::Waits waits, const Limits&... limits) {
    if constexpr (!std::is_same_v<T, sent_type>) {
      return DeliverNumbered(value, waits, limits...);
    } else if constexpr (std::is_trivially_copyable_v<T>) {
      return detail::Delivery<T>::Send(core(), std::as_const(value), waits,
                                       limits...);
    } else {
      return detail::Delivery<T>::Send(core(), value, waits, limits...);
    }
  }

  // The value gets its number when the Send has the turn. An rvalue that no
  // channel accepted is given back.
  template <typename V, typename... Limits>
  std::size_t DeliverNumbered(V& value, detail::Waits waits,
                              const Limits&... limits) {
    using Passed =
        std::conditional_t<std::is_trivially_copyable_v<T>, const T, T>;
    T numbered{0, std::move(value)};  // copies a const value
    struct Returning {
      ~Returning() {
        if constexpr (!std::is_const_v<V>) {
          if (taken == 0) detail::MoveBack(std::move(numbered.value), to);
        }
      }
      V& to;
      T& numbered;
      std::size_t taken = 0;
    } returning{value, numbered};
    returning.taken = detail::Delivery<T>::Send(
        core(), static_cast<Passed&>(numbered), waits, limits...);
    return returning.taken;
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

  detail::Ref<detail::FeedSubscription<T>> MakeMember(const Sender<T>& channel,
                                                      CallSite where);

  detail::Ref<detail::FeedCore> core_;
};

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

template <typename T>
Subscription Feed<T>::Subscribe(const Sender<T>& channel, CallSite where) {
  return detail::SubscriptionAccess::Make(
      detail::FeedCore::Subscribe(MakeMember(channel, where)));
}

template <typename T>
Subscription Feed<T>::Subscribe(const Sender<T>& channel,
                                SubscribeOptions options, CallSite where) {
  auto member = MakeMember(channel, where);
  auto policy = detail::MakePolicy(std::move(options), channel.capacity(),
                                   &detail::FeedSubscription<T>::ReplaceOldest);
  return detail::SubscriptionAccess::Make(
      detail::FeedCore::Subscribe(std::move(member), std::move(policy)));
}

template <typename T>
detail::Ref<detail::FeedSubscription<T>> Feed<T>::MakeMember(
    const Sender<T>& channel, CallSite where) {
  if (!channel) detail::FeedCore::ThrowNilChannel();
  return detail::Ref<detail::FeedSubscription<T>>::Make(
      detail::Ref<detail::FeedCore>::Share(&core()),
      detail::Access::Share(channel),
      detail::Place{where.file_name(), where.line()});
}

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_FEED_H_
