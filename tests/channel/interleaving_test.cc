// SPDX-License-Identifier: MIT
//
// What happens when somebody comes between two lines of a channel or a Select:
// clauses C4 to C8 and S1 to S6 under many orders of events, each of which a
// seed tells, on the simulated platform.

#include "support/simulated_platform.h"
// The platform comes first.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fanfare/select.h>

#include "support/catch.h"
#include "support/values.h"

namespace {

using fanfare::Channel;
using fanfare::kNoCase;
using fanfare::OnDefault;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnTimeout;
using fanfare::Receiver;
using fanfare::Select;
using fanfare::Sender;
using fanfare::detail::Claim;
using fanfare::detail::ClaimTogether;
using fanfare::detail::Operation;
using fanfare::detail::ThreadWaiter;
using namespace std::chrono_literals;

using Bodies = std::vector<std::function<void()>>;

constexpr std::uint64_t kSeeds = 100;

// Calls `scenario(run)` again and again, where `run(bodies)` runs the bodies in
// simulated threads; every time another order of events.
template <typename Scenario>
void ForManyOrders(Scenario scenario) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    scenario([seed](Bodies bodies) {
      Simulation::Interleave(seed, std::move(bodies));
    });
  }
}

template <typename T>
bool NobodyWaits(const Channel<T>& channel) {
  return channel.waiting_senders() == 0 && channel.waiting_receivers() == 0;
}

template <typename T>
int CountLeft(const Channel<T>& channel) {
  int left = 0;
  while (channel.TryReceive()) ++left;
  return left;
}

// ---------------------------------------------------------------------------
// Channels
// ---------------------------------------------------------------------------

TEST_CASE("C7: a sender and a receiver, in any order of events") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<int> channel(capacity);
    std::vector<int> received;
    run({[&] {
           for (int i = 1; i <= 3; ++i) channel.Send(i);
           channel.Close();
         },
         [&] {
           for (const int value : channel) received.push_back(value);
         }});
    CHECK(received == std::vector{1, 2, 3});
    CHECK(NobodyWaits(channel));
  });
}

TEST_CASE("C7: two senders and two receivers, in any order of events") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<int> channel(capacity);
    std::vector<int> received;
    const auto receive = [&] {
      if (const auto value = channel.Receive()) received.push_back(*value);
    };
    run({[&] { channel.Send(1); }, [&] { channel.Send(2); }, receive, receive});
    REQUIRE(received.size() == 2);
    CHECK(received[0] + received[1] == 3);
    CHECK(NobodyWaits(channel));
    CHECK(channel.size() == 0);
  });
}

TEST_CASE("C5 C6: deadlines pass at any moment, and no value is lost") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<MoveOnly> channel(capacity);
    int sent = 0;
    int received = 0;
    int errors = 0;
    const auto send = [&] {
      MoveOnly value = Own(1);
      const bool delivered = channel.SendFor(std::move(value), 10s);
      errors += delivered != (value == nullptr);
      sent += delivered;
    };
    const auto receive = [&] {
      if (auto value = channel.ReceiveFor(5s)) received += *value != nullptr;
    };
    run({send, receive, send, receive, receive});
    CHECK(errors == 0);
    CHECK(sent == received + CountLeft(channel));
    CHECK(NobodyWaits(channel));
  });
}

TEST_CASE("C4: Close comes at any moment, and everybody returns") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<int> channel(capacity);
    int sent = 0;
    int received = 0;
    const auto send = [&] { sent += channel.Send(1) ? 1 : 0; };
    const auto receive = [&] { received += channel.Receive() ? 1 : 0; };
    run({send, receive, send, receive, [&] { channel.Close(); }});
    CHECK(sent == received + CountLeft(channel));
    CHECK(NobodyWaits(channel));
  });
}

