// SPDX-License-Identifier: MIT
//
// ResubscribeErr() establishes a subscription again whenever it has ended with
// an error, and waits longer after each failure. It ends when the subscription
// ends without an error, or by Unsubscribe().

#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <stop_token>
#include <string>

#include <fanfare/fanfare.h>

namespace {

using Lines = fanfare::Sender<std::string>;

// Connects to a source that fails in every way, then works.
fanfare::Subscription Connect(int attempt, Lines lines) {
  if (attempt == 1) throw std::runtime_error("connection refused");
  return fanfare::NewSubscription([attempt, lines](std::stop_token stop) {
    lines.Send("value " + std::to_string(attempt), stop);
    if (attempt == 2) throw std::runtime_error("connection lost");
  });
}

std::string Describe(std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  }
}

}  // namespace

int main() {
  const fanfare::Channel<std::string> lines;
  const fanfare::Subscription subscription = fanfare::ResubscribeErr(
      // The longest wait. The first one is a tenth of it.
      std::chrono::milliseconds(100),
      [lines, attempt = 0](std::stop_token stop,
                           std::exception_ptr last_error) mutable {
        // With the stop, so that Unsubscribe() does not wait for a receiver.
        if (last_error) lines.Send("error: " + Describe(last_error), stop);
        return Connect(++attempt, lines);
      });

  fanfare::SelectLoop(
      fanfare::OnReceive(
          lines, [](const std::string& line) { std::puts(line.c_str()); }),
      fanfare::OnEnd(subscription));
  std::puts("the source has ended without an error");
}
