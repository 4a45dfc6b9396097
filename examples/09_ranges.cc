// SPDX-License-Identifier: MIT
//
// A channel is an input range of the values still to come, so the standard
// views work on it. `take` stands first, where it limits how many values leave
// the channel. Behind a filter it would not: in search of its next match, the
// filter receives further values, and drops them.

#include <cstdio>
#include <ranges>
#include <thread>

#include <fanfare/fanfare.h>

int main() {
  const fanfare::Channel<int> numbers(2);
  const std::jthread producer([numbers] {
    for (int n = 1; n <= 10; ++n) numbers.Send(n);
    numbers.Close();
  });

  const auto even = [](int n) { return n % 2 == 0; };
  const auto square = [](int n) { return n * n; };
  for (const int n : numbers | std::views::take(6) | std::views::filter(even) |
                         std::views::transform(square)) {
    std::printf("%d\n", n);
  }

  std::puts("the rest");
  for (const int n : numbers) std::printf("%d\n", n);
}
