// SPDX-License-Identifier: MIT
//
// Channel<T>, Sender<T> and Receiver<T>: clauses C1 to C9.

#include <any>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/channel.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/manual_clock.h"
#include "support/values.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Receiver;
using fanfare::Sender;
using namespace std::chrono_literals;

struct Tag;
using Clock = ManualClock<Tag>;

constexpr auto kPast = std::chrono::steady_clock::time_point::min();

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
  for (std::size_t i = 0; i < capacity; ++i) {
    channel.TrySend(Own(static_cast<int>(i)));
  }
  return channel;
}

template <typename T>
std::vector<T> TakeAll(const Receiver<T>& receiver) {
  std::vector<T> all;
  while (auto value = receiver.TryReceive()) all.push_back(*std::move(value));
  return all;
}

// 0, 1, …, count - 1.
std::vector<int> Numbers(std::size_t count) {
  std::vector<int> numbers;
  for (std::size_t i = 0; i < count; ++i) {
    numbers.push_back(static_cast<int>(i));
  }
  return numbers;
}

// A token of which the stop was requested already.
std::stop_token Stopped() {
  std::stop_source source;
  source.request_stop();
  return source.get_token();
}

// Starts `function` in a thread that nobody waits for, as it never returns;
// its copies of handles keep alive what it waits on. Returns whether it has
// returned after all, after some time to do so.
template <typename F>
bool Returns(F function) {
  struct State {
    std::atomic<bool> started{false};
    std::atomic<bool> returned{false};
  };
  auto state = std::make_shared<State>();
  std::thread([state, function = std::move(function)] {
    state->started = true;
    function();
    state->returned = true;
  }).detach();
  AwaitThat([&] { return state->started.load(); });
  for (int i = 0; i < 10; ++i) std::this_thread::yield();
  return state->returned;
}

// ---------------------------------------------------------------------------
// C1: the handle
// ---------------------------------------------------------------------------

TEST_CASE("C1: a channel is made explicitly and is a rendezvous by default") {
  STATIC_REQUIRE(std::is_default_constructible_v<Channel<int>>);
  STATIC_REQUIRE(std::is_constructible_v<Channel<int>, std::size_t>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<std::size_t, Channel<int>>);
  const Channel<int> channel;
  CHECK(channel);
  CHECK(channel.capacity() == 0);
  CHECK_FALSE(channel.TrySend(1));
  CHECK_FALSE(channel.closed());
}

TEST_CASE("C1: a channel takes as many values as its capacity, and no more") {
  const std::size_t capacity = GENERATE(0U, 1U, 2U, 64U);
  const Channel<int> channel(capacity);
  CHECK(channel.capacity() == capacity);
  for (std::size_t i = 0; i < capacity; ++i) {
    CHECK(channel.size() == i);
    CHECK(channel.TrySend(static_cast<int>(i)));
  }
  CHECK(channel.size() == capacity);
  CHECK_FALSE(channel.TrySend(-1));
  CHECK(channel.size() == capacity);
  CHECK(TakeAll<int>(channel) == Numbers(capacity));
  CHECK(channel.size() == 0);
}

TEST_CASE("C1: a send that finds no room completes only with a receive") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  std::atomic<bool> sent{false};
  InThread sending([&] {
    const bool delivered = channel.Send(static_cast<int>(capacity));
    sent = true;
    return delivered;
  });
  AwaitSenders(channel, 1);
  for (int i = 0; i < 10; ++i) std::this_thread::yield();
  CHECK_FALSE(sent);
  CHECK(channel.size() == capacity);
  CHECK(channel.Receive() == 0);
  CHECK(sending.Get());
  CHECK(channel.waiting_senders() == 0);
  auto expected = Numbers(capacity + 1);
  expected.erase(expected.begin());
  CHECK(TakeAll<int>(channel) == expected);
}

TEST_CASE("C1: copies of a handle share the channel") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<int> channel(capacity);
  const Channel<int> copy = channel;
  Sender<int> sender = copy;
  Receiver<int> receiver;
  receiver = channel;
  CHECK(sender.TrySend(1));
  CHECK(channel.size() == 1);
  CHECK(receiver.TryReceive() == 1);
  copy.Close();
  CHECK(channel.closed());
  CHECK(sender.closed());
  CHECK(receiver.closed());
}

TEST_CASE("C1: the last handle of any kind frees the values in the channel") {
  const std::size_t capacity = GENERATE(1U, 64U);
  int live = 0;
  std::optional<Channel<Counted>> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) {
    channel->TrySend(Counted(static_cast<int>(i), &live));
  }
  REQUIRE(live == static_cast<int>(capacity));
  Sender<Counted> sender = *channel;
  Receiver<Counted> receiver = *channel;
  // Each kind is the last one once.
  SECTION("a channel") {
    sender = {};
    receiver = {};
    CHECK(live == static_cast<int>(capacity));
    channel.reset();
  }
  SECTION("a sender") {
    channel.reset();
    receiver = {};
    CHECK(live == static_cast<int>(capacity));
    sender = {};
  }
  SECTION("a receiver") {
    channel.reset();
    sender = {};
    CHECK(live == static_cast<int>(capacity));
    CHECK(receiver.TryReceive()->value() == 0);
    CHECK(live == static_cast<int>(capacity) - 1);
    receiver = {};
  }
  CHECK(live == 0);
}

TEST_CASE("C1: a handle assigned to itself keeps its channel") {
  Sender<int> sender = Channel<int>(1);
  const Sender<int>& same = sender;
  sender = same;
  CHECK(sender.TrySend(1));
  CHECK(sender.size() == 1);
}

TEST_CASE("C1: a channel that no memory can hold is std::bad_alloc") {
  constexpr auto kMost = std::numeric_limits<std::size_t>::max();
  CHECK_THROWS_AS(Channel<int>(kMost), std::bad_alloc);
  CHECK_THROWS_AS(Channel<OverAligned>(kMost / 2), std::bad_alloc);
}

TEST_CASE("C1: many producers and many consumers share one channel") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  constexpr int kEach = 200;
  const Channel<int> channel(capacity);
  const auto produce = [&] {
    int sent = 0;
    for (int i = 1; i <= kEach; ++i) sent += channel.Send(i) ? i : 0;
    return sent;
  };
  const auto consume = [&] {
    int sum = 0;
    while (auto value = channel.Receive()) sum += *value;
    return sum;
  };
  InThread consumer1(consume), consumer2(consume), consumer3(consume);
  int sent = 0;
  {
    InThread producer1(produce), producer2(produce), producer3(produce);
    sent = producer1.Get() + producer2.Get() + producer3.Get();
  }
  channel.Close();
  CHECK(sent == 3 * kEach * (kEach + 1) / 2);
  CHECK(consumer1.Get() + consumer2.Get() + consumer3.Get() == sent);
}

// ---------------------------------------------------------------------------
// C2: the views
// ---------------------------------------------------------------------------

template <typename T>
T ElementOfSender(const Sender<T>&);
template <typename T>
T ElementOfReceiver(const Receiver<T>&);

