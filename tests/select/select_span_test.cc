// SPDX-License-Identifier: MIT
//
// Select over a span of SelectCase: clause S7, and what it asks of S1 to S8.

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/select.h>

#include "support/catch.h"
#include "support/in_thread.h"
#include "support/sanitizers.h"
#include "support/values.h"
#include "support/waiters.h"

#if FANFARE_TESTS_ASAN
// A case that is kept must not know a Select that has returned.
extern "C" const char* __asan_default_options() {
  return "detect_stack_use_after_return=1";
}
#endif

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

std::stop_token Stopped() {
  std::stop_source source;
  source.request_stop();
  return source.get_token();
}

void Never() {
  throw std::logic_error("the handler of a case that was not performed");
}

template <typename T>
T Made();
// Of a case that is written in place, and of one that is passed on.
template <typename Case>
concept MakesCaseInPlace = requires(std::vector<SelectCase> cases) {
  cases.push_back(Made<Case>());
};
template <typename Case>
concept MakesCase =
    MakesCaseInPlace<Case> && std::is_convertible_v<Case, SelectCase>;

TEST_CASE("S7: a SelectCase is made of any case, movable and not copyable") {
  STATIC_REQUIRE(std::is_nothrow_default_constructible_v<SelectCase>);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<SelectCase>);
  STATIC_REQUIRE(std::is_nothrow_move_assignable_v<SelectCase>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<SelectCase>);
  STATIC_REQUIRE(MakesCase<decltype(OnDefault())>);
  STATIC_REQUIRE(MakesCase<decltype(OnTimeout(1s))>);
  STATIC_REQUIRE(MakesCase<decltype(OnStop({}))>);
  STATIC_REQUIRE(MakesCase<decltype(OnSend(Channel<int>(), 1L))>);
  STATIC_REQUIRE_FALSE(MakesCaseInPlace<int>);
}

TEST_CASE("S7 S3: an OnSend of an rvalue is written where the case is made") {
  using OfRvalue = decltype(OnSend(Channel<MoveOnly>(), Own(1)));
  STATIC_REQUIRE(MakesCaseInPlace<OfRvalue>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<OfRvalue, SelectCase>);
  STATIC_REQUIRE_FALSE(MakesCaseInPlace<OfRvalue&&>);
  STATIC_REQUIRE_FALSE(MakesCaseInPlace<OfRvalue&>);
}

TEST_CASE("S7: Select performs the ready one of cases made at run time") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const std::size_t ready = GENERATE(0U, 5U, 9U);
  std::vector<Channel<int>> channels;
  std::vector<SelectCase> cases;
  std::vector<int> received;
  for (std::size_t i = 0; i < 10; ++i) {
    channels.emplace_back(capacity);
    cases.push_back(OnReceive(channels.back(), [&received](int value) {
      received.push_back(value);
    }));
  }
  channels[ready].TrySend(7);
  CHECK(Select(cases) == ready);
  CHECK(received == std::vector{7});
}

TEST_CASE("S7: any sequence of cases will do") {
  SelectCase array[] = {OnStop({}), OnDefault()};
  CHECK(Select(array) == 1);
  std::array<SelectCase, 2> standard{OnTimeout(0s), OnStop({})};
  CHECK(Select(standard) == 0);
  std::vector<SelectCase> cases;
  cases.push_back(OnStop({}));
  cases.emplace_back(OnTimeout(0s));
  CHECK(Select(cases) == 1);
  CHECK(Select(std::span(cases).subspan(1)) == 0);
}

TEST_CASE("S7: cases of all kinds and of different types stand together") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<int> ints(capacity);
  const Channel<std::string> words(capacity);
  const Channel<MoveOnly> owners(capacity);
  const std::stop_source source;
  std::string log;
  std::vector<SelectCase> cases;
  cases.push_back(
      OnReceive(ints, [&](int value) { log += std::to_string(value); }));
  cases.push_back(OnReceive(words, [&](std::optional<std::string> value) {
    log += value.value_or("end");
  }));
  cases.push_back(OnReceive(
      owners, [&](MoveOnly value) { log += std::to_string(*value); },
      [&] { log += "closed"; }));
  cases.push_back(OnStop(source.get_token(), Never));
  cases.push_back(OnTimeout(1h, Never));
  cases.push_back(OnDefault([&] { log += "default"; }));
  CHECK(Select(cases) == 5);
  ints.TrySend(1);
  CHECK(Select(cases) == 0);
  words.TrySend("word");
  CHECK(Select(cases) == 1);
  owners.TrySend(Own(2));
  CHECK(Select(cases) == 2);
  words.Close();
  CHECK(Select(cases) == 1);
  CHECK(log == "default1word2end");
}

