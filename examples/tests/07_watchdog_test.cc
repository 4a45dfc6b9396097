// SPDX-License-Identifier: MIT
//
// The watchdog of example 07 takes heartbeats although no alarm is answered.

#include "check.h"

#define main ExampleMain
#include "../07_watchdog.cc"
#undef main

#include <cstddef>
#include <sstream>
#include <string>

namespace {

using check::Captured;
using check::Check;

void TestHeartbeatsAreTakenWhileAnAlarmIsPending(std::size_t capacity) {
  constexpr std::size_t kHeartbeats = 2000;
  const fanfare::Channel<int> heartbeats(capacity);
  const fanfare::Channel<Alarm> unanswered;
  const std::string printed = Captured([&] {
    // No patience: there are alarms from the beginning.
    const std::jthread watchdog(Watch, heartbeats, unanswered,
                                Duration::zero());
    for (std::size_t i = 0; i < kHeartbeats; ++i) {
      heartbeats.Send(static_cast<int>(i));
    }
  });
  // A stop does not wait for the heartbeats that are still in the channel.
  std::size_t taken = 0;
  std::istringstream lines(printed);
  std::string last;
  for (std::string line; std::getline(lines, line); last = line) {
    if (line == "heartbeat " + std::to_string(taken)) ++taken;
  }
  Check(taken + heartbeats.size() == kHeartbeats,
        std::to_string(taken) + " heartbeats");
  Check(last == "stopped", last);
}

}  // namespace

int main() { return check::Run(TestHeartbeatsAreTakenWhileAnAlarmIsPending); }
