// SPDX-License-Identifier: MIT
//
// What Go's own tests of channels and select check: test/chan and
// src/runtime/chan_test.go of its repository. Written from the behaviour, not
// from the code.
//
//    1 to  8  chan_test: one channel
//    9 to 13  fifo, goroutines, nonblock
//   14 to 16  sendstmt, zerosize
//   17 to 29  select3: what blocks and what does not
//   30 to 39  select, select2, select4 to select8
//   40 to 48  chan_test, doubleselect: many threads, and chance
//   49 to 50  what two benchmarks of chan_test do
//   51 to 56  powser1, sieve1, sieve2: networks of threads
//
// Elsewhere: what perm says does not compile is in compile_fail/channel.cc and
// compile_fail/select.cc, that a Select allocates nothing (select2) in
// allocation_test.cc. Not here: the order in which arguments are evaluated
// (select5), which C++ leaves open, and stacks that move (chan_test).

#include <algorithm>
#include <any>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>
#include <queue>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/subscriptions.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::kNoCase;
using fanfare::OnDefault;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::Receiver;
using fanfare::Select;
using fanfare::SelectCase;
using fanfare::Sender;

using Signal = std::monostate;
template <typename Result>
using Threads = std::deque<InThread<std::function<Result()>>>;

// 0, 1, …, count - 1.
std::vector<int> Numbers(std::size_t count) {
  std::vector<int> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// A channel of `capacity` with no room left: it holds 0, 1, …, capacity - 1.
Channel<int> FullChannel(std::size_t capacity) {
  Channel<int> channel(capacity);
  for (const int number : Numbers(capacity)) channel.TrySend(number);
  return channel;
}

Channel<int> ClosedChannel() {
  Channel<int> channel;
  channel.Close();
  return channel;
}

// The next `count` values; -1 where there is none any more.
std::vector<int> Take(const Receiver<int>& receiver, std::size_t count) {
  std::vector<int> values;
  while (values.size() < count) {
    values.push_back(receiver.Receive().value_or(-1));
  }
  return values;
}

// A handler for what must not happen.
struct Never {
  template <typename... Args>
  void operator()(Args&&...) const {
    throw std::logic_error("the handler of a case that cannot go ahead");
  }
};

// A channel that is left out of a Select while `on` is false.
template <typename T>
Receiver<T> ReceiverIf(bool on, const Receiver<T>& receiver) {
  return on ? receiver : Receiver<T>();
}
template <typename T>
Sender<T> SenderIf(bool on, const Sender<T>& sender) {
  return on ? sender : Sender<T>();
}

// ---------------------------------------------------------------------------
// One channel.
// ---------------------------------------------------------------------------

TEST_CASE("chan 1: a receive from an empty channel blocks until a send") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U, 199U);
  const Channel<int> channel(capacity);
  const auto receive = [&] { return channel.Receive(); };
  InThread first(receive);
  InThread second(receive);
  AwaitReceivers(channel, 2);
  // Who does not want to block need not.
  CHECK(channel.TryReceive() == std::nullopt);
  CHECK(Select(OnReceive(channel, Never()), OnDefault()) == 1);
  CHECK(channel.Send(7));
  CHECK(channel.Send(7));
  CHECK(first.Get() == 7);
  CHECK(second.Get() == 7);
}

TEST_CASE("chan 2: a send to a full channel blocks until a receive") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U, 199U);
  const Channel<int> channel = FullChannel(capacity);
  const int last = static_cast<int>(capacity);
  InThread sending([&] { return channel.Send(last); });
  AwaitSenders(channel, 1);
  CHECK_FALSE(channel.TrySend(-1));
  CHECK(Select(OnSend(channel, -1, Never()), OnDefault()) == 1);
  CHECK(channel.Receive() == 0);
  CHECK(sending.Get());
  CHECK(channel.size() == capacity);
}

TEST_CASE("chan 3: a closed channel gives its values and then always its end") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U, 199U);
  const Channel<int> channel = FullChannel(capacity);
  channel.Close();
  CHECK(Take(channel, capacity) == Numbers(capacity));
  for (int i = 0; i < 3; ++i) {
    CHECK(channel.Receive() == std::nullopt);
    CHECK(channel.TryReceive() == std::nullopt);
  }
}

TEST_CASE("chan 4: Close ends a blocked receive") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U, 199U);
  const Channel<int> channel(capacity);
  InThread receiving([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  channel.Close();
  CHECK(receiving.Get() == std::nullopt);
}

TEST_CASE("chan 5: 100 values arrive whole and in order") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U, 199U);
  const Channel<int> channel(capacity);
  const auto send = [&] {
    for (const int number : Numbers(100)) channel.Send(number);
  };
  {
    const InThread sending(send);
    CHECK(Take(channel, 100) == Numbers(100));
  }
  const InThread sending([&] {
    send();
    channel.Close();
  });
  std::vector<int> received;
  for (const int value : channel) received.push_back(value);
  CHECK(received == Numbers(100));
}

TEST_CASE("chan 6: four threads receive all that four threads send") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 1000;
  const Channel<int> channel(capacity);
  Threads<void> senders;
  Threads<std::vector<int>> receivers;
  for (std::size_t i = 0; i < kThreads; ++i) {
    senders.emplace_back([&] {
      for (const int number : Numbers(kEach)) channel.Send(number);
    });
    receivers.emplace_back([&] { return Take(channel, kEach); });
  }
  std::vector<std::size_t> times(kEach);
  for (auto& receiver : receivers) {
    for (const int value : receiver.Get()) {
      ++times.at(static_cast<std::size_t>(value));
    }
  }
  CHECK(times == std::vector<std::size_t>(kEach, kThreads));
  CHECK(channel.size() == 0);
}

TEST_CASE("chan 7: a channel tells its size and its capacity") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U, 199U);
  const Channel<int> empty(capacity);
  CHECK(empty.size() == 0);
  CHECK(empty.capacity() == capacity);
  const Channel<int> full = FullChannel(capacity);
  CHECK(full.size() == capacity);
  CHECK(full.capacity() == capacity);
}

TEST_CASE("chan 8: between a value and the end nothing else is to be found") {
  // The value is taken after Close: whoever looks meanwhile finds the one or
  // the other.
  constexpr int kRounds = 1000;
  const Channel<Channel<int>> rounds;
  InThread looking([&] {
    int found_nothing = 0;
    for (const Channel<int>& channel : rounds) {
      Select(OnReceive(channel, [](std::optional<int>) {}),
             OnDefault([&] { ++found_nothing; }));
    }
    return found_nothing;
  });
  for (int round = 0; round < kRounds; ++round) {
    const Channel<int> channel(1);
    channel.Send(round);
    rounds.Send(channel);
    channel.Close();
    static_cast<void>(channel.Receive());
  }
  rounds.Close();
  CHECK(looking.Get() == 0);
}

// ---------------------------------------------------------------------------
// Order, long chains, and calls that do not wait.
// ---------------------------------------------------------------------------