template <typename Handle>
concept Closable = requires(const Handle& handle) {
  handle.Close();
};
template <typename Handle>
concept CanSend = requires(const Handle& handle) {
  handle.Send(1);
  handle.Send(1, std::stop_token());
  handle.SendFor(1, 1ms);
  handle.SendUntil(1, kPast);
  handle.TrySend(1);
};
template <typename Handle>
concept CanSendSomehow = requires(const Handle& handle) {
  handle.Send(1);
}
|| requires(const Handle& handle) { handle.TrySend(1); };
template <typename Handle>
concept CanReceive = requires(const Handle& handle) {
  handle.Receive();
  handle.Receive(std::stop_token());
  handle.ReceiveFor(1ms);
  handle.ReceiveUntil(kPast);
  handle.TryReceive();
  handle.begin();
  handle.end();
};
template <typename Handle>
concept CanReceiveSomehow = requires(const Handle& handle) {
  handle.Receive();
}
|| requires(const Handle& handle) { handle.TryReceive(); }
|| requires(const Handle& handle) { handle.begin(); };
template <typename Handle>
concept CanTell = requires(const Handle& handle) {
  { handle.closed() }
  noexcept->std::same_as<bool>;
  { handle.drained() }
  noexcept->std::same_as<bool>;
  { handle.size() }
  noexcept->std::same_as<std::size_t>;
  { handle.capacity() }
  noexcept->std::same_as<std::size_t>;
  { handle.waiting_senders() }
  noexcept->std::same_as<std::size_t>;
  { handle.waiting_receivers() }
  noexcept->std::same_as<std::size_t>;
};

TEST_CASE("C2: each view offers its own direction, on a const handle") {
  STATIC_REQUIRE(CanSend<Channel<int>>);
  STATIC_REQUIRE(CanReceive<Channel<int>>);
  STATIC_REQUIRE(CanSend<Sender<int>>);
  STATIC_REQUIRE_FALSE(CanReceiveSomehow<Sender<int>>);
  STATIC_REQUIRE(CanReceive<Receiver<int>>);
  STATIC_REQUIRE_FALSE(CanSendSomehow<Receiver<int>>);
  STATIC_REQUIRE(Closable<Channel<int>>);
  STATIC_REQUIRE(Closable<Sender<int>>);
  STATIC_REQUIRE_FALSE(Closable<Receiver<int>>);
  STATIC_REQUIRE(CanTell<Channel<int>>);
  STATIC_REQUIRE(CanTell<Sender<int>>);
  STATIC_REQUIRE(CanTell<Receiver<int>>);
}

TEST_CASE("C2: a channel converts to its views and not back") {
  STATIC_REQUIRE(std::is_convertible_v<Channel<int>, Sender<int>>);
  STATIC_REQUIRE(std::is_convertible_v<Channel<int>, Receiver<int>>);
  STATIC_REQUIRE(std::is_convertible_v<const Channel<int>&, Sender<int>>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Receiver<int>, Sender<int>>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Sender<int>, Receiver<int>>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Channel<int>, Sender<int>>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Channel<int>, Receiver<int>>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Sender<long>, Channel<int>>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Receiver<long>, Channel<int>>);
  STATIC_REQUIRE(std::is_same_v<Channel<int>::value_type, int>);
  STATIC_REQUIRE(std::is_same_v<Sender<int>::value_type, int>);
  STATIC_REQUIRE(std::is_same_v<Receiver<int>::value_type, int>);
}

TEST_CASE("C2: a function that takes a view deduces T from a channel") {
  using Made = Channel<std::string>;
  STATIC_REQUIRE(std::is_same_v<decltype(ElementOfSender(std::declval<Made>())),
                                std::string>);
  STATIC_REQUIRE(
      std::is_same_v<decltype(ElementOfReceiver(std::declval<Made&>())),
                     std::string>);
}

TEST_CASE("C2: handles are regular, small and moved without throwing") {
  STATIC_REQUIRE(std::semiregular<Sender<MoveOnly>>);
  STATIC_REQUIRE(std::semiregular<Receiver<MoveOnly>>);
  STATIC_REQUIRE(std::semiregular<Channel<MoveOnly>>);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<Channel<MoveOnly>>);
  STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<Channel<MoveOnly>>);
  STATIC_REQUIRE(std::is_nothrow_move_assignable_v<Sender<MoveOnly>>);
  STATIC_REQUIRE(std::is_nothrow_move_assignable_v<Receiver<MoveOnly>>);
  STATIC_REQUIRE(std::is_nothrow_default_constructible_v<Sender<MoveOnly>>);
  STATIC_REQUIRE(std::is_nothrow_default_constructible_v<Receiver<MoveOnly>>);
  STATIC_REQUIRE(sizeof(Sender<MoveOnly>) == sizeof(void*));
  STATIC_REQUIRE(sizeof(Receiver<MoveOnly>) == sizeof(void*));
}

// ---------------------------------------------------------------------------
// C3: nil
// ---------------------------------------------------------------------------

template <typename Handle>
void CheckNil(const Handle& handle) {
  CHECK_FALSE(handle);
  CHECK(handle.size() == 0);
  CHECK(handle.capacity() == 0);
  CHECK_FALSE(handle.closed());
  CHECK_FALSE(handle.drained());
  CHECK(handle.waiting_senders() == 0);
  CHECK(handle.waiting_receivers() == 0);
}

void CheckNilSender(const Sender<MoveOnly>& sender) {
  CheckNil(sender);
  MoveOnly value = Own(1);
  CHECK_FALSE(sender.TrySend(std::move(value)));
  CHECK_FALSE(sender.Send(std::move(value), Stopped()));
  CHECK_FALSE(sender.SendFor(std::move(value), 0s));
  CHECK_FALSE(sender.SendFor(std::move(value), 1ns));
  CHECK_FALSE(sender.SendUntil(std::move(value), kPast));
  CHECK(value != nullptr);
  sender.Close();
  CHECK_FALSE(sender.closed());
}

void CheckNilReceiver(const Receiver<MoveOnly>& receiver) {
  CheckNil(receiver);
  CHECK_FALSE(receiver.TryReceive());
  CHECK_FALSE(receiver.Receive(Stopped()));
  CHECK_FALSE(receiver.ReceiveFor(0s));
  CHECK_FALSE(receiver.ReceiveFor(1ns));
  CHECK_FALSE(receiver.ReceiveUntil(kPast));
}

TEST_CASE("C3 C5: a default-constructed view is nil") {
  CheckNilSender(Sender<MoveOnly>());
  CheckNilReceiver(Receiver<MoveOnly>());
}

TEST_CASE("C3 C5: a moved-from handle is nil, what it was moved to is not") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Channel<MoveOnly> channel = FullOfOwners(capacity);
  Sender<MoveOnly> sender = channel;
  Receiver<MoveOnly> receiver = channel;
  const Channel<MoveOnly> channel2 = std::move(channel);
  const Sender<MoveOnly> sender2 = std::move(sender);
  Receiver<MoveOnly> receiver2;
  receiver2 = std::move(receiver);
  // NOLINTBEGIN(bugprone-use-after-move): this is what is tested.
  CheckNil(channel);
  CheckNilSender(channel);
  CheckNilReceiver(channel);
  CheckNilSender(sender);
  CheckNilReceiver(receiver);
  // NOLINTEND(bugprone-use-after-move)
  CHECK(channel2.size() == capacity);
  CHECK(sender2.size() == capacity);
  CHECK(receiver2.size() == capacity);
  CHECK(receiver2.capacity() == capacity);
  CHECK_FALSE(receiver2.drained());
}

