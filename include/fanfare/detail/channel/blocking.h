// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_BLOCKING_H_
#define FANFARE_DETAIL_CHANNEL_BLOCKING_H_

// These are the blocking calls of a thread on a channel: try, poll for a while,
// queue, and wait.

#include <optional>
#include <stop_token>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/channel/result_slot.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/thread_waiter.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Blocks until the send has completed or the channel is closed. Returns
// kPending if the deadline or the stop came first.
FANFARE_COLD inline Outcome AwaitRoom(
    ChannelEnds& channel, const ChannelVerbs& verbs, Operation& send,
    const Deadline& deadline = Deadline::Never(),
    const std::stop_token& stop = {}) noexcept {
  if (channel.batches()) {
    const Outcome outcome = PollBeforeQueueing(
        deadline, stop, [&] { return verbs.try_send(channel, send); });
    if (outcome != Outcome::kPending) return outcome;
  }
  return WaitFor(
      send, deadline, stop,
      [&](Operation& o) { return verbs.start_send(channel, o); },
      [&](Operation& o) { channel.CancelSend(o); });
}

// Like AwaitRoom(), for a receive.
FANFARE_COLD inline void AwaitValue(ChannelEnds& channel,
                                    const ChannelVerbs& verbs,
                                    Operation& receive,
                                    const Deadline& deadline,
                                    const std::stop_token& stop) noexcept {
  if (channel.capacity() > 0) {
    const auto attempt = [&] { return verbs.try_receive(channel, receive); };
    const Outcome outcome =
        channel.batches()
            ? PollForValues(deadline, stop, attempt,
                            [&] { return channel.ApproximateSize(); })
            : SpinBeforeQueueing(deadline, stop, attempt);
    if (outcome != Outcome::kPending) return;
  }
  WaitFor(
      receive, deadline, stop,
      [&](Operation& o) { return verbs.start_receive(channel, o); },
      [&](Operation& o) { channel.CancelReceive(o); });
}

// Sends, and moves from `value` only if it returns true. `limits` are empty, or
// a deadline and a stop token.
template <typename T, typename... Limits>
bool SendBlocking(ChannelCore<T>& channel, T& value, const Limits&... limits) {
  Operation send;
  send.value = std::addressof(value);
  Outcome outcome = channel.TrySend(send);
  if (outcome == Outcome::kPending) {
    outcome = AwaitRoom(channel, ChannelVerbs::kOf<T>, send, limits...);
  }
  return outcome == Outcome::kDone;
}

// Does what ReceiveAtFront() has left to do. (An overload instead of default
// arguments, which would be constructed where a receive is inlined.)
template <typename T>
FANFARE_COLD std::optional<T> FinishReceive(ChannelCore<T>& channel,
                                            Outcome outcome,
                                            const Deadline& deadline,
                                            const std::stop_token& stop) {
  std::optional<T> value = EmptyOptional<T>();
  Operation receive;
  receive.value = &value;
  if (outcome == Outcome::kCounterpartWaits) {
    outcome = channel.MatchSender(receive);
  }
  if (outcome == Outcome::kPending) {
    AwaitValue(channel, ChannelVerbs::kOf<T>, receive, deadline, stop);
  }
  return value;
}
template <typename T>
FANFARE_COLD std::optional<T> FinishReceive(ChannelCore<T>& channel,
                                            Outcome outcome) {
  return FinishReceive(channel, outcome, Deadline::Never(), {});
}

// Receives into a ResultSlot. Inlined, because the slot would otherwise be in
// memory.
template <typename T, typename... Limits>
FANFARE_ALWAYS_INLINE void ReceiveBlocking(ChannelCore<T>& channel,
                                           ResultSlot<T>& slot,
                                           const Limits&... limits) {
  const Outcome outcome = channel.ReceiveAtFront(slot);
  if (outcome != Outcome::kDone && outcome != Outcome::kClosed) {
    if (std::optional<T> value = FinishReceive(channel, outcome, limits...)) {
      slot.emplace(std::move(*value));
    }
  }
}

template <typename T>
FANFARE_COLD std::optional<T> ReceiveFromSender(
    ChannelCore<T>& channel) noexcept {
  std::optional<T> value = EmptyOptional<T>();
  Operation receive;
  receive.value = &value;
  channel.MatchSender(receive);
  return value;
}
template <typename T>
FANFARE_ALWAYS_INLINE void TryReceive(ChannelCore<T>& channel,
                                      ResultSlot<T>& slot) noexcept {
  if (channel.ReceiveAtFront(slot) != Outcome::kCounterpartWaits) return;
  if (std::optional<T> value = ReceiveFromSender(channel)) {
    slot.emplace(std::move(*value));
  }
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_BLOCKING_H_
