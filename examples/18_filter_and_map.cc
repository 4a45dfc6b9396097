// SPDX-License-Identifier: MIT
//
// An operator on a feed in three lines: it listens to the feed, calls a
// function for each value, and sends on what that returns. The library has no
// set of operators, because each is a function like this one.

#include <cstdio>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <fanfare/fanfare.h>

namespace {

// Subscribes `out` to the results of `fn`, which takes a value of `feed` and
// returns a std::optional<Out>. A value for which it is empty is left out.
template <typename In, typename Out, typename Function>
fanfare::Subscription SubscribeMapped(fanfare::Feed<In>& feed, Function fn,
                                      fanfare::Sender<Out> out) {
  return fanfare::Listen(feed, [=](const In& value, std::stop_token stop) {
    if (auto result = fn(value)) out.Send(*std::move(result), stop);
  });
}

// Leaves out odd numbers, and makes text of even ones.
std::optional<std::string> DescribeEven(int n) {
  if (n % 2 != 0) return std::nullopt;
  return "even: " + std::to_string(n);
}

}  // namespace

int main() {
  fanfare::Feed<int> numbers;
  const fanfare::Channel<std::string> texts(8);
  const fanfare::Subscription subscription = SubscribeMapped(
      numbers, DescribeEven, fanfare::Sender<std::string>(texts));

  for (int n = 1; n <= 6; ++n) numbers.Send(n);
  numbers.Close();  // The end of the feed passes through the operator.

  fanfare::SelectLoop(
      fanfare::OnReceive(
          texts, [](const std::string& text) { std::puts(text.c_str()); }),
      fanfare::OnEnd(subscription));
}
