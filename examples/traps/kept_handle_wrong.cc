// SPDX-License-Identifier: MIT
//
// A trap: this consumer leaves, and its subscription stays.

#include <chrono>
#include <cstdio>
#include <thread>

#include <fanfare/fanfare.h>

namespace {

// Prints the first number only.
void PrintFirst(fanfare::Receiver<int> numbers) {
  std::printf("the first number is %d\n", numbers.Receive().value());
}

}  // namespace

int main() {
  fanfare::Feed<int> feed;
  const fanfare::Channel<int> numbers(0);
  // WRONG: the handle is here, and the consumer does not unsubscribe.
  const fanfare::Subscription subscription =
      feed.Subscribe(numbers, {.name = "printer"});
  std::jthread printer(PrintFirst, numbers);

  feed.Send(1);
  printer.join();
  // No thread receives from the channel any more, so Send() would block until
  // the subscription ends.
  if (feed.SendFor(2, std::chrono::milliseconds(50)) == 0) {
    for (const auto& one : feed.Report()) {
      std::printf("stuck: %s\n", one.name.c_str());
    }
  }
}
