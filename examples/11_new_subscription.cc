// SPDX-License-Identifier: MIT
//
// NewSubscription() runs a function in a thread, as a subscription.
// Unsubscribe() stops the function and waits until it has returned. An
// exception that leaves the function arrives where the end is received.

#include <cstdint>
#include <cstdio>
#include <exception>
#include <limits>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

namespace {

// Sends the Fibonacci numbers to `numbers` until it is unsubscribed. Fails at
// the first one that is too large for an int.
fanfare::Subscription SubscribeFibonacci(fanfare::Sender<int> numbers) {
  return fanfare::NewSubscription([numbers](std::stop_token stop) {
    std::int64_t current = 0;
    std::int64_t next = 1;
    while (current <= std::numeric_limits<int>::max()) {
      // A send that is told to stop returns false. It is the only place where
      // this producer blocks, so nothing else has to know about the stop.
      if (!numbers.Send(static_cast<int>(current), stop)) {
        std::puts("unsubscribed");
        return;
      }
      current = std::exchange(next, current + next);
    }
    throw std::overflow_error("the next number does not fit into an int");
  });
}

struct Result {
  std::vector<int> numbers;
  std::exception_ptr error;  // Null: the subscription ended without an error.
};

// Receives until the subscription has ended. Right at any capacity.
Result ReceiveAll(fanfare::Receiver<int> numbers,
                  fanfare::Subscription subscription) {
  Result result;
  // The end is chosen only when `numbers` is empty, and nothing is sent after
  // it.
  fanfare::SelectLoop(
      fanfare::OnReceive(numbers, [&](int n) { result.numbers.push_back(n); }),
      fanfare::OnEnd(subscription,
                     [&](std::exception_ptr error) { result.error = error; }));
  return result;
}

}  // namespace

int main() {
  const fanfare::Channel<int> numbers;
  const fanfare::Subscription subscription = SubscribeFibonacci(numbers);
  for (int i = 0; i < 8; ++i) std::printf("%d\n", numbers.Receive().value());
  subscription.Unsubscribe();
  std::puts("nothing comes after that");

  const fanfare::Channel<int> all(16);
  const Result result = ReceiveAll(all, SubscribeFibonacci(all));
  std::printf("%zu numbers, the last is %d\n", result.numbers.size(),
              result.numbers.back());
  try {
    if (result.error) std::rethrow_exception(result.error);
  } catch (const std::exception& error) {
    std::puts(error.what());
  }
}
