// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_CHANNEL_ENDS_IPP_
#define FANFARE_DETAIL_CHANNEL_CHANNEL_ENDS_IPP_

#include <fanfare/detail/channel/channel_ends.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

Outcome ChannelEnds::TrySend(Operation& send,
                             const ValueMoves& moves) noexcept {
  {
    const LockGuard lock(back_.lock);
    const Outcome outcome = CheckBack(send);
    if (outcome == Outcome::kDone) moves.store(*this, send);
    if (outcome != Outcome::kCounterpartWaits) return outcome;
  }
  return MatchReceiver(send, moves, Locks::kNone);
}

Outcome ChannelEnds::TryReceive(Operation& receive,
                                const ValueMoves& moves) noexcept {
  const Outcome outcome = LockAndCheckFront();
  if (outcome == Outcome::kCounterpartWaits) {
    return MatchSender(receive, moves);
  }
  if (outcome == Outcome::kDone) Take(receive, moves);
  front_.lock.unlock();
  return outcome;
}

Outcome ChannelEnds::StartSend(Operation& send,
                               const ValueMoves& moves) noexcept {
  return UnderBothLocks(&ChannelEnds::SendNow, send, moves,
                        &front_.waiting_sends);
}

Outcome ChannelEnds::StartReceive(Operation& receive,
                                  const ValueMoves& moves) noexcept {
  return UnderBothLocks(&ChannelEnds::ReceiveNow, receive, moves,
                        &back_.waiting_receives);
}

Outcome ChannelEnds::MatchReceiver(Operation& send,
                                   const ValueMoves& moves) noexcept {
  return MatchReceiver(send, moves, Locks::kTryBack);
}

Outcome ChannelEnds::MatchSender(Operation& receive,
                                 const ValueMoves& moves) noexcept {
  return UnderBothLocks(&ChannelEnds::ReceiveNow, receive, moves, nullptr,
                        Locks::kFront);
}

void ChannelEnds::Close() noexcept {
  IntrusiveList<Operation> refused;
  {
    const BothLocks locked(*this);
    if (front_.closed) return;
    front_.closed = back_.closed = back_.refuses = true;
    front_.waiting_sends.CloseAll(refused);
    back_.waiting_receives.CloseAll(refused);
  }
  CompleteAll(refused);
}

bool ChannelEnds::CancelSend(Operation& send) noexcept {
  const BothLocks locked(*this);
  return front_.waiting_sends.Remove(send);
}

bool ChannelEnds::CancelReceive(Operation& receive) noexcept {
  const BothLocks locked(*this);
  return back_.waiting_receives.Remove(receive);
}

bool ChannelEnds::RevokeSend(Operation& send) noexcept {
  const BothLocks locked(*this);
  send.revoked = back_.refuses = true;
  if (!front_.waiting_sends.Remove(send)) return false;
  send.outcome = Outcome::kClosed;
  return true;
}

void ChannelEnds::LockBiased(const ChannelEnds& channel) noexcept {
  channel.front_.lock.unlock();
  channel.back_.lock.RevokeBias();
  channel.front_.lock.lock();
  channel.back_.lock.LockRevoked();
}

void ChannelEnds::SeparateAlone() noexcept {
  if (!back_.lock.LockUnlessBiased()) LockBiased(*this);
  Separate();
  back_.lock.unlock();
}

Outcome ChannelEnds::UnderBothLocks(Attempt attempt, Operation& operation,
                                    const ValueMoves& moves, WaitQueue* queue,
                                    Locks locks) noexcept {
  Operation* partner = nullptr;
  Outcome outcome;
  {
    const BothLocks locked(*this, locks);
    if (!locked.held()) return Outcome::kBiasedElsewhere;
    Separate();
    // An operation that is not to be queued is claimed by no other thread.
    Claim* const claim = queue != nullptr ? operation.claim() : nullptr;
    outcome = (this->*attempt)(operation, moves, claim, partner);
    operation.outcome = outcome;
    if (outcome == Outcome::kPending && queue != nullptr) {
      queue->Append(operation);
    }
  }
  if (partner != nullptr) partner->waker->Completed(*partner);
  return outcome;
}

Outcome ChannelEnds::MatchReceiver(Operation& send, const ValueMoves& moves,
                                   Locks locks) noexcept {
  return UnderBothLocks(&ChannelEnds::SendNow, send, moves, nullptr, locks);
}

Outcome ChannelEnds::SendNow(Operation& send, const ValueMoves& moves,
                             Claim* claim, Operation*& partner) noexcept {
  if (back_.closed || send.revoked) return Outcome::kClosed;
  const Outcome matched = back_.waiting_receives.Match(send, claim, partner);
  if (matched == Outcome::kDone) moves.hand_over(send, *partner);
  if (matched != Outcome::kPending) return matched;
  if (!back_.end.HasRoom(front_.end)) return Outcome::kPending;
  if (claim != nullptr && !claim->Try(send)) return Outcome::kLost;
  moves.store(*this, send);
  return Outcome::kDone;
}

Outcome ChannelEnds::ReceiveNow(Operation& receive, const ValueMoves& moves,
                                Claim* claim, Operation*& partner) noexcept {
  if (!front_.end.HasValue(back_.end)) {
    front_.receiver.Note();
    const Outcome matched = front_.waiting_sends.Match(receive, claim, partner);
    if (matched == Outcome::kDone) moves.hand_over(*partner, receive);
    return matched == Outcome::kPending && front_.closed ? Outcome::kClosed
                                                         : matched;
  }
  if (claim != nullptr && !claim->Try(receive)) return Outcome::kLost;
  Take(receive, moves);
  if (front_.waiting_sends.Match(receive, nullptr, partner) == Outcome::kDone) {
    moves.store(*this, *partner);
  }
  return Outcome::kDone;
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_CHANNEL_ENDS_IPP_
