// SPDX-License-Identifier: MIT
#ifndef FANFARE_RESUBSCRIBE_H_
#define FANFARE_RESUBSCRIBE_H_

// Resubscribe: establishes a subscription again whenever it ends with an error.
//
//   Subscription heads = Resubscribe(10s, [&](std::stop_token stop) {
//     Client client = Dial(address, stop);  // may throw
//     return client.SubscribeToHeads(channel);
//   });
//
// Thread safety: all member functions may be called concurrently. A single
// handle object follows the rules of std::shared_ptr: assigning to it or
// destroying it must not race with another use of the same object.
// (The handle is the Subscription that is returned.) The function is always
// called in one thread, which belongs to the resubscription.
//
// Differences from Go: the backoff also grows when an established subscription
// ends with an error at once. If the function returns an empty Subscription,
// that is an error. A subscription that the function returns after a stop
// request is unsubscribed. Unsubscribe() works in every state, and also from
// inside the function.

#include <concepts>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <fanfare/detail/subscription/backoff.h>
#include <fanfare/select.h>
#include <fanfare/subscription.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Describes what Resubscribe() calls: a function that takes a std::stop_token
/// and returns a Subscription, or anything that converts to one.
template <typename F>
concept SubscribeFunction = requires(std::decay_t<F> fn, std::stop_token stop) {
  { fn(std::move(stop)) } -> std::convertible_to<Subscription>;
};

/// Describes what ResubscribeErr() calls: a SubscribeFunction that also takes
/// the latest error.
template <typename F>
concept SubscribeErrFunction = requires(std::decay_t<F> fn,
                                        std::stop_token stop,
                                        std::exception_ptr last_error) {
  {
    fn(std::move(stop), std::move(last_error))
    } -> std::convertible_to<Subscription>;
};

/// Calls `fn` to establish a subscription, and calls `fn` again after each
/// error of `fn` or of that subscription.
///
/// Never blocks: the calls are made in a new thread. The resubscription ends
/// when it is unsubscribed, or when the active subscription ends without an
/// error. Then Err() is closed without a value.
///
/// `fn(std::stop_token)` returns a Subscription. To throw, or to return an
/// empty Subscription, is an error of `fn`. `fn` may block, but should return
/// soon once a stop is requested. If `fn` ends its thread (pthread_exit), the
/// resubscription has ended without an error. (R1)
///
/// Backoff: after each error, of `fn` or of the subscription that it returned,
/// the thread waits before the next attempt. The first wait is a tenth of
/// `backoff_max`; each further wait is twice as long, up to `backoff_max`. The
/// backoff starts again with a tenth if the attempt lasted longer than
/// `backoff_max` by the steady clock. An attempt is the call of `fn` and the
/// life of its subscription. (R2)
///
/// Unsubscribe() on the result interrupts a wait of the backoff. If `fn` runs,
/// Unsubscribe() requests it to stop, waits until it returns, and unsubscribes
/// the subscription that it returned. (R4)
///
/// If memory runs out after the start, that is an error like any other. The
/// subscription that `fn` returned is unsubscribed then. (R2)
///
/// \throws std::invalid_argument if `backoff_max` is not positive,
/// std::system_error if no thread can be started, std::bad_alloc, and what
/// copying `fn` throws. `fn` has not been called then. (R2)
/// \warning Deadlock: before `fn` has returned it, a producer must not
/// unsubscribe the resubscription, unless `fn` started that producer directly,
/// in the thread that calls `fn`. Any other producer is not yet part of the
/// resubscription, so each would wait for the other.
/// \par Complexity
/// Starts one thread.
template <typename Rep, typename Period, SubscribeFunction Function>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
Resubscribe(std::chrono::duration<Rep, Period> backoff_max, Function&& fn);

/// Does the same as Resubscribe(), but also passes the latest error to `fn`.
///
/// The call is `fn(std::stop_token, std::exception_ptr)`. The second argument
/// is the latest error of `fn` or of a subscription it returned, and is null
/// before the first error. (R3)
template <typename Rep, typename Period, SubscribeErrFunction Function>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
ResubscribeErr(std::chrono::duration<Rep, Period> backoff_max, Function&& fn);

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

namespace detail {

// Calls `fn`. Marks this thread as running inside the current resubscription
// meanwhile, and makes the result part of that.
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

// Waits until `active` ends or a stop is requested, then unsubscribes it.
// Returns true if it ended without an error. If it ended with one, stores that
// in `failure`. (StopToken is a parameter only because code that depends on no
// parameter is compiled in every program.)
template <typename StopToken>
bool AwaitEnd(const Subscription& active, const StopToken& stop,
              std::exception_ptr& failure) {
  // Explicit, because the destructor of a handle that
  // SubscriptionScope::Track() returned does not unsubscribe.
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

// Runs the loop of a resubscription until it ends.
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

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_RESUBSCRIBE_H_
