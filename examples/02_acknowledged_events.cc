// SPDX-License-Identifier: MIT
//
// Acknowledged events: the next one is sent only when every consumer is done
// with the last one. Send() returns how many consumers took the event, which
// is how many acknowledgements there are to wait for, whoever may have come or
// gone in between.

#include <cstddef>
#include <cstdio>
#include <exception>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

namespace {

struct Acknowledgement {};

// An event brings along the channel on which it is acknowledged.
struct Event {
  int number;
  fanfare::Sender<Acknowledgement> done;
};

// Prints events and acknowledges them until the subscription has ended.
void Consume(fanfare::Receiver<Event> events,
             fanfare::Subscription subscription) {
  bool subscribed = true;
  const auto print = [](const Event& event) {
    std::printf("%d\n", event.number);
    event.done.Send(Acknowledgement{});
  };
  const auto end = [&](std::optional<std::exception_ptr>) {
    subscribed = false;
  };
  while (subscribed) {
    fanfare::Select(fanfare::OnReceive(events, print),
                    fanfare::OnReceive(subscription.Err(), end));
  }
}

}  // namespace

int main() {
  // The order matters: the feed is destroyed first, which ends the
  // subscriptions and so the consumers; then their threads are joined.
  std::vector<std::jthread> consumers;
  fanfare::Feed<Event> feed;

  for (int i = 0; i < 3; ++i) {
    fanfare::Channel<Event> events;
    // Subscribed here, not in the thread, so that no consumer comes too late.
    consumers.emplace_back(Consume, events, feed.Subscribe(events));
  }

  fanfare::Channel<Acknowledgement> done;
  for (int number = 0; number < 3; ++number) {
    std::size_t pending = feed.Send(Event{number, done});
    while (pending > 0 && done.Receive()) --pending;
  }
}
