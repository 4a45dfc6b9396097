// SPDX-License-Identifier: MIT
//
// The way out of the trap: the consumer owns the handle, so that it
// unsubscribes when it leaves, for whatever reason.

#include <cstdio>
#include <thread>

#include <fanfare/fanfare.h>

namespace {

// Prints the first number only. RIGHT: `subscription` ends with the function.
void PrintFirst(fanfare::Receiver<int> numbers,
                [[maybe_unused]] fanfare::Subscription subscription) {
  std::printf("the first number is %d\n", numbers.Receive().value());
}

}  // namespace

int main() {
  fanfare::Feed<int> feed;
  const fanfare::Channel<int> numbers(0);
  std::jthread printer(PrintFirst, numbers,
                       feed.Subscribe(numbers, {.name = "printer"}));

  feed.Send(1);
  printer.join();
  std::printf("the second number is taken by %zu\n", feed.Send(2));
}
