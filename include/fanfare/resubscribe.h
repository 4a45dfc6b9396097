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

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <fanfare/detail/backoff.h>
#include <fanfare/select.h>
#include <fanfare/subscription.h>

namespace fanfare::inline FANFARE_ABI {

// Keeps one subscription of those that `fn` returns established, until it is
// unsubscribed or the active one ends well; then Err() is closed, without a
// value. `fn(std::stop_token)` returns a Subscription, or throws to say that it
// failed; so does an empty one. It should return soon once a stop is requested,
// and may block until then. (R1)
//
// After each failure, of `fn` or of what it returned, waits before the next
// attempt: first for a tenth of `backoff_max`, then twice as long each time,
// never longer than `backoff_max`; a tenth again if the attempt itself (`fn`
// and the life of its subscription) lasted longer than `backoff_max`, by the
// steady clock. Throws std::invalid_argument if `backoff_max` is not positive,
// std::system_error if there can be no thread, and std::bad_alloc. (R2)
//
// Unsubscribe asks a running `fn` to stop and waits for it, unsubscribes what
// it still returned, and cuts a wait short. (R4) Cost: a thread.
template <typename Rep, typename Period, typename Function>
  requires std::is_invocable_r_v < Subscription, std::decay_t<Function>
&, std::stop_token >
       [[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
       Resubscribe(std::chrono::duration<Rep, Period> backoff_max,
                   Function&& fn);

// As Resubscribe, but calls `fn(std::stop_token, std::exception_ptr)` with the
// latest failure of either kind, null before the first. (R3)
template <typename Rep, typename Period, typename Function>
  requires std::is_invocable_r_v < Subscription, std::decay_t<Function>
&, std::stop_token,
    std::exception_ptr >
        [[nodiscard(
            "a Subscription that is dropped unsubscribes")]] Subscription
        ResubscribeErr(std::chrono::duration<Rep, Period> backoff_max,
                       Function&& fn);

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------

namespace detail {

// Whether an attempt's subscription ended well; else `failure` says why not.
inline bool AwaitEnd(const Subscription& active, const std::stop_token& stop,
                     std::exception_ptr& failure) {
  bool well = false;
  Select(OnReceive(active.Err(),
                   [&](std::optional<std::exception_ptr> error) {
                     well = !error.has_value();
                     if (!well) failure = *std::move(error);
                   }),
         OnStop(stop));
  return well;
}

// The life of a resubscription.
template <typename Function>
void KeepSubscribed(Backoff backoff, Function& fn,
                    const std::stop_token& stop) {
  using Clock = Platform::Clock;
  std::exception_ptr failure;
  while (!stop.stop_requested()) {
    const auto started = Clock::now();
    try {
      const Subscription active = fn(stop, std::as_const(failure));
      if (!active) {
        throw std::runtime_error("fanfare: no subscription was returned");
      }
      SubscriptionAccess::State(active)->SetParent(
          Ref<Lineage>::Share(&Activity::Current()));
      if (AwaitEnd(active, stop, failure)) return;
    } catch (...) {
      failure = std::current_exception();
    }
    const auto wait = backoff.AfterFailure(Clock::now() - started);
    Select(OnStop(stop), OnTimeout(wait));
  }
}

}  // namespace detail

template <typename Rep, typename Period, typename Function>
  requires std::is_invocable_r_v < Subscription, std::decay_t<Function>
&, std::stop_token,
    std::exception_ptr >
        Subscription ResubscribeErr(
            std::chrono::duration<Rep, Period> backoff_max, Function&& fn) {
  return NewSubscription(
      [backoff = detail::Backoff(backoff_max),
       fn = std::forward<Function>(fn)](const std::stop_token& stop) mutable {
        detail::KeepSubscribed(backoff, fn, stop);
      });
}

template <typename Rep, typename Period, typename Function>
  requires std::is_invocable_r_v < Subscription, std::decay_t<Function>
&, std::stop_token >
       Subscription Resubscribe(std::chrono::duration<Rep, Period> backoff_max,
                                Function&& fn) {
  return ResubscribeErr(backoff_max,
                        [fn = std::forward<Function>(fn)](
                            std::stop_token stop,
                            const std::exception_ptr&) mutable -> Subscription {
                          return fn(std::move(stop));
                        });
}

}  // namespace fanfare::inline FANFARE_ABI

#endif  // FANFARE_RESUBSCRIBE_H_
