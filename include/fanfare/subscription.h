// SPDX-License-Identifier: MIT
#ifndef FANFARE_SUBSCRIPTION_H_
#define FANFARE_SUBSCRIPTION_H_

// Subscription: a handle that controls the lifetime of a stream of events.
// Unsubscribe() ends the stream; Err() is a channel that reports that the
// stream has ended, and why. Feed::Subscribe() returns a Subscription;
// NewSubscription() runs a producer function as one.
//
//   Channel<int> numbers(8);
//   Subscription subscription = NewSubscription([=](std::stop_token stop) {
//     for (int i = 0; !stop.stop_requested(); ++i) numbers.Send(i, stop);
//   });
//   Use(numbers.Receive());
//   subscription.Unsubscribe();  // requests a stop and waits for the producer
//
// Thread safety: all member functions may be called concurrently. A single
// handle object follows the rules of std::shared_ptr: assigning to it or
// destroying it must not race with another use of the same object.
//
// Memory ordering: everything that a source did for a subscription, including
// each delivery, happens before Unsubscribe() returns. A call from inside the
// source is the exception: it does not wait.
//
// Differences from Go: the destructor of a handle unsubscribes. A producer may
// unsubscribe itself. A second call of Unsubscribe() waits as the first does. A
// user-defined type is wrapped by value, so there is no equivalent of a non-nil
// interface that holds a nil pointer.

#include <concepts>
#include <exception>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <fanfare/channel.h>
#include <fanfare/detail/subscription/producer.h>
#include <fanfare/detail/subscription/subscription_state.h>
#include <fanfare/detail/subscription/wrapped.h>
#include <fanfare/fwd.h>
#include <fanfare/subscriber_stats.h>

namespace fanfare { inline namespace FANFARE_ABI {

namespace detail {
struct SubscriptionAccess;
}

/// Describes a user-defined type that a Subscription can wrap.
///
/// The type must provide:
/// - `Unsubscribe()`, which ends the subscription. It must be callable twice
///   and from any thread, and must not throw.
/// - `Err()`, which returns a channel that is closed once the subscription has
///   ended. The channel may deliver one error before it is closed.
///
/// The type may provide `RequestUnsubscribe()`, which only requests the end.
///
/// The library does not know what the type's Unsubscribe() waits for.
/// Therefore it does not know that a producer hidden in the type is part of a
/// join or a resubscription.
///
/// \warning Deadlock: a producer that is hidden in such a type must not
/// unsubscribe a join or a resubscription that contains it.
/// (U5)
template <typename S>
concept SubscriptionSource =
    !std::same_as<S, Subscription> && requires(S source) {
  { source.Err() } -> std::convertible_to<Receiver<std::exception_ptr>>;
  source.Unsubscribe();
};

/// Controls the lifetime of a stream of events.
///
/// A handle can be moved, but not copied.
class Subscription {
 public:
  /// Constructs an empty handle.
  ///
  /// A moved-from handle is empty as well. An empty handle is safe to use:
  /// operator bool returns false, Unsubscribe() has no effect, and Err()
  /// returns a closed channel. (U4)
  Subscription() noexcept = default;

  /// Wraps a user-defined subscription.
  ///
  /// Calls source.Err() once, in this constructor. If the source has no
  /// RequestUnsubscribe(), its Unsubscribe() is called instead.
  ///
  /// \throws std::bad_alloc and what Err() throws. The source is unsubscribed
  /// then.
  /// (U5)
  template <SubscriptionSource Source>
  Subscription(Source source);  // NOLINT(google-explicit-constructor)

  /// Takes over the subscription of `other`, which is empty afterwards.
  Subscription(Subscription&& other) noexcept = default;
  /// Takes over the subscription of `other`, and unsubscribes the one that this
  /// handle held before.
  ///
  /// Blocks as Unsubscribe() does.
  Subscription& operator=(Subscription&& other) noexcept {
    Subscription taken(std::move(other));
    std::swap(state_, taken.state_);
    return *this;
  }
  /// Unsubscribes.
  ///
  /// Blocks as Unsubscribe() does. A handle that SubscriptionScope::Track()
  /// returned is the exception: its destructor neither unsubscribes nor blocks.
  /// (U4)
  ~Subscription() {
    if (state_) state_->OnHandleDropped();
  }

