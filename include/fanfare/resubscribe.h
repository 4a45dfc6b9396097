// SPDX-License-Identifier: MIT
#ifndef FANFARE_RESUBSCRIBE_H_
#define FANFARE_RESUBSCRIBE_H_

// Resubscribe: keeps a subscription alive that fails from time to time.
//
//   Subscription heads = Resubscribe(10s, [&](std::stop_token stop) {
//     Client client = Dial(address, stop);  // may throw
//     return client.SubscribeToHeads(channel);
//   });
//
// Thread safety: as any Subscription. The function runs in one thread, of the
// resubscription's own.
//
// Unlike Go: the wait grows when an established subscription fails at once,
// too; a function that returns nothing has failed; what it returns although it
// was told to stop is unsubscribed; Unsubscribe works in every state, from
// inside the function, too.

#include <concepts>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <fanfare/detail/subscription/backoff.h>
#include <fanfare/select.h>
#include <fanfare/subscription.h>

namespace fanfare { inline namespace FANFARE_ABI {

// What Resubscribe calls: takes a std::stop_token and returns a Subscription,
// or anything that converts to one.
template <typename F>
concept SubscribeFunction = requires(std::decay_t<F> fn, std::stop_token stop) {
  { fn(std::move(stop)) } -> std::convertible_to<Subscription>;
};

// What ResubscribeErr calls: takes the latest failure, too.
template <typename F>
concept SubscribeErrFunction = requires(std::decay_t<F> fn,
                                        std::stop_token stop,
                                        std::exception_ptr last_error) {
  {
    fn(std::move(stop), std::move(last_error))
    } -> std::convertible_to<Subscription>;
};

// Keeps one subscription of those that `fn` returns established, until it is
// unsubscribed or the active one ends well; then Err() is closed, without a
// value. `fn(std::stop_token)` returns a Subscription, or throws to say that it
// failed; so does an empty one. It should return soon once a stop is requested,
// and may block until then. If it ends its thread (pthread_exit), this has
// ended without an error. (R1)
//
// After each failure, of `fn` or of what it returned, waits before the next
// attempt: first for a tenth of `backoff_max`, then twice as long each time,
// never longer than `backoff_max`; a tenth again if the attempt itself (`fn`
// and the life of its subscription) lasted longer than `backoff_max`, by the
// steady clock. Throws std::invalid_argument if `backoff_max` is not positive,
// std::system_error if there can be no thread, std::bad_alloc, and what copying
// `fn` throws; `fn` was not called then. Later, too little memory is a failure
// like any other: what `fn` returned is unsubscribed. (R2)
//
// Unsubscribe asks a running `fn` to stop and waits for it, unsubscribes what
// it still returned, and cuts a wait short. (R4) A producer that `fn` did not
// start itself, in its own thread, is no part of this before `fn` has returned
// it, and must not unsubscribe this from inside so early: both would wait for
// each other. Cost: a thread.
template <typename Rep, typename Period, SubscribeFunction Function>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
Resubscribe(std::chrono::duration<Rep, Period> backoff_max, Function&& fn);

// As Resubscribe, but calls `fn(std::stop_token, std::exception_ptr)` with the
// latest failure of either kind, null before the first. (R3)
template <typename Rep, typename Period, SubscribeErrFunction Function>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
ResubscribeErr(std::chrono::duration<Rep, Period> backoff_max, Function&& fn);

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------

namespace detail {

// Calls the function, as a part of the resubscription that this thread runs.
template <typename Function>
Subscription Establish(Function& fn, const std::stop_token& stop,
                       const std::exception_ptr& failure) {
  OwnerNode& resubscription = RunningScope::Current();
  const RunningScope inside(resubscription, RunningScope::Kind::kEstablishes);
  Subscription made = fn(std::stop_token(stop), std::exception_ptr(failure));
  if (!made) throw std::runtime_error("fanfare: no subscription was returned");
  SubscriptionAccess::State(made)->SetParent(
      Ref<OwnerNode>::Share(&resubscription));
  return made;
}

// Waits until `active` ends or a stop is requested, and unsubscribes it.
// Returns whether it ended well; else `failure` says why not. (What depends on
// no type that is a parameter would be compiled in every program.)
template <typename StopToken>
bool AwaitEnd(const Subscription& active, const StopToken& stop,
              std::exception_ptr& failure) {
  // Said in so many words: a handle that SubscriptionScope::Track returned does
  // not unsubscribe when it is destroyed.
  const Unsubscriber at_end(active);
  bool well = false;
  Select(OnEnd(active,
               [&](std::exception_ptr error) {
                 well = error == nullptr;
                 if (!well) failure = std::move(error);
               }),
         OnStop(stop));
  return well;
}

// The life of a resubscription.
template <typename Pace, typename Function, typename StopToken>
void KeepSubscribed(Pace backoff, Function& fn, const StopToken& stop) {
  using Clock = Platform::Clock;
  std::exception_ptr failure;
  while (!stop.stop_requested()) {
    const auto started = Clock::now();
    try {
      const Subscription active = detail::Establish(fn, stop, failure);
      if (AwaitEnd(active, stop, failure)) return;
    } catch (...) {
      failure = detail::CurrentException();
    }
    const auto wait = backoff.AfterFailure(Clock::now() - started);
    Select(OnStop(stop), OnTimeout(wait));
  }
}

}  // namespace detail

template <typename Rep, typename Period, SubscribeErrFunction Function>
Subscription ResubscribeErr(std::chrono::duration<Rep, Period> backoff_max,
                            Function&& fn) {
  return NewSubscription(
      [backoff = detail::Backoff(backoff_max),
       fn = std::forward<Function>(fn)](const std::stop_token& stop) mutable {
        detail::KeepSubscribed(backoff, fn, stop);
      });
}

template <typename Rep, typename Period, SubscribeFunction Function>
Subscription Resubscribe(std::chrono::duration<Rep, Period> backoff_max,
                         Function&& fn) {
  auto without_error = [fn = std::forward<Function>(fn)](
                           std::stop_token stop,
                           std::exception_ptr) mutable -> Subscription {
    return fn(std::move(stop));
  };
  return ResubscribeErr(backoff_max, std::move(without_error));
}

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_RESUBSCRIBE_H_
