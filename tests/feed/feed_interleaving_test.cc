// SPDX-License-Identifier: MIT
//
// What happens when somebody comes between two lines of a feed: clauses F2, F3,
// F5, F6 and F8 under many orders of events, each of which a seed tells, on the
// simulated platform.

#include "support/simulated_platform.h"
// The platform comes first.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/feed.h>

#include "support/catch.h"
#include "support/feeds.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Subscription;
using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 50;

// Calls `scenario(run)` again and again, where `run(bodies)` runs the bodies in
// simulated threads; every time another order of events.
template <typename Scenario>
void ForManyOrders(Scenario scenario) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    scenario([seed](std::vector<std::function<void()>> bodies) {
      Simulation::Interleave(seed, std::move(bodies));
    });
  }
}

template <typename T>
std::size_t CountLeft(const Channel<T>& channel) {
  std::size_t left = 0;
  while (channel.TryReceive()) ++left;
  return left;
}

}  // namespace

TEMPLATE_TEST_CASE("F2 F3: Sends take turns, in any order of events", "", int,
                   std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 2U, 64U);
  ForManyOrders([&](auto run) {
    Feed<TestType> feed;
    Audience<TestType> audience(feed, 2, capacity);
    std::vector<TestType> a, b;
    std::size_t taken = 0;
    const auto send = [&](int number) {
      return [&, number] {
        taken += feed.Send(Value<TestType>(number));
        taken += feed.Send(Value<TestType>(10 * number));
      };
    };
    const auto receive = [&](std::size_t i, std::vector<TestType>& got) {
      return [&, i] {
        while (got.size() < 6) got.push_back(*audience.channels[i].Receive());
      };
    };
    run({send(1), send(2), send(3), receive(0, a), receive(1, b)});
    CHECK(taken == 12);
    CHECK(a == b);
    CHECK(feed.waiting_senders() == 0);
    CHECK(audience.blocked() + audience.served() == 0);
  });
}

TEMPLATE_TEST_CASE("F3 F7: a Send gives up at any moment", "", int,
                   std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 2U);
  ForManyOrders([&](auto run) {
    Feed<TestType> feed;
    Audience<TestType> audience(feed, 2, capacity);
    std::size_t taken = 0;
    std::size_t received = 0;
    const auto send = [&] { taken += feed.SendFor(Value<TestType>(1), 10s); };
    const auto receive = [&](std::size_t i) {
      return [&, i] {
        received += audience.channels[i].ReceiveFor(5s).has_value() ? 1 : 0;
      };
    };
    run({send, send, send, receive(0), receive(1), receive(1)});
    CHECK(audience.blocked() == 0);
    for (const auto& channel : audience.channels) {
      received += CountLeft(channel);
    }
    CHECK(taken == received);
    CHECK(feed.waiting_senders() == 0);
  });
}

TEMPLATE_TEST_CASE("F5 F6: subscribers come and go, in any order of events", "",
                   int, std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    Feed<TestType> feed;
    Audience<TestType> audience(feed, 4, capacity);
    const Channel<TestType> newcomer(64), passing(64);
    Subscription subscription;
    std::size_t taken = 0;
    std::size_t received = 0;
    run({[&] { taken += feed.Send(Value<TestType>(1)); },
         [&] { taken += feed.Send(Value<TestType>(2)); },
         [&] {
           received += audience.channels[0].Receive().has_value() ? 1 : 0;
           received += audience.channels[0].Receive().has_value() ? 1 : 0;
         },
         [&] { audience.subscriptions[1].Unsubscribe(); },
         [&] { audience.channels[2].Close(); },
         [&] {
           audience.subscriptions[3].Unsubscribe();
           subscription = feed.Subscribe(newcomer);
           const Subscription dropped = feed.Subscribe(passing);
         }});
    for (std::size_t i = 1; i < 4; ++i) {
      received += CountLeft(audience.channels[i]);
    }
    CHECK(taken == received + CountLeft(newcomer) + CountLeft(passing));
    CHECK(feed.TrySend(Value<TestType>(3)) == (capacity > 0 ? 2 : 1));
    CHECK(newcomer.TryReceive() == Value<TestType>(3));
    CHECK(feed.subscriber_count() == 2);
    // Who came while a Send was under way goes like any other.
    subscription.Unsubscribe();
    const Subscription last = feed.Subscribe(passing);
    CHECK(feed.TrySend(Value<TestType>(4)) == (capacity > 1 ? 2 : 1));
    CHECK(passing.TryReceive() == Value<TestType>(4));
    CHECK(newcomer.size() == 0);
  });
}

TEMPLATE_TEST_CASE("F8: Close comes at any moment, and everybody returns", "",
                   int, std::string) {
  const std::size_t capacity = GENERATE(0U, 1U, 2U, 64U);
  ForManyOrders([&](auto run) {
    std::optional<Feed<TestType>> feed(std::in_place);
    Audience<TestType> audience(*feed, 3, capacity);
    const Channel<TestType> newcomer(64);
    std::vector<Subscription> dropped;
    for (int i = 0; i < 3; ++i) dropped.push_back(feed->Subscribe(newcomer));
    std::size_t taken = 0;
    const auto send = [&] {
      for (int i = 0; i < 2; ++i) taken += feed->Send(Value<TestType>(1));
    };
    run({send, send, [&] { feed->Close(); },
         [&] {
           audience.subscriptions[0].Unsubscribe();
           audience.subscriptions[2].Unsubscribe();
         },
         [&] {
           const Subscription late = feed->Subscribe(newcomer);
           const Subscription later = feed->Subscribe(newcomer);
         },
         [&] { dropped.clear(); }});
    std::size_t received = CountLeft(newcomer);
    for (const auto& channel : audience.channels) {
      received += CountLeft(channel);
    }
    CHECK(taken == received);
    CHECK(audience.ended());
    // And it stays closed.
    const Subscription too_late = feed->Subscribe(newcomer);
    CHECK(too_late.Err().drained());
    CHECK(feed->Send(Value<TestType>(2)) == 0);
    CHECK(feed->subscriber_count() == 0);
    feed.reset();
  });
}

TEST_CASE("F8: a feed goes while its subscriptions are ended") {
  ForManyOrders([&](auto run) {
    std::optional<Feed<std::string>> feed(std::in_place);
    Audience<std::string> audience(*feed, 3, 0);
    std::vector<Subscription> dropped;
    const Channel<std::string> channel;
    for (int i = 0; i < 3; ++i) dropped.push_back(feed->Subscribe(channel));
    run({[&] { feed.reset(); }, [&] { dropped.clear(); },
         [&] { audience.subscriptions[0].Unsubscribe(); },
         [&] {
           audience.subscriptions[2].Unsubscribe();
           audience.subscriptions[1].Unsubscribe();
         }});
    CHECK(audience.ended());
  });
}

TEST_CASE("F8 F5: who came during a Send leaves while the feed is closed") {
  ForManyOrders([&](auto run) {
    Feed<int> feed;
    const Channel<int> channel, newcomer;
    const Subscription subscription = feed.Subscribe(channel);
    std::vector<Subscription> late;
    bool all_came = false;
    run({[&] { feed.Send(1); },
         [&] {
           while (channel.waiting_senders() == 0) Simulation::Yield();
           for (int i = 0; i < 8; ++i) late.push_back(feed.Subscribe(newcomer));
           all_came = true;
           late.clear();
         },
         [&] {
           while (!all_came) Simulation::Yield();
           feed.Close();
         }});
    CHECK(feed.subscriber_count() == 0);
    CHECK(newcomer.waiting_senders() == 0);
  });
}