TEST_CASE("C3: a stop ends a wait on a nil handle") {
  std::stop_source source;
  InThread sending([&] { return Sender<int>().Send(1, source.get_token()); });
  InThread receiving(
      [&] { return Receiver<int>().Receive(source.get_token()); });
  source.request_stop();
  CHECK_FALSE(sending.Get());
  CHECK_FALSE(receiving.Get());
}

TEST_CASE("C3: a deadline of any clock ends a wait on a nil handle") {
  const auto soon = Clock::Soon();
  InThread sending([&] { return Sender<int>().SendUntil(1, soon); });
  InThread receiving([&] { return Receiver<int>().ReceiveUntil(soon); });
  Clock::Advance();
  CHECK_FALSE(sending.Get());
  CHECK_FALSE(receiving.Get());
}

TEST_CASE("C3 C6: without a stop or deadline a nil handle waits for ever") {
  CHECK_FALSE(Returns([] { return Sender<int>().Send(1); }));
  CHECK_FALSE(Returns([] { return Receiver<int>().Receive(); }));
  CHECK_FALSE(Returns([] { return Sender<int>().SendFor(1, 24h); }));
  CHECK_FALSE(Returns(
      [] { return Receiver<int>().ReceiveFor(std::chrono::hours::max()); }));
}

// ---------------------------------------------------------------------------
// C4: the operations
// ---------------------------------------------------------------------------

TEST_CASE("C4: every way to send delivers where there is room") {
  const std::size_t capacity = GENERATE(5U, 64U);
  const Channel<int> channel(capacity);
  CHECK(channel.Send(0));
  CHECK(channel.Send(1, std::stop_token()));
  CHECK(channel.SendFor(2, 1h));
  CHECK(channel.SendUntil(3, Clock::Soon()));
  CHECK(channel.TrySend(4));
  CHECK(TakeAll<int>(channel) == Numbers(5));
}

TEST_CASE("C4: every way to receive takes what is there") {
  const std::size_t capacity = GENERATE(5U, 64U);
  const Channel<int> channel(capacity);
  for (const int number : Numbers(5)) channel.Send(number);
  CHECK(channel.Receive() == 0);
  CHECK(channel.Receive(std::stop_token()) == 1);
  CHECK(channel.ReceiveFor(1h) == 2);
  CHECK(channel.ReceiveUntil(Clock::Soon()) == 3);
  CHECK(channel.TryReceive() == 4);
  CHECK_FALSE(channel.TryReceive());
}

TEST_CASE("C4: every way to send hands its value to a blocked receive") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const auto check = [&](auto send) {
    InThread receiving([&] { return channel.Receive(); });
    AwaitReceivers(channel, 1);
    CHECK(send());
    CHECK(channel.size() == 0);
    CHECK(channel.waiting_receivers() == 0);
    CHECK(receiving.Get() == 7);
  };
  check([&] { return channel.Send(7); });
  check([&] { return channel.Send(7, std::stop_token()); });
  check([&] { return channel.SendFor(7, 1h); });
  check([&] { return channel.SendUntil(7, Clock::Soon()); });
  check([&] { return channel.TrySend(7); });
}

TEST_CASE("C4: every way to receive takes the value of a blocked send") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto check = [&](auto receive) {
    const auto channel = FullChannel(capacity);
    InThread sending([&] { return channel.Send(static_cast<int>(capacity)); });
    AwaitSenders(channel, 1);
    for (const int number : Numbers(capacity + 1)) {
      CHECK(receive(channel) == number);
      CHECK(channel.waiting_senders() == 0);
    }
    CHECK(sending.Get());
    CHECK(channel.size() == 0);
  };
  check([](auto& channel) { return channel.Receive(); });
  check([](auto& channel) { return channel.Receive(std::stop_token()); });
  check([](auto& channel) { return channel.ReceiveFor(1h); });
  check([](auto& channel) { return channel.ReceiveUntil(Clock::Soon()); });
  check([](auto& channel) { return channel.TryReceive(); });
}

TEST_CASE("C4: every way to block for a value gets the one sent meanwhile") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const std::stop_source source;
  const auto check = [&](auto receive) {
    InThread receiving(receive);
    AwaitReceivers(channel, 1);
    CHECK(channel.Send(7));
    CHECK(receiving.Get() == 7);
  };
  check([&] { return channel.Receive(); });
  check([&] { return channel.Receive(source.get_token()); });
  check([&] { return channel.ReceiveFor(1h); });
  check([&] { return channel.ReceiveUntil(Clock::Soon()); });
}

TEST_CASE("C4: every way to block for room gets the one made meanwhile") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  const std::stop_source source;
  const auto check = [&](auto send) {
    InThread sending(send);
    AwaitSenders(channel, 1);
    CHECK(channel.Receive());
    CHECK(sending.Get());
    CHECK(channel.size() == capacity);
  };
  check([&] { return channel.Send(7); });
  check([&] { return channel.Send(7, source.get_token()); });
  check([&] { return channel.SendFor(7, 1h); });
  check([&] { return channel.SendUntil(7, Clock::Soon()); });
}

TEST_CASE("C4: no way to send delivers to a closed channel") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  channel.Close();
  CHECK_FALSE(channel.Send(1));
  CHECK_FALSE(channel.Send(1, std::stop_token()));
  CHECK_FALSE(channel.SendFor(1, 1h));
  CHECK_FALSE(channel.SendUntil(1, Clock::Soon()));
  CHECK_FALSE(channel.TrySend(1));
  CHECK(channel.size() == 0);
}

TEST_CASE("C4: every way to receive tells that a channel is closed and empty") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  channel.Close();
  CHECK_FALSE(channel.Receive());
  CHECK_FALSE(channel.Receive(std::stop_token()));
  CHECK_FALSE(channel.ReceiveFor(1h));
  CHECK_FALSE(channel.ReceiveUntil(Clock::Soon()));
  CHECK_FALSE(channel.TryReceive());
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("C4: values in the channel when it is closed can be received") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const auto channel = FullChannel(capacity);
  channel.Close();
  CHECK(channel.closed());
  for (const int number : Numbers(capacity)) {
    CHECK_FALSE(channel.drained());
    CHECK(channel.Receive() == number);
  }
  CHECK(channel.drained());
  CHECK(channel.closed());
  CHECK_FALSE(channel.Receive());
}

TEST_CASE("C4: room in a closed channel takes no value any more") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const auto channel = FullChannel(capacity);
  channel.Close();
  CHECK(channel.Receive() == 0);
  CHECK_FALSE(channel.TrySend(7));
  CHECK(channel.size() == capacity - 1);
}

TEST_CASE("C4: an empty channel is drained only once it is closed") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  CHECK_FALSE(channel.closed());
  CHECK_FALSE(channel.drained());
  channel.Close();
  CHECK(channel.closed());
  CHECK(channel.drained());
}

