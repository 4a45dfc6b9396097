// SPDX-License-Identifier: MIT
#ifndef FANFARE_SELECT_H_
#define FANFARE_SELECT_H_

// Select waits until one of several cases is ready, performs exactly that case
// and calls its handler. It is the equivalent of Go's `select`.
//
//   using namespace fanfare;
//   Select(OnReceive(orders, [&](Order order) { Book(order); }),
//          OnSend(heartbeat, Beat{}),
//          OnTimeout(100ms, [] { std::puts("idle"); }),
//          OnStop(stop, [&] { running = false; }));
//
// The cases are OnReceive, OnSend, OnEnd, OnTimeout, OnStop, and at most one
// OnDefault. Only OnReceive needs a handler; for the others a handler is
// optional. SelectLoop calls Select repeatedly. If the number of cases is known
// only at run time, pass a std::span<SelectCase>.
//
// A hand-written loop must test for kNoCase, which Select returns at once when
// no case can become ready any more. The first of these loops would neither
// block nor end once `orders` is closed. The compiler warns of it, because the
// result is [[nodiscard]] if no handler is called at the end:
//
//   while (running) Select(OnReceive(orders, book));              // wrong
//   while (Select(OnReceive(orders, book)) != kNoCase) continue;  // right
//   SelectLoop(OnReceive(orders, book));                          // better
//
// Some cases stay ready: an OnEnd or OnStop that has happened, and an OnReceive
// with a handler for the end of a closed channel. (A handler with an `auto`
// parameter is one.) After them, a loop must end:
//
//   while (running) Select(OnReceive(orders, book), OnEnd(trading));  // wrong
//   while (Select(OnReceive(orders, book), OnEnd(trading)) == 0) continue;
//   SelectLoop(OnReceive(orders, book), OnEnd(trading));              // better
//
// With an OnEnd it ends after the values that are queued. With an OnStop it
// ends at once; `while (auto order = orders.Receive(stop))` receives them
// first.
//
// Thread safety: Select and SelectLoop may be called concurrently, on the same
// channels. A SelectCase must not be used by two threads at the same time.
// Thread safety and memory ordering are otherwise those of the channels
// (channel.h).
//
// Differences from Go: if no case can ever become ready, Select returns kNoCase
// instead of blocking. The number of cases is not limited, while Go's
// reflect.Select panics beyond 65,536. Cases are polled one after the other,
// not atomically: OnDefault is chosen if each of the other cases was not ready
// when it was polled.

#include <array>
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/channel.h>
#include <fanfare/detail/select/cases.h>
#include <fanfare/detail/select/engine.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Is what Select() returns if no case can ever become ready. (S4)
inline constexpr std::size_t kNoCase = static_cast<std::size_t>(-1);

/// Makes a case that receives from `receiver` and passes the value to
/// `handler`.
///
/// The handler takes one of these:
/// - A `std::optional<T>`, which is std::nullopt if the channel is closed and
///   empty.
/// - A `T`. The case is never ready once the channel is closed and empty.
///
/// A handler that can be called with both gets the optional. On a nil receiver
/// the case is never ready.
///
/// A receive from Subscription::Err() comes after every other OnReceive, as
/// OnEnd() does, but it does not end a SelectLoop.
///
/// The call does not compile in two cases:
/// - `std::optional<T>` converts to `T`, as it does for std::any. The handler
///   would be ambiguous.
/// - The handler takes a `std::exception_ptr` alone. It would not learn of the
///   end of a subscription; use OnEnd.
///
/// The overload with two handlers accepts any T. (S2, S9)
template <typename T, typename Handler>
[[nodiscard("pass the case to Select")]] auto OnReceive(
    const Receiver<T>& receiver, Handler&& handler);

/// Makes a case that receives from `receiver`, with separate handlers for a
/// value and for the end of the channel.
///
/// The case calls `on_value(T)` with a value, and `on_closed()` if the channel
/// is closed and empty. A receive from Subscription::Err() comes after every
/// other OnReceive. (S2, S9)
template <typename T, typename OnValue, typename OnClosed>
[[nodiscard("pass the case to Select")]] auto OnReceive(
    const Receiver<T>& receiver, OnValue&& on_value, OnClosed&& on_closed);

