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

#include <fanfare/fanfare.h>

TEST_CASE("the headers go with the macros of Windows, Qt and X11") {
  fanfare::Feed<int> feed;
  const fanfare::Channel<int> channel(1);
  const fanfare::Subscription subscription = feed.Subscribe(channel);
  CHECK(feed.Send(1) == 1);
  CHECK(fanfare::Select(fanfare::OnReceive(channel, [](int) {})) == 0);
}
