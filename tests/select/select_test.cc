// SPDX-License-Identifier: MIT
//
// Select with its cases as arguments: clauses S1 to S6 and S8, and what they
// ask of C6 and C7. The span form is tested in select_span_test.cc, the moments
// of timeouts in deadline_test.cc.

#include <any>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/select.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/manual_clock.h"
#include "support/values.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::kNoCase;
using fanfare::OnDefault;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnStop;
using fanfare::OnTimeout;
using fanfare::Receiver;
using fanfare::Select;
using fanfare::SelectCase;
using fanfare::Sender;
using namespace std::chrono_literals;

constexpr auto kForever = std::chrono::hours::max();

// A channel of `capacity` with no room left: it holds 0, 1, …, capacity - 1.
Channel<int> FullChannel(std::size_t capacity) {
  Channel<int> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) {
    channel.TrySend(static_cast<int>(i));
  }
  return channel;
}

Channel<MoveOnly> FullOfOwners(std::size_t capacity) {
  Channel<MoveOnly> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) channel.TrySend(Own(0));
  return channel;
}

template <typename T = int>
Channel<T> ClosedChannel(std::size_t capacity = 0) {
  Channel<T> channel(capacity);
  channel.Close();
  return channel;
}

std::stop_token Stopped() {
  std::stop_source source;
  source.request_stop();
  return source.get_token();
}

// A handler for what must not happen.
struct Never {
  template <typename... Args>
  void operator()(Args&&...) const {
    throw std::logic_error("the handler of a case that was not performed");
  }
};
// The same, for a receive that counts a closed channel as nil.
constexpr auto kNeverValue = [](int) { Never()(); };

// ---------------------------------------------------------------------------
// S1: one case
// ---------------------------------------------------------------------------

TEST_CASE("S1: Select performs the receive that is ready, wherever it stands") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const std::size_t ready = GENERATE(0U, 1U, 2U);
  const std::array channels{Channel<int>(capacity), Channel<int>(capacity),
                            Channel<int>(capacity)};
  CHECK(channels[ready].TrySend(7));
  std::array<int, 3> received{};
  CHECK(Select(OnReceive(channels[0], [&](int value) { received[0] = value; }),
               OnReceive(channels[1], [&](int value) { received[1] = value; }),
               OnReceive(channels[2],
                         [&](int value) { received[2] = value; })) == ready);
  for (std::size_t i = 0; i < 3; ++i) CHECK(received[i] == (i == ready) * 7);
  CHECK(channels[ready].size() == 0);
}

TEST_CASE("S1: Select performs the send that is ready, wherever it stands") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const std::size_t ready = GENERATE(0U, 1U, 2U);
  const std::array channels{FullChannel(capacity), FullChannel(capacity),
                            FullChannel(capacity)};
  CHECK(channels[ready].TryReceive() == 0);
  std::array<int, 3> sent{};
  CHECK(Select(OnSend(channels[0], 100, [&] { ++sent[0]; }),
               OnSend(channels[1], 101, [&] { ++sent[1]; }),
               OnSend(channels[2], 102, [&] { ++sent[2]; })) == ready);
  for (std::size_t i = 0; i < 3; ++i) CHECK(sent[i] == (i == ready));
  int last = 0;
  while (const auto value = channels[ready].TryReceive()) last = *value;
  CHECK(last == 100 + static_cast<int>(ready));
}

TEST_CASE("S1: of several ready cases exactly one is performed") {
  const std::size_t capacity = GENERATE(1U, 64U);
  for (int round = 0; round < 100; ++round) {
    const Channel<int> full = FullChannel(capacity);
    const Channel<int> empty(capacity);
    int handled = 0;
    const std::size_t index =
        Select(OnReceive(full, [&](int) { ++handled; }),
               OnSend(empty, 7, [&] { handled += 10; }),
               OnTimeout(0s, [&] { handled += 100; }),
               OnStop(Stopped(), [&] { handled += 1000; }),
               OnDefault([&] { handled += 10000; }));
    const bool received = full.size() == capacity - 1;
    const bool sent = empty.size() == 1;
    const bool right =
        index == 0   ? handled == 1 && received && !sent
        : index == 1 ? handled == 10 && !received && sent
        : index == 2 ? handled == 100 && !received && !sent
                     : index == 3 && handled == 1000 && !received && !sent;
    if (!right) FAIL("index " << index << ", handled " << handled);
  }
  SUCCEED();
}

TEST_CASE("S1: Select meets a blocked counterpart") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  {
    InThread sending([&] { return full.Send(7); });
    AwaitSenders(full, 1);
    CHECK(Select(OnReceive(full, [](int) {}), OnDefault(Never())) == 0);
    CHECK(sending.Get());
  }
  const Channel<int> empty(capacity);
  {
    InThread receiving([&] { return empty.Receive(); });
    AwaitReceivers(empty, 1);
    CHECK(Select(OnSend(empty, 8), OnDefault(Never())) == 0);
    CHECK(receiving.Get() == 8);
  }
}

TEST_CASE("S1: a blocked Select takes the value that is sent to one case") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const std::size_t ready = GENERATE(0U, 1U, 2U);
  const std::array channels{Channel<int>(capacity), Channel<int>(capacity),
                            Channel<int>(capacity)};
  std::array<int, 3> received{};
  InThread selecting([&] {
    return Select(
        OnReceive(channels[0], [&](int value) { received[0] = value; }),
        OnReceive(channels[1], [&](int value) { received[1] = value; }),
        OnReceive(channels[2], [&](int value) { received[2] = value; }));
  });
  for (const auto& channel : channels) AwaitReceivers(channel, 1);
  CHECK(channels[ready].TrySend(7));
  CHECK(selecting.Get() == ready);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(received[i] == (i == ready) * 7);
    CHECK(channels[i].waiting_receivers() == 0);
    CHECK(channels[i].size() == 0);
  }
}

