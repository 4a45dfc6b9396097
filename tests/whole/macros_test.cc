// SPDX-License-Identifier: MIT
//
// The headers beside the macros of other libraries. (The standard headers come
// first: what is asked here is whether ours bear them.)

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <variant>

#include "support/catch.h"

// <windows.h>
#ifdef _WIN32
#include <windows.h>
#else
#define Yield()
#define interface struct
#define small char
#define near
#define far
#define IN
#define OUT
#define ERROR 0
#endif

// Qt, unless QT_NO_KEYWORDS is defined
#define signals public
#define slots
#define emit
#define foreach(variable, container) for (variable : container)
#define forever for (;;)

// <X11/X.h>, <X11/Xlib.h>
#define None 0L
#define Always 2
#define Above 0
#define Below 1
#define Success 0
#define Complex 0
#define Bool int
#define Status int
#define True 1
#define False 0

#include <fanfare/fwd.h>

// What a header of a program can say without the library's.
int Sum(const fanfare::Receiver<int>& receiver);
struct Everything {
  fanfare::Channel<int>* channel;
  fanfare::Sender<int>* sender;
  fanfare::Feed<int>* feed;
  fanfare::Subscription* subscription;
  fanfare::SubscriptionScope* scope;
  fanfare::SelectCase* select_case;
};

#include <fanfare/fanfare.h>

// For another processor than the rest of the program, which the library's
// functions must not be inlined into.
#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("arch=haswell")))
#endif
int Sum(const fanfare::Receiver<int>& receiver) {
  using std::chrono::seconds;
  return receiver.Receive().value_or(0) + receiver.TryReceive().value_or(0) +
         receiver.ReceiveFor(seconds(0)).value_or(0) + *receiver.begin();
}

TEST_CASE("a function for another processor can call the library") {
  const fanfare::Channel<int> channel(4);
  for (const int number : {1, 2, 3, 4}) CHECK(channel.Send(number));
  CHECK(Sum(channel) == 10);
}

TEST_CASE("the names are declared for headers that do not need more") {
  const fanfare::Channel<int> made(1);
  fanfare::Channel<int> channel = made;
  const Everything all{&channel, &channel, nullptr, nullptr, nullptr, nullptr};
  CHECK(*all.channel == *all.sender);
}

TEST_CASE("the headers go with the macros of Windows, Qt and X11") {
  fanfare::Feed<int> feed;
  const fanfare::Channel<int> channel(1);
  const fanfare::Subscription subscription = feed.Subscribe(channel);
  CHECK(feed.Send(1) == 1);
  CHECK(fanfare::Select(fanfare::OnReceive(channel, [](int) {})) == 0);
}