TEST_CASE("chan 9: values leave a channel in the order in which they came") {
  const Channel<int> channel(10);
  for (const int number : Numbers(10)) CHECK(channel.Send(number));
  CHECK(Take(channel, 10) == Numbers(10));
}

TEST_CASE("chan 10: threads that take turns receive in the order of sending") {
  constexpr std::size_t kThreads = 10;
  const Channel<int> values;
  const Channel<Signal> start;
  Channel<Signal> turn = start;
  Threads<int> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    const Channel<Signal> next;
    threads.emplace_back([values, turn, next] {
      static_cast<void>(turn.Receive());
      const int value = values.Receive().value_or(-1);
      next.Send(Signal());
      return value;
    });
    turn = next;
  }
  start.Send(Signal());
  for (const int number : Numbers(kThreads)) CHECK(values.Send(number));
  CHECK(turn.Receive().has_value());
  std::vector<int> received;
  for (auto& thread : threads) received.push_back(thread.Get());
  CHECK(received == Numbers(kThreads));
}

TEST_CASE("chan 11: a value goes through a chain of 1000 threads") {
  constexpr int kThreads = 1000;
  const Channel<int> first;
  Channel<int> last = first;
  Threads<void> threads;
  for (int i = 0; i < kThreads; ++i) {
    const Channel<int> next;
    threads.emplace_back(
        [to = last, from = next] { to.Send(from.Receive().value_or(0) + 1); });
    last = next;
  }
  CHECK(last.Send(0));
  CHECK(first.Receive() == kThreads);
}

// Calls `check(value)` for some types and sizes of values.
template <typename F>
void ForEachType(F check) {
  check(std::int32_t{123});
  check(std::int64_t{123456} << 32);
  check(true);
  check(std::string("a text that is too long for its own place"));
}

TEST_CASE("chan 12: a send that does not wait meets a receive that does") {
  const std::size_t capacity = GENERATE(0U, 1U);
  ForEachType([&](const auto& value) {
    const Channel<std::decay_t<decltype(value)>> channel(capacity);
    CHECK_FALSE(channel.TryReceive().has_value());
    InThread receiving([&] { return channel.Receive(); });
    AwaitReceivers(channel, 1);
    CHECK(channel.TrySend(value));
    CHECK(receiving.Get() == value);
    // Nobody waits any more.
    CHECK(channel.TrySend(value) == (capacity > 0));
  });
}

TEST_CASE("chan 13: a receive that does not wait meets a send that may") {
  const std::size_t capacity = GENERATE(0U, 1U);
  ForEachType([&](const auto& value) {
    const Channel<std::decay_t<decltype(value)>> channel(capacity);
    InThread sending([&] { return channel.Send(value); });
    AwaitThat([&] { return channel.size() + channel.waiting_senders() == 1; });
    CHECK(channel.TryReceive() == value);
    CHECK(sending.Get());
    CHECK_FALSE(channel.TryReceive().has_value());
  });
}

// ---------------------------------------------------------------------------
// What is sent.
// ---------------------------------------------------------------------------

TEST_CASE("chan 14: a channel that came through a channel is sent on") {
  const Channel<Channel<int>> channels(1);
  const Channel<int> channel(1);
  CHECK(channels.Send(channel));
  CHECK(Select(OnSend(*channels.Receive(), 2), OnDefault(Never())) == 0);
  CHECK(channel.Receive() == 2);
}

TEST_CASE("chan 15: what is sent is the value of the whole expression") {
  const Channel<bool> channel(1);
  const bool no = false;
  const bool yes = true;
  CHECK(channel.Send(no || yes));
  CHECK(channel.Receive() == true);
}

template <typename Empty>
void PassNothing() {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<Empty> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) CHECK(channel.TrySend(Empty()));
  CHECK_FALSE(channel.TrySend(Empty()));
  InThread sending([&] { return channel.Send(Empty()); });
  AwaitSenders(channel, 1);
  for (std::size_t i = 0; i <= capacity; ++i) {
    CHECK(channel.TryReceive().has_value());
  }
  CHECK_FALSE(channel.TryReceive().has_value());
  CHECK(sending.Get());
}

TEST_CASE("chan 16: values without contents are counted") {
  struct Nothing {};
  SECTION("a struct") { PassNothing<Nothing>(); }
  SECTION("an array") { PassNothing<std::array<char, 0>>(); }
}

// ---------------------------------------------------------------------------
// What blocks and what does not.
// ---------------------------------------------------------------------------

TEST_CASE("chan 17: a send to nil and a receive from nil block") {
  std::stop_source stop;
  std::atomic<bool> returned{false};
  InThread sending([&] {
    const bool sent = Sender<int>().Send(7, stop.get_token());
    returned = true;
    return sent;
  });
  InThread receiving([&] {
    const auto received = Receiver<int>().Receive(stop.get_token());
    returned = true;
    return received;
  });
  CHECK(StaysFalse([&] { return returned.load(); }));
  stop.request_stop();
  CHECK_FALSE(sending.Get());
  CHECK(receiving.Get() == std::nullopt);
}

TEST_CASE("chan 18: a nil case is never chosen") {
  CHECK(Select(OnSend(Sender<int>(), 7, Never()), OnDefault()) == 1);
  CHECK(Select(OnReceive(Receiver<int>(), Never()), OnDefault()) == 1);
}

TEST_CASE("chan 19: a send does not block while there is room") {
  const Channel<int> channel(2);
  CHECK(channel.Send(7));
  CHECK(Select(OnSend(channel, 8)) == 0);
  CHECK(Take(channel, 2) == std::vector{7, 8});
}

TEST_CASE("chan 20: a receive from a closed channel never blocks") {
  const Channel<int> closed = ClosedChannel();
  for (int i = 0; i < 10; ++i) CHECK(closed.Receive() == std::nullopt);
}

TEST_CASE("chan 21: a send to a closed channel is false") {
  // In Go it panics.
  const Channel<int> closed = ClosedChannel();
  CHECK_FALSE(closed.Send(7));
  CHECK_FALSE(closed.TrySend(7));
}

TEST_CASE("chan 22: a Select of nothing, or of nil, returns kNoCase") {
  // In Go it blocks for ever.
  CHECK(Select() == kNoCase);
  CHECK(Select(OnReceive(Receiver<int>(), Never())) == kNoCase);
  CHECK(Select(OnSend(Sender<int>(), 7, Never())) == kNoCase);
  CHECK(Select(OnReceive(Receiver<int>(), Never()),
               OnSend(Sender<int>(), 7, Never())) == kNoCase);
}

TEST_CASE("chan 23: a Select blocks while no case is ready") {
  const Channel<int> channel;
  std::optional<int> received;
  InThread selecting([&] {
    return Select(OnReceive(
        channel, [&](std::optional<int> value) { received = value; }));
  });
  AwaitReceivers(channel, 1);
  CHECK(channel.TrySend(7));
  CHECK(selecting.Get() == 0);
  CHECK(received == 7);
}

