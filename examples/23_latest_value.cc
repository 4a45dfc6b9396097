// SPDX-License-Identifier: MIT
//
// Two subscribers of one feed that need different things: a log that loses
// nothing, and a display that needs only the latest value. Each subscription
// says what happens when its own channel is full.

#include <cinttypes>
#include <cstdio>

#include <fanfare/fanfare.h>

int main() {
  fanfare::Feed<int> ticks;

  // The default: if the log falls more than 64 ticks behind, Send() waits.
  int logged = 0;
  const fanfare::Subscription log =
      fanfare::Listen(ticks, [&](int) { ++logged; });

  // With room for one value and kDropOldest, a new tick replaces the one that
  // was not yet shown. Send() never waits for the display.
  const fanfare::Channel<int> display(1);
  const fanfare::Subscription showing = ticks.Subscribe(
      display, {.name = "display", .overflow = fanfare::Overflow::kDropOldest});

  for (int tick = 1; tick <= 5; ++tick) ticks.Send(tick);
  std::printf("the display shows %d\n", display.Receive().value());
  for (int tick = 6; tick <= 1000; ++tick) ticks.Send(tick);
  std::printf("the display shows %d\n", display.Receive().value());

  ticks.Close();
  fanfare::Select(fanfare::OnEnd(log));  // All ticks are logged.
  std::printf("logged: %d ticks\n", logged);
  const fanfare::SubscriberStats stats = showing.Stats().value();
  std::printf("display: %" PRIu64 " of %" PRIu64 " ticks were replaced\n",
              stats.evicted, stats.delivered);
}