TEST_CASE("S1: a blocked Select sends where room is made") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const std::size_t ready = GENERATE(0U, 1U, 2U);
  const std::array channels{FullChannel(capacity), FullChannel(capacity),
                            FullChannel(capacity)};
  InThread selecting([&] {
    return Select(OnSend(channels[0], 100), OnSend(channels[1], 101),
                  OnSend(channels[2], 102));
  });
  for (const auto& channel : channels) AwaitSenders(channel, 1);
  std::optional<int> value = channels[ready].TryReceive();
  CHECK(value.has_value());
  CHECK(selecting.Get() == ready);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(channels[i].waiting_senders() == 0);
    CHECK(channels[i].size() == capacity);
  }
  while (auto next = channels[ready].TryReceive()) value = next;
  CHECK(value == 100 + static_cast<int>(ready));
}

TEST_CASE("S1: a stop requested meanwhile ends a blocked Select") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  std::stop_source source, other;
  bool stopped = false;
  InThread selecting([&] {
    return Select(OnReceive(empty, kNeverValue), OnSend(full, 7, Never()),
                  OnStop(other.get_token(), Never()),
                  OnStop(source.get_token(), [&] { stopped = true; }),
                  OnTimeout(kForever, Never()));
  });
  AwaitReceivers(empty, 1);
  AwaitSenders(full, 1);
  source.request_stop();
  CHECK(selecting.Get() == 3);
  CHECK(stopped);
  CHECK(empty.waiting_receivers() == 0);
  CHECK(full.waiting_senders() == 0);
}

TEST_CASE("S1: a timeout ends a blocked Select") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  bool timed_out = false;
  CHECK(Select(OnReceive(empty, kNeverValue), OnSend(full, 7, Never()),
               OnTimeout(1h, Never()),
               OnTimeout(1us, [&] { timed_out = true; }),
               OnTimeout(kForever, Never())) == 3);
  CHECK(timed_out);
  CHECK(empty.waiting_receivers() == 0);
  CHECK(full.waiting_senders() == 0);
}

TEST_CASE(
    "S1: the default is chosen when nothing else is ready, and only then") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  const std::stop_source source;
  int defaults = 0;
  const auto select = [&] {
    return Select(OnDefault([&] { ++defaults; }), OnReceive(empty, [](int) {}),
                  OnSend(full, 7, Never()), OnStop(source.get_token(), Never()),
                  OnTimeout(1h, Never()));
  };
  CHECK(select() == 0);
  CHECK(defaults == 1);
  CHECK(empty.waiting_receivers() == 0);
  CHECK(full.waiting_senders() == 0);
  if (capacity == 0) return;
  for (int round = 0; round < 50; ++round) {
    empty.TrySend(1);
    if (select() != 1) FAIL("a ready case was passed over");
  }
  CHECK(defaults == 1);
  CHECK(Select(OnDefault()) == 0);
}

TEST_CASE("S1: the handler runs in the calling thread, once") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  std::vector<std::thread::id> ran;
  InThread selecting([&] {
    return Select(OnReceive(
               channel,
               [&](int) { ran.push_back(std::this_thread::get_id()); })) == 0
               ? std::this_thread::get_id()
               : std::thread::id();
  });
  AwaitReceivers(channel, 1);
  CHECK(channel.TrySend(7));
  const std::thread::id id = selecting.Get();
  CHECK(ran == std::vector{id});
}

TEST_CASE("S1 C8: a handler may call everything, of the same channel too") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const bool blocked = GENERATE(false, true);
  std::optional<int> again;
  const auto use = [&](std::optional<int>) {
    (void)channel.size();
    CHECK(channel.TrySend(8) == (capacity > 0));
    Select(OnReceive(channel, [&](std::optional<int> value) { again = value; }),
           OnDefault());
    channel.Close();
  };
  InThread sending([&] {
    if (blocked) AwaitReceivers(channel, 1);
    return channel.Send(7);
  });
  if (!blocked) {
    AwaitThat([&] { return channel.size() + channel.waiting_senders() == 1; });
  }
  CHECK(Select(OnReceive(channel, use)) == 0);
  CHECK(sending.Get());
  CHECK(again.has_value() == (capacity > 0));
  CHECK(channel.closed());
}

struct CountsCalls {
  int calls = 0;
  void operator()(int) & { ++calls; }
  void operator()() & { ++calls; }
};

int plain_calls = 0;
void PlainFunction(int) { ++plain_calls; }

TEST_CASE("S1: a handler that is an lvalue is called, not a copy of it") {
  const Channel<int> channel(1);
  CountsCalls handler;
  channel.TrySend(1);
  CHECK(Select(OnReceive(channel, handler)) == 0);
  CHECK(handler.calls == 1);
  CHECK(Select(OnSend(channel, 1, handler)) == 0);
  CHECK(handler.calls == 2);
  Select(OnTimeout(0s, handler));
  CHECK(handler.calls == 3);
  Select(OnStop(Stopped(), handler));
  CHECK(handler.calls == 4);
  Select(OnDefault(handler));
  CHECK(handler.calls == 5);
  Select(OnReceive(
      ClosedChannel(), [](int) {}, handler));
  CHECK(handler.calls == 6);
  CHECK(channel.TryReceive());
}

TEST_CASE("S1: a handler may be move-only, a function, or return something") {
  const Channel<int> channel(1);
  channel.TrySend(1);
  int seen = 0;
  CHECK(Select(OnReceive(channel, [&seen, owner = Own(7)](int) {
          seen = *owner;
          return 42;
        })) == 0);
  CHECK(seen == 7);
  channel.TrySend(1);
  CHECK(Select(OnReceive(channel, PlainFunction)) == 0);
  channel.TrySend(1);
  CHECK(Select(OnReceive(channel, &PlainFunction)) == 0);
  CHECK(plain_calls % 2 == 0);
  const std::function<void(int)> function = [&](int value) { seen = value; };
  channel.TrySend(1);
  CHECK(Select(OnReceive(channel, function)) == 0);
  CHECK(seen == 1);
}

TEST_CASE("S1 C2: cases take senders, receivers and channels") {
  const Channel<MoveOnly> channel(1);
  const Sender<MoveOnly> sender = channel;
  const Receiver<MoveOnly> receiver = channel;
  MoveOnly got;
  CHECK(Select(OnSend(sender, Own(7))) == 0);
  CHECK(Select(OnReceive(
            receiver, [&](MoveOnly value) { got = std::move(value); })) == 0);
  CHECK(*got == 7);
  CHECK(Select(OnSend(channel, Own(8))) == 0);
  CHECK(Select(OnReceive(channel, [&](std::optional<MoveOnly> value) {
          got = *std::move(value);
        })) == 0);
  CHECK(*got == 8);
}

