// SPDX-License-Identifier: MIT
//
// The subscriber of example 11 receives every number and the error.

#include "check.h"

#define main ExampleMain
#include "../11_new_subscription.cc"
#undef main

#include <algorithm>
#include <cstddef>
#include <string>

namespace {

using check::Captured;
using check::Check;

void TestAllNumbersComeBeforeTheError(std::size_t capacity) {
  const fanfare::Channel<int> numbers(capacity);
  const Result result = ReceiveAll(numbers, SubscribeFibonacci(numbers));
  Check(result.numbers.size() == 47,
        std::to_string(result.numbers.size()) + " numbers");
  Check(result.numbers.back() == 1836311903, "another number is the last");
  Check(result.error != nullptr, "there is no error");
}

void TestUnsubscribeWaitsForTheProducer(std::size_t capacity) {
  // With room for all numbers the producer might have ended before.
  const fanfare::Channel<int> numbers(std::min<std::size_t>(capacity, 8));
  const std::string printed = Captured([&] {
    const fanfare::Subscription subscription = SubscribeFibonacci(numbers);
    Check(numbers.Receive() == 0, "the first number is not 0");
    subscription.Unsubscribe();
    std::puts("returned");
  });
  Check(printed == "unsubscribed\nreturned\n", printed);
}

}  // namespace

int main() {
  return check::Run(TestAllNumbersComeBeforeTheError,
                    TestUnsubscribeWaitsForTheProducer);
}