TEST_CASE("C1: the last handle may go at any moment") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    std::optional<Channel<MoveOnly>> channel(capacity);
    Sender<MoveOnly> sender = *channel;
    Receiver<MoveOnly> receiver = *channel;
    channel.reset();
    bool received = false;
    run({[&] {
           sender.Send(Own(1));
           sender = {};
         },
         [&] {
           received = receiver.Receive().has_value();
           receiver = {};
         }});
    CHECK(received);
  });
}

// ---------------------------------------------------------------------------
// Select
// ---------------------------------------------------------------------------

TEST_CASE("S1: values come to both channels while Select looks at them") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<int> a(capacity), b(capacity);
    int sum = 0;
    std::size_t index = kNoCase;
    bool sent_a = false;
    bool sent_b = false;
    run({[&] {
           index = Select(OnReceive(a, [&](int value) { sum += value; }),
                          OnReceive(b, [&](int value) { sum += value; }),
                          OnTimeout(30s));
         },
         [&] { sent_a = a.SendFor(1, 10s); },
         [&] { sent_b = b.SendFor(2, 20s); }});
    const int left = CountLeft(a) + 2 * CountLeft(b);
    CHECK(sum == (index < 2 ? static_cast<int>(index) + 1 : 0));
    CHECK((sent_a ? 1 : 0) + (sent_b ? 2 : 0) == sum + left);
    CHECK(NobodyWaits(a));
    CHECK(NobodyWaits(b));
  });
}

TEST_CASE("S1 S3: room is made in both channels while Select looks at them") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<MoveOnly> a(capacity), b(capacity);
    for (std::size_t i = 0; i < capacity; ++i) {
      a.TrySend(Own(0));
      b.TrySend(Own(0));
    }
    MoveOnly one = Own(1), two = Own(2);
    std::size_t index = kNoCase;
    int taken = 0;
    run({[&] {
           index = Select(OnSend(a, std::move(one)), OnSend(b, std::move(two)),
                          OnTimeout(30s));
         },
         [&] { taken += a.ReceiveFor(10s).has_value(); },
         [&] { taken += b.ReceiveFor(20s).has_value(); }});
    // NOLINTBEGIN(bugprone-use-after-move): this is what is tested.
    CHECK((one == nullptr) == (index == 0));
    CHECK((two == nullptr) == (index == 1));
    // NOLINTEND(bugprone-use-after-move)
    const int all = 2 * static_cast<int>(capacity) + (index < 2 ? 1 : 0);
    CHECK(taken + CountLeft(a) + CountLeft(b) == all);
    CHECK(NobodyWaits(a));
    CHECK(NobodyWaits(b));
  });
}

TEST_CASE("S6: two crossed Selects meet, in any order of events") {
  ForManyOrders([&](auto run) {
    const Channel<int> a, b;
    std::array<std::size_t, 2> index{};
    std::array<int, 2> got{};
    run({[&] {
           index[0] = Select(OnSend(a, 1),
                             OnReceive(b, [&](int value) { got[0] = value; }));
         },
         [&] {
           index[1] = Select(OnSend(b, 2),
                             OnReceive(a, [&](int value) { got[1] = value; }));
         }});
    CHECK(index[0] + index[1] == 1);
    CHECK(got[0] == (index[0] == 1 ? 2 : 0));
    CHECK(got[1] == (index[1] == 1 ? 1 : 0));
    CHECK(NobodyWaits(a));
    CHECK(NobodyWaits(b));
  });
}

TEST_CASE("S6: Selects crossed in a ring meet two by two or time out") {
  const std::size_t count = GENERATE(3U, 4U);
  ForManyOrders([&](auto run) {
    std::vector<Channel<int>> channels(count);
    int sent = 0;
    int received = 0;
    int sum = 0;
    Bodies bodies;
    for (std::size_t i = 0; i < count; ++i) {
      bodies.emplace_back([&, i] {
        const int value = static_cast<int>(i) + 1;
        Select(OnSend(channels[i], value,
                      [&] {
                        ++sent;
                        sum += value;
                      }),
               OnReceive(channels[(i + 1) % count],
                         [&](int got) {
                           ++received;
                           sum -= got;
                         }),
               OnTimeout(1s * value));
      });
    }
    run(std::move(bodies));
    CHECK(sent == received);
    CHECK(sum == 0);
    for (const auto& channel : channels) CHECK(NobodyWaits(channel));
  });
}

