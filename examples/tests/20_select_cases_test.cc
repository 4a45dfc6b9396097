// SPDX-License-Identifier: MIT
//
// The Select of example 20 receives all values of all channels, however many
// there are.

#include "check.h"

#define main ExampleMain
#include "../20_select_cases.cc"
#undef main

#include <string>

namespace {

using check::Check;

void TestAllValuesAreReceived(std::size_t capacity) {
  constexpr int kValues = 500;
  Channels channels;
  std::vector<std::jthread> producers;
  for (int number = 1; number <= 4; ++number) {
    const fanfare::Channel<int> channel = channels.emplace_back(capacity);
    producers.emplace_back([channel, number] {
      for (int i = 0; i < kValues; ++i) channel.Send(number);
      channel.Close();
    });
  }
  const std::vector<int> sums = SumEach(channels);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    Check(sums[i] == kValues * (static_cast<int>(i) + 1),
          "the sum of channel " + std::to_string(i) + " is " +
              std::to_string(sums[i]));
  }
}

void TestWithoutChannelsThereIsNoCase(std::size_t) {
  Check(SumEach({}).empty(), "there are sums");
}

}  // namespace

int main() {
  return check::Run(TestAllValuesAreReceived, TestWithoutChannelsThereIsNoCase);
}