TEST_CASE("C4: closing again does nothing, from any handle") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Sender<int> sender = channel;
  STATIC_REQUIRE(noexcept(channel.Close()));
  STATIC_REQUIRE(noexcept(sender.Close()));
  channel.Close();
  sender.Close();
  channel.Close();
  CHECK(channel.closed());
}

TEST_CASE("C4 C5: closing wakes every blocked send, and none is delivered") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullOfOwners(capacity);
  const auto send = [&] {
    MoveOnly value = Own(7);
    return !channel.Send(std::move(value)) && value != nullptr;
  };
  InThread first(send), second(send), third(send);
  AwaitSenders(channel, 3);
  channel.Close();
  CHECK(channel.waiting_senders() == 0);
  CHECK(first.Get());
  CHECK(second.Get());
  CHECK(third.Get());
  CHECK(channel.size() == capacity);
}

TEST_CASE("C4: closing wakes every blocked receive") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const std::stop_source source;
  InThread first([&] { return channel.Receive(); });
  InThread second([&] { return channel.Receive(source.get_token()); });
  InThread third([&] { return channel.ReceiveFor(1h); });
  AwaitReceivers(channel, 3);
  channel.Close();
  CHECK(channel.waiting_receivers() == 0);
  CHECK_FALSE(first.Get());
  CHECK_FALSE(second.Get());
  CHECK_FALSE(third.Get());
}

TEST_CASE("C4: a stop requested meanwhile ends a blocked send or receive") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  std::stop_source source;
  InThread sending([&] { return full.Send(7, source.get_token()); });
  InThread receiving([&] { return empty.Receive(source.get_token()); });
  AwaitSenders(full, 1);
  AwaitReceivers(empty, 1);
  source.request_stop();
  CHECK_FALSE(sending.Get());
  CHECK_FALSE(receiving.Get());
  CHECK(full.waiting_senders() == 0);
  CHECK(empty.waiting_receivers() == 0);
  CHECK(TakeAll<int>(full) == Numbers(capacity));
  CHECK(empty.TrySend(7) == (capacity > 0));
}

TEST_CASE("C4: a deadline that passes ends a blocked send or receive") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  const auto soon = Clock::Soon();
  InThread sending([&] { return full.SendUntil(7, soon); });
  InThread receiving([&] { return empty.ReceiveUntil(soon); });
  AwaitSenders(full, 1);
  AwaitReceivers(empty, 1);
  Clock::Advance();
  CHECK_FALSE(sending.Get());
  CHECK_FALSE(receiving.Get());
  CHECK(full.waiting_senders() == 0);
  CHECK(empty.waiting_receivers() == 0);
  CHECK(TakeAll<int>(full) == Numbers(capacity));
  CHECK(empty.TrySend(7) == (capacity > 0));
}

TEST_CASE("C4: a duration that passes ends a blocked send or receive") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CHECK_FALSE(FullChannel(capacity).SendFor(7, 1us));
  CHECK_FALSE(Channel<int>(capacity).ReceiveFor(1us));
}

TEST_CASE("C4: a wait that was stopped leaves the channel usable") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  CHECK_FALSE(channel.Send(7, Stopped()));
  CHECK(TakeAll<int>(channel) == Numbers(capacity));
  CHECK_FALSE(channel.Receive(Stopped()));
  InThread receiving([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  CHECK(channel.Send(8));
  CHECK(receiving.Get() == 8);
}

TEST_CASE("C4: the counts of waiters tell how many are blocked") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  CHECK(channel.waiting_senders() == 0);
  {
    InThread one([&] { return channel.Send(1); });
    AwaitSenders(channel, 1);
    InThread two([&] { return channel.Send(2); });
    AwaitSenders(channel, 2);
    CHECK(Sender<int>(channel).waiting_senders() == 2);
    CHECK(Receiver<int>(channel).waiting_senders() == 2);
    CHECK(channel.waiting_receivers() == 0);
    CHECK(channel.size() == capacity);
    CHECK(TakeAll<int>(channel).size() == capacity + 2);
  }
  CHECK(channel.waiting_senders() == 0);
  {
    InThread one([&] { return channel.Receive(); });
    AwaitReceivers(channel, 1);
    InThread two([&] { return channel.Receive(); });
    AwaitReceivers(channel, 2);
    CHECK(Sender<int>(channel).waiting_receivers() == 2);
    CHECK(Receiver<int>(channel).waiting_receivers() == 2);
    CHECK(channel.waiting_senders() == 0);
    channel.Close();
  }
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("C4: a range loop takes all values until closed and empty") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  InThread sending([&] {
    for (int i = 0; i < 100; ++i) channel.Send(i);
    channel.Close();
  });
  std::vector<int> received;
  for (const int value : channel) received.push_back(value);
  sending.Get();
  CHECK(received == Numbers(100));
}

TEST_CASE("C4: a range loop over a closed and empty channel does nothing") {
  const Receiver<int> receiver = [] {
    const Channel<int> channel(GENERATE(0U, 1U, 64U));
    channel.Close();
    return channel;
  }();
  CHECK((receiver.begin() == receiver.end()));
}

TEST_CASE("C4: values can be moved out of the range, changed and looked into") {
  const Channel<MoveOnly> owners(2);
  owners.Send(Own(1));
  owners.Send(Own(2));
  owners.Close();
  std::vector<MoveOnly> taken;
  for (MoveOnly& owner : owners) taken.push_back(std::move(owner));
  REQUIRE(taken.size() == 2);
  CHECK(*taken[0] == 1);
  CHECK(*taken[1] == 2);

  const Channel<std::string> words(1);
  words.Send("word");
  const auto it = words.begin();
  it->append("s");
  CHECK(*it == "words");
}

TEST_CASE("C4: an iterator outlives the handle that it was made of") {
  auto it = [] {
    const Channel<int> channel(2);
    channel.Send(1);
    channel.Send(2);
    channel.Close();
    return channel.begin();
  }();
  CHECK(*it == 1);
  ++it;
  CHECK(*it == 2);
  ++it;
  CHECK((it == std::default_sentinel));
}

template <typename Range>
constexpr bool kIsInputRange =
    std::ranges::input_range<Range> && !std::ranges::forward_range<Range>;

TEST_CASE("C4: iterators and handles satisfy the standard's concepts") {
  using Iterator = decltype(std::declval<const Receiver<int>&>().begin());
  using Sentinel = decltype(std::declval<const Receiver<int>&>().end());
  STATIC_REQUIRE(std::input_iterator<Iterator>);
  STATIC_REQUIRE_FALSE(std::forward_iterator<Iterator>);
  STATIC_REQUIRE(std::sentinel_for<Sentinel, Iterator>);
  STATIC_REQUIRE(std::is_same_v<std::iter_value_t<Iterator>, int>);
  STATIC_REQUIRE(std::is_same_v<std::iter_reference_t<Iterator>, int&>);
  STATIC_REQUIRE(kIsInputRange<Receiver<int>>);
  STATIC_REQUIRE(kIsInputRange<const Receiver<int>&>);
  STATIC_REQUIRE(kIsInputRange<Channel<int>>);
  STATIC_REQUIRE(kIsInputRange<const Channel<int>&>);
  STATIC_REQUIRE(kIsInputRange<Channel<MoveOnly>>);
  STATIC_REQUIRE(kIsInputRange<Channel<Bare>>);
  STATIC_REQUIRE_FALSE(std::ranges::range<Sender<int>>);
}

