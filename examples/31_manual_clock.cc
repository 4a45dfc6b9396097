// SPDX-License-Identifier: MIT
//
// A test of code that waits for long. The test moves the clock, so 25 seconds
// of backoff and a timeout of an hour take milliseconds, in every run alike.

#include <fanfare/testing/manual_clock.h>  // before every other header

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <future>
#include <stdexcept>
#include <stop_token>

#include <fanfare/fanfare.h>

namespace {

using namespace std::chrono_literals;
using fanfare::testing::ManualClock;
using std::chrono::nanoseconds;

// The code under test: connects to a server, again after each failure.
template <typename Connect>
fanfare::Subscription Establish(Connect connect) {
  return fanfare::Resubscribe(10s, connect);
}

long long Seconds(nanoseconds time) { return time / 1s; }

}  // namespace

int main() {
  int attempts = 0;
  const fanfare::Subscription subscription =
      Establish([&](std::stop_token) -> fanfare::Subscription {
        if (++attempts < 6) throw std::runtime_error("connection refused");
        // Connected. Here the connection ends at once, without an error.
        return fanfare::NewSubscription([](std::stop_token) {});
      });

  nanoseconds waited = 0s;
  for (int failure = 1; failure <= 5; ++failure) {
    // Blocks until the code under test sleeps. Time stands still before that.
    const nanoseconds wait = ManualClock::AwaitSleeper();
    std::printf("wait of %lld s\n", Seconds(wait));
    ManualClock::Advance(wait);
    waited += wait;
  }
  fanfare::Select(fanfare::OnEnd(subscription));
  std::printf("attempt %d, after %lld s\n", attempts, Seconds(waited));

  fanfare::Feed<int> feed;
  const fanfare::Channel<int> stuck(0);
  const fanfare::Subscription sticking = feed.Subscribe(stuck);
  std::future<std::size_t> sent =
      std::async(std::launch::async, [&] { return feed.SendFor(1, 1h); });
  std::printf("wait of %lld s\n", Seconds(ManualClock::AwaitSleeper()));
  ManualClock::Advance(1h);
  std::printf("taken by %zu\n", sent.get());
}
