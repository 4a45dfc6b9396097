// SPDX-License-Identifier: MIT
#ifndef FANFARE_SELECT_H_
#define FANFARE_SELECT_H_

// Select waits until one of several cases can go ahead, performs exactly that
// one and calls its handler; Go's `select`.
//
//   using namespace fanfare;
//   Select(OnReceive(orders, [&](Order order) { Book(order); }),
//          OnSend(heartbeat, Beat{}),
//          OnTimeout(100ms, [] { std::puts("idle"); }),
//          OnStop(stop, [&] { running = false; }));
//
// The cases are OnReceive, OnSend, OnEnd, OnTimeout, OnStop, and at most one
// OnDefault. Every handler except OnReceive's may be left out. SelectLoop
// selects again and again. A span of SelectCase takes as many cases as the
// program decides at run time.
//
// A hand-written loop must test for kNoCase, which Select returns at once when
// no case can happen any more. The first of these two loops never blocks, and
// never ends, after `orders` was closed:
//
//   while (running) Select(OnReceive(orders, book));              // wrong
//   while (Select(OnReceive(orders, book)) != kNoCase) continue;  // right
//   SelectLoop(OnReceive(orders, book), OnStop(stop));            // better
//
// Thread safety and memory ordering are those of the channels (channel.h).
//
// Unlike Go: a Select in which no case can ever happen returns kNoCase instead
// of hanging; there is no limit on the number of cases (Go's reflect.Select
// panics beyond 65,536). Cases are tried one after the other, not all in one
// deadline: OnDefault is chosen when each of the others was not ready when it
// was tried.

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

/// What Select returns when no case can ever happen. (S4)
inline constexpr std::size_t kNoCase = static_cast<std::size_t>(-1);

/// A case that receives from `receiver` and passes the value to `handler`.
///
/// The handler takes a `std::optional<T>` (std::nullopt: the channel is closed
/// and empty) or a `T`; a handler that can be called with both gets the
/// optional. If the handler takes a `T` alone, a closed and empty channel
/// counts as nil: the case never happens, as it never does on a nil receiver.
///
/// Two handlers do not compile: one that could mean either, because an
/// `optional<T>` converts to `T` (std::any), and one that takes a
/// `std::exception_ptr` alone, which would not be told of the end of a
/// subscription (use OnEnd). The form with three arguments takes any T. (S2)
template <typename T, typename Handler>
[[nodiscard("pass the case to Select")]] auto OnReceive(
    const Receiver<T>& receiver, Handler&& handler);

/// The same, with one handler for a value (`T`) and one for the end (nothing).
/// (S2)
template <typename T, typename OnValue, typename OnClosed>
[[nodiscard("pass the case to Select")]] auto OnReceive(
    const Receiver<T>& receiver, OnValue&& on_value, OnClosed&& on_closed);

/// A case that sends `value`, then calls `handler`.
///
/// The case never happens on a closed channel or a nil sender. An rvalue of
/// type T is left where it is, and is moved from only if it is sent. Any other
/// argument is copied or converted now.
///
/// \warning Undefined: a function must not return a case that refers to an
/// rvalue of its own; it may return a SelectCase. (S2, S3)
template <typename T, typename U, typename Handler = detail::NoHandler>
  requires std::is_convertible_v<U&&, T>
[[nodiscard("pass the case to Select")]] auto OnSend(const Sender<T>& sender,
                                                     U&& value,
                                                     Handler&& handler = {});

/// A case that happens once `subscription` has ended.
///
/// The handler takes nothing or the `std::exception_ptr` that ended the
/// subscription; null: it ended without an error, or another OnEnd or receive
/// has taken the error from Err(). The case happens in every later Select, too.
/// `subscription` is a Subscription or any source that has its Err(); the case
/// does not refer to it.
///
/// OnEnd is chosen only if no OnReceive of the same Select is ready, so that
/// what was delivered before the end is received before it. As long as some
/// OnReceive is ready each time, the end is not told.
///
/// \throws What Err() throws: std::bad_alloc.
/// (S9)
template <typename Source, typename Handler = detail::NoHandler>
  requires requires(Source& source) {
    { source.Err() } -> std::convertible_to<Receiver<std::exception_ptr>>;
  }
[[nodiscard("pass the case to Select")]] auto OnEnd(Source& subscription,
                                                    Handler&& handler = {});

/// A case that happens once `duration` has passed since Select started.
///
/// It happens at once if `duration` is zero or negative. Select waits for a
/// `duration::max()`, but that never comes. (S4, S5)
template <typename Rep, typename Period, typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnTimeout(
    std::chrono::duration<Rep, Period> duration, Handler&& handler = {});

/// A case that happens once `time`, of any clock, has come.
///
/// If the clock's now() throws, the case happens, and Select throws that
/// instead of calling `handler`. (S4, S5, S8)
template <typename Clock, typename Duration,
          typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnTimeout(
    std::chrono::time_point<Clock, Duration> time, Handler&& handler = {});