  /// Returns false if the handle is empty.
  ///
  /// The result does not change when the subscription ends; see ended().
  explicit operator bool() const noexcept { return static_cast<bool>(state_); }

  /// Returns the channel that reports the end of the subscription.
  ///
  /// The channel delivers the error that ended the subscription, if there was
  /// one. It is closed once the subscription has ended, for whatever reason.
  ///
  /// Never blocks. Every call returns the same channel, and only one receive
  /// takes the error.
  ///
  /// To wait for the end together with something else, pass
  /// `OnEnd(subscription, handler)` to Select() (select.h). OnEnd comes after
  /// the values that are queued. So does an OnReceive on this channel, unless
  /// the subscription wraps a user-defined source: then this is the channel of
  /// that source, and the choice is random.
  ///
  /// \throws std::bad_alloc on the first call only. The subscription is not
  /// affected, and the next call tries again.
  /// (U1, S9)
  [[nodiscard]] Receiver<std::exception_ptr> Err() const {
    return detail::Access::Make<Receiver<std::exception_ptr>>(
        state_ ? state_->Err() : detail::ClosedErr());
  }

  /// Returns whether the subscription has ended.
  ///
  /// Never blocks. The channel may still have values: a loop that receives them
  /// must not end because of this result.
  /// \returns True if the subscription has ended, so that Err() is closed, or
  /// if the handle is empty.
  /// (U1, L4)
  [[nodiscard]] bool ended() const noexcept {
    return !state_ ||
           state_->stage() == detail::SubscriptionState::Stage::kEnded;
  }

  /// Returns what became of the values that a feed offered to this
  /// subscription.
  ///
  /// Never waits for a Send. The numbers can still be read after the
  /// subscription has ended, even if the feed has been destroyed.
  /// \returns The numbers, if Feed::Subscribe(), Listen() or State::Subscribe()
  /// has returned the subscription, or if SubscriptionScope::Track() has
  /// wrapped such a one; std::nullopt otherwise.
  /// (N1, N2)
  [[nodiscard]] std::optional<SubscriberStats> Stats() const noexcept {
    SubscriberStats stats;
    if (!state_ || !state_->ReadStats(stats)) return std::nullopt;
    return stats;
  }

  /// Ends the subscription.
  ///
  /// Blocks until the producer, if there is one, has ended; a second caller
  /// blocks as well. The function may be called again.
  ///
  /// When the call returns, the source delivers nothing more, and Err() is
  /// closed. Values that are already in the subscriber's channel stay there.
  ///
  /// A call from inside what it would wait for only requests the end and
  /// returns at once. Such a call comes from the producer itself, or from the
  /// function of a Resubscribe() that the subscription is part of.
  ///
  /// \warning Deadlock: a `thread_local` object of the producer's thread must
  /// not hold a handle to the producer's subscription. When the object is
  /// destroyed, the thread is no longer inside the producer.
  /// (U2, U3)
  void Unsubscribe() const noexcept {
    if (state_) state_->Unsubscribe();
  }

  /// Requests the end of the subscription without waiting for it.
  ///
  /// Never blocks, with one exception: if a user-defined source has no
  /// RequestUnsubscribe(), its Unsubscribe() is called and may block.
  ///
  /// Runs the callbacks that a producer has registered with its
  /// std::stop_token. (U3)
  void RequestUnsubscribe() const noexcept {
    if (state_) state_->RequestUnsubscribe();
  }

 private:
  friend struct detail::SubscriptionAccess;
  explicit Subscription(detail::Ref<detail::SubscriptionState> state) noexcept
      : state_(std::move(state)) {}

