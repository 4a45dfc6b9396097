// SPDX-License-Identifier: MIT
//
// How a thread waits, and how two meet in a channel.

#include "scenario.h"
// The platform comes first.

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include <fanfare/channel.h>

namespace model {
namespace {

using fanfare::Channel;
using fanfare::detail::Claim;
using fanfare::detail::Deadline;
using fanfare::detail::Operation;
using fanfare::detail::Outcome;
using fanfare::detail::Parker;
using fanfare::detail::SpinLock;
using fanfare::detail::ThreadWaiter;
using namespace std::chrono_literals;

void SpinLocks() {
  SpinLock<Platform> lock;
  Atomic<int> inside = 0;
  const auto enter = [&] {
    for (int i = 0; i < 2; ++i) {
      lock.lock();
      Expect(inside.fetch_add(1) == 0, "two hold the lock");
      inside.fetch_sub(1);
      lock.unlock();
    }
  };
  Scheduler::Interleave({enter, enter});
}

void Parking() {
  std::optional<Parker> parker(std::in_place);
  Scheduler::Interleave({[&] {
                           parker->Wait(1, Deadline::Never());
                           Expect(parker->Signalled(1), "no signal");
                           // As the stack of a call that returns.
                           parker.reset();
                         },
                         [&] { parker->Signal(1); }});
}

void ParkingTwice() {
  std::optional<Parker> parker(std::in_place);
  Scheduler::Interleave({[&] {
                           parker->Wait(1, Deadline::Never());
                           parker->Wait(2, Deadline::Never());
                           parker.reset();
                         },
                         [&] { parker->Signal(1); },
                         [&] { parker->Signal(2); }});
}

void ParkingDeadline() {
  std::optional<ThreadWaiter> waiter(std::in_place);
  Operation operation;
  waiter->Attach(operation);
  bool claimed = false;
  bool gave_up = false;
  bool told = false;
  Scheduler::Interleave(
      {[&] {
         Operation give_up;
         Operation& winner = waiter->Wait(Deadline::After(10s), give_up);
         gave_up = &winner == &give_up;
         if (!gave_up)
           Expect(told, "the call returned before it was completed");
         // Who gives up takes the operation out of its queue, under a lock.
         if (!gave_up) waiter.reset();
       },
       [&] {
         claimed = operation.claim()->Try(operation);
         if (!claimed) return;
         told = true;
         operation.waker->Completed(operation);
       },
       TimePasses(10s)});
  Expect(claimed != gave_up, "not one of the two has won");
}

void ParkingPair() {
  std::array<Claim, 2> claims;
  std::array<Operation, 4> operations;
  // The claim at the lower address is held meanwhile.
  const std::size_t mine = Scheduler::Choose(2);
  bool together = false;
  std::array<bool, 2> alone{};
  Scheduler::Interleave({[&] {
                           together = Claim::TryBoth(
                                          claims[mine], operations[0],
                                          claims[1 - mine], operations[1]) ==
                                      Claim::Pair::kClaimed;
                         },
                         [&] { alone[0] = claims[0].Try(operations[2]); },
                         [&] { alone[1] = claims[1].Try(operations[3]); }});
  Expect(alone[0] == !together && alone[1] == !together,
         "a claim is lost or taken twice");
}

void Rendezvous() {
  const Channel<int> channel;
  std::vector<int> received;
  Scheduler::Interleave({[&] {
                           Expect(channel.Send(1), "the first is not sent");
                           Expect(channel.Send(2), "the second is not sent");
                         },
                         [&] {
                           received.push_back(channel.Receive().value_or(0));
                           received.push_back(channel.Receive().value_or(0));
                         }});
  Expect(received == std::vector{1, 2}, "other values, or another order");
  ExpectNobodyWaits(channel);
}

void RendezvousOfThree() {
  const Channel<int> channel;
  int sum = 0;
  Scheduler::Interleave({[&] {
                           channel.Send(1);
                           channel.Send(10);
                         },
                         [&] { sum += channel.Receive().value_or(0); },
                         [&] { sum += channel.Receive().value_or(0); }});
  Expect(sum == 11, "a value is lost or doubled");
  ExpectNobodyWaits(channel);
}

void RendezvousDeadline() {
  const Channel<int> channel;
  bool sent = false;
  bool received = false;
  Scheduler::Interleave({[&] { sent = channel.SendFor(1, 10s); },
                         [&] { received = channel.ReceiveFor(10s) == 1; },
                         TimePasses(10s)});
  Expect(sent == received, "one gave up, the other did not");
  ExpectNobodyWaits(channel);
}

void QueuedSender() {
  const Channel<int> channel(1);
  channel.TrySend(1);
  std::vector<int> received;
  bool behind = false;
  bool waited = false;
  bool came = false;
  Scheduler::Interleave(
      {[&] { waited = channel.SendFor(2, 10s); },
       [&] { received.push_back(channel.Receive().value_or(0)); },
       [&] {
         behind = channel.waiting_senders() == 1;
         came = channel.TrySend(3);
       }});
  if (const auto left = channel.TryReceive()) received.push_back(*left);
  Expect(received == std::vector{1, waited ? 2 : 3} && waited != came,
         "a value is lost or doubled");
  Expect(!behind || waited, "a newcomer was served first");
  ExpectNobodyWaits(channel);
}

void QueuedReceiver() {
  const Channel<int> channel;
  int waited = 0;
  int came = 0;
  bool behind = false;
  Scheduler::Interleave({[&] { waited = channel.ReceiveFor(10s).value_or(0); },
                         [&] { channel.SendFor(1, 10s); },
                         [&] {
                           behind = channel.waiting_receivers() == 1;
                           came = channel.TryReceive().value_or(0);
                         }});
  Expect(waited + came == 1, "the value is lost or doubled");
  Expect(!behind || waited == 1, "a newcomer was served first");
  ExpectNobodyWaits(channel);
}

void RoomForAQueuedSender() {
  const Channel<int> channel(1);
  int received = 0;
  Scheduler::Interleave({[&] { received = channel.Receive().value_or(0); },
                         [&] {
                           Expect(channel.Send(1), "the first is not sent");
                           Expect(channel.Send(2), "the second is not sent");
                         }});
  Expect(received == 1 && channel.TryReceive() == 2,
         "other values, or another order");
  ExpectNobodyWaits(channel);
}

void ChannelClose() {
  const Channel<int> channel;
  bool sent = false;
  bool received = false;
  Scheduler::Interleave({[&] { sent = channel.Send(1); },
                         [&] { received = channel.Receive() == 1; },
                         [&] { channel.Close(); }});
  Expect(sent == received, "one was refused, the other was not");
  ExpectNobodyWaits(channel);
}

constexpr std::array kScenarios = {
    Scenario{"spin_lock", "one at a time has the lock, and everybody gets it",
             SpinLocks},
    Scenario{"parking",
             "no wake-up is lost; a parker that is left is not touched",
             Parking},
    Scenario{"parking_twice", "the same with two who wake", ParkingTwice},
    Scenario{"parking_deadline",
             "the deadline or the counterpart wins, and who has won completes "
             "before the waiter leaves",
             ParkingDeadline},
    Scenario{"parking_pair",
             "two claims are taken together, or each by another thread",
             ParkingPair},
    Scenario{"rendezvous", "values go from stack to stack, once and in order",
             Rendezvous},
    Scenario{"rendezvous_three", "each of two receivers gets one of two values",
             RendezvousOfThree},
    Scenario{"rendezvous_deadline", "both meet or both give up",
             RendezvousDeadline},
    Scenario{"hand_over_sender",
             "room goes to the send that waits, not to one that comes",
             QueuedSender},
    Scenario{"hand_over_receiver",
             "a value goes to the receive that waits, not to one that comes",
             QueuedReceiver},
    Scenario{"hand_over_room",
             "a receive that is about to queue gives its room to a send",
             RoomForAQueuedSender},
    Scenario{"channel_close", "Close refuses a send and a receive, or neither",
             ChannelClose},
};

}  // namespace

std::span<const Scenario> ChannelScenarios() { return kScenarios; }

}  // namespace model