template <typename T>
T Made();
template <typename... Args>
concept Selectable = requires {
  Select(Made<Args>()...);
};
template <typename... Args>
concept SendCaseOf = requires(Args&&... args) {
  OnSend(std::forward<Args>(args)...);
};

TEST_CASE("S1 S3: what Select and its cases take is checked") {
  using Case = decltype(OnDefault());
  STATIC_REQUIRE(Selectable<Case>);
  STATIC_REQUIRE_FALSE(Selectable<Case&>);
  STATIC_REQUIRE_FALSE(Selectable<Case&&>);
  STATIC_REQUIRE_FALSE(Selectable<int>);
  STATIC_REQUIRE_FALSE(Selectable<Channel<int>>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Case>);
  STATIC_REQUIRE_FALSE(std::is_move_constructible_v<Case>);
  STATIC_REQUIRE(SendCaseOf<Channel<MoveOnly>&, MoveOnly>);
  STATIC_REQUIRE_FALSE(SendCaseOf<Channel<MoveOnly>&, MoveOnly&>);
  STATIC_REQUIRE_FALSE(SendCaseOf<Receiver<int>&, int>);
  STATIC_REQUIRE(SendCaseOf<Sender<std::string>&, const char*>);
  STATIC_REQUIRE_FALSE(SendCaseOf<Sender<std::string>&, int>);
  STATIC_REQUIRE(std::is_same_v<decltype(Select()), std::size_t>);
}

// ---------------------------------------------------------------------------
// S2: what a receive passes on, and what is nil
// ---------------------------------------------------------------------------

TEST_CASE("S2: a handler of an optional gets values, then the end") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const auto channel = FullChannel(capacity);
  channel.Close();
  for (std::size_t i = 0; i < capacity; ++i) {
    std::optional<int> got;
    CHECK(Select(OnReceive(
              channel, [&](std::optional<int> value) { got = value; })) == 0);
    CHECK(got == static_cast<int>(i));
  }
  bool ended = false;
  for (int i = 0; i < 2; ++i) {
    ended = false;
    CHECK(Select(OnReceive(channel, [&](std::optional<int> value) {
            ended = !value.has_value();
          })) == 0);
    CHECK(ended);
  }
}

TEST_CASE("S2: a handler of a value gets values, then the case is nil") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const auto channel = FullChannel(capacity);
  channel.Close();
  for (std::size_t i = 0; i < capacity; ++i) {
    int got = -1;
    CHECK(Select(OnReceive(channel, [&](int value) { got = value; })) == 0);
    CHECK(got == static_cast<int>(i));
  }
  CHECK(Select(OnReceive(channel, kNeverValue)) == kNoCase);
  CHECK(Select(OnReceive(channel, kNeverValue), OnDefault()) == 1);
  CHECK(Select(OnReceive(channel, kNeverValue), OnTimeout(1us)) == 1);
}

TEST_CASE("S2: two handlers get values, then the end") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const auto channel = FullChannel(capacity);
  channel.Close();
  int values = 0;
  int ends = 0;
  for (std::size_t i = 0; i <= capacity; ++i) {
    CHECK(Select(OnReceive(
              channel, [&](int) { ++values; }, [&] { ++ends; })) == 0);
  }
  CHECK(values == static_cast<int>(capacity));
  CHECK(ends == 1);
}

TEST_CASE("S2: a handler that can be called with both gets the optional") {
  const Channel<int> channel(1);
  channel.TrySend(7);
  const auto check = [](auto value) {
    if (!std::is_same_v<decltype(value), std::optional<int>>) Never()();
  };
  CHECK(Select(OnReceive(channel, check)) == 0);
  channel.Close();
  CHECK(Select(OnReceive(channel, check)) == 0);
}

TEST_CASE("S2: a handler may take its argument by reference or converted") {
  const Channel<std::string> channel(1);
  const auto check = [&](auto handler) {
    channel.TrySend("word");
    CHECK(Select(OnReceive(channel, handler)) == 0);
  };
  std::string got;
  check([&](const std::string& value) { got += value; });
  check([&](std::string&& value) { got += std::move(value); });
  check([&](std::string_view value) { got += value; });
  check([&](const std::optional<std::string>& value) {
    got += value.value_or("");
  });
  check([&](std::optional<std::string>&& value) {
    got += std::move(value).value_or("");
  });
  CHECK(got == "wordwordwordwordword");
}

TEST_CASE("S2: std::any takes the form with two handlers") {
  const Channel<std::any> channel(1);
  channel.TrySend(std::any(7));
  int got = 0;
  bool ended = false;
  const auto select = [&] {
    return Select(OnReceive(
        channel, [&](std::any value) { got = std::any_cast<int>(value); },
        [&] { ended = true; }));
  };
  CHECK(select() == 0);
  CHECK(got == 7);
  CHECK_FALSE(ended);
  channel.Close();
  CHECK(select() == 0);
  CHECK(ended);
}

TEST_CASE("S2 C8: bool, optional and function elements are not ambiguous") {
  const Channel<bool> flags(1);
  const Channel<std::optional<int>> maybes(1);
  const Channel<std::function<int()>> functions(1);
  flags.TrySend(true);
  maybes.TrySend(std::nullopt);
  functions.TrySend([] { return 7; });
  int seen = 0;
  CHECK(Select(OnReceive(flags, [&](bool value) { seen += value; })) == 0);
  CHECK(Select(OnReceive(maybes, [&](std::optional<int> value) {
          seen += value ? 0 : 10;
        })) == 0);
  CHECK(Select(OnReceive(functions, [&](const std::function<int()>& value) {
          seen += 100 * value();
        })) == 0);
  CHECK(seen == 711);
  maybes.Close();
  CHECK(Select(OnReceive(maybes, [](std::optional<int>) { Never()(); })) ==
        kNoCase);
  CHECK(Select(OnReceive(maybes, [&](std::optional<std::optional<int>> value) {
          seen = value.has_value() ? 1 : 2;
        })) == 0);
  CHECK(seen == 2);
}