TEST_CASE("C4: a range passes values that cannot be assigned") {
  const Channel<Bare> channel(2);
  channel.Send(Bare(1));
  channel.Send(Bare(2));
  channel.Close();
  int sum = 0;
  for (const Bare& bare : channel) sum += bare.value;
  CHECK(sum == 3);
}

TEST_CASE("C4: an iterator is moved with the value that it stands at") {
  const Channel<Bare> one(2), two(1);
  one.Send(Bare(1));
  one.Send(Bare(2));
  two.Send(Bare(3));
  auto it = one.begin();
  auto moved = std::move(it);
  CHECK(moved->value == 1);
  auto assigned = two.begin();
  CHECK(assigned->value == 3);
  assigned = std::move(moved);
  CHECK(assigned->value == 1);
  ++assigned;
  CHECK(assigned->value == 2);
  one.Close();
  ++assigned;
  CHECK((assigned == std::default_sentinel));
}

// ---------------------------------------------------------------------------
// C5: what a send does with its argument
// ---------------------------------------------------------------------------

TEST_CASE("C5: a send that finds no room leaves its value untouched") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullOfOwners(capacity);
  MoveOnly value = Own(7);
  CHECK_FALSE(channel.TrySend(std::move(value)));
  CHECK_FALSE(channel.Send(std::move(value), Stopped()));
  CHECK_FALSE(channel.SendFor(std::move(value), 0s));
  CHECK_FALSE(channel.SendFor(std::move(value), 1us));
  CHECK_FALSE(channel.SendUntil(std::move(value), kPast));
  REQUIRE(value != nullptr);
  CHECK(*value == 7);
}

TEST_CASE("C5: a send on a closed channel leaves its value untouched") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<MoveOnly> channel(capacity);
  channel.Close();
  MoveOnly value = Own(7);
  CHECK_FALSE(channel.TrySend(std::move(value)));
  CHECK_FALSE(channel.Send(std::move(value)));
  CHECK_FALSE(channel.Send(std::move(value), std::stop_token()));
  CHECK_FALSE(channel.SendFor(std::move(value), 1h));
  CHECK_FALSE(channel.SendUntil(std::move(value), Clock::Soon()));
  REQUIRE(value != nullptr);
  CHECK(*value == 7);
}

TEST_CASE("C5: a blocked send that is stopped leaves its value untouched") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullOfOwners(capacity);
  std::stop_source source;
  MoveOnly value = Own(7);
  InThread sending(
      [&] { return channel.Send(std::move(value), source.get_token()); });
  AwaitSenders(channel, 1);
  source.request_stop();
  CHECK_FALSE(sending.Get());
  REQUIRE(value != nullptr);
  CHECK(*value == 7);
}

TEST_CASE("C5: a blocked send that times out leaves its value untouched") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullOfOwners(capacity);
  MoveOnly value = Own(7);
  const auto soon = Clock::Soon();
  InThread sending([&] { return channel.SendUntil(std::move(value), soon); });
  AwaitSenders(channel, 1);
  Clock::Advance();
  CHECK_FALSE(sending.Get());
  REQUIRE(value != nullptr);
  CHECK(*value == 7);
}

TEST_CASE("C5: a send that delivers has moved from its rvalue") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<MoveOnly> channel(capacity);
  MoveOnly value = Own(7);
  CHECK(channel.TrySend(std::move(value)));
  CHECK(value == nullptr);  // NOLINT(bugprone-use-after-move)
  CHECK(**channel.TryReceive() == 7);
}

TEST_CASE("C5: an lvalue is copied, delivered or not") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<std::string> channel(capacity);
  std::string value = "a value too long for the small string optimisation";
  const std::string& constant = value;
  CHECK(channel.TrySend(value) == (capacity > 0));
  CHECK(channel.TrySend(constant) == (capacity > 1));
  CHECK(channel.TrySend(std::move(constant)) == (capacity > 1));
  CHECK(value.size() == 50);
  for (const std::string& copy : TakeAll<std::string>(channel)) {
    CHECK(copy == value);
  }
}

TEST_CASE("C5: an argument of another type is converted first") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  struct Base {
    virtual ~Base() = default;
  };
  struct Derived : Base {};
  const Channel<std::unique_ptr<Base>> channel(capacity);
  auto derived = std::make_unique<Derived>();
  CHECK(channel.TrySend(std::move(derived)) == (capacity > 0));
  CHECK(derived == nullptr);  // NOLINT(bugprone-use-after-move)

  const Channel<std::string> words(capacity);
  CHECK(words.TrySend("word") == (capacity > 0));
  CHECK(words.TrySend({'w', 'o'}) == (capacity > 1));
  STATIC_REQUIRE(requires { words.Send("word"); });
  STATIC_REQUIRE(requires { words.SendFor("word", 1s); });
  STATIC_REQUIRE(requires { words.SendUntil("word", kPast); });
}

template <typename T, typename Argument>
concept SendTakes = requires(const Sender<T>& sender, Argument argument) {
  sender.Send(std::forward<Argument>(argument));
}
&&requires(const Sender<T>& sender, Argument argument) {
  sender.TrySend(std::forward<Argument>(argument));
};

TEST_CASE("C5: what does not convert implicitly cannot be sent") {
  STATIC_REQUIRE(SendTakes<std::string, const char*>);
  STATIC_REQUIRE_FALSE(SendTakes<std::string, std::size_t>);
  STATIC_REQUIRE(SendTakes<MoveOnly, MoveOnly>);
  STATIC_REQUIRE_FALSE(SendTakes<MoveOnly, MoveOnly&>);
  STATIC_REQUIRE_FALSE(SendTakes<Bare, int>);
}

TEST_CASE("C5: nothing is sent when the copy of the argument throws") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<Uncopyable> channel(capacity);
  const Uncopyable value;
  CHECK_THROWS_AS(channel.Send(value), std::runtime_error);
  CHECK_THROWS_AS(channel.Send(value, Stopped()), std::runtime_error);
  CHECK_THROWS_AS(channel.SendFor(value, 0s), std::runtime_error);
  CHECK_THROWS_AS(channel.SendUntil(value, kPast), std::runtime_error);
  if (capacity > 0) {
    CHECK_THROWS_AS(channel.TrySend(value), std::runtime_error);
  }
  CHECK(channel.size() == 0);
  CHECK(channel.TrySend(Uncopyable()) == (capacity > 0));
}

// ---------------------------------------------------------------------------
// C6: what can complete at once does so
// ---------------------------------------------------------------------------

TEST_CASE("C6: a send with room delivers, stopped or too late as it may be") {
  const std::size_t capacity = GENERATE(6U, 64U);
  const Channel<int> channel(capacity);
  CHECK(channel.Send(0, Stopped()));
  CHECK(channel.SendFor(1, 0s));
  CHECK(channel.SendFor(2, -1h));
  CHECK(channel.SendFor(3, std::chrono::nanoseconds::min()));
  CHECK(channel.SendUntil(4, kPast));
  CHECK(channel.SendUntil(5, Clock::now()));
  CHECK(TakeAll<int>(channel) == Numbers(6));
}

