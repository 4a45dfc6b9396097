// SPDX-License-Identifier: MIT
//
// The conflation of example 19 delivers the last price of each symbol, never an
// older one after a newer one, and can be unsubscribed at any time.

#include "check.h"

#define main ExampleMain
#include "../19_latest_by_key.cc"
#undef main

#include <cstddef>
#include <thread>

namespace {

using check::Check;

void TestTheLastPriceOfEachSymbolArrives(std::size_t capacity) {
  constexpr int kPrices = 2000;
  fanfare::Feed<Price> prices;
  const fanfare::Channel<Price> channel(capacity);
  const fanfare::Subscription subscription = SubscribeLatest(prices, channel);
  const std::jthread producer([&] {
    for (int value = 1; value <= kPrices; ++value) {
      for (const char* symbol : {"A", "B", "C"}) {
        prices.Send(Price{symbol, value});
      }
    }
    prices.Close();
  });
  std::map<std::string, int> last;
  fanfare::SelectLoop(fanfare::OnReceive(channel,
                                         [&](const Price& price) {
                                           Check(
                                               price.value > last[price.symbol],
                                               price.symbol + " went back");
                                           last[price.symbol] = price.value;
                                         }),
                      fanfare::OnEnd(subscription));
  Check(last == std::map<std::string, int>{{"A", kPrices},
                                           {"B", kPrices},
                                           {"C", kPrices}},
        "a last price is missing");
}

void TestUnsubscribeWhileNoThreadReceives(std::size_t capacity) {
  fanfare::Feed<Price> prices;
  const fanfare::Channel<Price> channel(capacity);
  const fanfare::Subscription subscription = SubscribeLatest(prices, channel);
  for (std::size_t i = 0; i < capacity + 2; ++i) {
    prices.Send(Price{std::to_string(i), 0});
  }
  while (channel.waiting_senders() == 0) std::this_thread::yield();
  subscription.Unsubscribe();
  Check(channel.size() == capacity, "a price was lost");
  Check(prices.subscriber_count() == 0, "the feed still has a subscriber");
}

}  // namespace

int main() {
  return check::Run(TestTheLastPriceOfEachSymbolArrives,
                    TestUnsubscribeWhileNoThreadReceives);
}