/// Makes a case that sends `value`, then calls `handler`.
///
/// The case is never ready on a closed channel or a nil sender. An rvalue of
/// type T is referred to, not copied, and is moved from only if it is sent. Any
/// other argument is copied or converted to T in this call.
///
/// \warning Undefined: a function must not return a case that refers to an
/// rvalue of that function. It may return a SelectCase instead.
/// (S2, S3)
template <typename T, typename U, typename Handler = detail::NoHandler>
  requires std::is_convertible_v<U&&, T>
[[nodiscard("pass the case to Select")]] auto OnSend(const Sender<T>& sender,
                                                     U&& value,
                                                     Handler&& handler = {});

/// Makes a case that becomes ready once `subscription` has ended.
///
/// The handler takes nothing, or the `std::exception_ptr` that ended the
/// subscription. The pointer is null if the subscription ended without an
/// error, or if another OnEnd or receive has taken the error from Err(). The
/// case stays ready: every later Select can choose it again.
///
/// `subscription` is a Subscription, or any source that has the same Err(). The
/// case does not refer to `subscription`.
///
/// OnEnd is chosen only if no OnReceive of the same Select is ready. (One from
/// Subscription::Err() does not count, because it reports an end as well.)
/// Therefore a value that was delivered before the end is received before it.
/// As long as some OnReceive is ready each time, the end is not reported.
///
/// \throws std::bad_alloc if Err() throws it.
/// (S9, L4)
template <typename Source, typename Handler = detail::NoHandler>
  requires requires(Source& source) {
    { source.Err() } -> std::convertible_to<Receiver<std::exception_ptr>>;
  }
[[nodiscard("pass the case to Select")]] auto OnEnd(Source& subscription,
                                                    Handler&& handler = {});

/// Makes a case that becomes ready once `duration` has passed since Select
/// started.
///
/// If `duration` is zero or negative, the case is ready at once. With
/// duration::max() the case never becomes ready, but Select waits for it
/// instead of returning kNoCase. (S4, S5)
template <typename Rep, typename Period, typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnTimeout(
    std::chrono::duration<Rep, Period> duration, Handler&& handler = {});

/// Makes a case that becomes ready at `time`, a time point of any clock.
///
/// If the clock's now() throws, the case becomes ready, and Select throws that
/// exception instead of calling `handler`. (S4, S5, S8)
template <typename Clock, typename Duration,
          typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnTimeout(
    std::chrono::time_point<Clock, Duration> time, Handler&& handler = {});

/// Makes a case that becomes ready once a stop is requested on `token`.
///
/// If no stop is possible on `token`, the case is never ready. A Select that
/// waits does not notice that the last stop_source is destroyed. (S4, S5)
/// \warning A loop that this case ends may leave values in the channels of its
///     other cases. To receive these first, loop over Receiver::Receive() with
///     the token, or let OnEnd() end the loop.
template <typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnStop(std::stop_token token,
                                                     Handler&& handler = {});

/// Makes the case that is chosen if no other case is ready.
///
/// A Select with an OnDefault never blocks.
template <typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnDefault(Handler&& handler = {});

/// Performs exactly one of the cases and calls its handler.
///
/// Blocks until a case is ready. If several cases are ready, expired timeouts
/// and requested stops included, the choice is uniformly random. The end of a
/// subscription is the exception: an OnEnd, and an OnReceive from
/// Subscription::Err(), come after every other OnReceive. The handler runs in
/// this thread, outside all locks.
///
/// A case must be written inside the call, because it can be neither copied nor
/// moved.
///
/// The same channel may appear in several cases, for sending and for receiving.
/// The cases of one Select never match each other. (S6)
///
/// \returns The index of the case among the arguments; kNoCase, at once, if no
/// case can ever become ready. Select() without arguments returns kNoCase.
/// \throws Anything that the handler throws. The send or receive is not undone.
/// \par Complexity
/// Takes one lock for each case that is polled, or five for each case if the
/// Select blocks. Takes as many again each time a case turns into one that is
/// never ready while the Select waits. Allocates nothing.
/// (S1, S4, S5, S8, S9)
template <typename... Cases>
  requires(detail::SelectsForHandlers<Cases...>)
