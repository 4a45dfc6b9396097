// SPDX-License-Identifier: MIT
//
// The way out of the trap: the mutex is held for the change alone, and the
// bookings are sent afterwards.

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
    const std::lock_guard lock(mutex);  // RIGHT: released before the Sends.
    balance -= 35;
  }
  bookings.Send(-30);
  bookings.Send(-5);
  bookings.Close();
}
