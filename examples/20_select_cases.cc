// SPDX-License-Identifier: MIT
//
// A Select over any number of channels, which is known only at run time: the
// cases stand in a vector, and Select() returns the index of the one that it
// has performed.

#include <cstddef>
#include <cstdio>
#include <thread>
#include <vector>

#include <fanfare/fanfare.h>

namespace {

using Channels = std::vector<fanfare::Channel<int>>;

// Receives from all channels until all of them are closed and empty. Returns
// for each channel the sum of its values.
std::vector<int> SumEach(const Channels& channels) {
  int received = 0;
  std::vector<fanfare::SelectCase> cases;
  for (const fanfare::Channel<int>& channel : channels) {
    cases.emplace_back(
        fanfare::OnReceive(channel, [&](int value) { received = value; }));
  }
  std::vector<int> sums(channels.size());
  for (;;) {
    const std::size_t chosen = fanfare::Select(cases);
    // A handler that takes an int is not called for a channel that is closed
    // and empty. When all are, no case is left to wait for.
    if (chosen == fanfare::kNoCase) return sums;
    sums[chosen] += received;
  }
}

}  // namespace

int main() {
  Channels channels;
  std::vector<std::jthread> producers;
  for (int number = 1; number <= 3; ++number) {
    const fanfare::Channel<int> channel = channels.emplace_back(2);
    producers.emplace_back([channel, number] {
      for (int i = 0; i < 10; ++i) channel.Send(number);
      channel.Close();
    });
  }
  for (const int sum : SumEach(channels)) std::printf("%d\n", sum);
}