TEST_CASE("S2: a blocked Select is told that its channel was closed") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity), other(capacity);
  {
    std::optional<int> got = 7;
    InThread selecting([&] {
      return Select(
          OnReceive(other, kNeverValue),
          OnReceive(channel, [&](std::optional<int> value) { got = value; }));
    });
    AwaitReceivers(channel, 1);
    AwaitReceivers(other, 1);
    channel.Close();
    CHECK(selecting.Get() == 1);
    CHECK_FALSE(got.has_value());
    CHECK(other.waiting_receivers() == 0);
  }
  const Channel<int> third(capacity);
  bool ended = false;
  InThread selecting([&] {
    return Select(OnReceive(
                      third, [](int) { Never()(); }, [&] { ended = true; }),
                  OnReceive(other, kNeverValue));
  });
  AwaitReceivers(third, 1);
  AwaitReceivers(other, 1);
  third.Close();
  CHECK(selecting.Get() == 0);
  CHECK(ended);
}

TEST_CASE("S2 S4: a blocked Select goes on with the rest, to the last") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> first(capacity), second(capacity);
  const auto third = FullChannel(capacity);
  InThread selecting([&] {
    return Select(OnReceive(first, kNeverValue), OnReceive(second, kNeverValue),
                  OnSend(third, 7, Never()));
  });
  AwaitReceivers(first, 1);
  AwaitReceivers(second, 1);
  AwaitSenders(third, 1);
  first.Close();
  AwaitReceivers(second, 1);
  AwaitSenders(third, 1);
  third.Close();
  AwaitReceivers(second, 1);
  second.Close();
  CHECK(selecting.Get() == kNoCase);
}

TEST_CASE("S2: a blocked Select goes on with the rest, and one happens") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> closing(capacity), other(capacity);
  const auto full = FullChannel(capacity);
  int got = 0;
  std::stop_source source;
  InThread selecting([&] {
    return Select(OnReceive(closing, kNeverValue), OnSend(full, 7, Never()),
                  OnReceive(other, [&](int value) { got = value; }),
                  OnStop(source.get_token(), Never()),
                  OnTimeout(kForever, Never()));
  });
  AwaitReceivers(closing, 1);
  AwaitReceivers(other, 1);
  AwaitSenders(full, 1);
  closing.Close();
  full.Close();
  CHECK(other.Send(8));
  CHECK(selecting.Get() == 2);
  CHECK(got == 8);
}

TEST_CASE("S2: a send on a closed channel is nil") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto closed = ClosedChannel(capacity);
  CHECK(Select(OnSend(closed, 7, Never())) == kNoCase);
  CHECK(Select(OnSend(closed, 7, Never()), OnDefault()) == 1);
  const Channel<int> open(1);
  CHECK(Select(OnSend(closed, 7, Never()), OnSend(open, 8)) == 1);
  CHECK(open.TryReceive() == 8);
}

// ---------------------------------------------------------------------------
// S3: values that were not sent
// ---------------------------------------------------------------------------

TEST_CASE("S3: the value of a case that was not chosen is untouched") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullOfOwners(capacity);
  const auto closed = ClosedChannel<MoveOnly>(capacity);
  const Sender<MoveOnly> nil;
  MoveOnly value = Own(7);
  CHECK(Select(OnSend(full, std::move(value), Never()), OnDefault()) == 1);
  CHECK(Select(OnSend(full, std::move(value), Never()), OnTimeout(0s)) == 1);
  CHECK(Select(OnSend(full, std::move(value), Never()), OnTimeout(1us)) == 1);
  CHECK(Select(OnSend(full, std::move(value), Never()), OnStop(Stopped())) ==
        1);
  CHECK(Select(OnSend(closed, std::move(value), Never())) == kNoCase);
  CHECK(Select(OnSend(nil, std::move(value), Never())) == kNoCase);
  REQUIRE(value != nullptr);
  CHECK(*value == 7);
}

TEST_CASE("S3: of two ready sends only the chosen one's value is moved") {
  const std::size_t capacity = GENERATE(1U, 64U);
  for (int round = 0; round < 50; ++round) {
    const Channel<MoveOnly> one(capacity), two(capacity);
    MoveOnly a = Own(1), b = Own(2);
    const std::size_t index =
        Select(OnSend(one, std::move(a)), OnSend(two, std::move(b)));
    // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
    if ((a == nullptr) != (index == 0) || (b == nullptr) != (index == 1)) {
      FAIL("the wrong value was moved");
    }
  }
  SUCCEED();
}

TEST_CASE("S3: a value that a blocked Select did not send is untouched") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullOfOwners(capacity);
  const Channel<int> channel(capacity);
  MoveOnly value = Own(7);
  const auto check = [&](auto end, std::size_t expected) {
    std::stop_source source;
    InThread selecting([&] {
      return Select(OnSend(full, std::move(value), Never()),
                    OnReceive(channel, [](int) {}), OnStop(source.get_token()));
    });
    AwaitSenders(full, 1);
    AwaitReceivers(channel, 1);
    end(source);
    CHECK(selecting.Get() == expected);
    REQUIRE(value != nullptr);
    CHECK(*value == 7);
  };
  check([&](auto&) { channel.TrySend(1); }, 1);
  check([&](auto& source) { source.request_stop(); }, 2);
  check(
      [&](auto& source) {
        full.Close();
        source.request_stop();
      },
      2);
}

TEST_CASE("S3: an lvalue is copied, another type converted") {
  const Channel<std::string> channel(3);
  std::string value = "a value too long for the small string optimisation";
  CHECK(Select(OnSend(channel, value)) == 0);
  CHECK(Select(OnSend(channel, std::as_const(value))) == 0);
  CHECK(Select(OnSend(channel, "word")) == 0);
  CHECK(value.size() == 50);
  CHECK(channel.TryReceive() == value);
  CHECK(channel.TryReceive() == value);
  CHECK(channel.TryReceive() == "word");
}

TEST_CASE("S3: nothing happens when the copy of the argument throws") {
  const Channel<Uncopyable> channel(1);
  const Channel<int> other(1);
  const Uncopyable value;
  CHECK_THROWS_AS(Select(OnSend(other, 1), OnSend(channel, value)),
                  std::runtime_error);
  CHECK(channel.size() == 0);
  CHECK(other.size() == 0);
}

