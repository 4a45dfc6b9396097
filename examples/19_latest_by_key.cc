// SPDX-License-Identifier: MIT
//
// Conflation by key: a slow consumer gets the latest value of each key instead
// of all values, and holds up neither the feed nor the memory.

#include <cstdio>
#include <map>
#include <stop_token>
#include <string>

#include <fanfare/fanfare.h>

namespace {

struct Price {
  std::string symbol;
  int value;
};

// Subscribes `out` to the latest price of each symbol. A price that `out` has
// not yet taken is replaced by the next one of the same symbol.
fanfare::Subscription SubscribeLatest(fanfare::Feed<Price>& feed,
                                      fanfare::Sender<Price> out) {
  fanfare::Channel<Price> in;
  return fanfare::NewSubscription([in, out, input = feed.Subscribe(in)](
                                      std::stop_token stop) {
    std::map<std::string, Price> latest;
    bool open = true;
    while (open && !stop.stop_requested()) {
      // An OnSend on a nil sender is never ready.
      const auto next = latest.begin();
      const bool some = next != latest.end();
      fanfare::Select(
          fanfare::OnReceive(in, [&](const Price& p) { latest[p.symbol] = p; }),
          fanfare::OnSend(some ? out : fanfare::Sender<Price>(),
                          some ? next->second : Price(),
                          [&] { latest.erase(next); }),
          fanfare::OnEnd(input, [&] { open = false; }), fanfare::OnStop(stop));
    }
    for (const auto& [symbol, price] : latest) out.Send(price, stop);
  });
}

}  // namespace

int main() {
  fanfare::Feed<Price> prices;
  const fanfare::Channel<Price> channel;
  const fanfare::Subscription subscription = SubscribeLatest(prices, channel);

  // No thread receives from `channel`, and yet no Send waits.
  for (int value = 1; value <= 1000; ++value) {
    prices.Send(Price{"ABC", value});
    prices.Send(Price{"XYZ", -value});
  }
  prices.Close();

  const auto print = [](const Price& p) {
    std::printf("%s %d\n", p.symbol.c_str(), p.value);
  };
  fanfare::SelectLoop(fanfare::OnReceive(channel, print),
                      fanfare::OnEnd(subscription));
}