TEST_CASE("S7 S4: Select of no cases, or of nil ones, returns kNoCase") {
  CHECK(Select(std::span<SelectCase>()) == kNoCase);
  std::vector<SelectCase> cases(3);
  CHECK(Select(cases) == kNoCase);
  cases[1] = OnReceive(Receiver<int>(), [](int) { Never(); });
  CHECK(Select(cases) == kNoCase);
  SelectCase moved = OnDefault(Never);
  cases[2] = std::move(moved);
  cases[0] = std::move(cases[2]);
  cases[0] = {};
  CHECK(Select(cases) == kNoCase);
}

TEST_CASE("S7: nil cases count in the index") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<int> channel(capacity);
  std::vector<SelectCase> cases(5);
  cases[3] = OnSend(channel, 7);
  CHECK(Select(cases) == 3);
  CHECK(channel.TryReceive() == 7);
}

TEST_CASE("S7: a blocked Select of many cases takes the one that comes") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  std::vector<Channel<int>> channels;
  std::vector<SelectCase> cases;
  int received = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    channels.emplace_back(capacity);
    cases.push_back(
        OnReceive(channels.back(), [&](int value) { received = value; }));
  }
  for (const std::size_t ready : {0U, 7U, 19U}) {
    InThread selecting([&] { return Select(cases); });
    for (const auto& channel : channels) AwaitReceivers(channel, 1);
    CHECK(channels[ready].TrySend(static_cast<int>(ready) + 1));
    CHECK(selecting.Get() == ready);
    CHECK(received == static_cast<int>(ready) + 1);
    for (const auto& channel : channels) {
      CHECK(channel.waiting_receivers() == 0);
    }
  }
}

TEST_CASE("S7: a case owns its handler and shares its channel") {
  const std::size_t capacity = GENERATE(1U, 64U);
  struct Handler {
    std::shared_ptr<int> calls;
    MoveOnly* last;
    void operator()(MoveOnly value) {
      ++*calls;
      *last = std::move(value);
    }
  };
  const auto calls = std::make_shared<int>(0);
  MoveOnly last;
  Sender<MoveOnly> sender;
  std::vector<SelectCase> cases;
  {
    const Channel<MoveOnly> channel(capacity);
    sender = channel;
    Handler handler{calls, &last};
    cases.push_back(OnReceive(channel, Handler(handler)));
    handler.calls = nullptr;
  }
  CHECK(calls.use_count() == 2);
  CHECK(sender.TrySend(Own(7)));
  CHECK(Select(cases) == 0);
  CHECK(*calls == 1);
  CHECK(*last == 7);
  cases.clear();
  CHECK(calls.use_count() == 1);
}

TEST_CASE("S7: a case made of handlers that are lvalues has copies of them") {
  const Channel<int> channel(1);
  int calls = 0;
  std::vector<SelectCase> cases;
  {
    const auto on_value = [&calls](int) { calls += 1; };
    const auto on_event = [&calls] { calls += 10; };
    auto on_stop = std::make_unique<std::function<void()>>(on_event);
    cases.push_back(OnReceive(channel, on_value));
    cases.push_back(OnReceive(channel, on_value, on_event));
    cases.push_back(OnSend(channel, 7, on_event));
    cases.push_back(OnTimeout(0s, on_event));
    cases.push_back(OnStop(Stopped(), *on_stop));
    cases.push_back(OnDefault(on_event));
  }
  const std::span all(cases);
  CHECK(Select(all.subspan(2, 1)) == 0);
  CHECK(Select(all.subspan(0, 1)) == 0);
  channel.Close();
  for (const std::size_t i : {1U, 3U, 4U, 5U}) {
    CHECK(Select(all.subspan(i, 1)) == 0);
  }
  CHECK(calls == 51);
}

