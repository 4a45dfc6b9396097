// SPDX-License-Identifier: MIT
//
// Each consumer of example 05 handles every event, and no lost acknowledgement
// holds up its producer.

#include "check.h"

#define main ExampleMain
#include "../05_acknowledged_events.cc"
#undef main

#include <sstream>
#include <string>

namespace {

using check::Captured;
using check::Check;

constexpr std::size_t kConsumers = 3;
constexpr int kEvents = 2000;

// Runs consumers while `produce` sends to their feed; checks that each of them
// has printed each event.
template <typename Produce>
void CheckConsumers(std::size_t capacity, Produce produce) {
  const std::string printed = Captured([&] {
    fanfare::Feed<Event> feed;
    std::vector<fanfare::Subscription> consumers;
    for (std::size_t i = 0; i < kConsumers; ++i) {
      consumers.push_back(
          fanfare::Listen(feed, Handle, {.capacity = capacity}));
    }
    produce(feed);
    feed.Close();
    for (const auto& each : consumers) fanfare::Select(fanfare::OnEnd(each));
  });
  std::vector<std::size_t> times(kEvents);
  std::istringstream in(printed);
  for (std::size_t number = 0; in >> number;) ++times.at(number);
  for (std::size_t number = 0; number < times.size(); ++number) {
    Check(times[number] == kConsumers,
          "event " + std::to_string(number) + " was handled " +
              std::to_string(times[number]) + " times");
  }
}

void TestEventsThatAreBufferedAtTheEndAreHandled(std::size_t capacity) {
  const fanfare::Channel<Acknowledgement> done(kConsumers * kEvents);
  std::size_t delivered = 0;
  CheckConsumers(capacity, [&](fanfare::Feed<Event>& feed) {
    for (int i = 0; i < kEvents; ++i) delivered += feed.Send(Event{i, done});
  });
  Check(delivered == kConsumers * kEvents && done.size() == delivered,
        std::to_string(done.size()) + " acknowledgements");
}

void TestEveryAcknowledgementArrives(std::size_t capacity) {
  std::size_t missing = 0;
  CheckConsumers(capacity, [&](fanfare::Feed<Event>& feed) {
    for (int i = 0; i < kEvents; ++i) {
      missing += SendAndWait(feed, i, std::chrono::minutes(1));
    }
  });
  Check(missing == 0,
        std::to_string(missing) + " acknowledgements are missing");
}

void TestConsumersThatAreLateAreLetGo(std::size_t capacity) {
  CheckConsumers(capacity, [](fanfare::Feed<Event>& feed) {
    for (int i = 0; i < kEvents; ++i) {
      SendAndWait(feed, i, std::chrono::seconds(0));
    }
  });
}

void TestALostAcknowledgementIsReported(std::size_t capacity) {
  const fanfare::Channel<Event> silent(capacity + 1);
  fanfare::Feed<Event> feed;
  const fanfare::Subscription subscription = feed.Subscribe(silent);
  Check(SendAndWait(feed, 0, std::chrono::milliseconds(1)) == 1,
        "the acknowledgement is not missing");
}

}  // namespace

int main() {
  return check::Run(TestEventsThatAreBufferedAtTheEndAreHandled,
                    TestEveryAcknowledgementArrives,
                    TestConsumersThatAreLateAreLetGo,
                    TestALostAcknowledgementIsReported);
}