TEST_CASE("C6: a receive with a value gets it, stopped or too late as it is") {
  const std::size_t capacity = GENERATE(6U, 64U);
  const Channel<int> channel(capacity);
  for (const int number : Numbers(6)) channel.Send(number);
  CHECK(channel.Receive(Stopped()) == 0);
  CHECK(channel.ReceiveFor(0s) == 1);
  CHECK(channel.ReceiveFor(-1h) == 2);
  CHECK(channel.ReceiveFor(std::chrono::nanoseconds::min()) == 3);
  CHECK(channel.ReceiveUntil(kPast) == 4);
  CHECK(channel.ReceiveUntil(Clock::now()) == 5);
}

TEST_CASE("C6: a send to a blocked receive delivers although it is too late") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const auto check = [&](auto send) {
    InThread receiving([&] { return channel.Receive(); });
    AwaitReceivers(channel, 1);
    CHECK(send());
    CHECK(receiving.Get() == 7);
  };
  check([&] { return channel.Send(7, Stopped()); });
  check([&] { return channel.SendFor(7, -1s); });
  check([&] { return channel.SendUntil(7, kPast); });
}

TEST_CASE("C6: a receive from a blocked send succeeds although it is late") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  const auto check = [&](auto receive) {
    InThread sending([&] { return channel.Send(7); });
    AwaitSenders(channel, 1);
    CHECK(receive());
    CHECK(sending.Get());
  };
  check([&] { return channel.Receive(Stopped()); });
  check([&] { return channel.ReceiveFor(-1s); });
  check([&] { return channel.ReceiveUntil(kPast); });
}

TEST_CASE("C6: zero and negative durations do not wait") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  const auto check = [&](auto duration) {
    CHECK_FALSE(full.SendFor(7, duration));
    CHECK_FALSE(empty.ReceiveFor(duration));
  };
  check(0s);
  check(-1ns);
  check(-1h);
  check(std::chrono::nanoseconds::min());
  check(std::chrono::hours::min());
  check(std::chrono::duration<double>(-1e300));
  check(
      std::chrono::duration<double>(-std::numeric_limits<double>::infinity()));
  CHECK_FALSE(full.SendUntil(7, kPast));
  CHECK_FALSE(empty.ReceiveUntil(std::chrono::system_clock::time_point::min()));
  CHECK_FALSE(full.SendUntil(7, Clock::now()));
}

TEST_CASE("C6: the longest durations wait until it is done") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  const auto check = [&](auto duration) {
    InThread sending([&] { return full.SendFor(7, duration); });
    InThread receiving([&] { return empty.ReceiveFor(duration); });
    AwaitSenders(full, 1);
    AwaitReceivers(empty, 1);
    CHECK(full.Receive());
    CHECK(empty.Send(8));
    CHECK(sending.Get());
    CHECK(receiving.Get() == 8);
  };
  check(std::chrono::nanoseconds::max());
  check(std::chrono::seconds::max());
  check(std::chrono::hours::max());
  check(std::chrono::duration<double>::max());
  check(std::chrono::duration<double>(std::numeric_limits<double>::infinity()));
  check(std::chrono::duration<unsigned char, std::ratio<86400>>::max());
}

TEST_CASE("C6: the last moment of any clock waits until it is done") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  const auto check = [&](auto moment) {
    InThread sending([&] { return full.SendUntil(7, moment); });
    InThread receiving([&] { return empty.ReceiveUntil(moment); });
    AwaitSenders(full, 1);
    AwaitReceivers(empty, 1);
    CHECK(full.Receive());
    CHECK(empty.Send(8));
    CHECK(sending.Get());
    CHECK(receiving.Get() == 8);
  };
  check(std::chrono::steady_clock::time_point::max());
  check(std::chrono::system_clock::time_point::max());
  check(std::chrono::time_point<std::chrono::system_clock,
                                std::chrono::hours>::max());
  check(Clock::time_point::max());
}

// ---------------------------------------------------------------------------
// C7: order, and nothing lost
// ---------------------------------------------------------------------------

TEST_CASE("C7: values arrive in the order sent while the ring goes round") {
  // Fills and empties in steps of every size, against a model.
  const std::size_t capacity = GENERATE(1U, 2U, 3U, 64U);
  const Channel<std::string> channel(capacity);
  std::deque<std::string> model;
  int next = 0;
  bool same = true;
  for (std::size_t round = 0; round < 4 * capacity + 4; ++round) {
    for (std::size_t i = 0; i <= round % (capacity + 1); ++i) {
      std::string value = "value number " + std::to_string(next++);
      const bool sent = channel.TrySend(value);
      same = same && sent == (model.size() < capacity);
      if (sent) model.push_back(value);
    }
    for (std::size_t i = 0; i <= (round * 7) % (capacity + 1); ++i) {
      const auto received = channel.TryReceive();
      same = same && received.has_value() == !model.empty();
      if (received && !model.empty()) {
        same = same && *received == model.front();
        model.pop_front();
      }
    }
    same = same && channel.size() == model.size();
  }
  CHECK(same);
  CHECK(TakeAll<std::string>(channel) ==
        std::vector<std::string>(model.begin(), model.end()));
}

TEST_CASE("C7: what is left at the end is freed wherever the ring stands") {
  const std::size_t capacity = GENERATE(1U, 2U, 3U, 64U);
  int live = 0;
  for (std::size_t turn = 0; turn < capacity; ++turn) {
    const Channel<Counted> channel(capacity);
    for (std::size_t i = 0; i < turn; ++i) {
      channel.TrySend(Counted(0, &live));
      (void)channel.TryReceive();
    }
    for (std::size_t i = 0; i < capacity; ++i) {
      channel.TrySend(Counted(1, &live));
    }
  }
  CHECK(live == 0);
}

TEST_CASE("C7: blocked sends are served in the order in which they came") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  const int base = static_cast<int>(capacity);
  const auto send = [&](int value) {
    return [&channel, value] { return channel.Send(value); };
  };
  InThread first(send(base));
  AwaitSenders(channel, 1);
  InThread second(send(base + 1));
  AwaitSenders(channel, 2);
  InThread third(send(base + 2));
  AwaitSenders(channel, 3);
  for (const int number : Numbers(capacity + 3)) {
    CHECK(channel.Receive() == number);
  }
  CHECK(first.Get());
  CHECK(second.Get());
  CHECK(third.Get());
}

TEST_CASE("C7: room goes to the first blocked send before any newcomer") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  InThread first([&] { return channel.Send(100); });
  AwaitSenders(channel, 1);
  InThread second([&] { return channel.Send(101); });
  AwaitSenders(channel, 2);
  CHECK(channel.TryReceive());
  // Served although nobody has run it yet: the room is gone.
  CHECK(channel.waiting_senders() == 1);
  CHECK(channel.size() == capacity);
  CHECK_FALSE(channel.TrySend(102));
  CHECK(first.Get());
  CHECK(channel.TryReceive());
  CHECK(second.Get());
  const auto rest = TakeAll<int>(channel);
  REQUIRE(rest.size() == capacity);
  if (capacity > 0) CHECK(rest.back() == 101);
  CHECK_FALSE(channel.TryReceive());
}