TEST_CASE("S6: Selects that send and receive on one channel meet in pairs") {
  const std::size_t count = GENERATE(2U, 4U);
  ForManyOrders([&](auto run) {
    const Channel<std::size_t> channel;
    std::size_t sent = 0;
    std::size_t received = 0;
    std::size_t selected = 0;
    bool met_itself = false;
    Bodies bodies;
    for (std::size_t i = 0; i < count; ++i) {
      bodies.emplace_back([&, i] {
        selected += Select(OnSend(channel, i, [&] { ++sent; }),
                           OnReceive(channel, [&](std::size_t value) {
                             ++received;
                             met_itself = met_itself || value == i;
                           })) < 2;
      });
    }
    run(std::move(bodies));
    CHECK_FALSE(met_itself);
    CHECK(sent == count / 2);
    CHECK(received == count / 2);
    CHECK(selected == count);
    CHECK(NobodyWaits(channel));
  });
}

TEST_CASE("S6: with room a Select may send to itself no value") {
  const std::size_t capacity = GENERATE(1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<int> channel(capacity);
    int balance = 0;
    int selected = 0;
    const auto select = [&] {
      selected += Select(OnReceive(channel, [&](int) { --balance; }),
                         OnSend(channel, 1, [&] { ++balance; })) < 2;
    };
    run({select, select, select});
    CHECK(selected == 3);
    CHECK(CountLeft(channel) == balance);
    CHECK(NobodyWaits(channel));
  });
}

TEST_CASE("S2 S4: channels are closed while Select looks at them") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<int> a(capacity), b(capacity);
    for (std::size_t i = 0; i < capacity; ++i) a.TrySend(0);
    std::size_t first = 0;
    std::size_t second = 0;
    run({[&] { first = Select(OnSend(a, 1), OnReceive(b, [](int) {})); },
         [&] {
           second =
               Select(OnReceive(b, [](std::optional<int>) {}), OnSend(a, 1));
         },
         [&] { a.Close(); }, [&] { b.Close(); }});
    CHECK(first == kNoCase);
    CHECK(second == 0);
    CHECK(NobodyWaits(a));
    CHECK(NobodyWaits(b));
  });
}

TEST_CASE("S2: one channel is closed, and a value comes by the other") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<int> closing(capacity), other(capacity);
    std::size_t index = 0;
    run({[&] {
           index = Select(OnReceive(closing, [](int) {}),
                          OnReceive(other, [](int) {}));
         },
         [&] { closing.Close(); }, [&] { other.Send(1); }});
    CHECK(index == 1);
    CHECK(NobodyWaits(closing));
    CHECK(NobodyWaits(other));
  });
}

TEST_CASE("C7: a Select served elsewhere is passed over in the queue") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<int> a(capacity), b(capacity);
    int received = 0;
    const auto receive = [&](const Channel<int>& channel) {
      received += channel.Receive().value_or(0);
    };
    // All that is sent is received, by whoever it is.
    run({[&] {
           const std::size_t index =
               Select(OnReceive(a, [&](int value) { received += value; }),
                      OnReceive(b, [&](int value) { received += value; }));
           receive(index == 0 ? b : a);
         },
         [&] { receive(a); }, [&] { a.Send(1); }, [&] { a.Send(10); },
         [&] { b.Send(100); }});
    CHECK(received == 111);
    CHECK(NobodyWaits(a));
    CHECK(NobodyWaits(b));
  });
}