  detail::Ref<detail::SubscriptionState> state_;
};

/// Runs `producer` in a new thread, as a subscription that ends when `producer`
/// returns.
///
/// Never blocks. `producer` takes a std::stop_token or a
/// Receiver<std::monostate>; the token is preferred if both fit. `producer`
/// should return soon once a stop is requested; the channel is closed then.
///
/// `producer` returns nothing, a std::exception_ptr or a std::error_code. Its
/// error is a returned value that is not null or zero, or the exception that it
/// throws. Err() delivers that error, unless the subscription was unsubscribed
/// before.
///
/// A producer that ends its thread has ended without an error. It does so by
/// pthread_exit, or by pthread_cancel where that unwinds the thread, as with
/// glibc.
///
/// If memory is missing for the channel that `producer` takes, Err() delivers
/// std::bad_alloc, and `producer` is not called.
///
/// \throws std::system_error if no thread can be started, std::bad_alloc, and
/// what copying `producer` throws. `producer` has not been called then.
/// \par Complexity
/// Starts one thread.
/// (U6)
template <typename Producer>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
NewSubscription(Producer&& producer);

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

namespace detail {

// Gives the library's other headers access to the state behind a handle.
struct SubscriptionAccess {
  static Subscription Make(Ref<SubscriptionState> state) noexcept {
    return Subscription(std::move(state));
  }
  static Ref<SubscriptionState> Release(Subscription&& subscription) noexcept {
    return std::move(subscription.state_);
  }
  static Ref<SubscriptionState> Share(const Subscription& subscription) {
    return subscription.state_;
  }
  static SubscriptionState* State(const Subscription& subscription) noexcept {
    return subscription.state_.get();
  }
};

// Unsubscribes at the end of its scope.
class Unsubscriber {
 public:
  explicit Unsubscriber(const Subscription& subscription) noexcept
      : subscription_(subscription) {}
  ~Unsubscriber() { subscription_.Unsubscribe(); }
  Unsubscriber(const Unsubscriber&) = delete;
  Unsubscriber& operator=(const Unsubscriber&) = delete;

 private:
  const Subscription& subscription_;
};

template <typename Producer>
inline constexpr bool kTakesStopToken =
    std::invocable<Producer&, std::stop_token>;
template <typename Producer>
inline constexpr bool kTakesQuitChannel =
    std::invocable<Producer&, Receiver<std::monostate>>;

// Calls the function with a stop token, or with a channel that is closed when a
// stop is requested.
template <typename Producer>
decltype(auto) CallProducer(Producer& producer, const std::stop_token& stop) {
  if constexpr (kTakesStopToken<Producer>) {
    return producer(std::stop_token(stop));
  } else {
    const Channel<std::monostate> quit;
    const std::stop_callback on_stop(stop, [&]() noexcept { quit.Close(); });
    return producer(Receiver<std::monostate>(quit));
  }
}

// Wraps a source. If that fails, unsubscribes the source, because the caller
// has no other handle to it.
template <typename Source>
Ref<SubscriptionState> Wrap(Source& source) {
  try {
    const Receiver<std::exception_ptr> err = source.Err();
    return Ref<WrappedSubscription<Source>>::Make(std::move(source),
                                                  Access::Share(err));
  } catch (...) {
    source.Unsubscribe();
    throw;
  }
}

template <typename Producer>
Ref<FunctionSubscription<std::decay_t<Producer>>> MakeProducer(
    Producer&& producer) {
  return Ref<FunctionSubscription<std::decay_t<Producer>>>::Make(
      std::forward<Producer>(producer));
}

}  // namespace detail

template <SubscriptionSource Source>
Subscription::Subscription(Source source) : state_(detail::Wrap(source)) {
  // The concept does not require this. If a source can be constructed from a
  // Subscription, to test whether it can be moved is to test whether it can be
  // wrapped: the concept would depend on itself.
  static_assert(std::is_move_constructible_v<Source>,
                "fanfare: a source that a Subscription wraps must be movable");
}

template <typename Producer>
Subscription NewSubscription(Producer&& producer) {
  using F = std::decay_t<Producer>;
  static_assert(detail::kTakesStopToken<F> || detail::kTakesQuitChannel<F>,
                "fanfare: a producer takes a std::stop_token or a "
                "Receiver<std::monostate>");
  auto state = detail::MakeProducer(std::forward<Producer>(producer));
  state->Start();
  return detail::SubscriptionAccess::Make(std::move(state));
}

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SUBSCRIPTION_H_
