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
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Blocks until the send has completed or the channel is closed. Returns
// kPending if the deadline or the stop came first.
Outcome AwaitRoom(ChannelEnds& channel, Operation& send,
                  const ValueMoves& moves,
                  const Deadline& deadline = Deadline::Never(),
                  const std::stop_token& stop = {}) noexcept;

// Like AwaitRoom(), for a receive. Polls before it queues; WaitFor() polls
// again before the thread sleeps.
void AwaitValue(ChannelEnds& channel, Operation& receive,
                const ValueMoves& moves, const Deadline& deadline,
                const std::stop_token& stop) noexcept;

// Sends, and moves from `value` only if it returns true. `limits` are empty, or
// a deadline and a stop token.
template <typename T, typename... Limits>
bool SendBlocking(ChannelCore<T>& channel, T& value, const Limits&... limits) {
  Operation send;
  Outcome outcome = channel.TrySend(send, value);
  if (outcome == Outcome::kPending) {
    send.value = std::addressof(value);
    outcome = AwaitRoom(channel, send, channel.kMoves, limits...);
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
    outcome = channel.MatchSender(receive, channel.kMoves);
  }
  if (outcome == Outcome::kPending) {
    AwaitValue(channel, receive, channel.kMoves, deadline, stop);
  }
  return value;
}
template <typename T>
FANFARE_COLD std::optional<T> FinishReceive(ChannelCore<T>& channel,
                                            Outcome outcome) {
  return FinishReceive(channel, outcome, Deadline::Never(), {});
}

// Receives into a ResultSlot, which keeps the parts of an optional in
// registers. Inlined, because the slot would otherwise be in memory.
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
  channel.MatchSender(receive, channel.kMoves);
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

#ifdef FANFARE_HEADER_ONLY
#include <fanfare/detail/channel/blocking.ipp>
#endif

#endif  // FANFARE_DETAIL_CHANNEL_BLOCKING_H_