TEST_CASE("S7 C8: a handler takes its own case out") {
  const Channel<int> idle, closed;
  closed.Close();
  std::vector<SelectCase> cases;
  cases.push_back(OnReceive(idle, [](int) { Never(); }));
  cases.push_back(OnReceive(
      closed, [](int) { Never(); }, [&] { cases.pop_back(); }));
  CHECK(Select(cases) == 1);
  CHECK(cases.size() == 1);
}

TEST_CASE("S7: a receive is used again and does not keep what it received") {
  const std::size_t capacity = GENERATE(1U, 64U);
  int live = 0;
  const Channel<Counted> channel(capacity);
  int sum = 0;
  std::array<SelectCase, 1> cases{
      OnReceive(channel, [&](const std::optional<Counted>& value) {
        sum += value.has_value() ? value->value() : 100;
      })};
  for (int i = 1; i <= 4; ++i) {
    channel.TrySend(Counted(i, &live));
    CHECK(Select(cases) == 0);
    CHECK(live == 0);
  }
  channel.Close();
  CHECK(Select(cases) == 0);
  CHECK(sum == 110);
}

TEST_CASE("S7: a case owns its value and gives an unsent one back") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<MoveOnly> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) channel.TrySend(Own(0));
  MoveOnly value = Own(7);
  std::array<SelectCase, 2> cases{OnSend(channel, std::move(value), Never),
                                  OnDefault()};
  CHECK(value == nullptr);  // NOLINT(bugprone-use-after-move)
  CHECK(Select(cases) == 1);
  std::optional<MoveOnly> back = cases[0].TakeUnsent<MoveOnly>();
  REQUIRE(back.has_value());
  CHECK(**back == 7);
  // It is nil now, and has nothing more to give.
  CHECK_FALSE(cases[0].TakeUnsent<MoveOnly>().has_value());
  (void)channel.TryReceive();
  CHECK(Select(std::span(cases).first(1)) == kNoCase);
}

TEST_CASE("S7: a blocked Select gives its unsent values back") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<MoveOnly> one(capacity), two(capacity);
  for (std::size_t i = 0; i < capacity; ++i) {
    one.TrySend(Own(0));
    two.TrySend(Own(0));
  }
  std::array<SelectCase, 2> cases{OnSend(one, Own(1)), OnSend(two, Own(2))};
  InThread selecting([&] { return Select(cases); });
  AwaitSenders(one, 1);
  AwaitSenders(two, 1);
  CHECK(two.TryReceive());
  CHECK(selecting.Get() == 1);
  CHECK_FALSE(cases[1].TakeUnsent<MoveOnly>().has_value());
  const auto back = cases[0].TakeUnsent<MoveOnly>();
  REQUIRE(back.has_value());
  CHECK(**back == 1);
}

TEST_CASE("S7: a value given up for another type stays where it is") {
  const Channel<int> channel(1);
  std::array<SelectCase, 1> cases{OnSend(channel, 7)};
  CHECK_FALSE(cases[0].TakeUnsent<long>().has_value());
  CHECK_FALSE(cases[0].TakeUnsent<unsigned>().has_value());
  CHECK_FALSE(cases[0].TakeUnsent<std::optional<int>>().has_value());
  CHECK(Select(cases) == 0);
  CHECK(channel.TryReceive() == 7);
}

TEST_CASE("S7: only a send that was not sent has a value to give back") {
  const Channel<int> channel(1);
  CHECK_FALSE(SelectCase().TakeUnsent<int>().has_value());
  CHECK_FALSE(SelectCase(OnDefault()).TakeUnsent<int>().has_value());
  CHECK_FALSE(SelectCase(OnTimeout(1s)).TakeUnsent<int>().has_value());
  CHECK_FALSE(SelectCase(OnStop({})).TakeUnsent<int>().has_value());
  CHECK_FALSE(
      SelectCase(OnReceive(channel, [](int) {})).TakeUnsent<int>().has_value());
  SelectCase made = OnSend(channel, 7);
  const SelectCase other = std::move(made);
  // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
  CHECK_FALSE(made.TakeUnsent<int>().has_value());
}

TEST_CASE("S7: a send on a nil or closed channel gives its value back") {
  const Channel<std::string> closed;
  closed.Close();
  std::array<SelectCase, 2> cases{OnSend(closed, "one", Never),
                                  OnSend(Sender<std::string>(), "two", Never)};
  CHECK(Select(cases) == kNoCase);
  CHECK(cases[0].TakeUnsent<std::string>() == "one");
  CHECK(cases[1].TakeUnsent<std::string>() == "two");
}