TEST_CASE("C7: blocked receives are served in the order in which they came") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const auto receive = [&] { return channel.Receive(); };
  InThread first(receive);
  AwaitReceivers(channel, 1);
  InThread second(receive);
  AwaitReceivers(channel, 2);
  InThread third(receive);
  AwaitReceivers(channel, 3);
  for (const int number : {1, 2, 3}) CHECK(channel.TrySend(number));
  CHECK(first.Get() == 1);
  CHECK(second.Get() == 2);
  CHECK(third.Get() == 3);
}

TEST_CASE("C7: a value goes to the first blocked receive, not to a newcomer") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  InThread first([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  InThread second([&] { return channel.Receive(); });
  AwaitReceivers(channel, 2);
  CHECK(channel.TrySend(1));
  CHECK(channel.waiting_receivers() == 1);
  CHECK(channel.size() == 0);
  CHECK_FALSE(channel.TryReceive());
  CHECK(channel.TrySend(2));
  CHECK(first.Get() == 1);
  CHECK(second.Get() == 2);
}

TEST_CASE("C7: a blocked send that gives up is skipped, wherever it stands") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const std::size_t leaver = GENERATE(0U, 1U, 2U);
  const auto channel = FullChannel(capacity);
  std::array<std::stop_source, 3> sources;
  const auto send = [&](std::size_t i) {
    return [&, i] {
      return channel.Send(static_cast<int>(capacity + i),
                          sources[i].get_token());
    };
  };
  InThread first(send(0));
  AwaitSenders(channel, 1);
  InThread second(send(1));
  AwaitSenders(channel, 2);
  InThread third(send(2));
  AwaitSenders(channel, 3);
  sources[leaver].request_stop();
  AwaitSenders(channel, 2);
  auto expected = Numbers(capacity + 3);
  expected.erase(expected.end() - 3 + static_cast<std::ptrdiff_t>(leaver));
  CHECK(TakeAll<int>(channel) == expected);
  CHECK(first.Get() == (leaver != 0));
  CHECK(second.Get() == (leaver != 1));
  CHECK(third.Get() == (leaver != 2));
}

TEST_CASE("C7: a blocked receive that gives up is skipped") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const std::size_t leaver = GENERATE(0U, 1U, 2U);
  const Channel<int> channel(capacity);
  std::array<std::stop_source, 3> sources;
  const auto receive = [&](std::size_t i) {
    return [&, i] { return channel.Receive(sources[i].get_token()); };
  };
  InThread first(receive(0));
  AwaitReceivers(channel, 1);
  InThread second(receive(1));
  AwaitReceivers(channel, 2);
  InThread third(receive(2));
  AwaitReceivers(channel, 3);
  sources[leaver].request_stop();
  AwaitReceivers(channel, 2);
  CHECK(channel.TrySend(1));
  CHECK(channel.TrySend(2));
  const std::array received{first.Get(), second.Get(), third.Get()};
  int next = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    if (i == leaver) {
      CHECK_FALSE(received[i]);
    } else {
      CHECK(received[i] == next++);
    }
  }
}

TEST_CASE("C7: one sender's values stay in order through every capacity") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  InThread sending([&] {
    for (int i = 0; i < 2000; ++i) channel.Send(i);
    channel.Close();
  });
  std::vector<int> received;
  while (const auto value = channel.Receive()) received.push_back(*value);
  sending.Get();
  CHECK(received == Numbers(2000));
}

// ---------------------------------------------------------------------------
// C8: what can be sent, and what runs where
// ---------------------------------------------------------------------------

// Sends through a full channel, to a waiting receive, and from a waiting send.
template <typename T, typename Make, typename Check>
void PassAround(std::size_t capacity, Make make, Check check) {
  const Channel<T> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) channel.TrySend(make());
  {
    InThread sending([&] { return channel.Send(make()); });
    AwaitSenders(channel, 1);
    for (std::size_t i = 0; i <= capacity; ++i) {
      const auto value = channel.TryReceive();
      CHECK((value.has_value() && check(*value)));
    }
    CHECK(sending.Get());
  }
  InThread receiving([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  CHECK(channel.TrySend(make()));
  const auto value = receiving.Get();
  CHECK((value.has_value() && check(*value)));
}

TEST_CASE("C8: a move-only type passes") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  PassAround<MoveOnly>(
      capacity, [] { return Own(7); },
      [](const MoveOnly& value) { return value != nullptr && *value == 7; });
}

TEST_CASE("C8: an over-aligned type stays aligned") {
  const std::size_t capacity = GENERATE(0U, 1U, 3U, 64U);
  PassAround<OverAligned>(
      capacity, [] { return OverAligned{7}; },
      [](const OverAligned& value) {
        return value.value == 7 && value.aligned();
      });
}

// An over-aligned type that notes whether it was ever moved to a wrong place.
struct alignas(128) Placed {
  explicit Placed(std::atomic<int>* wrong) : misplaced(wrong) { Look(); }
  Placed(Placed&& other) noexcept : misplaced(other.misplaced) { Look(); }
  void Look() const {
    if (reinterpret_cast<std::uintptr_t>(this) % 128 != 0) ++*misplaced;
  }
  std::atomic<int>* misplaced;
};

TEST_CASE("C8: an over-aligned type is aligned inside the channel as well") {
  const std::size_t capacity = GENERATE(0U, 1U, 3U, 64U);
  std::atomic<int> misplaced{0};
  PassAround<Placed>(
      capacity, [&] { return Placed(&misplaced); },
      [](const Placed&) { return true; });
  CHECK(misplaced == 0);
}

TEST_CASE("C8: a type without default constructor and assignment passes") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  PassAround<Bare>(
      capacity, [] { return Bare(7); },
      [](const Bare& value) { return value.value == 7; });
}

TEST_CASE("C8: bool passes") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const bool sent = GENERATE(false, true);
  PassAround<bool>(
      capacity, [=] { return sent; },
      [=](bool value) { return value == sent; });
}

TEST_CASE("C8: std::any passes") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  PassAround<std::any>(
      capacity, [] { return std::any(7); },
      [](const std::any& value) {
        const int* number = std::any_cast<int>(&value);
        return number != nullptr && *number == 7;
      });
  const Channel<std::any> channel(1);
  CHECK(channel.TrySend(std::string("word")));
  CHECK(std::any_cast<std::string>(*channel.TryReceive()) == "word");
  // An any that holds an optional is not taken apart.
  CHECK(channel.TrySend(std::any(std::optional<std::any>())));
  const std::optional<std::any> received = channel.TryReceive();
  CHECK(std::any_cast<std::optional<std::any>>(&*received) != nullptr);
}

TEST_CASE("C8: std::optional passes, empty and not") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  PassAround<std::optional<int>>(
      capacity, [] { return std::optional<int>(); },
      [](const std::optional<int>& value) { return !value.has_value(); });
  PassAround<std::optional<int>>(
      capacity, [] { return std::optional<int>(7); },
      [](const std::optional<int>& value) { return value == 7; });
  const Channel<std::optional<int>> channel(2);
  CHECK(channel.TrySend(std::nullopt));
  CHECK(channel.TrySend(7));
  const std::optional<std::optional<int>> first = channel.TryReceive();
  CHECK((first.has_value() && !first->has_value()));
  const std::optional<std::optional<int>> second = channel.TryReceive();
  CHECK((second.has_value() && *second == 7));
  CHECK_FALSE(channel.TryReceive().has_value());
}