// ---------------------------------------------------------------------------
// S4: no case
// ---------------------------------------------------------------------------

TEST_CASE("S4: Select of nothing returns kNoCase") {
  CHECK(Select() == kNoCase);
  STATIC_REQUIRE(kNoCase == static_cast<std::size_t>(-1));
}

TEST_CASE("S4 C3: Select of nil cases alone returns kNoCase") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CHECK(Select(OnReceive(Receiver<int>(), Never())) == kNoCase);
  CHECK(Select(OnReceive(Receiver<int>(), kNeverValue)) == kNoCase);
  CHECK(Select(OnReceive(Receiver<int>(), Never(), Never())) == kNoCase);
  CHECK(Select(OnSend(Sender<int>(), 7, Never())) == kNoCase);
  CHECK(Select(OnStop(std::stop_token(), Never())) == kNoCase);
  Channel<int> moved(capacity);
  const Channel<int> kept = std::move(moved);
  // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
  CHECK(Select(OnSend(moved, 7, Never()), OnReceive(moved, Never())) ==
        kNoCase);
  CHECK(Select(OnReceive(Receiver<int>(), Never()),
               OnReceive(ClosedChannel(capacity), kNeverValue),
               OnSend(ClosedChannel(capacity), 7, Never()),
               OnSend(Sender<int>(), 7, Never()),
               OnStop(std::stop_token(), Never())) == kNoCase);
}

TEST_CASE("S4: a stop that can no longer be requested is nil") {
  auto source = std::make_unique<std::stop_source>();
  const std::stop_token token = source->get_token();
  CHECK(Select(OnStop(token, Never()), OnDefault()) == 1);
  source.reset();
  CHECK(Select(OnStop(token, Never())) == kNoCase);
  // One that was requested stays requested.
  CHECK(Select(OnStop(Stopped())) == 0);
}

TEST_CASE("S4: nil cases do not keep the others from happening") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  InThread selecting([&] {
    return Select(
        OnReceive(Receiver<int>(), Never()), OnSend(Sender<int>(), 7, Never()),
        OnReceive(channel, [](int) {}), OnStop(std::stop_token(), Never()),
        OnSend(ClosedChannel(), 7, Never()));
  });
  AwaitReceivers(channel, 1);
  CHECK(channel.TrySend(1));
  CHECK(selecting.Get() == 2);
}

TEST_CASE("S4: the default is chosen when all else is nil") {
  CHECK(Select(OnReceive(Receiver<int>(), Never()), OnDefault()) == 1);
}

TEST_CASE("S4 C6: a timeout of the longest duration is waited for") {
  // Were it nil, this would return kNoCase; were it short, 0.
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const auto check = [&](auto duration) {
    InThread selecting([&] {
      return Select(OnTimeout(duration, Never()),
                    OnReceive(channel, [](int) {}));
    });
    AwaitReceivers(channel, 1);
    CHECK(channel.TrySend(1));
    CHECK(selecting.Get() == 1);
    CHECK(Select(OnTimeout(duration, Never()), OnDefault()) == 1);
  };
  check(std::chrono::nanoseconds::max());
  check(std::chrono::hours::max());
  check(std::chrono::duration<double>::max());
}

// ---------------------------------------------------------------------------
// S4, S8: time points
// ---------------------------------------------------------------------------

TEST_CASE("S4: a time point of any clock is waited for") {
  using Clock = ManualClock<struct Waited>;
  const Channel<int> channel;
  CHECK(Select(OnTimeout(Clock::now())) == 0);
  CHECK(Select(OnTimeout(Clock::time_point::min())) == 0);
  CHECK(Select(OnTimeout(std::chrono::steady_clock::now() + 1us)) == 0);
  CHECK(Select(OnTimeout(std::chrono::system_clock::now() + 1us)) == 0);
  CHECK(Select(OnTimeout(std::chrono::sys_days::min())) == 0);
  CHECK(Select(OnTimeout(Clock::Soon(), Never()), OnDefault()) == 1);
  int calls = 0;
  InThread selecting([&] {
    return Select(OnTimeout(Clock::time_point::max(), Never()),
                  OnTimeout(Clock::Soon(), [&] { ++calls; }),
                  OnReceive(channel, [](int) {}));
  });
  AwaitReceivers(channel, 1);
  Clock::Advance();
  CHECK(selecting.Get() == 1);
  CHECK(calls == 1);
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("S4: a clock that stands still does not hold up another timeout") {
  using Clock = ManualClock<struct Still>;
  CHECK(Select(OnTimeout(Clock::Soon(), Never()), OnTimeout(1ms),
               OnTimeout(1h)) == 1);
  CHECK(Select(OnTimeout(1h), OnTimeout(Clock::Soon(), Never()),
               OnTimeout(std::chrono::steady_clock::now() + 1ms)) == 2);
}

TEST_CASE("S4 S7: a time point is waited for again") {
  using Clock = ManualClock<struct Again>;
  std::array<SelectCase, 2> cases{OnTimeout(Clock::Soon()), OnDefault()};
  CHECK(Select(cases) == 1);
  CHECK(Select(cases) == 1);
  Clock::Advance();
  CHECK(Select(cases) == 0);
  CHECK(Select(cases) == 0);
}

// A clock whose now() throws after `calls` more calls.
struct FailingClock : ManualClock<struct Fails> {
  using time_point = std::chrono::time_point<FailingClock, duration>;
  static inline std::atomic<long> calls = 0;
  static time_point now() {
    if (calls-- <= 0) throw std::runtime_error("the clock");
    return time_point(ManualClock<struct Fails>::now().time_since_epoch());
  }
  // Ahead by so little that whoever waits asks all the time.
  static time_point Soon() { return time_point(duration(1)); }
};

TEST_CASE("S8: what a clock throws leaves Select, and nothing has happened") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const long calls = GENERATE(0, 1, 2, 10, 1000);
  const auto full = FullOfOwners(capacity);
  const Channel<int> empty(capacity);
  MoveOnly value = Own(7);
  FailingClock::calls = calls;
  CHECK_THROWS_WITH(
      Select(OnSend(full, std::move(value), Never()),
             OnReceive(empty, kNeverValue),
             OnTimeout(FailingClock::Soon(), Never()), OnTimeout(1h, Never())),
      "the clock");
  // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
  REQUIRE(value != nullptr);
  CHECK(*value == 7);
  CHECK(full.waiting_senders() == 0);
  CHECK(empty.waiting_receivers() == 0);
  CHECK(full.size() == capacity);
}

