// SPDX-License-Identifier: MIT
//
// A watchdog: one Select waits for a heartbeat, for the end of its patience and
// for a request to stop, whichever is first. No flag is polled, and nothing
// sleeps.

#include <chrono>
#include <cstdio>
#include <stop_token>
#include <thread>

#include <fanfare/fanfare.h>

namespace {

using Duration = std::chrono::steady_clock::duration;

constexpr Duration kPatience = std::chrono::milliseconds(100);

struct Alarm {};

void Watch(std::stop_token stop, fanfare::Receiver<int> heartbeats,
           fanfare::Sender<Alarm> alarms) {
  Duration patience = kPatience;
  bool watching = true;
  const auto on_heartbeat = [&](int number) {
    std::printf("heartbeat %d\n", number);
    patience = kPatience;
  };
  const auto on_silence = [&] {
    std::puts("no heartbeat!");
    alarms.Send(Alarm{}, stop);
    // One alarm is enough: no timeout any more until there is a heartbeat.
    patience = Duration::max();
  };
  const auto on_stop = [&] { watching = false; };

  while (watching) {
    fanfare::Select(fanfare::OnReceive(heartbeats, on_heartbeat),
                    fanfare::OnTimeout(patience, on_silence),
                    fanfare::OnStop(stop, on_stop));
  }
  std::puts("stopped");
}

}  // namespace

int main() {
  fanfare::Channel<int> heartbeats(3);
  for (int number = 1; number <= 3; ++number) heartbeats.Send(number);

  fanfare::Channel<Alarm> alarms;
  std::jthread watchdog(Watch, heartbeats, alarms);

  // Three heartbeats, then silence: the alarm goes off. At the end of main the
  // jthread requests the watchdog's stop and waits for it.
  if (alarms.Receive()) std::puts("help is on its way");
}