std::size_t Select(Cases... cases) {
  static_assert((std::size_t{detail::kIsDefaultCase<Cases>} + ... + 0) <= 1,
                "fanfare: a Select takes at most one OnDefault");
  std::array<detail::Case*, sizeof...(Cases)> all{&cases...};
  return detail::ChooseAndRun(std::span<detail::Case*>(all), kNoCase);
}

/// Does the same where a loop could spin. That is so in two cases:
/// - Every case is an OnSend, or an OnReceive with a handler for a T alone.
///   Once the channels are closed, Select returns at once.
/// - An OnEnd without a handler stands beside an OnReceive or an OnSend. Once
///   the subscription has ended, Select returns at once.
///
/// No handler is called then, so the result must not be ignored. (For a Select
/// that runs once, cast the result to void.) (S4)
template <typename... Cases>
  requires(detail::SelectsForResult<Cases...>)
[[nodiscard(
    "a loop must end at kNoCase and OnEnd, or be a SelectLoop")]] std::size_t
Select(Cases... cases) {
  static_assert((std::size_t{detail::kIsDefaultCase<Cases>} + ... + 0) <= 1,
                "fanfare: a Select takes at most one OnDefault");
  std::array<detail::Case*, sizeof...(Cases)> all{&cases...};
  return detail::ChooseAndRun(std::span<detail::Case*>(all), kNoCase);
}

/// Determines, as the result of a handler, whether a SelectLoop continues:
/// Loop::kContinue or Loop::kBreak.
///
/// Results of other types are ignored. Select ignores a Loop as well.
using Loop = detail::Loop;

/// Selects repeatedly; the equivalent of Go's `for { select { … } }`.
///
/// \code
///   SelectLoop(OnReceive(orders, [&](Order order) { Book(order); }),
///              OnTimeout(1s, [&] { Flush(); }),
///              OnEnd(subscription), OnStop(stop));
/// \endcode
///
/// Each round blocks as Select() does. The loop ends after an OnStop, an OnEnd,
/// an OnTimeout of a time point, or a handler that returned Loop::kBreak. It
/// also ends when none of its OnReceive, OnSend and OnEnd cases can become
/// ready any more. A loop that was given none of these continues.
///
/// The cases differ from those of a single Select as follows:
/// - If its channel is closed and empty, an OnReceive calls its handler once,
///   and is never ready from then on. That also holds for a receive from
///   Subscription::Err(): the loop goes on, while an OnEnd ends it.
/// - An OnSend is never ready once its value has been sent.
/// - An OnTimeout of a duration starts again with each round. It measures how
///   long no case was performed, and comes after all cases that are ready.
/// - An OnDefault does not compile, because the loop would never block.
///
/// \returns The index of the case that ended the loop; kNoCase if no case can
/// become ready any more.
/// \throws Anything that a handler throws. The send or receive is not undone,
/// and the loop has ended.
/// \par Complexity
/// Each round costs as much as one Select; allocates nothing.
/// (S10)
template <typename... Cases>
  requires(std::derived_from<Cases, detail::Case>&&...)
std::size_t SelectLoop(Cases... cases) {
  static_assert(!(detail::kIsDefaultCase<Cases> || ...),
                "fanfare: a SelectLoop takes no OnDefault: it would not block");
  return detail::ChooseAndRunLoop(
      std::array<detail::Case*, sizeof...(Cases)>{&cases...}, kNoCase);
}

class SelectCase;

