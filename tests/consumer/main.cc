// SPDX-License-Identifier: MIT
//
// The program that is built in each of the ways to use the library.

#include <cstdio>

#include <fanfare/fanfare.h>

int main() {
  fanfare::Feed<int> feed;
  fanfare::Channel<int> channel(1);
  fanfare::Subscription subscription = feed.Subscribe(channel);
  feed.Send(42);
  std::printf("received %d\n", channel.Receive().value());
}