TEST_CASE("S7: a send is nil once its value was sent") {
  const std::size_t capacity = GENERATE(2U, 64U);
  const Channel<int> channel(capacity);
  int sent = 0;
  std::array<SelectCase, 1> cases{OnSend(channel, 7, [&] { ++sent; })};
  CHECK(Select(cases) == 0);
  CHECK(Select(cases) == kNoCase);
  CHECK(sent == 1);
  CHECK(channel.size() == 1);
  CHECK_FALSE(cases[0].TakeUnsent<int>().has_value());
}

TEST_CASE("S7: a send that was blocked is nil once its value was sent") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) channel.TrySend(0);
  std::array<SelectCase, 1> cases{OnSend(channel, 7)};
  InThread selecting([&] { return Select(cases); });
  AwaitSenders(channel, 1);
  CHECK(channel.TryReceive());
  CHECK(selecting.Get() == 0);
  CHECK(Select(cases) == kNoCase);
  CHECK_FALSE(cases[0].TakeUnsent<int>().has_value());
}

TEST_CASE("S7: the value of a case can be of a type that cannot be assigned") {
  const Channel<Bare> channel;
  SelectCase made = OnSend(channel, Bare(7));
  const auto back = made.TakeUnsent<Bare>();
  REQUIRE(back.has_value());
  CHECK(back->value == 7);
}

TEST_CASE("S7: an unsent value is destroyed with its case") {
  int live = 0;
  const Channel<Counted> channel;
  {
    const SelectCase made = OnSend(channel, Counted(1, &live));
    CHECK(live == 1);
  }
  CHECK(live == 0);
}

TEST_CASE("S7 S5: timeouts and stops are used again") {
  int timeouts = 0;
  int stops = 0;
  std::array<SelectCase, 1> timeout{OnTimeout(1us, [&] { ++timeouts; })};
  std::array<SelectCase, 1> stop{OnStop(Stopped(), [&] { ++stops; })};
  for (int i = 0; i < 3; ++i) {
    CHECK(Select(timeout) == 0);
    CHECK(Select(stop) == 0);
  }
  CHECK(timeouts == 3);
  CHECK(stops == 3);
}

TEST_CASE("S7: a stop requested meanwhile ends a blocked Select, also again") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  std::stop_source source;
  std::array<SelectCase, 2> cases{OnReceive(channel, [](int) {}),
                                  OnStop(source.get_token())};
  {
    InThread selecting([&] { return Select(cases); });
    AwaitReceivers(channel, 1);
    CHECK(channel.TrySend(1));
    CHECK(selecting.Get() == 0);
  }
  InThread selecting([&] { return Select(cases); });
  AwaitReceivers(channel, 1);
  source.request_stop();
  CHECK(selecting.Get() == 1);
}

// Seen by AddressSanitizer: the waiter that the case knew is gone.
TEST_CASE("S7: a stop that is requested after a Select disturbs nobody") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  std::stop_source source;
  std::array<SelectCase, 2> cases{OnReceive(channel, [](int) {}),
                                  OnStop(source.get_token())};
  InThread selecting([&] { return Select(cases); });
  AwaitReceivers(channel, 1);
  CHECK(channel.TrySend(1));
  CHECK(selecting.Get() == 0);
  source.request_stop();
  CHECK(Select(cases) == 1);
}

// The same, and inside a handler: the frame of the Select that was blocked, in
// this thread, is gone.
TEST_CASE("S7: a stop is requested between two Selects of one span") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const bool in_handler = GENERATE(false, true);
  const Channel<int> channel(capacity);
  std::stop_source source;
  int stops = 0;
  const auto receive = [&](int) {
    if (in_handler) source.request_stop();
  };
  std::array<SelectCase, 2> cases{OnReceive(channel, receive),
                                  OnStop(source.get_token(), [&] { ++stops; })};
  {
    InThread sending([&] {
      AwaitReceivers(channel, 1);
      return channel.TrySend(1);
    });
    CHECK(Select(cases) == 0);
    CHECK(sending.Get());
  }
  source.request_stop();
  CHECK(stops == 0);
  CHECK(Select(cases) == 1);
  CHECK(stops == 1);
}

