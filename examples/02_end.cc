// SPDX-License-Identifier: MIT
//
// How a consumer learns that nothing more will come. The end of a subscription
// leaves the channel open, so a consumer waits for a value or for the end.

#include <cstdio>
#include <thread>

#include <fanfare/fanfare.h>

namespace {

// Prints every number that is delivered to `numbers`, until `subscription` has
// ended.
void Consume(fanfare::Receiver<int> numbers,
             fanfare::Subscription subscription) {
  // OnEnd is chosen only when `numbers` is empty, and nothing is delivered
  // after the end. Therefore no number is missed.
  fanfare::SelectLoop(
      fanfare::OnReceive(numbers, [](int n) { std::printf("%d\n", n); }),
      fanfare::OnEnd(subscription));
  std::puts("end");
}

}  // namespace

int main() {
  fanfare::Feed<int> feed;
  fanfare::Channel<int> numbers(8);
  std::jthread consumer(Consume, numbers, feed.Subscribe(numbers));

  for (int n = 1; n <= 3; ++n) feed.Send(n);
  feed.Close();  // Ends all subscriptions. So does the feed's destructor.
}
