// SPDX-License-Identifier: MIT
//
// A watchdog: one Select waits for a heartbeat, a timeout or a stop request. No
// flag is polled, and nothing sleeps.

#include <chrono>
#include <cstdio>
#include <stop_token>
#include <thread>

#include <fanfare/fanfare.h>

namespace {

using Duration = std::chrono::steady_clock::duration;

struct Alarm {};

// Raises an alarm when there was no heartbeat for `patience`.
void Watch(std::stop_token stop, fanfare::Receiver<int> heartbeats,
           fanfare::Sender<Alarm> alarms, Duration patience) {
  Duration timeout = patience;
  bool watching = true;
  const auto on_heartbeat = [&](int number) {
    std::printf("heartbeat %d\n", number);
    timeout = patience;
  };
  const auto on_silence = [&] {
    std::puts("no heartbeat!");
    // Never blocks, for heartbeats must be received meanwhile. If the channel
    // is full, an alarm is pending, and one is enough.
    alarms.TrySend(Alarm{});
    timeout = Duration::max();  // No timeout until the next heartbeat.
  };
  const auto on_stop = [&] { watching = false; };

  while (watching) {
    fanfare::Select(fanfare::OnReceive(heartbeats, on_heartbeat),
                    fanfare::OnTimeout(timeout, on_silence),
                    fanfare::OnStop(stop, on_stop));
  }
  std::puts("stopped");
}

}  // namespace

int main() {
  fanfare::Channel<int> heartbeats;
  fanfare::Channel<Alarm> alarms(1);  // Room for the alarm that is pending.
  std::jthread watchdog(Watch, heartbeats, alarms,
                        std::chrono::milliseconds(500));

  // Three heartbeats, then silence: the alarm goes off. At the end of main the
  // jthread requests the watchdog's stop and waits for it.
  for (int number = 1; number <= 3; ++number) heartbeats.Send(number);
  if (alarms.Receive()) std::puts("help is on its way");
}