TEST_CASE("C7: room passes by a Select that was served elsewhere") {
  const std::size_t capacity = GENERATE(1U, 64U);
  ForManyOrders([&](auto run) {
    const Channel<int> full(capacity), other(capacity);
    for (std::size_t i = 0; i < capacity; ++i) full.TrySend(0);
    std::size_t index = kNoCase;
    bool sent = false;
    run({[&] { index = Select(OnSend(full, 1), OnReceive(other, [](int) {})); },
         [&] { sent = full.SendFor(1, 10s); }, [&] { (void)full.TryReceive(); },
         [&] { other.Send(1); }});
    // Nobody waits, or should have, beside room.
    const int expected =
        static_cast<int>(capacity) - 1 + (sent ? 1 : 0) + (index == 0 ? 1 : 0);
    CHECK(CountLeft(full) == expected);
    CHECK(NobodyWaits(full));
    CHECK(NobodyWaits(other));
  });
}

// ---------------------------------------------------------------------------
// Locks
// ---------------------------------------------------------------------------

TEST_CASE("C8 S1: no lock is held while a user's code runs or others wake") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Simulation::most_locks_at_notify = 0;
  int locked = 0;
  int calls = 0;
  const auto look = [&] {
    ++calls;
    locked += Simulation::locks_held;
  };
  const Hooked::Hook hook = look;
  ForManyOrders([&](auto run) {
    const Channel<Hooked> a(capacity), b(capacity);
    const Hooked value(1, &hook);
    run({[&] {
           a.Send(value);
           b.SendFor(value, 1s);
           a.TrySend(value);
         },
         [&] { return Select(OnSend(a, value, look), OnSend(b, value, look)); },
         [&] {
           (void)a.Receive();
           Select(OnReceive(a, [&](std::optional<Hooked>) { look(); }),
                  OnReceive(b, [&](const Hooked&) { look(); }),
                  OnTimeout(5s, look));
           a.Close();
         },
         [&] {
           (void)a.ReceiveFor(2s);
           b.Close();
         }});
  });
  CHECK(calls > 0);
  CHECK(locked == 0);
  // The sleeper's own; with a large ring hardly anybody comes to sleep.
  CHECK(Simulation::most_locks_at_notify <= 1);
  if (capacity == 0) CHECK(Simulation::most_locks_at_notify == 1);
}

// ---------------------------------------------------------------------------
// Claims
// ---------------------------------------------------------------------------

TEST_CASE("S1: a claim is won once") {
  Claim claim;
  Operation first, second;
  CHECK(claim.winner() == nullptr);
  CHECK(claim.Try(first));
  CHECK_FALSE(claim.Try(second));
  CHECK_FALSE(claim.Try(first));
  CHECK(claim.winner() == &first);
}

TEST_CASE("S6: two claims are won together or not at all, in either order") {
  // Which of the two is held first depends on their addresses.
  const std::size_t i = GENERATE(0U, 1U);
  std::array<Claim, 2> claims;
  Claim& mine = claims[i];
  Claim& theirs = claims[1 - i];
  Operation my_operation, their_operation, other;
  SECTION("both are open") {
    CHECK(Claim::TryBoth(mine, my_operation, theirs, their_operation) ==
          Claim::Pair::kClaimed);
    CHECK(mine.winner() == &my_operation);
    CHECK(theirs.winner() == &their_operation);
  }
  SECTION("mine is lost") {
    CHECK(mine.Try(other));
    CHECK(Claim::TryBoth(mine, my_operation, theirs, their_operation) ==
          Claim::Pair::kMineLost);
    CHECK(mine.winner() == &other);
    CHECK(theirs.winner() == nullptr);
    CHECK(theirs.Try(other));
  }
  SECTION("theirs is lost") {
    CHECK(theirs.Try(other));
    CHECK(Claim::TryBoth(mine, my_operation, theirs, their_operation) ==
          Claim::Pair::kTheirsLost);
    CHECK(theirs.winner() == &other);
    CHECK(mine.winner() == nullptr);
    CHECK(mine.Try(other));
  }
}