TEST_CASE("chan 24: a Select with a default never blocks") {
  const Channel<int> channel;
  CHECK(Select(OnDefault()) == 0);
  CHECK(Select(OnReceive(channel, Never()), OnSend(channel, 7, Never()),
               OnDefault()) == 2);
}

TEST_CASE("chan 25: the default is not chosen when a case is ready") {
  const Channel<int> channel(1);
  CHECK(Select(OnSend(channel, 7), OnDefault(Never())) == 0);
  CHECK(Select(OnReceive(channel, [](int) {}), OnDefault(Never())) == 0);
}

TEST_CASE("chan 26: a receive from a closed channel is a ready case") {
  const Channel<int> closed = ClosedChannel();
  int ends = 0;
  const auto end = [&] { ++ends; };
  CHECK(Select(OnReceive(closed, [](std::optional<int>) {})) == 0);
  CHECK(Select(OnReceive(closed, Never(), end)) == 0);
  CHECK(Select(OnReceive(closed,
                         [&](std::optional<int> value) {
                           if (!value.has_value()) end();
                         }),
               OnDefault(Never())) == 0);
  CHECK(ends == 2);
}

TEST_CASE("chan 27: a send to a closed channel is no case") {
  // In Go it panics.
  const Channel<int> closed = ClosedChannel();
  CHECK(Select(OnSend(closed, 7, Never())) == kNoCase);
  CHECK(Select(OnSend(closed, 7, Never()), OnDefault()) == 1);
}

TEST_CASE("chan 28: a Select that sends and receives does not meet itself") {
  const Channel<int> channel;
  std::atomic<bool> returned{false};
  int received = 0;
  InThread selecting([&] {
    const std::size_t chosen =
        Select(OnSend(channel, 1, Never()),
               OnReceive(channel, [&](int value) { received = value; }));
    returned = true;
    return chosen;
  });
  AwaitSenders(channel, 1);
  AwaitReceivers(channel, 1);
  CHECK(StaysFalse([&] { return returned.load(); }));
  CHECK(channel.TrySend(2));
  CHECK(selecting.Get() == 1);
  CHECK(received == 2);
}

TEST_CASE("chan 29: a Select with two ways to meet a blocked send receives") {
  const Channel<int> channel;
  InThread sending([&] { return channel.Send(5); });
  AwaitSenders(channel, 1);
  int received = 0;
  CHECK(Select(OnReceive(channel, [&](int value) { received = value; }),
               OnSend(channel, 10, Never()), OnDefault(Never())) == 0);
  CHECK(received == 5);
  CHECK(sending.Get());
}

// ---------------------------------------------------------------------------
// Select, phrased in many ways.
// ---------------------------------------------------------------------------

TEST_CASE("chan 30: the values of all sends are computed, chosen or not") {
  int computed = 0;
  const auto compute = [&] { return 1 << computed++; };
  const Channel<int> a(1), b(1);
  // Sends on each that has room, once, and returns how many there were.
  const auto send = [&](Sender<int> first, Sender<int> second) {
    int sent = 0;
    for (bool going = true; going;) {
      Select(OnSend(first, compute(),
                    [&] {
                      ++sent;
                      first = {};
                    }),
             OnSend(second, compute(),
                    [&] {
                      ++sent;
                      second = {};
                    }),
             OnDefault([&] { going = false; }));
    }
    return sent;
  };
  CHECK(send(a, b) == 2);
  CHECK(computed == 6);
  // One of the first two values and one of the next two.
  const int values = a.Receive().value_or(0) | b.Receive().value_or(0);
  CHECK((values & 3) != 0);
  CHECK((values & 12) != 0);
  CHECK(send(a, {}) == 1);
  CHECK(computed == 10);
}

TEST_CASE("chan 31: 10000 Selects leave nothing with a channel never ready") {
  constexpr int kTimes = 10000;
  const Channel<int> channel;
  const Channel<int> never_ready;
  InThread sending([&] {
    int sent = 0;
    for (int i = 0; i < kTimes; ++i) sent += channel.Send(1) ? 1 : 0;
    return sent;
  });
  int received = 0;
  for (int i = 0; i < kTimes; ++i) {
    Select(OnReceive(channel, [&](int value) { received += value; }),
           OnReceive(never_ready, Never()));
  }
  CHECK(received == kTimes);
  CHECK(sending.Get() == kTimes);
  CHECK(never_ready.waiting_receivers() == 0);
}

TEST_CASE("chan 32: nothing is done for a case that is not chosen") {
  const Channel<int> ready(1);
  const Channel<int> not_ready;
  ready.Send(42);
  int* nowhere = nullptr;
  struct {
    int member = 0;
  } somewhere;
  CHECK(Select(OnReceive(not_ready, [&](int value) { *nowhere = value; }),
               OnReceive(ready,
                         [&](int value) { somewhere.member = value; })) == 1);
  CHECK(somewhere.member == 42);
}

// Cases that cannot go ahead, of which `which` tells by its bits which are
// wanted: a send and a receive without a counterpart, and both on nil.
constexpr int kSetsOfBystanders = 16;
std::vector<SelectCase> Bystanders(int which) {
  const Channel<int> alone;
  std::vector<SelectCase> cases;
  if ((which & 1) != 0) cases.push_back(OnSend(alone, 1, Never()));
  if ((which & 2) != 0) cases.push_back(OnReceive(alone, Never()));
  if ((which & 4) != 0) cases.push_back(OnSend(Sender<int>(), 1, Never()));
  if ((which & 8) != 0) cases.push_back(OnReceive(Receiver<int>(), Never()));
  return cases;
}

// Makes a Select of the case that `make()` returns and of bystanders, at every
// place among them, without a default and with one at either end. Calls
// `check(select)`, where `select()` returns whether that case was chosen.
template <typename Make, typename Check>
void AmongBystanders(Make make, Check check) {
  for (int which = 0; which < kSetsOfBystanders; ++which) {
    for (std::size_t place = 0; place <= Bystanders(which).size(); ++place) {
      for (int with_default = 0; with_default < 3; ++with_default) {
        std::vector<SelectCase> cases = Bystanders(which);
        const auto at = [&](std::size_t i) {
          return cases.begin() + static_cast<std::ptrdiff_t>(i);
        };
        cases.insert(at(place), make());
        if (with_default == 1) cases.insert(at(0), OnDefault(Never()));
        if (with_default == 2) cases.push_back(OnDefault(Never()));
        const std::size_t index = place + (with_default == 1 ? 1 : 0);
        check([&] { return Select(cases) == index; });
      }
    }
  }
}

// A case that puts what it receives into `target`, in one of several ways.
constexpr int kWaysToReceive = 4;
SelectCase Receiving(int way, const Receiver<int>& receiver, int& target) {
  const auto take = [&target](int value) { target = value; };
  switch (way) {
    case 0:
      return OnReceive(receiver, take);
    case 1:
      return OnReceive(receiver, [&target](std::optional<int> value) {
        target = value.value_or(-1);
      });
    case 2:
      return OnReceive(receiver, take, Never());
    default:
      return OnReceive(receiver, [&target](std::int64_t value) {
        target = static_cast<int>(value);
      });
  }
}

