// SPDX-License-Identifier: MIT
//
// Acknowledged events: the next event is sent only when every consumer has
// handled the last one. Send() returns how many consumers took the event, which
// is the number of acknowledgements to wait for, whatever subscriptions have
// begun or ended meanwhile.

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <vector>

#include <fanfare/fanfare.h>

namespace {

struct Acknowledgement {};

// An event brings along the channel on which it is acknowledged.
struct Event {
  int number;
  fanfare::Sender<Acknowledgement> done;
};

// Prints and acknowledges an event.
void Handle(const Event& event) {
  std::printf("%d\n", event.number);
  event.done.Send(Acknowledgement{});
}

// Sends an event and waits until every consumer that took it has acknowledged
// it, for at most `patience`. Returns how many acknowledgements are missing.
std::size_t SendAndWait(fanfare::Feed<Event>& feed, int number,
                        std::chrono::steady_clock::duration patience) {
  // A channel for each event: a late acknowledgement is not taken for that of
  // the next event.
  const fanfare::Channel<Acknowledgement> done;
  std::size_t missing = feed.Send(Event{number, done});
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (missing > 0 && done.ReceiveUntil(deadline)) --missing;
  // A consumer that is late must not wait for a receiver that has left.
  done.Close();
  return missing;
}

}  // namespace

int main() {
  fanfare::Feed<Event> feed;
  // Three consumers, each with a thread and a channel (27_listen).
  std::vector<fanfare::Subscription> consumers;
  for (int i = 0; i < 3; ++i) {
    consumers.push_back(fanfare::Listen(feed, Handle, {.capacity = 4}));
  }

  for (int number = 0; number < 3; ++number) {
    const std::size_t missing =
        SendAndWait(feed, number, std::chrono::seconds(10));
    if (missing > 0) std::printf("%zu consumers did not answer\n", missing);
  }
}