TEST_CASE("S7 S1: two defaults are refused, and nothing has happened") {
  const Channel<int> channel(1);
  std::vector<SelectCase> cases;
  cases.push_back(OnDefault(Never));
  cases.push_back(OnSend(channel, 7, Never));
  cases.push_back(OnDefault(Never));
  CHECK_THROWS_AS(Select(cases), std::invalid_argument);
  CHECK_THROWS_WITH(Select(cases),
                    "fanfare: a Select takes at most one OnDefault");
  CHECK(channel.size() == 0);
  CHECK(cases[1].TakeUnsent<int>() == 7);
  cases.pop_back();
  cases[0] = OnDefault();
  CHECK(Select(cases) == 0);
}

TEST_CASE("S7 S6: the same channel stands in many cases of a span") {
  const Channel<int> channel;
  std::vector<SelectCase> cases;
  int received = 0;
  for (int i = 0; i < 10; ++i) {
    cases.push_back(OnSend(channel, i));
    cases.push_back(OnReceive(channel, [&](int value) { received = value; }));
  }
  cases.push_back(OnTimeout(1us));
  CHECK(Select(cases) == 20);
  cases.pop_back();
  InThread selecting([&] { return Select(cases); });
  AwaitSenders(channel, 10);
  AwaitReceivers(channel, 10);
  CHECK(channel.TrySend(7));
  CHECK(selecting.Get() % 2 == 1);
  CHECK(received == 7);
  CHECK(channel.waiting_senders() == 0);
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("S7 S8: a handler's exception leaves Select, the operation stands") {
  struct Thrown {};
  const Channel<int> channel(2);
  std::array<SelectCase, 1> sends{OnSend(channel, 7, [] { throw Thrown(); })};
  CHECK_THROWS_AS(Select(sends), Thrown);
  CHECK(channel.size() == 1);
  CHECK(Select(sends) == kNoCase);
  std::array<SelectCase, 1> receives{
      OnReceive(channel, [](int) { throw Thrown(); })};
  CHECK_THROWS_AS(Select(receives), Thrown);
  CHECK(channel.size() == 0);
  channel.TrySend(8);
  CHECK_THROWS_AS(Select(receives), Thrown);
  CHECK(channel.size() == 0);
}

TEST_CASE("S7 S5: the choice among ready cases of a span is even") {
  constexpr int kRounds = 20000;
  constexpr std::size_t kCases = 6;
  const Channel<int> channel(1);
  channel.TrySend(1);
  std::vector<SelectCase> cases(kCases);
  // Nil, ready, nil, ready, nil, ready.
  for (std::size_t i = 1; i < kCases; i += 2) {
    cases[i] = OnReceive(channel, [&](int value) { channel.TrySend(value); });
  }
  std::array<int, kCases> chosen{};
  for (int round = 0; round < kRounds; ++round) ++chosen[Select(cases)];
  for (std::size_t i = 1; i < kCases; i += 2) {
    CHECK(chosen[i] > kRounds * 30 / 100);
    CHECK(chosen[i] < kRounds * 37 / 100);
  }
}

TEST_CASE("S7: one Select takes 70000 cases, ready or not") {
  // More than Go's 65536.
  constexpr std::size_t kCount = 70000;
  std::vector<Channel<int>> channels;
  std::vector<SelectCase> cases;
  channels.reserve(kCount);
  cases.reserve(kCount);
  int received = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    channels.emplace_back();
    cases.push_back(
        OnReceive(channels.back(), [&](int value) { received = value; }));
  }
  {
    InThread selecting([&] { return Select(cases); });
    AwaitReceivers(channels.back(), 1);
    AwaitReceivers(channels.front(), 1);
    channels.back().Send(7);
    CHECK(selecting.Get() == kCount - 1);
    CHECK(received == 7);
  }
  std::size_t waiting = 0;
  for (const auto& channel : channels) waiting += channel.waiting_receivers();
  CHECK(waiting == 0);
  cases.push_back(OnDefault());
  CHECK(Select(cases) == kCount);
  channels[12345].Close();
  channels[23456].Close();
  cases.back() = OnTimeout(0s);
  CHECK(Select(cases) == kCount);
}

}  // namespace
