// SPDX-License-Identifier: MIT
//
// How a consumer learns that nothing more will come: with `close_channel`, the
// end of a subscription closes its channel, so a loop over the channel ends.

#include <cstdio>
#include <thread>

#include <fanfare/fanfare.h>

namespace {

// Prints every number that is delivered to `numbers`, until it is closed.
void Consume(fanfare::Receiver<int> numbers) {
  // The loop ends when `numbers` is closed and empty. Therefore no number is
  // missed that was delivered before the end.
  for (const int n : numbers) std::printf("%d\n", n);
  std::puts("end");
}

}  // namespace

int main() {
  fanfare::Feed<int> feed;
  const fanfare::Channel<int> numbers(8);
  const fanfare::Subscription subscription =
      feed.Subscribe(numbers, {.close_channel = true});
  std::jthread consumer(Consume, numbers);

  for (int n = 1; n <= 3; ++n) feed.Send(n);
  // Ends all subscriptions, and so the loop. Before the end of main(): there
  // the destructor of the thread waits for the loop, before that of the feed.
  feed.Close();
}
