// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_THREAD_WAITER_IPP_
#define FANFARE_DETAIL_WAIT_THREAD_WAITER_IPP_

#include <fanfare/detail/wait/thread_waiter.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

FANFARE_COLD FANFARE_DECL Outcome
WaitFor(Operation& operation, const Deadline& deadline,
        const std::stop_token& stop, FunctionRef<Outcome(Operation&)> start,
        FunctionRef<void(Operation&)> cancel) noexcept {
  ThreadWaiter waiter;
  waiter.Attach(operation);
  const Outcome outcome = start(operation);
  if (outcome != Outcome::kPending) return outcome;
  Operation give_up;
  {
    const std::stop_callback on_stop(
        stop, [&]() noexcept { waiter.Interrupt(give_up); });
    waiter.Wait(deadline, give_up);
  }
  if (waiter.claim.winner() == &give_up) {
    cancel(operation);
    return Outcome::kPending;
  }
  return operation.outcome;
}

FANFARE_DECL void WaitForNothing(const Deadline& deadline,
                                 const std::stop_token& stop) {
  Operation never;
  WaitFor(
      never, deadline, stop, [](Operation&) { return Outcome::kPending; },
      [](Operation&) {});
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_THREAD_WAITER_IPP_
