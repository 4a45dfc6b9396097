// SPDX-License-Identifier: MIT
//
// F1, F10: what cannot be fed, and what cannot subscribe.

#include <memory>
#include <string>

#include <fanfare/feed.h>

inline void GoodCode(fanfare::Feed<std::string>& feed,
                     fanfare::Channel<std::string> channel) {
  fanfare::Subscription subscription = feed.Subscribe(channel);
  feed.Send("good");
}

// Whatever converts to T at the call.
struct Header {
  unsigned version : 4, length : 12;
};
struct __attribute__((packed)) Packed {
  char first;
  unsigned second;
};
inline void GoodArguments(fanfare::Feed<unsigned>& feed,
                          fanfare::Feed<int*>& pointers,
                          fanfare::Feed<std::string>& texts,
                          const std::stop_token& stop) {
  const Header header{1, 2};
  const Packed packed{0, 1};
  feed.Send(header.length);
  feed.TrySend(packed.second);
  feed.SendReady(header.version, stop);
  pointers.Send(0);
  pointers.Send(nullptr, stop);
  texts.Send({3, 'x'});
  texts.SendFor({}, std::chrono::seconds(1), stop);
  texts.SendUntil("text", std::chrono::steady_clock::now());
}

#ifdef FEED_OF_MOVE_ONLY
// expect: fanfare: the T of a Feed<T> must be copy-constructible
fanfare::Feed<std::unique_ptr<int>> feed;
#endif

#ifdef FEED_OF_REFERENCE
// expect: fanfare: the T of a Feed<T> must be copy-constructible
fanfare::Feed<int&> feed;
#endif

#ifdef FEED_OF_CONST
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
fanfare::Feed<const int> feed;
#endif

#ifdef FEED_OF_THROWING_MOVE
// expect: fanfare: the T of a Channel<T> must be an object type that is moved
// and destroyed without throwing
struct ThrowingMove {
  ThrowingMove(const ThrowingMove&) {}
};
void Case(fanfare::Feed<ThrowingMove>& feed, fanfare::Channel<ThrowingMove> c) {
  auto subscription = feed.Subscribe(c);
}
#endif

#ifdef SEND_OF_ANOTHER_TYPE
// expect: no matching function for call to | no matching member function for
// call to 'Send'
void Case(fanfare::Feed<int>& feed) { feed.Send("a text"); }
#endif

#ifdef COPY
// expect: use of deleted function | call to deleted constructor
void Case(const fanfare::Feed<int>& feed) { fanfare::Feed<int> copy(feed); }
#endif

#ifdef MOVE
// expect: use of deleted function | call to deleted constructor
void Case(fanfare::Feed<int>& feed) {
  fanfare::Feed<int> other(static_cast<fanfare::Feed<int>&&>(feed));
}
#endif

#ifdef SUBSCRIBE_RECEIVER
// expect: ::Subscribe(const Other&, const Options& ...) | call to deleted
// member function 'Subscribe'
void Case(fanfare::Feed<int>& feed, fanfare::Receiver<int> receiver) {
  auto subscription = feed.Subscribe(receiver);
}
#endif

#ifdef SUBSCRIBE_OTHER_TYPE
// expect: ::Subscribe(const Other&, const Options& ...) | call to deleted
// member function 'Subscribe'
void Case(fanfare::Feed<int>& feed, fanfare::Channel<double> channel) {
  auto subscription = feed.Subscribe(channel);
}
#endif

#ifdef SUBSCRIBE_NUMBER
// expect: ::Subscribe(const Other&, const Options& ...) | call to deleted
// member function 'Subscribe'
void Case(fanfare::Feed<int>& feed) { auto subscription = feed.Subscribe(42); }
#endif

#ifdef DROPPED_RESULT
// expect: a Subscription that is dropped unsubscribes
void Case(fanfare::Feed<int>& feed, fanfare::Channel<int> channel) {
  feed.Subscribe(channel);
}
#endif

#ifdef SEND_NARROWS
// expect: conversion from 'double' to | may change value
// flags: -Wconversion -Wfloat-conversion
void Case(fanfare::Feed<int>& feed) { feed.Send(3.7); }
#endif
