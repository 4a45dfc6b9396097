// SPDX-License-Identifier: MIT
//
// JoinSubscriptions() makes one subscription of several. A consumer of two
// feeds then waits for one end, which comes when both have ended, and one
// Unsubscribe() ends both.

#include <cstdio>
#include <thread>
#include <utility>

#include <fanfare/fanfare.h>

namespace {

// Prints what both feeds deliver, until both subscriptions have ended.
void PrintBoth(fanfare::Receiver<double> temperatures,
               fanfare::Receiver<int> winds, fanfare::Subscription both) {
  fanfare::SelectLoop(
      fanfare::OnReceive(temperatures,
                         [](double t) { std::printf("%.1f C\n", t); }),
      fanfare::OnReceive(winds, [](int w) { std::printf("%d km/h\n", w); }),
      fanfare::OnEnd(both));
  std::puts("both have ended");
}

}  // namespace

int main() {
  const fanfare::Channel<double> temperatures;
  const fanfare::Channel<int> winds;

  // Declared before the feeds, so that it is joined after they have ended it.
  std::jthread printer;
  fanfare::Feed<double> temperature_feed;
  fanfare::Feed<int> wind_feed;
  fanfare::Subscription both = fanfare::JoinSubscriptions(
      temperature_feed.Subscribe(temperatures), wind_feed.Subscribe(winds));
  printer = std::jthread(PrintBoth, temperatures, winds, std::move(both));

  temperature_feed.Send(19.5);
  wind_feed.Send(12);
  wind_feed.Close();  // One has ended; the other goes on.
  temperature_feed.Send(21.0);
}
