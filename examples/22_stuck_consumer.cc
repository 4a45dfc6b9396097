// SPDX-License-Identifier: MIT
//
// A stuck consumer is found by its name in a running program: the feed calls
// a function when a Send has waited for long, and Report() says of every
// subscriber what it has taken, also while a Send is blocked.

#include <chrono>
#include <cstdio>
#include <iostream>
#include <span>
#include <string>
#include <thread>

#include <fanfare/fanfare.h>

int main() {
  using fanfare::SubscriberReport;
  const fanfare::Channel<std::string> warnings(1);  // One is enough.

  fanfare::Feed<int> blocks(fanfare::FeedOptions{
      .name = "blocks",
      .stall_after = std::chrono::milliseconds(10),
      // Called by the thread that is blocked in Send(), so it must not block.
      .on_stall = [&](std::span<const SubscriberReport> slow) {
        for (const SubscriberReport& one : slow) warnings.TrySend(one.name);
      }});

  const fanfare::Channel<int> index(8);
  const fanfare::Channel<int> archive(2);  // No thread receives from it.
  const fanfare::Subscription indexing =
      blocks.Subscribe(index, {.name = "index"});
  const fanfare::Subscription archiving =
      blocks.Subscribe(archive, {.name = "archive"});

  std::jthread sender([&] {
    for (int number = 1; number <= 5; ++number) blocks.Send(number);
  });

  std::printf("a Send waits for: %s\n", warnings.Receive()->c_str());
  for (const auto& one : blocks.Report()) {
    std::printf("%-8s %zu of %zu queued%s\n", one.name.c_str(),
                one.stats.queued, one.stats.capacity,
                one.stats.blocks ? ", blocks the Send" : "");
  }
  // DebugString() says the same as text for a log. Its times differ from run to
  // run, so it is printed to stderr, which the test does not compare.
  std::cerr << blocks.DebugString() << '\n';

  archiving.Unsubscribe();  // Releases the Send.
  sender.join();
  std::printf("index has %zu blocks\n", index.size());
}