TEST_CASE("chan 33: the receive that is ready is chosen, however it is put") {
  const Channel<int> channel(1);
  const Channel<int> alone;
  int sent = 0;
  int received = 0;
  int wrong = 0;
  for (int way = 0; way < kWaysToReceive; ++way) {
    AmongBystanders([&] { return Receiving(way, channel, received); },
                    [&](auto select) {
                      channel.Send(++sent);
                      if (!select() || received != sent) ++wrong;
                    });
  }
  CHECK(wrong == 0);
  CHECK(sent > 0);
  channel.Send(-1);
  CHECK(Select(OnDefault(Never()), OnSend(alone, 1, Never()),
               OnReceive(alone, Never()), OnSend(Sender<int>(), 1, Never()),
               OnReceive(channel, [&](int value) { received = value; }),
               OnReceive(Receiver<int>(), Never())) == 4);
  CHECK(received == -1);
}

TEST_CASE("chan 34: the send that is ready is chosen, however it is put") {
  const Channel<int> channel(1);
  const Channel<int> alone;
  int number = 0;
  int handled = 0;
  int wrong = 0;
  AmongBystanders([&] { return SelectCase(OnSend(channel, ++number)); },
                  [&](auto select) {
                    if (!select() || channel.TryReceive() != number) ++wrong;
                  });
  AmongBystanders(
      [&] { return SelectCase(OnSend(channel, ++number, [&] { ++handled; })); },
      [&](auto select) {
        const int before = handled;
        if (!select() || channel.TryReceive() != number) ++wrong;
        if (handled != before + 1) ++wrong;
      });
  CHECK(wrong == 0);
  CHECK(handled > 0);
  CHECK(Select(OnDefault(Never()), OnSend(alone, 1, Never()),
               OnReceive(alone, Never()), OnSend(Sender<int>(), 1, Never()),
               OnSend(channel, -1), OnReceive(Receiver<int>(), Never())) == 4);
  CHECK(channel.TryReceive() == -1);
}

