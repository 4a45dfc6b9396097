// SPDX-License-Identifier: MIT
#ifndef FANFARE_SUBSCRIPTION_H_
#define FANFARE_SUBSCRIPTION_H_

// Subscription: a stream of events that somebody receives, seen from the side
// of its end. Unsubscribe() ends it, Err() tells that it has ended and why.
// Feed::Subscribe gives one; NewSubscription makes one of a function.
//
//   Channel<int> numbers;
//   Subscription subscription = NewSubscription([=](std::stop_token stop) {
//     for (int i = 0; numbers.Send(i, stop); ++i) {
//     }
//   });
//   Use(numbers.Receive());
//   subscription.Unsubscribe();  // asks the producer to stop, waits for it
//
// Thread safety: the members of a handle may be called by several threads at
// once; to move or destroy the handle is for one alone.
//
// Memory ordering: everything that a source did for a subscription, each
// delivery included, happens before Unsubscribe returns.
//
// Unlike Go: a handle that is dropped unsubscribes; a producer may end its own
// subscription; a second Unsubscribe waits as the first does; a foreign type is
// wrapped by value, so that there is no nil inside of a non-nil interface.

#include <concepts>
#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <fanfare/channel.h>
#include <fanfare/detail/subscription/producer.h>
#include <fanfare/detail/subscription/subscription_state.h>
#include <fanfare/detail/subscription/wrapped.h>
#include <fanfare/fwd.h>

namespace fanfare { inline namespace FANFARE_ABI {

namespace detail {
struct SubscriptionAccess;
}

// A type that can be wrapped in a Subscription: Unsubscribe may be called
// twice, from any thread, and does not throw; Err gives a channel that is
// closed once the subscription has ended, and may carry one error before. It
// may have a RequestUnsubscribe(), which only asks for the end. What its
// Unsubscribe waits for is its own affair: a producer that is hidden in a
// source is not known to be a part of a join, and must not end that. (U5)
template <typename S>
concept SubscriptionSource =
    !std::same_as<S, Subscription> && requires(S source) {
  { source.Err() } -> std::convertible_to<Receiver<std::exception_ptr>>;
  source.Unsubscribe();
};

class Subscription {
 public:
  // Empty, as a moved-from one is: false, and safe to use; Unsubscribe() does
  // nothing and Err() is closed. (U4)
  Subscription() noexcept = default;

  // Wraps a source. Calls its Err() once, now. Without a RequestUnsubscribe(),
  // Unsubscribe() stands in for it. May throw std::bad_alloc and what Err()
  // throws; the source is unsubscribed then. (U5)
  template <SubscriptionSource Source>
  Subscription(Source source);  // NOLINT(google-explicit-constructor)

  Subscription(Subscription&& other) noexcept = default;
  // Unsubscribes what it held before, and blocks as Unsubscribe() does.
  Subscription& operator=(Subscription&& other) noexcept {
    Subscription taken(std::move(other));
    std::swap(state_, taken.state_);
    return *this;
  }
  // Unsubscribes, and blocks as Unsubscribe() does. (U4) The wrapper that
  // SubscriptionScope::Track returns does neither.
  ~Subscription() {
    if (state_) state_->OnHandleDropped();
  }

  // False: empty.
  explicit operator bool() const noexcept { return static_cast<bool>(state_); }

  /// Returns a channel that receives the error that ended the subscription, if
  /// there was one, and is closed once it has ended, for whatever cause.
  ///
  /// Never blocks. It is the same channel each time, and one receive takes the
  /// error. To wait for the end together with something else, use
  /// `OnEnd(subscription, handler)` in a Select (select.h): an OnReceive whose
  /// handler takes the `std::exception_ptr` alone would not be told that the
  /// channel is closed.
  ///
  /// \throws std::bad_alloc, on the first call only. The subscription goes on
  /// then, and the next call tries again.
  /// (U1)
  [[nodiscard]] Receiver<std::exception_ptr> Err() const {
    return detail::Access::Make<Receiver<std::exception_ptr>>(
        state_ ? state_->Err() : detail::ClosedErr());
  }

  /// Returns whether the subscription has ended, so that Err() is closed; true
  /// if it is empty. Never blocks. (U1)
  [[nodiscard]] bool ended() const noexcept {
    return !state_ ||
           state_->stage() == detail::SubscriptionState::Stage::kEnded;
  }

  // Ends the subscription. When it returns, the source delivers nothing more
  // and Err() is closed; what is in the subscriber's channel stays there.
  // Blocks until a producer has ended; so does a second caller. Called from
  // inside of what it would wait for (the producer itself, or the function of a
  // Resubscribe that this is a part of), it asks for the end and returns at
  // once; a handle that is a thread_local of the producer's thread is no longer
  // inside when that is destroyed. Can be called again. (U2, U3)
  void Unsubscribe() const noexcept {
    if (state_) state_->Unsubscribe();
  }

  // Asks for the end. Never blocks, but in the Unsubscribe of a foreign source
  // that has no RequestUnsubscribe. Runs the callbacks that a producer has
  // registered with its std::stop_token. (U3)
  void RequestUnsubscribe() const noexcept {
    if (state_) state_->RequestUnsubscribe();
  }

 private:
  friend struct detail::SubscriptionAccess;
  explicit Subscription(detail::Ref<detail::SubscriptionState> state) noexcept
      : state_(std::move(state)) {}

  detail::Ref<detail::SubscriptionState> state_;
};

// Runs `producer` in a thread of its own, as a subscription that ends when it
// returns. The producer takes a std::stop_token (preferred where both fit) or a
// Receiver<std::monostate> that is closed, and should return soon once a stop
// is requested or that channel is closed. It returns nothing, a
// std::exception_ptr or a std::error_code. That, if it is not null or zero, or
// the exception that leaves it, is what Err() receives, unless it was
// unsubscribed before. Throws std::system_error if there can be no thread,
// std::bad_alloc, and what copying the producer throws; it was not called then.
// (Where there is no memory for its channel, Err() receives std::bad_alloc, and
// it was not called either.) A producer that ends its thread (pthread_exit, or
// a pthread_cancel, where that unwinds the thread, as with glibc) has ended
// without an error. Cost: a thread. (U6)
template <typename Producer>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
NewSubscription(Producer&& producer);

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------

namespace detail {

// How the library's other headers reach behind the handle.
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

// How the function is called: with a stop token, or with a channel that is
// closed when a stop is requested.
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

// Ends a source that it cannot wrap: nobody else knows of it.
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
  // Not in the concept: whether a source that is made of a Subscription can be
  // moved is asked by asking whether it can be wrapped.
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

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SUBSCRIPTION_H_
