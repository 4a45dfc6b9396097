// SPDX-License-Identifier: MIT
//
// Values, failures and ends cross from one shared library into another, though
// each has its own copy of the library's code.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <thread>

#include "libraries.h"

namespace {

void Expect(bool true_here, const char* what) {
  if (true_here) return;
  std::printf("not so: %s\n", what);
  std::exit(1);
}

}  // namespace

int main() {
  // A Send of one library meets a Select of the other.
  fanfare::Channel<std::string> channel;
  fanfare::Subscription subscription = transmitter::Tune(channel);
  std::size_t taken = 0;
  std::thread sender([&] { taken = transmitter::Broadcast("hello"); });
  const std::string text = listener::Next(channel);
  sender.join();
  Expect(text == "hello", "the value arrives");
  Expect(taken == 1, "the feed counts it");

  listener::End(subscription);
  Expect(transmitter::Broadcast("nobody") == 0, "the subscription has ended");
  channel.Close();
  Expect(listener::Next(channel) == "closed", "the channel is closed");

  // A type is the same type in both: an unsent value can be taken back.
  fanfare::SelectCase offer = transmitter::Offer(channel, "unsent");
  Expect(offer.TakeUnsent<std::string>() == "unsent", "the value comes back");

  // A failure of one library's producer reaches the program.
  fanfare::Subscription failing =
      transmitter::Run([] { throw std::runtime_error("on purpose"); });
  std::string message;
  try {
    if (auto error = failing.Err().Receive()) std::rethrow_exception(*error);
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  Expect(message == "on purpose", "the failure arrives");

  // U3: a producer of one library ends what it is part of by way of the other;
  // the program's code has to know in whose thread it runs.
  fanfare::Channel<int> made(1);
  fanfare::SubscriptionScope scope;
  fanfare::Subscription whole;
  whole = fanfare::JoinSubscriptions(scope.Track(transmitter::Run([&] {
    if (!made.Receive()) return;
    listener::End(whole);
    listener::EndAll(scope);
  })));
  fanfare::Receiver<std::exception_ptr> err = whole.Err();
  made.Send(1);
  Expect(err.Receive() == std::nullopt, "it ended without a failure");

  std::puts("received hello");
}
