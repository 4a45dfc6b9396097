// SPDX-License-Identifier: MIT
//
// The consumer of example 02 misses no number that was sent before the end,
// whichever side ends the subscription.

#include "check.h"

#define main ExampleMain
#include "../02_end.cc"
#undef main

#include <cstddef>
#include <string>

namespace {

using check::Captured;
using check::Check;

constexpr int kNumbers = 2000;

// What a consumer of all numbers prints.
std::string AllNumbers() {
  std::string text;
  for (int n = 0; n < kNumbers; ++n) text += std::to_string(n) + '\n';
  return text + "end\n";
}

void TestNumbersThatAreBufferedAtTheEndArePrinted(std::size_t capacity) {
  const fanfare::Channel<int> numbers(capacity);
  const std::string printed = Captured([&] {
    const std::jthread consumer(Consume, numbers);
    fanfare::Feed<int> feed;
    const fanfare::Subscription subscription =
        feed.Subscribe(numbers, {.close_channel = true});
    for (int n = 0; n < kNumbers; ++n) feed.Send(n);
  });
  Check(printed == AllNumbers(), printed);
}

void TestAChannelThatIsClosedIsAnEnd(std::size_t capacity) {
  const fanfare::Channel<int> numbers(capacity);
  fanfare::Feed<int> feed;
  std::size_t taken = 1;
  const std::string printed = Captured([&] {
    const fanfare::Subscription subscription =
        feed.Subscribe(numbers, {.close_channel = true});
    const std::jthread consumer(Consume, numbers);
    for (int n = 0; n < kNumbers; ++n) feed.Send(n);
    numbers.Close();
    taken = feed.Send(kNumbers);  // Notices that the channel is closed.
  });
  Check(taken == 0, "a closed channel took a number");
  Check(printed == AllNumbers(), printed);
}

}  // namespace

int main() {
  return check::Run(TestNumbersThatAreBufferedAtTheEndArePrinted,
                    TestAChannelThatIsClosedIsAnEnd);
}