TEST_CASE(
    "C7: operations that have lost their claim do not hide the next one") {
  using fanfare::detail::Outcome;
  // Where the one stands that can still go ahead; at 3 there is none.
  const std::size_t open = GENERATE(0U, 1U, 2U, 3U);
  fanfare::detail::WaitQueue queue;
  std::array<ThreadWaiter, 3> waiters;
  std::array<Operation, 3> queued;
  Operation other, mine;
  for (std::size_t i = 0; i < queued.size(); ++i) {
    waiters[i].Attach(queued[i]);
    queue.Append(queued[i]);
    if (i != open) CHECK(waiters[i].claim.Try(other));
  }
  Operation* partner = nullptr;
  const Outcome outcome = queue.Match(mine, nullptr, partner);
  CHECK((outcome == Outcome::kDone) == (open < 3));
  CHECK(partner == (open < 3 ? &queued[open] : nullptr));
  // Those before it have left the queue with it.
  CHECK(queue.size() == (open < 3 ? 2 - open : 0));
}

TEST_CASE("S6: operations with a claim or without are claimed together") {
  Claim claim;
  ThreadWaiter waiter;
  Operation mine, theirs;
  SECTION("neither has one") {
    CHECK(ClaimTogether(nullptr, mine, theirs) == Claim::Pair::kClaimed);
  }
  SECTION("theirs alone") {
    waiter.Attach(theirs);
    CHECK(ClaimTogether(nullptr, mine, theirs) == Claim::Pair::kClaimed);
    CHECK(waiter.claim.winner() == &theirs);
    CHECK(ClaimTogether(nullptr, mine, theirs) == Claim::Pair::kTheirsLost);
  }
  SECTION("mine alone") {
    CHECK(ClaimTogether(&claim, mine, theirs) == Claim::Pair::kClaimed);
    CHECK(claim.winner() == &mine);
    CHECK(ClaimTogether(&claim, mine, theirs) == Claim::Pair::kMineLost);
  }
  SECTION("both") {
    waiter.Attach(theirs);
    CHECK(ClaimTogether(&claim, mine, theirs) == Claim::Pair::kClaimed);
    CHECK(claim.winner() == &mine);
    CHECK(waiter.claim.winner() == &theirs);
  }
}

TEST_CASE("S6: whoever meets a held claim waits until it is decided") {
  ForManyOrders([&](auto run) {
    std::array<Claim, 2> claims;
    Operation a, b, c;
    bool both = false;
    bool first = false;
    bool second = false;
    run({[&] {
           both = Claim::TryBoth(claims[0], a, claims[1], b) ==
                  Claim::Pair::kClaimed;
         },
         [&] { first = claims[0].Try(c); },
         [&] { second = claims[1].Try(c); }});
    CHECK(first != (claims[0].winner() == &a));
    CHECK(second != (claims[1].winner() == &b));
    CHECK(both == (claims[0].winner() == &a));
    // Only somebody else may have kept the two apart; a hold leaves no trace.
    if (!both) CHECK((first || second));
    if (!first) CHECK(both);
  });
}

TEST_CASE("S6: claims in a circle are decided without a deadlock") {
  ForManyOrders([&](auto run) {
    std::array<Claim, 3> claims;
    std::array<Operation, 6> operations;
    std::array<bool, 3> won{};
    const auto take = [&](std::size_t i) {
      return [&, i] {
        won[i] =
            Claim::TryBoth(claims[i], operations[2 * i], claims[(i + 1) % 3],
                           operations[2 * i + 1]) == Claim::Pair::kClaimed;
      };
    };
    run({take(0), take(1), take(2)});
    CHECK(won[0] + won[1] + won[2] == 1);
  });
}

}  // namespace