TEST_CASE("chan 35: the default is chosen where nothing can go ahead") {
  // Whatever was to receive is left alone.
  int wrong = 0;
  int target = 7;
  int defaults = 0;
  const Channel<int> alone;
  for (int way = 0; way < kWaysToReceive; ++way) {
    for (int which = 0; which < kSetsOfBystanders; ++which) {
      for (const bool first : {true, false}) {
        std::vector<SelectCase> cases = Bystanders(which);
        cases.push_back(Receiving(way, alone, target));
        cases.push_back(Receiving(way, Receiver<int>(), target));
        const std::size_t index = first ? 0 : cases.size();
        cases.insert(cases.begin() + static_cast<std::ptrdiff_t>(index),
                     OnDefault([&] { ++defaults; }));
        if (Select(cases) != index) ++wrong;
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(defaults == kWaysToReceive * 2 * kSetsOfBystanders);
  CHECK(target == 7);
}

TEST_CASE("chan 36: a Select that stood last in a queue leaves it usable") {
  const Channel<int> shared;
  const Channel<int> other;
  const Channel<Signal> selected;
  InThread first([&] { return shared.Receive(); });
  AwaitReceivers(shared, 1);
  InThread second([&] {
    Select(OnReceive(shared, Never()), OnReceive(other, [](int) {}));
    selected.Close();
    return shared.Receive();
  });
  AwaitReceivers(shared, 2);
  AwaitReceivers(other, 1);
  CHECK(other.TrySend(1));
  CHECK_FALSE(selected.Receive().has_value());
  AwaitReceivers(shared, 2);
  CHECK(shared.Send(2));
  CHECK(shared.Send(3));
  CHECK(first.Get() == 2);
  CHECK(second.Get() == 3);
}

TEST_CASE("chan 37: a Select that stood in a queue twice leaves it usable") {
  const Channel<int> twice;
  const Channel<int> other;
  InThread selecting([&] {
    return Select(OnReceive(twice, Never()), OnReceive(twice, Never()),
                  OnReceive(other, [](int) {}));
  });
  AwaitReceivers(twice, 2);
  AwaitReceivers(other, 1);
  InThread behind([&] { return twice.Receive(); });
  AwaitReceivers(twice, 3);
  CHECK(other.TrySend(7));
  CHECK(selecting.Get() == 2);
  CHECK(twice.waiting_receivers() == 1);
  CHECK(twice.TrySend(8));
  CHECK(behind.Get() == 8);
}

TEST_CASE("chan 38: a Select that Close ends leaves the other cases alone") {
  const bool twice = GENERATE(false, true);
  const Channel<int*> open;
  const Channel<int*> closed;
  int value = 42;
  int* pointer = &value;
  InThread selecting([&] {
    const auto end = [](std::optional<int*>) {};
    return Select(OnReceive(open, [&](int* received) { pointer = received; }),
                  OnReceive(ReceiverIf(twice, open), Never()),
                  OnReceive(closed, end),
                  OnReceive(ReceiverIf(twice, closed), end));
  });
  AwaitReceivers(open, twice ? 2U : 1U);
  AwaitReceivers(closed, twice ? 2U : 1U);
  closed.Close();
  const std::size_t chosen = selecting.Get();
  CHECK((chosen == 2 || (twice && chosen == 3)));
  CHECK(pointer == &value);
  CHECK(value == 42);
  CHECK(open.waiting_receivers() == 0);
}

TEST_CASE("chan 39: a received value may be thrown away in any way") {
  const int way_to_send = GENERATE(0, 1, 2);
  const int way_to_receive = GENERATE(0, 1, 2);
  const Channel<int> channel;
  const Channel<int> not_sent;
  const Channel<int> not_received;
  InThread receiving([&] {
    const auto ignore = [](int) {};
    switch (way_to_receive) {
      case 0:
        static_cast<void>(channel.Receive());
        return std::size_t{0};
      case 1:
        return Select(OnReceive(channel, ignore));
      default:
        return Select(OnReceive(channel, ignore), OnReceive(not_sent, Never()));
    }
  });
  AwaitReceivers(channel, 1);
  switch (way_to_send) {
    case 0:
      CHECK(channel.Send(1));
      break;
    case 1:
      CHECK(Select(OnSend(channel, 1)) == 0);
      break;
    default:
      CHECK(Select(OnSend(channel, 1), OnSend(not_received, 1, Never())) == 0);
  }
  CHECK(receiving.Get() == 0);
  CHECK(channel.waiting_receivers() == 0);
  CHECK(not_sent.waiting_receivers() == 0);
}

// ---------------------------------------------------------------------------
// Many threads, and chance.
// ---------------------------------------------------------------------------

TEST_CASE("chan 40: of four sends in a Select only one happens") {
  constexpr int kValues = 3000;
  std::array<Channel<int>, 4> lanes;
  const Channel<int> all;
  InThread sending([&] {
    for (int i = 0; i < kValues; ++i) {
      if (Select(OnSend(lanes[0], i), OnSend(lanes[1], i), OnSend(lanes[2], i),
                 OnSend(lanes[3], i)) == kNoCase) {
        break;
      }
    }
    for (const Channel<int>& lane : lanes) lane.Close();
  });
  std::atomic<std::size_t> busy{lanes.size()};
  Threads<void> forwarding;
  for (const Channel<int>& lane : lanes) {
    forwarding.emplace_back([&all, &busy, lane] {
      for (const int value : lane) all.Send(value);
      if (--busy == 0) all.Close();
    });
  }
  std::vector<int> times(kValues);
  for (const int value : all) ++times[static_cast<std::size_t>(value)];
  CHECK(times == std::vector<int>(kValues, 1));
}

TEST_CASE("chan 41: a Select never passes over what stays ready") {
  constexpr int kTimes = 2000;
  const Channel<int> ready(1);
  const Channel<int> unsteady(1);
  ready.Send(1);
  InThread disturbing([&] {
    while (!ready.closed()) {
      unsteady.TrySend(2);
      static_cast<void>(unsteady.TryReceive());
      std::this_thread::yield();
    }
  });
  int passed_over = 0;
  for (int i = 0; i < kTimes; ++i) {
    Select(OnReceive(unsteady, [](int) {}),
           OnReceive(ready, [&](int value) { ready.TrySend(value); }),
           OnDefault([&] { ++passed_over; }));
  }
  ready.Close();
  disturbing.Get();
  CHECK(passed_over == 0);
}

// Unlike Go, whose Select looks at all channels in one moment and so finds a
// value in the one or the other here. This one looks at one channel after the
// other: it may find neither, if the second value comes behind its back, and
// the first one goes.
TEST_CASE("chan 42: a Select that does not wait races with values") {
  const bool closes = GENERATE(false, true);
  constexpr int kRounds = 500;
  struct Round {
    Channel<int> first;
    Channel<int> second;
  };
  const Channel<Round> rounds;
  const Channel<int> results;
  const InThread looking([&] {
    for (const Round& round : rounds) {
      int taken = 0;
      const auto take = [&](std::optional<int> value) {
        taken = value.has_value() ? 1 : 0;
      };
      Select(OnReceive(round.first, take), OnReceive(round.second, take),
             OnDefault());
      results.Send(taken);
    }
  });
  int wrong = 0;
  for (int i = 0; i < kRounds; ++i) {
    const Round round{Channel<int>(1), Channel<int>(1)};
    round.first.Send(1);
    rounds.Send(round);
    if (closes) {
      round.second.Close();
    } else {
      round.second.Send(1);
    }
    const int taken_here = round.first.TryReceive().has_value() ? 1 : 0;
    const int taken_there = results.Receive().value_or(-1);
    const int left = static_cast<int>(round.first.size()) +
                     static_cast<int>(round.second.size());
    if (taken_here + taken_there + left != (closes ? 1 : 2)) ++wrong;
  }
  rounds.Close();
  CHECK(wrong == 0);
}

TEST_CASE("chan 43: two threads that send and receive on one channel") {
  const std::size_t capacity = GENERATE(0U, 10U);
  constexpr int kTimes = 1000;
  struct Tally {
    int sent = 0;
    int received = 0;
    int own = 0;  // received, and sent by itself
  };
  const Channel<int> channel(capacity);
  const auto play = [&channel](int me) {
    return [&channel, me] {
      Tally tally;
      const auto sent = [&] { ++tally.sent; };
      const auto take = [&](int value) {
        ++tally.received;
        if (value == me) ++tally.own;
      };
      for (int i = 0; i < kTimes; ++i) {
        const std::size_t index =
            me == 0 || i % 2 == 0
                ? Select(OnSend(channel, me, sent), OnReceive(channel, take))
                : Select(OnReceive(channel, take), OnSend(channel, me, sent));
        if (index == kNoCase) break;
      }
      return tally;
    };
  };
  InThread other(play(1));
  const Tally mine = play(0)();
  const Tally theirs = other.Get();
  CHECK(mine.sent + mine.received == kTimes);
  CHECK(theirs.sent + theirs.received == kTimes);
  CHECK(mine.sent + theirs.sent ==
        mine.received + theirs.received + static_cast<int>(channel.size()));
  if (capacity == 0) {
    CHECK(mine.own == 0);
    CHECK(theirs.own == 0);
  }
}

TEST_CASE("chan 44: four channels, with Select and without, from both sides") {
  constexpr int kEach = 500;
  const std::array channels{Channel<int>(0), Channel<int>(0), Channel<int>(2),
                            Channel<int>(3)};
  Threads<int> senders;
  Threads<int> receivers;
  for (const Channel<int>& channel : channels) {
    senders.emplace_back([&channel] {
      int sum = 0;
      for (int i = 0; i < kEach; ++i) sum += channel.Send(i) ? i : 0;
      return sum;
    });
    receivers.emplace_back([&channel] {
      int sum = 0;
      for (int i = 0; i < kEach; ++i) sum += channel.Receive().value_or(0);
      return sum;
    });
  }
  // Each channel gets as many from the Select, and is nil afterwards.
  senders.emplace_back([&channels] {
    std::array<Sender<int>, 4> open{channels[0], channels[1], channels[2],
                                    channels[3]};
    std::array<int, 4> sent{};
    int sum = 0;
    for (int i = 0; i < 4 * kEach; ++i) {
      const auto count = [&](std::size_t k) {
        sum += i;
        if (++sent[k] == kEach) open[k] = {};
      };
      if (Select(OnSend(open[3], i, [&] { count(3); }),
                 OnSend(open[2], i, [&] { count(2); }),
                 OnSend(open[0], i, [&] { count(0); }),
                 OnSend(open[1], i, [&] { count(1); })) == kNoCase) {
        break;
      }
    }
    return sum;
  });
  receivers.emplace_back([&channels] {
    std::array<Receiver<int>, 4> open{channels[0], channels[1], channels[2],
                                      channels[3]};
    std::array<int, 4> received{};
    int sum = 0;
    for (int i = 0; i < 4 * kEach; ++i) {
      const auto count = [&](std::size_t k, int value) {
        sum += value;
        if (++received[k] == kEach) open[k] = {};
      };
      if (Select(OnReceive(open[0], [&](int value) { count(0, value); }),
                 OnReceive(open[1], [&](int value) { count(1, value); }),
                 OnReceive(open[2], [&](int value) { count(2, value); }),
                 OnReceive(open[3], [&](int value) { count(3, value); })) ==
          kNoCase) {
        break;
      }
    }
    return sum;
  });
  int sent = 0;
  int received = 0;
  for (auto& sender : senders) sent += sender.Get();
  for (auto& receiver : receivers) received += receiver.Get();
  CHECK(sent == received);
  CHECK(sent == 4 * (kEach * (kEach - 1) / 2) + 2 * kEach * (4 * kEach - 1));
  for (const Channel<int>& channel : channels) {
    CHECK(channel.size() == 0);
    CHECK(channel.waiting_senders() == 0);
    CHECK(channel.waiting_receivers() == 0);
  }
}

TEST_CASE("chan 45: two that are always ready are chosen equally often") {
  constexpr std::size_t kTimes = 4000;
  const Channel<int> one(kTimes + 1);
  const Channel<int> two(kTimes + 1);
  for (std::size_t i = 0; i <= kTimes; ++i) {
    one.Send(1);
    two.Send(2);
  }
  const Channel<int> silent;
  const Channel<int> mute;
  const Channel<int> output;
  const Channel<Signal> done;
  const InThread choosing([&] {
    for (bool going = true; going;) {
      int chosen = 0;
      const auto take = [&](int value) { chosen = value; };
      going = Select(OnReceive(silent, take), OnReceive(mute, take),
                     OnReceive(one, take), OnReceive(two, take)) != kNoCase;
      Select(OnSend(output, chosen),
             OnReceive(done, [&](std::optional<Signal>) { going = false; }));
    }
  });
  std::array<int, 3> times{};
  for (std::size_t i = 0; i < kTimes; ++i) {
    ++times.at(static_cast<std::size_t>(output.Receive().value_or(0)));
  }
  done.Close();
  CHECK(times[0] == 0);
  // Ten times the standard deviation.
  CHECK(std::abs(times[1] - times[2]) / 2 < 316);
}

TEST_CASE("chan 46: of two sends on one channel either happens") {
  const std::size_t capacity = GENERATE(0U, 100U);
  constexpr int kTimes = 100;
  const Channel<int> channel(capacity);
  InThread receiving([&] {
    int ones = 0;
    for (int i = 0; i < kTimes; ++i) {
      std::this_thread::yield();
      ones += channel.Receive().value_or(0);
    }
    return ones;
  });
  for (int i = 0; i < kTimes; ++i) {
    CHECK(Select(OnSend(channel, 1), OnSend(channel, 0)) != kNoCase);
  }
  const int ones = receiving.Get();
  CHECK(ones > kTimes / 10);
  CHECK(ones < kTimes - kTimes / 10);
}

TEST_CASE("chan 47: values of any type are sent, or not, and stay whole") {
  struct Thing {};
  const Thing thing;
  const Channel<std::any> channel(1);
  CHECK(channel.Send(std::any(&thing)));
  // The channel is full.
  CHECK(Select(OnSend(channel, std::any(&thing), Never()), OnDefault()) == 1);
  CHECK(Select(OnSend(channel, std::any(&thing), Never()),
               OnSend(channel, std::any(Thing()), Never()), OnDefault()) == 2);
  const std::optional<std::any> received = channel.Receive();
  REQUIRE(received.has_value());
  CHECK(std::any_cast<const Thing*>(*received) == &thing);
}

TEST_CASE("chan 48: 23 workers lose nothing between two channels") {
  constexpr int kWorkers = 23;
  constexpr int kValues = 5000;
  const Channel<int> work(3 * kWorkers);
  const Channel<int> results(3 * kWorkers);
  std::atomic<int> busy{kWorkers};
  Threads<void> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&work, &results, &busy, i] {
      for (const int value : work) {
        if (value == i) std::this_thread::yield();
        results.Send(value);
      }
      if (--busy == 0) results.Close();
    });
  }
  InThread feeding([&] {
    int sum = 0;
    for (int i = 0; i < kValues; ++i) {
      const int value = i * 7 % 31;
      sum += value;
      work.Send(value);
    }
    work.Close();
    return sum;
  });
  int count = 0;
  int sum = 0;
  for (const int value : results) {
    ++count;
    sum += value;
  }
  CHECK(count == kValues);
  CHECK(sum == feeding.Get());
}

