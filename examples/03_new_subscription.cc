// SPDX-License-Identifier: MIT
//
// A subscription that is run by a producer of your own: NewSubscription() gives
// it a thread, and Unsubscribe() stops it and waits until it has returned.

#include <cstdio>
#include <stop_token>
#include <utility>

#include <fanfare/fanfare.h>

namespace {

// Sends the Fibonacci numbers to `numbers`, for as long as anybody wants them.
fanfare::Subscription SubscribeFibonacci(fanfare::Sender<int> numbers) {
  return fanfare::NewSubscription([numbers](std::stop_token stop) {
    int current = 0;
    int next = 1;
    // A send that is told to stop returns false. It is the only place where
    // this producer blocks, hence the only one that has to know about the stop.
    while (numbers.Send(current, stop)) {
      current = std::exchange(next, current + next);
    }
    std::puts("unsubscribed");
  });
}

}  // namespace

int main() {
  fanfare::Channel<int> numbers;
  fanfare::Subscription subscription = SubscribeFibonacci(numbers);

  for (int i = 0; i < 8; ++i) std::printf("%d\n", *numbers.Receive());

  subscription.Unsubscribe();
  std::puts("nothing comes after that");
}