/// Performs exactly one of any number of cases and calls its handler.
///
/// Blocks, and returns the index, as Select() above does. The result must not
/// be ignored: each of the cases may be one that ends with its channel. A
/// SelectCase must not be used by two Selects at the same time.
///
/// \throws std::invalid_argument if more than one case is an OnDefault, and
/// std::bad_alloc. No case has been performed then.
/// \par Complexity
/// Costs as much as Select() above, and allocates an array with one pointer for
/// each case.
/// (S7)
//
// This is a template so that a program that does not call it does not spend
// time to compile it.
template <typename Pointers = std::vector<detail::Case*>>
[[nodiscard("a loop must end at kNoCase")]] std::size_t Select(
    std::span<SelectCase> cases);

/// Holds one case of a Select that is put together at run time; the equivalent
/// of Go's reflect.SelectCase.
///
/// A SelectCase is constructed from the result of OnReceive, OnSend and so on.
/// It owns its handlers and its value, and can be used repeatedly. An OnSend
/// case is never ready again once its value has been sent.
///
/// The construction may allocate. If the allocation or the move of the handler
/// throws, the value of an OnSend has not been moved from.
class SelectCase {
 public:
  /// Constructs a case that is never ready; a moved-from case is never ready
  /// either.
  SelectCase() = default;
  /// Takes over a case, and owns its handlers.
  template <detail::KeepableCase C>
  SelectCase(C&& made)  // NOLINT(google-explicit-constructor): of OnReceive(…)
      : case_(std::move(made).Own()) {}
  /// Takes over an OnSend of an rvalue of type T, and owns its value.
  ///
  /// The OnSend must be written where the SelectCase is constructed:
  /// `cases.push_back(OnSend(sender, Name()))`, not `emplace_back`. (S3)
  template <detail::PassingCase C>
  SelectCase(C made)  // NOLINT(google-explicit-constructor)
      : case_(std::move(made).Own()) {}

  /// Moves the unsent value out of an OnSend of a T. The case is never ready
  /// from then on.
  ///
  /// \returns The value; std::nullopt if the case is not an OnSend of a T, or
  /// its value has been sent or taken.
  /// (S7)
  template <typename T>
  [[nodiscard("the unsent value is lost")]] std::optional<T> TakeUnsent() {
    void* unsent =
        case_ == nullptr ? nullptr : case_->TakeUnsent(&detail::kType<T>);
    if (unsent == nullptr) return std::nullopt;
    return std::optional<T>(std::in_place, std::move(*static_cast<T*>(unsent)));
  }

 private:
  template <typename>
  friend std::size_t Select(std::span<SelectCase> cases);

  std::unique_ptr<detail::Case> case_;
};

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

template <typename Pointers>
std::size_t Select(std::span<SelectCase> cases) {
  Pointers all;
  all.reserve(cases.size());
  bool has_default = false;
  for (const SelectCase& one : cases) {
    if (one.case_ != nullptr &&
        one.case_->kind == detail::Case::Kind::kDefault) {
      if (has_default) {
        throw std::invalid_argument(
            "fanfare: a Select takes at most one OnDefault");
      }
      has_default = true;
    }
    all.push_back(one.case_.get());
  }
  return detail::ChooseAndRun(std::span<detail::Case*>(all), kNoCase);
}

template <typename T, typename Handler>
auto OnReceive(const Receiver<T>& receiver, Handler&& handler) {
  static_assert(!std::is_convertible_v<std::optional<T>, T>,
                "fanfare: whether this handler takes a T or an optional<T> is "
                "ambiguous: use OnReceive(receiver, on_value, on_closed)");
  constexpr bool kTakesOptional =
      detail::CalledWith<Handler&, std::optional<T>>;
  static_assert(kTakesOptional || !std::is_same_v<T, std::exception_ptr>,
                "fanfare: this handler would not be told of the end of a "
                "subscription: use OnEnd(subscription, handler)");
  static_assert(kTakesOptional || detail::CalledWith<Handler&, T>,
                "fanfare: the handler of OnReceive must take a T or a "
                "std::optional<T>");
  constexpr auto kOnClosed = kTakesOptional
                                 ? detail::OnClosedChannel::kPassNullopt
                                 : detail::OnClosedChannel::kNever;
  return detail::ReceiveCase<T, kOnClosed, Handler, detail::NoHandler>(
      detail::Access::Share(receiver), std::forward<Handler>(handler), {});
}

