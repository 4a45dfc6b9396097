// SPDX-License-Identifier: MIT
//
// A Send that would wait for its own thread, in a program with one thread: it
// is reported instead of hanging. No test of this program may start a thread.

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/catch.h"

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Overflow;
using fanfare::SubscriberReport;
using fanfare::SubscriptionScope;

namespace {

using namespace std::chrono_literals;

bool Known() { return fanfare::detail::Platform::IsOnlyThread(); }

// What the error says if `send` throws it, else nothing.
template <typename Send>
std::string Reported(Send send) {
  try {
    send();
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return {};
}

bool Names(const std::string& text, const std::string& name) {
  return text ==
         "fanfare: Send() waits for its own thread, the only one that can "
         "receive from the full channel of " +
             name;
}

}  // namespace

TEST_CASE("a Send that only its own thread could release is reported") {
  if (!Known()) return;
  const std::size_t capacity = GENERATE(0U, 1U, 2U, 5U);
  const bool named = GENERATE(false, true);
  const bool as_lvalue = GENERATE(false, true);
  CAPTURE(capacity, named, as_lvalue);

  Feed<std::string> feed;
  const Channel<std::string> full(capacity);
  const auto subscription =
      named ? feed.Subscribe(full, {.name = "ui"}) : feed.Subscribe(full);
  const std::string line = std::to_string(__LINE__ - 1);
  for (std::size_t i = 0; i < capacity; ++i) REQUIRE(feed.Send("room") == 1);

  const std::string value = "too much";
  const std::string text = Reported(
      [&] { as_lvalue ? feed.Send(value) : feed.Send(std::string(value)); });
  CHECK(Names(text, named ? "ui" : "one_thread_test.cc:" + line));

  // The value was withdrawn, and the feed stays usable.
  CHECK(full.size() == capacity);
  CHECK(feed.SendReady(value) == 0);
  if (capacity > 0) {
    REQUIRE(full.Receive() == "room");
    CHECK(feed.Send(value) == 1);
  }
}

TEST_CASE("a Send with a limit is not reported") {
  Feed<int> feed;
  const Channel<int> full(1);
  const auto subscription = feed.Subscribe(full);
  REQUIRE(feed.Send(1) == 1);

  CHECK(feed.SendFor(2, 1ms) == 0);
  CHECK(feed.SendUntil(2, std::chrono::steady_clock::now() + 1ms) == 0);
  CHECK(feed.TrySend(2) == 0);
  std::stop_source stop;
  stop.request_stop();
  CHECK(feed.Send(2, stop.get_token()) == 0);
  // A token that nobody can use is no limit.
  CHECK(Known() == !Reported([&] {
                      if (Known()) feed.Send(2, std::stop_token());
                    }).empty());
}

TEST_CASE("a Send that a policy goes on is not reported") {
  const auto overflow =
      GENERATE(Overflow::kDropNewest, Overflow::kDropOldest, Overflow::kEnd);
  CAPTURE(static_cast<int>(overflow));
  Feed<int> feed;
  const Channel<int> full(1);
  const auto subscription =
      feed.Subscribe(full, {.overflow = overflow, .patience = 1ms});
  REQUIRE(feed.Send(1) == 1);
  CHECK(feed.Send(2) == (overflow == Overflow::kDropOldest ? 1 : 0));
}

TEST_CASE("a stall handler comes instead of the report, and is told as much") {
  std::vector<bool> told;
  Feed<int> feed(fanfare::FeedOptions{
      .stall_after = 1ms, .on_stall = [&](const auto& slow) {
        for (const SubscriberReport& one : slow) {
          told.push_back(one.received_here);
        }
        throw std::runtime_error("enough");
      }});
  const Channel<int> full(1);
  const auto subscription = feed.Subscribe(full);
  REQUIRE(feed.Send(1) == 1);
  CHECK_THROWS_AS(feed.Send(2), std::runtime_error);
  CHECK(told == std::vector{Known()});
}

TEST_CASE("a Send is reported for the one that holds it up, among others") {
  if (!Known()) return;
  Feed<int> feed;
  const Channel<int> has_room(9);
  const Channel<int> full(1);
  SubscriptionScope scope;
  scope.Track(feed.Subscribe(has_room, {.name = "has room"}));
  scope.Track(feed.Subscribe(full, {.name = "full"}));
  scope.Track(feed.Subscribe(has_room, {.name = "has room"}));
  REQUIRE(feed.Send(1) == 3);
  CHECK(Names(Reported([&] { feed.Send(2); }), "full"));
  CHECK(has_room.size() == 4);
  CHECK(full.size() == 1);
}

TEST_CASE("a Send into a channel that was closed is not reported") {
  Feed<int> feed;
  const Channel<int> full(1);
  const auto subscription = feed.Subscribe(full);
  REQUIRE(feed.Send(1) == 1);
  full.Close();
  CHECK(feed.Send(2) == 0);
}

TEST_CASE("a Send is not reported if a handler that it runs makes room") {
  Feed<int> feed;
  const Channel<int> full(1);
  const auto subscription = feed.Subscribe(full);
  std::vector<int> received;
  // An executor that runs the task at once: before the Send waits.
  const auto listener =
      fanfare::Listen([](auto task) { task(); }, feed,
                      [&](int) { received.push_back(full.Receive().value()); });
  REQUIRE(feed.Send(1) == 2);
  REQUIRE(full.TrySend(0));
  CHECK(feed.Send(2) == 2);
  CHECK(received == std::vector{1, 0});
  CHECK(full.Receive() == 2);
}
