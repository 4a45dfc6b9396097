// SPDX-License-Identifier: MIT
//
// What happens to a subscriber that is slower than the feed: each call decides
// whether it waits for a full channel, for how long, or not at all. The
// difference between subscriber_count() and what the call returns is the number
// of subscribers that missed the value.

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <thread>

#include <fanfare/fanfare.h>

namespace {

void Print(const char* call, std::size_t taken) {
  std::printf("%-10s taken by %zu of 2\n", call, taken);
}

// Prints what is in the channel now.
void PrintContents(const char* name, const fanfare::Receiver<int>& channel) {
  std::printf("%s:", name);
  while (const auto value = channel.TryReceive()) std::printf(" %d", *value);
  std::puts("");
}

}  // namespace

int main() {
  using namespace std::chrono_literals;
  fanfare::Feed<int> feed;
  const fanfare::Channel<int> fast(8);
  const fanfare::Channel<int> slow(1);  // It is full after one value.
  const fanfare::Subscription fast_subscription = feed.Subscribe(fast);
  const fanfare::Subscription slow_subscription = feed.Subscribe(slow);
  Print("Send", feed.Send(1));

  // Waits for `slow` until the timeout, then takes the value back from it.
  Print("SendFor", feed.SendFor(2, 1ms));
  // Waits for other Sends on this feed, but not for channels.
  Print("SendReady", feed.SendReady(3));
  // Waits for nothing. The result 0 may mean that another Send was under way.
  Print("TrySend", feed.TrySend(4));

  // Waits until `slow` has room, however long that takes.
  std::jthread reader([slow] { slow.Receive().value(); });
  Print("Send", feed.Send(5));

  reader.join();
  PrintContents("fast", fast);
  PrintContents("slow", slow);
}