TEST_CASE("S8 S7: a clock that has thrown is asked again by the next Select") {
  std::array<SelectCase, 2> cases{OnTimeout(FailingClock::Soon()), OnDefault()};
  FailingClock::calls = 0;
  CHECK_THROWS_WITH(Select(cases), "the clock");
  FailingClock::calls = 1;
  CHECK(Select(cases) == 1);
}

TEST_CASE("S8: a case that happens while a clock throws has happened") {
  const Channel<int> channel(64);
  int sum = 0;
  for (int round = 1; round <= 300; ++round) {
    FailingClock::calls = round;
    InThread selecting([&] {
      try {
        return Select(OnReceive(channel, [&](int value) { sum += value; }),
                      OnTimeout(FailingClock::Soon()));
      } catch (const std::runtime_error&) {
        return std::size_t{1};
      }
    });
    channel.Send(1);
    const bool received = selecting.Get() == 0;
    if (received == channel.TryReceive().has_value()) FAIL("lost or doubled");
    if (sum != (received ? 1 : 0)) FAIL("the handler saw something else");
    sum = 0;
  }
  SUCCEED();
}

// ---------------------------------------------------------------------------
// S5: the choice among ready cases
// ---------------------------------------------------------------------------

constexpr int kRounds = 20000;

// Ten standard deviations lie between the middle and these limits.
template <std::size_t kCount>
void CheckEvenThirds(const std::array<int, kCount>& chosen) {
  int ready = 0;
  for (const int times : chosen) {
    if (times == 0) continue;
    ++ready;
    CHECK(times > kRounds * 30 / 100);
    CHECK(times < kRounds * 37 / 100);
  }
  CHECK(ready == 3);
}

TEST_CASE("S5: the choice among ready receives is even, nil ones in between") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<int> a(capacity), b(capacity), c(capacity), empty(capacity);
  const Receiver<int> nil;
  std::array<int, 9> chosen{};
  for (int round = 0; round < kRounds; ++round) {
    a.TrySend(1);
    b.TrySend(1);
    c.TrySend(1);
    const std::size_t index = Select(
        OnReceive(nil, Never()), OnReceive(a, [](int) {}),
        OnReceive(nil, Never()), OnReceive(empty, Never()),
        OnReceive(b, [](int) {}), OnStop({}, Never()), OnReceive(nil, Never()),
        OnReceive(nil, Never()), OnReceive(c, [](int) {}));
    ++chosen[index];
  }
  CHECK(chosen[1] > 0);
  CHECK(chosen[4] > 0);
  CHECK(chosen[8] > 0);
  CheckEvenThirds(chosen);
}

TEST_CASE("S5: the choice among ready sends is even, closed ones in between") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<int> a(capacity), b(capacity), c(capacity);
  const auto closed = ClosedChannel(capacity);
  const auto full = FullChannel(capacity);
  std::array<int, 6> chosen{};
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t index = Select(OnSend(a, 1), OnSend(closed, 1, Never()),
                                     OnSend(full, 1, Never()), OnSend(b, 1),
                                     OnSend(c, 1), OnSend(closed, 1, Never()));
    ++chosen[index];
    for (const auto& channel : {a, b, c}) {
      while (channel.TryReceive()) {
      }
    }
  }
  CheckEvenThirds(chosen);
}

TEST_CASE("S5: an expired timeout and a requested stop are cases like others") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<int> channel(capacity);
  const std::stop_token stopped = Stopped();
  const std::chrono::seconds expired = GENERATE(0s, -1s);
  std::array<int, 5> chosen{};
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t index =
        Select(OnTimeout(expired), OnTimeout(1h, Never()), OnSend(channel, 1),
               OnStop(stopped), OnDefault(Never()));
    if (index == 2) (void)channel.TryReceive();
    ++chosen[index];
  }
  CHECK(channel.size() == 0);
  CheckEvenThirds(chosen);
}

TEST_CASE("S5: a closed channel that is told of is a ready case like others") {
  const auto closed = ClosedChannel();
  const Channel<int> channel(1);
  std::array<int, 3> chosen{};
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t index =
        Select(OnReceive(closed, [](std::optional<int>) {}), OnSend(channel, 1),
               OnReceive(
                   closed, [](int) {}, [] {}));
    (void)channel.TryReceive();
    ++chosen[index];
  }
  CheckEvenThirds(chosen);
}

TEST_CASE("S5: the first and the last of two ready cases are chosen evenly") {
  const Channel<int> a(1), b(1);
  std::array<int, 2> chosen{};
  for (int round = 0; round < kRounds; ++round) {
    a.TrySend(1);
    b.TrySend(1);
    ++chosen[Select(OnReceive(a, [](int) {}), OnReceive(b, [](int) {}))];
  }
  CHECK(chosen[0] > kRounds * 45 / 100);
  CHECK(chosen[1] > kRounds * 45 / 100);
}

// ---------------------------------------------------------------------------
// S6: the same channel in several cases, and Selects that meet
// ---------------------------------------------------------------------------

TEST_CASE("S6: at capacity 0 a Select does not meet itself") {
  const Channel<int> channel;
  CHECK(Select(OnSend(channel, 7, Never()), OnReceive(channel, Never()),
               OnDefault()) == 2);
  CHECK(Select(OnReceive(channel, Never()), OnSend(channel, 7, Never()),
               OnTimeout(1us)) == 2);
  CHECK(channel.waiting_senders() == 0);
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("S6: with room a Select sends on its own channel, without a value") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<int> channel(capacity);
  for (int round = 0; round < 50; ++round) {
    if (Select(OnReceive(channel, Never()), OnSend(channel, round)) != 1) {
      FAIL("received from an empty channel");
    }
    if (channel.TryReceive() != round) FAIL("the value was not sent");
  }
  SUCCEED();
}

