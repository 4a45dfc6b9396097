// SPDX-License-Identifier: MIT
//
// A trap: this program sends while it holds a mutex that the consumer needs.

#include <chrono>
#include <cstdio>
#include <mutex>
#include <thread>

#include <fanfare/fanfare.h>

int main() {
  std::mutex mutex;
  int balance = 100;  // guarded by `mutex`

  fanfare::Feed<int> bookings;
  const fanfare::Channel<int> channel(0);
  const fanfare::Subscription subscription =
      bookings.Subscribe(channel, {.name = "printer", .close_channel = true});
  const std::jthread printer([&] {
    for (const int booking : channel) {
      const std::lock_guard lock(mutex);
      std::printf("after %d the balance is %d\n", booking, balance);
    }
  });

  {
    const std::lock_guard lock(mutex);  // WRONG: held until both are sent.
    balance -= 30;
    bookings.Send(-30);
    balance -= 5;
    // The printer waits for the mutex, so Send() would block permanently.
    if (bookings.SendFor(-5, std::chrono::milliseconds(50)) == 0) {
      for (const auto& one : bookings.Report()) {
        if (one.stats.missed > 0) std::printf("stuck: %s\n", one.name.c_str());
      }
    }
  }
  bookings.Close();
}
