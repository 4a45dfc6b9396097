// SPDX-License-Identifier: MIT

#include "two_units.h"

void DoubleAll(fanfare::Receiver<int> numbers, fanfare::Feed<int>& doubled) {
  for (int number : numbers) doubled.Send(2 * number);
}