TEST_CASE("chan 49: many Selects share a channel and have one of their own") {
  constexpr std::size_t kThreads = 200;
  constexpr int kTimes = 5;
  const Channel<int> shared;
  std::array<Channel<int>, kThreads> own;
  Threads<int> threads;
  for (const Channel<int>& channel : own) {
    threads.emplace_back([&shared, &channel] {
      int received = 0;
      for (int i = 0; i < kTimes; ++i) {
        Select(OnReceive(shared, Never()),
               OnReceive(channel, [&](int value) { received += value; }));
      }
      return received;
    });
  }
  int sent = 0;
  for (int i = 0; i < kTimes; ++i) {
    for (const Channel<int>& channel : own) sent += channel.Send(1) ? 1 : 0;
  }
  int received = 0;
  for (auto& thread : threads) received += thread.Get();
  CHECK(received == sent);
  CHECK(received == kTimes * static_cast<int>(kThreads));
  CHECK(shared.waiting_receivers() == 0);
}

TEST_CASE("chan 50: two pass on two values that they share") {
  // Each moves a value from the one channel to the other, whichever has one.
  constexpr int kTimes = 1000;
  const Channel<int> a(2);
  const Channel<int> b(2);
  a.Send(1);
  b.Send(2);
  const auto pass_on = [&] {
    int passed = 0;
    for (int i = 0; i < kTimes; ++i) {
      passed += Select(OnReceive(a, [&](int value) { b.Send(value); }),
                       OnReceive(b, [&](int value) { a.Send(value); })) < 2;
    }
    return passed;
  };
  InThread other(pass_on);
  CHECK(pass_on() == kTimes);
  CHECK(other.Get() == kTimes);
  int left = 0;
  while (const auto value = a.TryReceive()) left += *value;
  while (const auto value = b.TryReceive()) left += *value;
  CHECK(left == 3);
}

// ---------------------------------------------------------------------------
// Networks of threads.
// ---------------------------------------------------------------------------

// Threads and the channels between them; the threads may make more of both. In
// the end all channels are closed, and with that every thread has to return.
class Network {
 public:
  Network() = default;
  ~Network() {
    std::vector<std::function<void()>> closers;
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      closers.swap(closers_);
    }
    for (const auto& close : closers) close();
    for (bool going = true; going;) {
      Threads<void> threads;  // joined by its destructor
      const std::lock_guard lock(mutex_);
      threads.swap(threads_);
      going = !threads.empty();
    }
  }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  template <typename T>
  Channel<T> Make(std::size_t capacity = 0) {
    Channel<T> channel(capacity);
    const std::lock_guard lock(mutex_);
    if (ended_) {
      channel.Close();
    } else {
      closers_.emplace_back([channel] { channel.Close(); });
    }
    return channel;
  }

  void Start(std::function<void()> body) {
    const std::lock_guard lock(mutex_);
    threads_.emplace_back(std::move(body));
  }

 private:
  std::mutex mutex_;
  bool ended_ = false;                          // guarded by mutex_
  std::vector<std::function<void()>> closers_;  // guarded by mutex_
  Threads<void> threads_;                       // guarded by mutex_
};

