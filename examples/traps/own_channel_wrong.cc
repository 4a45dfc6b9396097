// SPDX-License-Identifier: MIT
//
// A trap: this consumer sends on the feed that it is subscribed to. It halves
// numbers, and sends each half for others and for itself.

#include <chrono>
#include <cstdio>

#include <fanfare/fanfare.h>

int main() {
  fanfare::Feed<int> numbers;
  const fanfare::Channel<int> channel(1);
  const fanfare::Subscription subscription =
      numbers.Subscribe(channel, {.name = "halver"});

  numbers.Send(4);
  const int number = channel.Receive().value();
  numbers.Send(number / 2);  // It fits into the channel.
  // WRONG: the channel is full, and no other thread receives from it. Send()
  // would block permanently.
  if (numbers.SendFor(number / 2, std::chrono::milliseconds(50)) == 0) {
    for (const auto& one : numbers.Report()) {
      std::printf("stuck: %s, %zu of %zu queued\n", one.name.c_str(),
                  one.stats.queued, one.stats.capacity);
    }
  }
}
