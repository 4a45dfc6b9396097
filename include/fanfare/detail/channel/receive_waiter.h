// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_RECEIVE_WAITER_H_
#define FANFARE_DETAIL_CHANNEL_RECEIVE_WAITER_H_

// A ReceiveWaiter waits for a value of a channel without a thread: a function
// of its own is called when there is one.

#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/wait/deferred_wake.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class ReceiveWaiter : private Waker, private DeferredWake {
 protected:
  // Completes `receive`, or queues it and returns kPending; OnReceived() is
  // then called once, perhaps before this function returns.
  Outcome StartReceive(ChannelEnds& channel, Operation& receive,
                       const ValueMoves& moves) noexcept {
    receive.waker = this;
    return channel.StartReceive(receive, moves);
  }

  // Called by the thread that completed the receive, as DeferredWake says:
  // without locks, and with a turn only if its Send is about to wait.
  virtual void OnReceived(Outcome outcome) noexcept = 0;

  ~ReceiveWaiter() = default;

 private:
  // The completing thread may hold a feed's turn, so the call is deferred.
  void Completed(Operation& receive) noexcept override {
    outcome_ = receive.outcome;
    Schedule();
  }
  void OnWake() noexcept override { OnReceived(outcome_); }

  Outcome outcome_ = Outcome::kPending;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_RECEIVE_WAITER_H_
