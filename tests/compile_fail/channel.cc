// SPDX-License-Identifier: MIT
//
// C2, C8: what cannot be a channel's element, and what a view does not offer.

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <fanfare/channel.h>

struct ThrowingMove {
  ThrowingMove() = default;
  ThrowingMove(ThrowingMove&&) noexcept(false) {}
};

struct ThrowingDestructor {
  ThrowingDestructor() = default;
  ThrowingDestructor(ThrowingDestructor&&) noexcept {}
  ~ThrowingDestructor() noexcept(false) {}
};

struct Immovable {
  Immovable() = default;
  Immovable(Immovable&&) = delete;
};

inline std::optional<std::string> GoodCode() {
  fanfare::Channel<std::string> channel(1);
  fanfare::Sender<std::string> sender = channel;
  fanfare::Receiver<std::string> receiver = channel;
  sender.TrySend("good");
  sender.Close();
  return receiver.TryReceive();
}

#ifdef CHANNEL_OF_THROWING_MOVE
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Channel<ThrowingMove> channel;
#endif

#ifdef CHANNEL_OF_THROWING_DESTRUCTOR
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Channel<ThrowingDestructor> channel;
#endif

#ifdef CHANNEL_OF_IMMOVABLE
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Channel<Immovable> channel;
#endif

#ifdef CHANNEL_OF_REFERENCE
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Channel<int&> channel;
#endif

#ifdef CHANNEL_OF_VOID
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Channel<void> channel;
#endif

#ifdef CHANNEL_OF_CONST
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Channel<const int> channel;
#endif

#ifdef CHANNEL_OF_ARRAY
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Channel<int[2]> channel;
#endif

#ifdef SENDER_OF_REFERENCE
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Sender<int&> sender;
#endif

#ifdef RECEIVER_OF_VOID
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Receiver<void> receiver;
#endif

#ifdef RECEIVER_CLOSES
// expect: has no member named 'Close' | no member named 'Close'
void Case(fanfare::Receiver<int> receiver) { receiver.Close(); }
#endif

#ifdef RECEIVER_SENDS
// expect: has no member named 'Send' | no member named 'Send'
void Case(fanfare::Receiver<int> receiver) { receiver.Send(1); }
#endif

#ifdef SENDER_RECEIVES
// expect: has no member named 'Receive' | no member named 'Receive'
auto Case(fanfare::Sender<int> sender) { return sender.Receive(); }
#endif

#ifdef RECEIVER_AS_SENDER
// expect: conversion from | no viable conversion
void Case(fanfare::Receiver<int> receiver) {
  fanfare::Sender<int> sender = receiver;
}
#endif

#ifdef SEND_OF_ANOTHER_TYPE
// expect: no matching function for call to | no matching member function for
// call to 'Send'
void Case(fanfare::Sender<int> sender) { sender.Send("a text"); }
#endif

#ifdef NARROWING_IS_WARNED_OF
// expect: conversion from 'double' to
// flags: -Wconversion -Wfloat-conversion
bool Case(fanfare::Sender<int> sender) { return sender.Send(3.7); }
#endif

#ifdef COMPARISON_OF_OTHER_ELEMENTS
// expect: no match for 'operator==' | invalid operands to binary expression
bool Case(fanfare::Sender<int> ints, fanfare::Sender<long> longs) {
  return ints == longs;
}
#endif

#ifdef COPY_OF_MOVE_ONLY
// expect: no matching function for call to | no matching member function for
// call to 'Send'
void Case(fanfare::Sender<std::unique_ptr<int>> sender,
          const std::unique_ptr<int>& value) {
  sender.Send(value);
}
#endif

#ifdef RECEIVED_VALUE_DROPPED
// expect: the received value is lost
void Case(fanfare::Receiver<int> receiver) { receiver.Receive(); }
#endif

#ifdef RECEIVED_VALUE_DROPPED_WITH_STOP
// expect: the received value is lost
void Case(fanfare::Receiver<int> receiver, std::stop_token stop) {
  receiver.Receive(stop);
}
#endif

#ifdef RECEIVED_VALUE_DROPPED_WITHIN
// expect: the received value is lost
void Case(fanfare::Receiver<int> receiver) {
  receiver.ReceiveFor(std::chrono::seconds(1));
}
#endif

#ifdef RECEIVED_VALUE_DROPPED_UNTIL
// expect: the received value is lost
void Case(fanfare::Receiver<int> receiver) {
  receiver.ReceiveUntil(std::chrono::steady_clock::now());
}
#endif

#ifdef RECEIVED_VALUE_DROPPED_AT_ONCE
// expect: the received value is lost
void Case(fanfare::Receiver<int> receiver) { receiver.TryReceive(); }
#endif