TEST_CASE("C8: std::function passes") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  PassAround<std::function<int()>>(
      capacity, [] { return [] { return 7; }; },
      [](const std::function<int()>& value) { return value && value() == 7; });
}

TEST_CASE("C8: a class with an address operator of its own passes") {
  struct Addressless {
    int value = 7;
    void operator&() const = delete;
  };
  struct Owner : Addressless {
    Owner() = default;
    Owner(Owner&&) noexcept {}
  };
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  PassAround<Addressless>(
      capacity, [] { return Addressless(); },
      [](const Addressless& value) { return value.value == 7; });
  PassAround<Owner>(
      capacity, [] { return Owner(); },
      [](const Owner& value) { return value.value == 7; });
}

struct Request {
  int number;
  Sender<Request> reply;
};

struct Tree {
  std::vector<Channel<Tree>> branches;
};

TEST_CASE("C8: a type that holds senders of itself passes") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<Request> server(capacity);
  InThread serving([&] {
    for (Request& request : server) {
      request.reply.Send(Request{request.number * 2, server});
    }
  });
  const Channel<Request> replies(capacity);
  CHECK(server.Send(Request{21, replies}));
  const auto reply = replies.Receive();
  REQUIRE(reply.has_value());
  CHECK(reply->number == 42);
  reply->reply.Close();
  serving.Get();

  const Channel<Tree> tree(1);
  CHECK(tree.Send(Tree{{Channel<Tree>(), Channel<Tree>(1)}}));
  CHECK(tree.Receive()->branches.size() == 2);
}

TEST_CASE("C8: each value is moved along and destroyed exactly once") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  int live = 0;
  {
    const Channel<Counted> channel(capacity);
    for (std::size_t i = 0; i < capacity; ++i) {
      CHECK(channel.TrySend(Counted(static_cast<int>(i), &live)));
    }
    int sent = 0;
    InThread sending([&] { return channel.Send(Counted(7, &sent)); });
    AwaitSenders(channel, 1);
    std::optional<Counted> last;
    for (std::size_t i = 0; i <= capacity; ++i) {
      CHECK(live == static_cast<int>(capacity - i));
      auto value = channel.TryReceive();
      REQUIRE(value.has_value());
      if (i == capacity) last.emplace(*std::move(value));
    }
    CHECK(live == 0);
    CHECK(last->value() == 7);
    CHECK(sending.Get());
    CHECK(sent == 1);
    last.reset();
    CHECK(sent == 0);
  }
}

TEST_CASE("C8: copies run outside the lock and may call the channel") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<Hooked> channel(capacity);
  int calls = 0;
  const Hooked::Hook hook = [&] {
    ++calls;
    (void)channel.size();
    (void)channel.TryReceive();
  };
  const Hooked value(7, &hook);
  InThread receiving([&] { return channel.Receive(); });
  AwaitReceivers(channel, 1);
  CHECK(channel.Send(value));
  CHECK(calls == 1);
  auto received = receiving.Get();
  REQUIRE(received.has_value());
  CHECK(received->value() == 7);
}

TEST_CASE("C8: a live value is destroyed outside the lock") {
  const std::size_t capacity = GENERATE(1U, 64U);
  // What the last handle leaves behind calls another channel as it dies.
  const Channel<int> other(capacity);
  const Hooked::Hook hook = [&] { other.TrySend(7); };
  {
    const Channel<Hooked> channel(capacity);
    CHECK(channel.TrySend(Hooked(1, &hook)));
    channel.Close();
    CHECK(other.size() == 0);
  }
  CHECK(other.size() == 1);
  // A value that could not be sent dies in the caller's hands.
  const Channel<Hooked> closed(capacity);
  const Hooked::Hook look = [&] { (void)closed.size(); };
  closed.Close();
  CHECK_FALSE(closed.Send(Hooked(1, &look)));
}

// ---------------------------------------------------------------------------
// C9: what happens before what. ThreadSanitizer sees the plain data.
// ---------------------------------------------------------------------------

TEST_CASE("C9: a send happens before its receive completes") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int*> channel(capacity);
  std::array<int, 200> data{};
  InThread sending([&] {
    for (std::size_t i = 0; i < data.size(); ++i) {
      data[i] = static_cast<int>(i) + 1;
      channel.Send(&data[i]);
    }
    channel.Close();
  });
  int sum = 0;
  for (const int* value : channel) sum += *value;
  CHECK(sum == 200 * 201 / 2);
}

TEST_CASE("C9: the k-th receive happens before the send k + capacity is done") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  std::array<int, 200> data{};
  // Nothing else orders the two: a send may look at what was written before
  // the receive that made its room.
  InThread receiving([&] {
    for (std::size_t k = 0; k < data.size(); ++k) {
      data[k] = static_cast<int>(k) + 1;
      (void)channel.Receive();
    }
  });
  int wrong = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    channel.Send(0);
    if (i >= capacity &&
        data[i - capacity] != static_cast<int>(i - capacity) + 1)
      ++wrong;
  }
  receiving.Get();
  CHECK(wrong == 0);
}

TEST_CASE("C9: Close happens before a closed result") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto full = FullChannel(capacity);
  const Channel<int> empty(capacity);
  int data = 0;
  InThread receiving([&] { return empty.Receive() ? -1 : data; });
  InThread sending([&] { return full.Send(1) ? -1 : data; });
  InThread looking([&] {
    AwaitThat(
        [&] { return empty.closed() && full.drained() == (capacity == 0); });
    return data;
  });
  InThread trying([&] {
    AwaitThat([&] { return !full.TrySend(1) && full.closed(); });
    return data;
  });
  data = 7;
  full.Close();
  empty.Close();
  CHECK(receiving.Get() == 7);
  CHECK(sending.Get() == 7);
  CHECK(looking.Get() == 7);
  CHECK(trying.Get() == 7);
}

TEST_CASE("C9: what any holder of a handle did happens before it is freed") {
  const std::size_t capacity = GENERATE(1U, 64U);
  for (int round = 0; round < 20; ++round) {
    int live = 0;
    {
      Channel<Counted> channel(capacity);
      InThread one([copy = channel, &live]() mutable {
        copy.TrySend(Counted(1, &live));
        copy = Channel<Counted>();
      });
      channel = Channel<Counted>();
    }
    if (live != 0) FAIL("a value was not freed");
  }
  SUCCEED();
}

// The receiver is gone, with the channel, while the sender still wakes it.
TEST_CASE("C1 C9: a woken thread may drop the last handle at once") {
  for (int round = 0; round < 50; ++round) {
    std::optional<Sender<int>> sender;
    std::optional<InThread<std::function<std::optional<int>()>>> receiving;
    {
      Channel<int> channel;
      sender = channel;
      receiving.emplace([receiver = Receiver<int>(channel)]() mutable {
        auto value = receiver.Receive();
        receiver = {};
        return value;
      });
    }
    sender->Send(round);
    sender.reset();
    if (receiving->Get() != round) FAIL("a wrong value");
  }
  SUCCEED();
}

}  // namespace