template <typename T, typename OnValue, typename OnClosed>
auto OnReceive(const Receiver<T>& receiver, OnValue&& on_value,
               OnClosed&& on_closed) {
  static_assert(
      detail::CalledWith<OnValue&, T> && detail::CalledWith<OnClosed&>,
      "fanfare: the handlers of OnReceive must take a T and nothing");
  return detail::ReceiveCase<T, detail::OnClosedChannel::kCallOther, OnValue,
                             OnClosed>(detail::Access::Share(receiver),
                                       std::forward<OnValue>(on_value),
                                       std::forward<OnClosed>(on_closed));
}

template <typename T, typename U, typename Handler>
  requires std::is_convertible_v<U&&, T>
auto OnSend(const Sender<T>& sender, U&& value, Handler&& handler) {
  static_assert(detail::CalledWith<Handler&>,
                "fanfare: the handler of OnSend must take nothing");
  if constexpr (std::is_same_v<U, T>) {
    return detail::SendCase<T, T&, Handler>(
        detail::Access::Share(sender), value, std::forward<Handler>(handler));
  } else {
    return detail::SendCase<T, T, Handler>(
        detail::Access::Share(sender), static_cast<T>(std::forward<U>(value)),
        std::forward<Handler>(handler));
  }
}

template <typename Source, typename Handler>
  requires requires(Source& source) {
    { source.Err() } -> std::convertible_to<Receiver<std::exception_ptr>>;
  }
auto OnEnd(Source& subscription, Handler&& handler) {
  static_assert(detail::CalledWith<Handler&, std::exception_ptr> ||
                    detail::CalledWith<Handler&>,
                "fanfare: the handler of OnEnd must take nothing or a "
                "std::exception_ptr");
  const Receiver<std::exception_ptr> err = subscription.Err();
  return detail::ReceiveCase<std::exception_ptr,
                             detail::OnClosedChannel::kPassNull, Handler,
                             detail::NoHandler>(
      detail::Access::Share(err), std::forward<Handler>(handler), {});
}

template <typename Rep, typename Period, typename Handler>
auto OnTimeout(std::chrono::duration<Rep, Period> duration, Handler&& handler) {
  static_assert(detail::CalledWith<Handler&>,
                "fanfare: the handler of OnTimeout must take nothing");
  return detail::TimeoutCase<std::chrono::duration<Rep, Period>, Handler>(
      duration, std::forward<Handler>(handler));
}

template <typename Clock, typename Duration, typename Handler>
auto OnTimeout(std::chrono::time_point<Clock, Duration> time,
               Handler&& handler) {
  static_assert(detail::CalledWith<Handler&>,
                "fanfare: the handler of OnTimeout must take nothing");
  return detail::DeadlineCase<Clock, Duration, Handler>(
      time, std::forward<Handler>(handler));
}

template <typename Handler>
auto OnStop(std::stop_token token, Handler&& handler) {
  static_assert(detail::CalledWith<Handler&>,
                "fanfare: the handler of OnStop must take nothing");
  return detail::StopCase<Handler>(std::move(token),
                                   std::forward<Handler>(handler));
}

template <typename Handler>
auto OnDefault(Handler&& handler) {
  static_assert(detail::CalledWith<Handler&>,
                "fanfare: the handler of OnDefault must take nothing");
  return detail::DefaultCase<Handler>(std::forward<Handler>(handler));
}

// These declarations let argument-dependent lookup find Select for
// Select(OnReceive(…)): the user needs no using-declaration for it.
namespace detail {
using fanfare::Select;
using fanfare::SelectLoop;
}  // namespace detail

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SELECT_H_