// A fraction in lowest terms.
struct Fraction {
  std::int64_t above = 0;
  std::int64_t below = 1;
  bool operator==(const Fraction&) const = default;
};

Fraction Reduced(std::int64_t above, std::int64_t below) {
  const std::int64_t divisor =
      std::gcd(above, below) * (below < 0 ? std::int64_t{-1} : 1);
  return {above / divisor, below / divisor};
}
Fraction operator*(const Fraction& a, const Fraction& b) {
  return Reduced(a.above * b.above, a.below * b.below);
}
Fraction operator+(const Fraction& a, const Fraction& b) {
  const std::int64_t below = std::lcm(a.below, b.below);
  return Reduced(a.above * (below / a.below) + b.above * (below / b.below),
                 below);
}

// An endless power series: a thread that computes the next coefficient when it
// is asked for it.
struct Series {
  explicit Series(Network& network)
      : ask(network.Make<Signal>()), terms(network.Make<Fraction>()) {}

  Channel<Signal> ask;
  Channel<Fraction> terms;
};
using Term = std::optional<Fraction>;  // std::nullopt: the network has ended

Term Next(const Series& series) {
  if (!series.ask.Send(Signal())) return std::nullopt;
  return series.terms.Receive();
}

// The next terms of both, asked for and received in any order.
std::optional<std::pair<Fraction, Fraction>> NextOfBoth(const Series& a,
                                                        const Series& b) {
  std::array<bool, 2> asked{};
  std::array<Term, 2> terms;
  bool ended = false;
  const auto take = [&](std::size_t i) {
    return [&, i](Term term) {
      terms[i] = term;
      ended = !term.has_value();
    };
  };
  const auto missing = [&](std::size_t i) {
    return asked[i] && !terms[i].has_value();
  };
  while (!terms[0].has_value() || !terms[1].has_value()) {
    const std::size_t chosen = Select(
        OnSend(SenderIf(!asked[0], a.ask), Signal(), [&] { asked[0] = true; }),
        OnSend(SenderIf(!asked[1], b.ask), Signal(), [&] { asked[1] = true; }),
        OnReceive(ReceiverIf(missing(0), a.terms), take(0)),
        OnReceive(ReceiverIf(missing(1), b.terms), take(1)));
    if (ended || chosen == kNoCase) return std::nullopt;
  }
  return std::pair(*terms[0], *terms[1]);
}

// The series whose terms `next()` computes one by one.
template <typename F>
Series Generate(Network& network, F next) {
  const Series made(network);
  network.Start([made, next]() mutable {
    while (made.ask.Receive().has_value()) {
      const Term term = next();
      if (!term.has_value() || !made.terms.Send(*term)) return;
    }
  });
  return made;
}

// c + cx + cx² + …
Series Constant(Network& network, Fraction c) {
  return Generate(network, [c] { return Term(c); });
}

Series Ones(Network& network) { return Constant(network, {1, 1}); }

Series Scaled(Network& network, Fraction c, const Series& u) {
  return Generate(network, [c, u] {
    Term term = Next(u);
    if (term.has_value()) term = c * *term;
    return term;
  });
}

Series Sum(Network& network, const Series& u, const Series& v) {
  return Generate(network, [u, v] {
    const auto both = NextOfBoth(u, v);
    return both.has_value() ? Term(both->first + both->second) : std::nullopt;
  });
}

Series Product(Network& network, const Series& u, const Series& v) {
  return Generate(network,
                  [u, v, us = std::vector<Fraction>(),
                   vs = std::vector<Fraction>()]() mutable -> Term {
                    const auto both = NextOfBoth(u, v);
                    if (!both.has_value()) return std::nullopt;
                    us.push_back(both->first);
                    vs.push_back(both->second);
                    Fraction sum;
                    for (std::size_t i = 0; i < us.size(); ++i) {
                      sum = sum + us[i] * vs[us.size() - 1 - i];
                    }
                    return sum;
                  });
}

Series Derivative(Network& network, const Series& u) {
  return Generate(network, [u, n = std::int64_t{0}]() mutable {
    if (n++ == 0) static_cast<void>(Next(u));
    Term term = Next(u);
    if (term.has_value()) term = Fraction{n, 1} * *term;
    return term;
  });
}

// The integral of u whose constant term is c.
Series Integral(Network& network, Fraction c, const Series& u) {
  return Generate(network, [c, u, n = std::int64_t{0}]() mutable {
    if (n++ == 0) return Term(c);
    Term term = Next(u);
    if (term.has_value()) term = Fraction{1, n - 1} * *term;
    return term;
  });
}

// u with cx² in the place of x.
Series WithSquare(Network& network, Fraction c, const Series& u) {
  return Generate(network,
                  [c, u, power = Fraction{1, 1}, even = false]() mutable {
                    even = !even;
                    if (!even) return Term(Fraction());
                    Term term = Next(u);
                    if (term.has_value()) term = power * *term;
                    power = power * c;
                    return term;
                  });
}

// Gives the terms of `in` to both of `out`, of which either may be ahead; what
// the other has yet to get is kept. Answers while it waits for `in` itself.
void Split(Network& network, const Series& in,
           const std::array<Series, 2>& out) {
  network.Start([in, out] {
    std::array<std::deque<Fraction>, 2> kept;
    std::array<bool, 2> asked{};
    bool awaited = false;
    bool ended = false;
    const auto on_ask = [&](std::size_t i) {
      return [&, i](std::optional<Signal> ask) {
        asked[i] = true;
        ended = !ask.has_value();
      };
    };
    const auto on_term = [&](Term term) {
      awaited = false;
      ended = !term.has_value();
      if (ended) return;
      for (auto& terms : kept) terms.push_back(*term);
    };
    while (!ended) {
      const std::size_t chosen =
          Select(OnReceive(ReceiverIf(!asked[0], out[0].ask), on_ask(0)),
                 OnReceive(ReceiverIf(!asked[1], out[1].ask), on_ask(1)),
                 OnSend(SenderIf((asked[0] || asked[1]) && !awaited, in.ask),
                        Signal(), [&] { awaited = true; }),
                 OnReceive(ReceiverIf(awaited, in.terms), on_term));
      if (chosen == kNoCase) return;
      for (std::size_t i = 0; i < 2; ++i) {
        if (!asked[i] || kept[i].empty()) continue;
        if (!out[i].terms.Send(kept[i].front())) return;
        kept[i].pop_front();
        asked[i] = false;
      }
    }
  });
}

// e to the u without its constant term: the z with z' = zu' that begins with 1.
// It is made of its own terms.
Series Exponential(Network& network, const Series& u) {
  const std::array<Series, 2> z{Series(network), Series(network)};
  Split(
      network,
      Integral(network, {1, 1}, Product(network, z[0], Derivative(network, u))),
      z);
  return z[1];
}

