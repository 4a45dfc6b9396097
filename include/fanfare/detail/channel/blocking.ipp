// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_BLOCKING_IPP_
#define FANFARE_DETAIL_CHANNEL_BLOCKING_IPP_

#include <fanfare/detail/channel/blocking.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/thread_waiter.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

FANFARE_COLD FANFARE_DECL Outcome
AwaitRoom(ChannelEnds& channel, Operation& send, const ValueMoves& moves,
          const Deadline& deadline, const std::stop_token& stop) noexcept {
  if (channel.batches()) {
    const Outcome outcome = PollBeforeQueueing(
        deadline, stop, [&] { return channel.TrySend(send, moves); });
    if (outcome != Outcome::kPending) return outcome;
  }
  return WaitFor(
      send, deadline, stop,
      [&](Operation& o) { return channel.StartSend(o, moves); },
      [&](Operation& o) { channel.CancelSend(o); });
}

FANFARE_COLD FANFARE_DECL void AwaitValue(
    ChannelEnds& channel, Operation& receive, const ValueMoves& moves,
    const Deadline& deadline, const std::stop_token& stop) noexcept {
  if (channel.capacity() > 0) {
    const auto attempt = [&] { return channel.TryReceive(receive, moves); };
    const Outcome outcome =
        channel.batches()
            ? PollForValues(deadline, stop, attempt,
                            [&] { return channel.ApproximateSize(); })
            : SpinBeforeQueueing(deadline, stop, attempt);
    if (outcome != Outcome::kPending) return;
  }
  WaitFor(
      receive, deadline, stop,
      [&](Operation& o) { return channel.StartReceive(o, moves); },
      [&](Operation& o) { channel.CancelReceive(o); });
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_BLOCKING_IPP_