/// A case that happens once a stop has been requested.
///
/// With a token that can never be stopped the case is nil. A Select that waits
/// does not notice that the last stop_source is destroyed. (S4, S5)
template <typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnStop(std::stop_token token,
                                                     Handler&& handler = {});

/// The case that is chosen when no other is ready: such a Select never blocks.
template <typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnDefault(Handler&& handler = {});

/// Performs exactly one of the cases and calls its handler.
///
/// Blocks until one can go ahead. Among cases that are ready, an expired
/// timeout and a requested stop included, the choice is uniformly random,
/// except that an OnEnd comes after every OnReceive. The handler runs in this
/// thread, outside all locks. A case is written inside the call: it can be
/// neither copied nor moved.
///
/// The same channel may stand in several cases, for sending and for receiving;
/// a Select never meets itself. (S6)
///
/// \returns The index of the case among the arguments; kNoCase, at once, if no
/// case can ever happen. Select() returns kNoCase.
/// \throws What the handler throws; the operation stands.
/// \par Complexity
/// A lock for each case that is tried, five if the Select blocks, and the same
/// again where a case becomes nil meanwhile; allocates nothing.
/// (S1, S4, S5, S8)
template <typename... Cases>
  requires(std::derived_from<Cases, detail::Case>&&...)
std::size_t Select(Cases... cases) {
  static_assert((std::size_t{detail::kIsDefaultCase<Cases>} + ... + 0) <= 1,
                "fanfare: a Select takes at most one OnDefault");
  std::array<detail::Case*, sizeof...(Cases)> all{&cases...};
  return detail::ChooseAndRun(std::span<detail::Case*>(all), kNoCase);
}

/// What a handler may return to a SelectLoop: whether the loop goes on. Results
/// of other types mean nothing, and Select ignores this one, too.
using Loop = detail::Loop;

/// Selects again and again; Go's `for { select { … } }`.
///
///   SelectLoop(OnReceive(orders, [&](Order order) { Book(order); }),
///              OnTimeout(1s, [&] { Flush(); }),
///              OnEnd(subscription), OnStop(stop));
///
/// The loop ends after an OnStop, an OnEnd, an OnTimeout of a time point, or a
/// handler that returned Loop::kBreak. It also ends when none of its receives,
/// sends and ends can happen any more; a loop that was given none goes on.
///
/// A receive whose channel is closed and empty tells its handler once, and is
/// nil from then on. A send is nil once its value was sent. An OnTimeout of a
/// duration starts again with each round: it measures how long nothing
/// happened, and comes after all cases that are ready. An OnDefault does not
/// compile: the loop would never block.
///
/// \returns The index of the case that ended the loop; kNoCase if no case can
/// happen any more.
/// \throws What a handler throws; its operation stands, and the loop has ended.
/// \par Complexity
/// That of Select for each round; allocates nothing.
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

// (A template, so that a program which does not call it does not spend time to
// compile it.)
/// Select of any number of cases, each in no more than one Select at a time.
///
/// \throws std::invalid_argument if more than one case is an OnDefault;
/// std::bad_alloc. Nothing has happened then.
/// \par Complexity
/// That of Select above; besides, allocates a pointer for each case.
/// (S7)
template <typename Pointers = std::vector<detail::Case*>>
std::size_t Select(std::span<SelectCase> cases);

/// One case of a Select that is put together at run time; Go's
/// reflect.SelectCase.
///
/// It is made of what OnReceive, OnSend, … return, owns its handlers and its
/// value, and can be used again and again; a send, though, is nil once its
/// value was sent. Default-constructed or moved-from, it is nil. Making one may
/// allocate; where that throws, or the move of the handler does, the value of
/// an OnSend has not been moved from.
class SelectCase {
 public:
  SelectCase() = default;
  template <detail::KeepableCase C>
  SelectCase(C&& made)  // NOLINT(google-explicit-constructor): of OnReceive(…)
      : case_(std::move(made).Own()) {}
  /// An OnSend of an rvalue of type T is written where the SelectCase is made:
  /// `cases.push_back(OnSend(sender, Name()))`, not `emplace_back`. (S3)
  template <detail::PassingCase C>
  SelectCase(C made)  // NOLINT(google-explicit-constructor)
      : case_(std::move(made).Own()) {}

  /// Takes the value of an OnSend of a T that was not sent out of the case,
  /// which is nil then.
  ///
  /// \returns The value; std::nullopt for any other case. (S7)
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
                "subscription: use OnEnd(subscription, handler), or take a "
                "std::optional<std::exception_ptr>");
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

// So that Select(OnReceive(…)) finds Select as it finds OnReceive, without a
// using-declaration: by the namespace of its argument.
namespace detail {
using fanfare::Select;
using fanfare::SelectLoop;
}  // namespace detail

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SELECT_H_
