// SPDX-License-Identifier: MIT
//
// Two files that include every header, and instantiate the same templates, are
// linked into one program.

#include <cstdio>

#include "two_units.h"

int main() {
  fanfare::Channel<int> numbers(1);
  fanfare::Channel<int> results(1);
  fanfare::Feed<int> doubled;
  fanfare::Subscription subscription = doubled.Subscribe(results);

  numbers.Send(21);
  numbers.Close();
  DoubleAll(numbers, doubled);

  if (results.Receive() != 42) return 1;
  std::puts("received 42");
}
