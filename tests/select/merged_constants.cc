// SPDX-License-Identifier: MIT
//
// S7: types are told apart although the program's constants are merged, as g++
// -fmerge-all-constants and the linkers of Windows do it. Prints what is wrong.

#include <cstdio>

#include <fanfare/select.h>

int main() {
  const fanfare::Channel<int> channel;
  fanfare::SelectCase made = fanfare::OnSend(channel, 42);
  if (made.TakeUnsent<double>().has_value()) {
    std::puts("a double out of an int");
    return 1;
  }
  if (made.TakeUnsent<int>() != 42) {
    std::puts("the int is gone");
    return 1;
  }
  return 0;
}