TEST_CASE("S6: with a full channel a Select receives and does not send") {
  const std::size_t capacity = GENERATE(1U, 64U);
  for (int round = 0; round < 50; ++round) {
    const auto channel = FullChannel(capacity);
    int got = -1;
    if (Select(OnSend(channel, 7, Never()),
               OnReceive(channel, [&](int value) { got = value; })) != 1) {
      FAIL("sent on a full channel");
    }
    if (got != 0 || channel.size() != capacity - 1) FAIL("received wrongly");
  }
  SUCCEED();
}

TEST_CASE("S6: with room and values either case happens, and only one") {
  const Channel<int> channel(64);
  channel.TrySend(-1);
  channel.TrySend(-1);
  std::array<int, 2> chosen{};
  for (int round = 0; round < 200; ++round) {
    const std::size_t before = channel.size();
    const std::size_t index =
        Select(OnSend(channel, round), OnReceive(channel, [](int) {}));
    const std::size_t after = channel.size();
    if (after != (index == 0 ? before + 1 : before - 1)) FAIL("both or none");
    ++chosen[index];
    while (channel.size() > 2) (void)channel.TryReceive();
    while (channel.size() < 2) channel.TrySend(-1);
  }
  CHECK(chosen[0] > 0);
  CHECK(chosen[1] > 0);
}

TEST_CASE("S6: a blocked Select that sends and receives meets another thread") {
  const Channel<int> channel;
  const bool other_sends = GENERATE(false, true);
  int got = 0;
  InThread selecting([&] {
    return Select(OnSend(channel, 7),
                  OnReceive(channel, [&](int value) { got = value; }));
  });
  AwaitSenders(channel, 1);
  AwaitReceivers(channel, 1);
  if (other_sends) {
    CHECK(channel.TrySend(8));
    CHECK(selecting.Get() == 1);
    CHECK(got == 8);
  } else {
    CHECK(channel.TryReceive() == 7);
    CHECK(selecting.Get() == 0);
  }
  CHECK(channel.waiting_senders() == 0);
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("S6: two Selects that both send and receive on one channel meet") {
  const Channel<int> channel;
  int got = 0;
  InThread selecting([&] {
    return Select(OnSend(channel, 7),
                  OnReceive(channel, [&](int value) { got = value; }));
  });
  AwaitSenders(channel, 1);
  AwaitReceivers(channel, 1);
  int here = 0;
  const std::size_t index =
      Select(OnReceive(channel, [&](int value) { here = value; }),
             OnSend(channel, 8), OnDefault(Never()));
  if (index == 0) {
    CHECK(selecting.Get() == 0);
    CHECK(here == 7);
    CHECK(got == 0);
  } else {
    CHECK(index == 1);
    CHECK(selecting.Get() == 1);
    CHECK(got == 8);
    CHECK(here == 0);
  }
}

TEST_CASE("S6: the same receive twice in a Select takes one value") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  int sum = 0;
  InThread selecting([&] {
    return Select(OnReceive(channel, [&](int value) { sum += value; }),
                  OnReceive(channel, [&](int value) { sum += value; }));
  });
  AwaitReceivers(channel, 2);
  CHECK(channel.TrySend(7));
  // The other one of them takes no second value.
  CHECK(channel.TrySend(8) == (capacity > 0));
  CHECK(selecting.Get() < 2);
  CHECK(sum == 7);
  CHECK(channel.waiting_receivers() == 0);
  CHECK(channel.size() == (capacity > 0 ? 1 : 0));
}

TEST_CASE("S6: the same send twice in a Select sends one value") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  InThread selecting(
      [&] { return Select(OnSend(channel, 100), OnSend(channel, 101)); });
  AwaitSenders(channel, 2);
  std::vector<int> all;
  while (const auto value = channel.TryReceive()) all.push_back(*value);
  const std::size_t index = selecting.Get();
  CHECK(index < 2);
  REQUIRE(all.size() == capacity + 1);
  CHECK(all.back() == 100 + static_cast<int>(index));
  CHECK(channel.waiting_senders() == 0);
}

TEST_CASE("S6: closing a channel wakes a Select that has it twice") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto sending = FullChannel(capacity);
  const Channel<int> receiving(capacity);
  InThread selecting([&] {
    return Select(OnSend(sending, 1, Never()), OnSend(sending, 2, Never()),
                  OnReceive(receiving, kNeverValue),
                  OnReceive(receiving, kNeverValue));
  });
  AwaitSenders(sending, 2);
  AwaitReceivers(receiving, 2);
  sending.Close();
  receiving.Close();
  CHECK(selecting.Get() == kNoCase);
}

TEST_CASE("S6: closing wakes a Select that sends and receives on the channel") {
  const Channel<int> channel;
  const bool told = GENERATE(false, true);
  bool ended = false;
  InThread selecting([&] {
    if (told) {
      return Select(OnSend(channel, 1, Never()),
                    OnReceive(channel, [&](std::optional<int> value) {
                      ended = !value.has_value();
                    }));
    }
    return Select(OnSend(channel, 1, Never()), OnReceive(channel, kNeverValue));
  });
  AwaitSenders(channel, 1);
  AwaitReceivers(channel, 1);
  channel.Close();
  CHECK(selecting.Get() == (told ? 1 : kNoCase));
  CHECK(ended == told);
}

TEST_CASE("S6: two Selects meet on crossed channels, again and again") {
  constexpr int kTimes = 500;
  const Channel<int> a, b;
  struct Tally {
    int sent = 0;
    int received = 0;
    int sum = 0;
  };
  const auto cross = [](const Channel<int>& out, const Channel<int>& in) {
    return [&out, &in] {
      Tally tally;
      for (int i = 1; i <= kTimes; ++i) {
        if (Select(OnSend(out, i,
                          [&] {
                            ++tally.sent;
                            tally.sum += i;
                          }),
                   OnReceive(in, [&](int value) {
                     ++tally.received;
                     tally.sum -= value;
                   })) == kNoCase) {
          break;
        }
      }
      return tally;
    };
  };
  InThread other(cross(b, a));
  const Tally mine = cross(a, b)();
  const Tally theirs = other.Get();
  CHECK(mine.sent == theirs.received);
  CHECK(mine.received == theirs.sent);
  CHECK(mine.sent + mine.received == kTimes);
  CHECK(mine.sum + theirs.sum == 0);
}

