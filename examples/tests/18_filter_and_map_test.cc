// SPDX-License-Identifier: MIT
//
// The operator of example 18 passes on each value and the end, and can be
// unsubscribed while no thread receives from it.

#include "check.h"

#define main ExampleMain
#include "../18_filter_and_map.cc"
#undef main

#include <cstddef>
#include <thread>

namespace {

using check::Check;
using Texts = fanfare::Channel<std::string>;

fanfare::Subscription Subscribe(fanfare::Feed<int>& numbers,
                                const Texts& texts) {
  return SubscribeMapped(numbers, DescribeEven,
                         fanfare::Sender<std::string>(texts));
}

void TestAllResultsComeBeforeTheEnd(std::size_t capacity) {
  constexpr int kNumbers = 2000;
  const Texts texts(capacity);
  fanfare::Feed<int> numbers;
  const fanfare::Subscription subscription = Subscribe(numbers, texts);
  const std::jthread producer([&] {
    for (int n = 0; n < kNumbers; ++n) numbers.Send(n);
    numbers.Close();
  });
  int next = 0;
  fanfare::SelectLoop(fanfare::OnReceive(texts,
                                         [&](const std::string& text) {
                                           Check(text == DescribeEven(next),
                                                 text);
                                           next += 2;
                                         }),
                      fanfare::OnEnd(subscription));
  Check(next == kNumbers, std::to_string(next) + " is the next number");
}

void TestUnsubscribeInterruptsSending(std::size_t capacity) {
  const Texts texts(capacity);
  fanfare::Feed<int> numbers;
  const fanfare::Subscription subscription = Subscribe(numbers, texts);
  for (std::size_t i = 0; i <= capacity; ++i) numbers.Send(0);
  while (texts.waiting_senders() == 0) std::this_thread::yield();
  subscription.Unsubscribe();
  Check(texts.size() == capacity, "a text was lost");
  Check(numbers.subscriber_count() == 0, "the feed still has a subscriber");
}

}  // namespace

int main() {
  return check::Run(TestAllResultsComeBeforeTheEnd,
                    TestUnsubscribeInterruptsSending);
}
