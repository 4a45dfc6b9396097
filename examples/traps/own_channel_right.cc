// SPDX-License-Identifier: MIT
//
// The way out of the trap: the consumer keeps for itself what it has to handle
// later, and tells others on a feed that it is not subscribed to.

#include <cstdio>
#include <deque>

#include <fanfare/fanfare.h>

int main() {
  fanfare::Feed<int> numbers;
  fanfare::Feed<int> halves;  // RIGHT: the halver does not receive from it.
  const fanfare::Channel<int> channel(1);
  const fanfare::Subscription subscription = numbers.Subscribe(channel);
  const fanfare::Subscription printer = fanfare::Listen(
      halves, [](int half) { std::printf("half: %d\n", half); });

  numbers.Send(4);
  std::deque<int> own = {channel.Receive().value()};
  for (; !own.empty(); own.pop_front()) {
    const int number = own.front();
    if (number % 2 != 0) continue;
    for (int i = 0; i < 2; ++i) {
      halves.Send(number / 2);
      own.push_back(number / 2);
    }
  }
  halves.Close();
  fanfare::Select(fanfare::OnEnd(printer));
}