constexpr int kTerms = 10;
std::vector<Fraction> Terms(const Series& series) {
  std::vector<Fraction> terms;
  for (int i = 0; i < kTerms; ++i) {
    terms.push_back(Next(series).value_or(Fraction{0, 0}));
  }
  return terms;
}

// The fractions that `of(n)` gives for n = 0, 1, …
template <typename F>
std::vector<Fraction> Expected(F of) {
  std::vector<Fraction> terms;
  for (std::int64_t n = 0; n < kTerms; ++n) terms.push_back(of(n));
  return terms;
}

TEST_CASE("chan 51: power series are added and scaled as they are asked for") {
  Network network;
  const auto constant = [](std::int64_t number) {
    return Expected([number](std::int64_t) { return Fraction{number, 1}; });
  };
  const auto twos = [&] { return Constant(network, {2, 1}); };
  CHECK(Terms(Ones(network)) == constant(1));
  CHECK(Terms(Sum(network, Ones(network), twos())) == constant(3));
  CHECK(Terms(Scaled(network, {-1, 1}, twos())) == constant(-2));
  CHECK(Terms(Sum(network, Ones(network), Scaled(network, {-1, 1}, twos()))) ==
        constant(-1));
}

TEST_CASE("chan 52: power series are differentiated and integrated") {
  Network network;
  CHECK(Terms(Derivative(network, Ones(network))) ==
        Expected([](std::int64_t n) {
          return Fraction{n + 1, 1};
        }));
  CHECK(Terms(Integral(network, {0, 1}, Ones(network))) ==
        Expected([](std::int64_t n) {
          return n == 0 ? Fraction() : Fraction{1, n};
        }));
  // The arctangent: the integral of 1 - x² + x⁴ - …
  CHECK(Terms(Integral(network, {0, 1},
                       WithSquare(network, {-1, 1}, Ones(network)))) ==
        Expected([](std::int64_t n) {
          return n % 2 == 0 ? Fraction() : Fraction{n % 4 == 1 ? 1 : -1, n};
        }));
}

TEST_CASE("chan 53: power series are multiplied, and split for that") {
  Network network;
  const auto count_up = Expected([](std::int64_t n) {
    return Fraction{n + 1, 1};
  });
  CHECK(Terms(Product(network, Ones(network), Ones(network))) == count_up);
  const std::array<Series, 2> both{Series(network), Series(network)};
  Split(network, Ones(network), both);
  CHECK(Terms(Product(network, both[0], both[1])) == count_up);
}

TEST_CASE("chan 54: a power series is made of its own terms") {
  Network network;
  // How many ways there are to put n things into rows, over n!.
  constexpr std::array<std::int64_t, kTerms> kRows{
      1, 1, 3, 13, 73, 501, 4051, 37633, 394353, 4596553};
  std::int64_t factorial = 1;
  CHECK(Terms(Exponential(network, Ones(network))) ==
        Expected([&](std::int64_t n) {
          factorial *= n == 0 ? 1 : n;
          return Reduced(kRows[static_cast<std::size_t>(n)], factorial);
        }));
}

std::vector<int> PrimesBelow100() {
  std::vector<int> primes;
  for (int number = 2; number < 100; ++number) {
    const auto divides = [number](int prime) { return number % prime == 0; };
    if (std::none_of(primes.begin(), primes.end(), divides)) {
      primes.push_back(number);
    }
  }
  return primes;
}

// from, from + step, from + 2 step, …
Channel<int> Progression(Network& network, int from, int step,
                         std::size_t capacity) {
  const Channel<int> numbers = network.Make<int>(capacity);
  network.Start([numbers, from, step] {
    for (int number = from; numbers.Send(number);) number += step;
  });
  return numbers;
}

TEST_CASE("chan 55: a chain of filters that grows as it runs sieves primes") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Network network;
  const Channel<int> primes = network.Make<int>();
  network.Start([&network, primes, capacity] {
    Channel<int> numbers = Progression(network, 2, 1, capacity);
    while (const auto prime = numbers.Receive()) {
      if (!primes.Send(*prime)) return;
      const Channel<int> rest = network.Make<int>(capacity);
      network.Start([numbers, rest, divisor = *prime] {
        for (const int number : numbers) {
          if (number % divisor != 0 && !rest.Send(number)) return;
        }
      });
      numbers = rest;
    }
  });
  CHECK(Take(primes, 25) == PrimesBelow100());
}

TEST_CASE("chan 56: primes that are fed back sieve out their multiples") {
  Network network;
  const Channel<int> primes = network.Make<int>(10);
  const Channel<int> composites = network.Make<int>(50);
  const Channel<int> found = network.Make<int>(10);
  const Channel<int> known = network.Make<int>(10);
  primes.Send(2);
  primes.Send(3);
  found.Send(3);

  // Keeps what is found until it is asked for, so that no send to it blocks for
  // long.
  network.Start([found, known] {
    std::deque<int> kept;
    for (bool going = true; going;) {
      const bool any = !kept.empty();
      Select(OnReceive(found,
                       [&](std::optional<int> prime) {
                         going = prime.has_value();
                         if (going) kept.push_back(*prime);
                       }),
             OnSend(SenderIf(any, known), any ? kept.front() : 0,
                    [&] { kept.pop_front(); }));
    }
  });

  // Merges the odd multiples of each prime, from its square on. The next prime
  // is needed only when the square of the last has been sent.
  network.Start([&network, known, composites] {
    struct Stream {
      int head;
      Receiver<int> rest;
    };
    auto is_later = [](const Stream& a, const Stream& b) {
      return a.head > b.head;
    };
    std::priority_queue<Stream, std::vector<Stream>, decltype(is_later)>
        streams(is_later);
    const auto add = [&](const Receiver<int>& stream) {
      const auto head = stream.Receive();
      if (head.has_value()) streams.push({*head, stream});
      return head.has_value();
    };
    while (const auto prime = known.Receive()) {
      const int square = *prime * *prime;
      if (!add(Progression(network, square, 2 * *prime, 10))) return;
      int least = 0;
      while (least != square) {
        least = streams.top().head;
        while (streams.top().head == least) {
          const Receiver<int> rest = streams.top().rest;
          streams.pop();
          if (!add(rest)) return;
        }
        if (!composites.Send(least)) return;
      }
    }
  });

  // What is odd and no composite is a prime.
  network.Start([&network, primes, composites, found] {
    const Channel<int> candidates = Progression(network, 5, 2, 50);
    auto candidate = candidates.Receive();
    for (const int composite : composites) {
      while (candidate.has_value() && *candidate < composite) {
        if (!found.Send(*candidate) || !primes.Send(*candidate)) return;
        candidate = candidates.Receive();
      }
      if (!candidate.has_value()) return;
      if (*candidate == composite) candidate = candidates.Receive();
    }
  });

  CHECK(Take(primes, 25) == PrimesBelow100());
}

}  // namespace