// ---------------------------------------------------------------------------
// C6, C7, C9: a Select in a channel's queues
// ---------------------------------------------------------------------------

TEST_CASE("C7 S1: a blocked Select has its place in the queue of receives") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity), other(capacity);
  int got = 0;
  InThread first([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  InThread second([&] {
    return Select(OnReceive(other, kNeverValue),
                  OnReceive(channel, [&](int value) { got = value; }));
  });
  AwaitReceivers(channel, 2);
  InThread third([&] { return channel.Receive(); });
  AwaitReceivers(channel, 3);
  for (const int value : {1, 2, 3}) CHECK(channel.TrySend(value));
  CHECK(first.Get() == 1);
  CHECK(second.Get() == 1);
  CHECK(third.Get() == 3);
  CHECK(got == 2);
}

TEST_CASE("C7 S1: a blocked Select has its place in the queue of sends") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  const auto other = FullChannel(capacity);
  InThread first([&] { return channel.Send(100); });
  AwaitSenders(channel, 1);
  InThread second(
      [&] { return Select(OnSend(other, 7, Never()), OnSend(channel, 101)); });
  AwaitSenders(channel, 2);
  InThread third([&] { return channel.Send(102); });
  AwaitSenders(channel, 3);
  std::vector<int> all;
  while (const auto value = channel.TryReceive()) all.push_back(*value);
  CHECK(first.Get());
  CHECK(second.Get() == 1);
  CHECK(third.Get());
  REQUIRE(all.size() == capacity + 3);
  CHECK(std::vector(all.end() - 3, all.end()) == std::vector{100, 101, 102});
}

TEST_CASE("C7 S1: a Select that was served elsewhere is skipped in the queue") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity), other(capacity);
  InThread selecting([&] {
    return Select(OnReceive(channel, kNeverValue),
                  OnReceive(other, [](int) {}));
  });
  AwaitReceivers(channel, 1);
  AwaitReceivers(other, 1);
  InThread receiving([&] { return channel.Receive(); });
  AwaitReceivers(channel, 2);
  CHECK(other.TrySend(1));
  // The Select may not have run yet; its operation may still be in the queue.
  CHECK(channel.TrySend(2));
  CHECK(receiving.Get() == 2);
  CHECK(selecting.Get() == 1);
}

TEST_CASE("C7 S1: room passes by a Select that was served elsewhere") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  const Channel<int> other(capacity);
  InThread selecting([&] {
    return Select(OnSend(channel, 100, Never()), OnReceive(other, [](int) {}));
  });
  AwaitSenders(channel, 1);
  AwaitReceivers(other, 1);
  InThread sending([&] { return channel.Send(101); });
  AwaitSenders(channel, 2);
  CHECK(other.TrySend(1));
  std::vector<int> all;
  while (const auto value = channel.TryReceive()) all.push_back(*value);
  CHECK(sending.Get());
  CHECK(selecting.Get() == 1);
  REQUIRE(all.size() == capacity + 1);
  CHECK(all.back() == 101);
}

TEST_CASE("C9: a Select's send happens before its receive, both ways") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int*> channel(capacity);
  std::array<int, 100> data{};
  InThread sending([&] {
    for (std::size_t i = 0; i < data.size(); ++i) {
      data[i] = 1;
      Select(OnSend(channel, &data[i]), OnStop({}));
    }
    channel.Close();
  });
  int sum = 0;
  bool open = true;
  while (open) {
    Select(
        OnReceive(
            channel, [&](int* value) { sum += *value; }, [&] { open = false; }),
        OnTimeout(kForever));
  }
  sending.Get();
  CHECK(sum == 100);
}

TEST_CASE("C9: Close happens before a Select that it ends") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  int data = 0;
  InThread told([&] {
    int seen = 0;
    Select(OnReceive(channel, [&](std::optional<int>) { seen = data; }));
    return seen;
  });
  InThread untold([&] {
    return Select(OnReceive(channel, kNeverValue)) == kNoCase ? data : -1;
  });
  data = 7;
  channel.Close();
  CHECK(told.Get() == 7);
  CHECK(untold.Get() == 7);
}

// ---------------------------------------------------------------------------
// S8: exceptions
// ---------------------------------------------------------------------------

struct Thrown {};

TEST_CASE("S8: a handler's exception leaves Select and the operation stands") {
  const std::size_t capacity = GENERATE(2U, 64U);
  const Channel<int> channel(capacity);
  CHECK_THROWS_AS(Select(OnSend(channel, 7, [] { throw Thrown(); })), Thrown);
  CHECK(channel.size() == 1);
  CHECK_THROWS_AS(Select(OnReceive(channel, [](int) { throw Thrown(); })),
                  Thrown);
  CHECK(channel.size() == 0);
  CHECK_THROWS_AS(Select(OnTimeout(0s, [] { throw Thrown(); })), Thrown);
  CHECK_THROWS_AS(Select(OnStop(Stopped(), [] { throw Thrown(); })), Thrown);
  CHECK_THROWS_AS(Select(OnDefault([] { throw Thrown(); })), Thrown);
  CHECK_THROWS_AS(
      Select(OnReceive(ClosedChannel(), Never(), [] { throw Thrown(); })),
      Thrown);
}

TEST_CASE("S8: a handler's exception leaves a Select that was blocked") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  const auto check = [&](auto meet) {
    InThread selecting([&] {
      try {
        static_cast<void>(
            Select(OnSend(full, 7, [] { throw Thrown(); }),
                   OnReceive(empty, [](int) { throw Thrown(); })));
      } catch (Thrown) {
        return true;
      }
      return false;
    });
    AwaitSenders(full, 1);
    AwaitReceivers(empty, 1);
    meet();
    CHECK(selecting.Get());
    CHECK(full.waiting_senders() == 0);
    CHECK(empty.waiting_receivers() == 0);
  };
  check([&] { CHECK(full.TryReceive()); });
  CHECK(full.size() == capacity);
  check([&] { CHECK(empty.TrySend(8)); });
  CHECK(empty.size() == 0);
}

}  // namespace
