// SPDX-License-Identifier: MIT
#ifndef FANFARE_SELECT_H_
#define FANFARE_SELECT_H_

// Select waits until one of several cases can go ahead, performs exactly that
// one and calls its handler; Go's `select`.
//
//   Select(OnReceive(orders, [&](Order order) { Book(order); }),
//          OnSend(heartbeat, Beat{}),
//          OnTimeout(100ms, [] { std::puts("idle"); }),
//          OnStop(stop, [&] { running = false; }));
//
// The cases: OnReceive, OnSend, OnTimeout, OnStop, and at most one OnDefault.
// All handlers but OnReceive's may be left out. A span of SelectCase takes as
// many as the program decides at run time.
//
// Thread safety and memory ordering are those of the channels (channel.h).
//
// Unlike Go: a Select in which no case can ever happen returns kNoCase instead
// of hanging; there is no limit on the number of cases (Go's reflect.Select
// panics beyond 65,536). Cases are looked at one after the other, not all in
// one moment: OnDefault is chosen when each of the others was not ready when it
// was looked at.

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/channel.h>
#include <fanfare/detail/select_cases.h>
#include <fanfare/detail/select_engine.h>

namespace fanfare::inline FANFARE_ABI {

// What Select returns when no case can ever happen. (S4)
inline constexpr std::size_t kNoCase = static_cast<std::size_t>(-1);

// A case that receives from `receiver` and passes the value to `handler`, which
// takes a std::optional<T> (std::nullopt: the channel is closed and empty) or a
// T; one that can be called with both gets the optional. With a handler that
// takes a T alone, a closed and empty channel counts as nil: the case never
// happens, as it never does on a nil receiver. A compile error where an
// optional<T> converts to T (std::any), which could mean either: use the form
// with three arguments. (S2)
template <typename T, typename Handler>
[[nodiscard("pass the case to Select")]] auto OnReceive(
    const Receiver<T>& receiver, Handler&& handler);

// As above, with one handler for a value (T) and one for the end (nothing).
template <typename T, typename OnValue, typename OnClosed>
[[nodiscard("pass the case to Select")]] auto OnReceive(
    const Receiver<T>& receiver, OnValue&& on_value, OnClosed&& on_closed);

// A case that sends `value`, then calls `handler`. It never happens on a closed
// channel or a nil sender. A value that was not sent has not been moved from.
// Refers to its arguments: use it only inside the full expression of Select. An
// argument that is not an rvalue of type T is copied or converted now. (S2, S3)
template <typename T, typename U, typename Handler = detail::NoHandler>
  requires std::is_convertible_v<U&&, T>
[[nodiscard("pass the case to Select")]] auto OnSend(const Sender<T>& sender,
                                                     U&& value,
                                                     Handler&& handler = {});

// A case that happens once `duration` has passed since Select started; at once
// if it is zero or negative, and not at all, though Select waits for it, if it
// is duration::max(). (S4, S5)
template <typename Rep, typename Period, typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnTimeout(
    std::chrono::duration<Rep, Period> duration, Handler&& handler = {});

// A case that happens once a stop has been requested. With a token that can
// never be stopped it is nil; that its last stop_source goes away while Select
// waits is not noticed. (S4, S5)
template <typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnStop(std::stop_token token,
                                                     Handler&& handler = {});

// The case that is chosen when no other is ready: such a Select never blocks.
template <typename Handler = detail::NoHandler>
[[nodiscard("pass the case to Select")]] auto OnDefault(Handler&& handler = {});

// Blocks until one of the cases can go ahead, performs exactly one, calls its
// handler in this thread, outside all locks, and returns its index among the
// arguments. Among cases that are ready, an expired timeout and a requested
// stop included, the choice is uniformly random. Returns kNoCase if no case can
// ever happen; so does Select(). What a handler throws, Select throws; the
// operation stands. (S1, S4, S5, S8)
//
// The same channel may stand in several cases, for sending and for receiving; a
// Select never meets itself. (S6)
//
// Cost: a lock for each case that is looked at, five if the Select blocks, and
// the same again where a case becomes nil meanwhile; allocates nothing.
template <typename... Cases>
  requires(std::derived_from<Cases, detail::Case>&&...)
std::size_t Select(Cases&&... cases) {
  static_assert((std::size_t{detail::kIsDefaultCase<Cases>} + ... + 0) <= 1,
                "fanfare: a Select takes at most one OnDefault");
  std::array<detail::Case*, sizeof...(Cases)> all{&cases...};
  return detail::ChooseAndRun(std::span<detail::Case*>(all), kNoCase);
}

class SelectCase;

// As Select above, of any number of cases, in no more than one Select at a
// time. Throws std::invalid_argument if more than one is an OnDefault, and
// std::bad_alloc; nothing has happened then. Cost: besides, allocates a pointer
// for each case. (S7)
//
// A template, so that a program which does not call it does not spend time to
// compile it.
template <typename Pointers = std::vector<detail::Case*>>
std::size_t Select(std::span<SelectCase> cases);

// One case of a Select that is put together at run time (Go's
// reflect.SelectCase). Made of what OnReceive, OnSend, … return, it owns its
// handlers and its value and can be used again and again; a send, though, is
// nil once its value was sent. Default-constructed or moved-from, it is nil.
// May allocate when it is made; where that throws, or to move the handler does,
// the value of an OnSend has not been moved from.
class SelectCase {
 public:
  SelectCase() = default;
  template <std::derived_from<detail::Case> C>
  SelectCase(C&& made)  // NOLINT(google-explicit-constructor): of OnReceive(…)
      : case_(std::move(made).Own()) {}

  // The value of an OnSend of a T that was not sent; it is out of the case
  // then, which is nil. std::nullopt for any other case. (S7)
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
    if (one.case_ != nullptr && one.case_->is_default()) {
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

template <typename Rep, typename Period, typename Handler>
auto OnTimeout(std::chrono::duration<Rep, Period> duration, Handler&& handler) {
  static_assert(detail::CalledWith<Handler&>,
                "fanfare: the handler of OnTimeout must take nothing");
  return detail::TimeoutCase<std::chrono::duration<Rep, Period>, Handler>(
      duration, std::forward<Handler>(handler));
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

}  // namespace fanfare::inline FANFARE_ABI

#endif  // FANFARE_SELECT_H_
