// SPDX-License-Identifier: MIT
//
// Every way to send, with every kind of argument, in every situation: what it
// returns, whether an argument that was not sent is left alone, and how often
// it was copied. Clauses C3 to C6.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/channel.h>

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

// Counts its copies and knows whether it was moved from.
struct Parcel {
  Parcel(int n) : number(n) {}  // NOLINT(google-explicit-constructor)
  Parcel(int tens, char ones) : number(tens * 10 + (ones - '0')) {}
  Parcel(const Parcel& other) : number(other.number) { ++copies; }
  Parcel(Parcel&& other) noexcept
      : number(other.number), whole(std::exchange(other.whole, false)) {}

  int number;
  bool whole = true;
  static inline std::atomic<int> copies{0};
};

enum class Argument { kLvalue, kRvalue, kConverted, kBraced };

// Sends 42.
template <typename... Limits>
bool Send(const Sender<Parcel>& sender, Argument argument, Parcel& value,
          const Limits&... limits) {
  switch (argument) {
    case Argument::kLvalue:
      return sender.Send(value, limits...);
    case Argument::kRvalue:
      return sender.Send(std::move(value), limits...);
    case Argument::kConverted:
      return sender.Send(42, limits...);
    case Argument::kBraced:
      break;
  }
  return sender.Send({4, '2'}, limits...);
}

template <typename... Limits>
bool SendFor(const Sender<Parcel>& sender, Argument argument, Parcel& value,
             const Limits&... limits) {
  switch (argument) {
    case Argument::kLvalue:
      return sender.SendFor(value, limits...);
    case Argument::kRvalue:
      return sender.SendFor(std::move(value), limits...);
    case Argument::kConverted:
      return sender.SendFor(42, limits...);
    case Argument::kBraced:
      break;
  }
  return sender.SendFor({4, '2'}, limits...);
}

template <typename... Limits>
bool SendUntil(const Sender<Parcel>& sender, Argument argument, Parcel& value,
               const Limits&... limits) {
  switch (argument) {
    case Argument::kLvalue:
      return sender.SendUntil(value, limits...);
    case Argument::kRvalue:
      return sender.SendUntil(std::move(value), limits...);
    case Argument::kConverted:
      return sender.SendUntil(42, limits...);
    case Argument::kBraced:
      break;
  }
  return sender.SendUntil({4, '2'}, limits...);
}

bool TrySend(const Sender<Parcel>& sender, Argument argument, Parcel& value) {
  switch (argument) {
    case Argument::kLvalue:
      return sender.TrySend(value);
    case Argument::kRvalue:
      return sender.TrySend(std::move(value));
    case Argument::kConverted:
      return sender.TrySend(42);
    case Argument::kBraced:
      break;
  }
  return sender.TrySend({4, '2'});
}

struct Way {
  std::string name;
  bool patient;      // it blocks where it cannot send
  bool stoppable;    // by the token that it is given
  bool copies_late;  // an lvalue, once there is room
  std::function<bool(const Sender<Parcel>&, Argument, Parcel&,
                     const std::stop_token&)>
      send;
};

// Each function, each deadline ahead or past, each kind of stop.
std::vector<Way> Ways() {
  using S = const Sender<Parcel>&;
  using A = Argument;
  using P = Parcel&;
  using Token = const std::stop_token&;
  std::stop_source stopped;
  stopped.request_stop();
  const std::stop_token late = stopped.get_token();
  return {
      {"TrySend", false, false, true,
       [](S s, A a, P p, Token) { return TrySend(s, a, p); }},
      {"Send", true, false, false,
       [](S s, A a, P p, Token) { return Send(s, a, p); }},
      {"Send stop", true, true, false,
       [](S s, A a, P p, Token stop) { return Send(s, a, p, stop); }},
      {"Send stopped", false, false, false,
       [=](S s, A a, P p, Token) { return Send(s, a, p, late); }},
      {"SendFor 1h", true, false, false,
       [](S s, A a, P p, Token) { return SendFor(s, a, p, 1h); }},
      {"SendFor 1h stop", true, true, false,
       [](S s, A a, P p, Token stop) { return SendFor(s, a, p, 1h, stop); }},
      {"SendFor 1h stopped", false, false, false,
       [=](S s, A a, P p, Token) { return SendFor(s, a, p, 1h, late); }},
      {"SendFor 0s", false, false, false,
       [](S s, A a, P p, Token) { return SendFor(s, a, p, 0s); }},
      {"SendFor 0s stop", false, false, false,
       [](S s, A a, P p, Token stop) { return SendFor(s, a, p, 0s, stop); }},
      {"SendFor 0s stopped", false, false, false,
       [=](S s, A a, P p, Token) { return SendFor(s, a, p, 0s, late); }},
      {"SendUntil soon", true, false, false,
       [](S s, A a, P p, Token) { return SendUntil(s, a, p, Clock::Soon()); }},
      {"SendUntil soon stop", true, true, false,
       [](S s, A a, P p, Token stop) {
         return SendUntil(s, a, p, Clock::Soon(), stop);
       }},
      {"SendUntil soon stopped", false, false, false,
       [=](S s, A a, P p, Token) {
         return SendUntil(s, a, p, Clock::Soon(), late);
       }},
      {"SendUntil past", false, false, false,
       [](S s, A a, P p, Token) { return SendUntil(s, a, p, kPast); }},
      {"SendUntil past stop", false, false, false,
       [](S s, A a, P p, Token stop) {
         return SendUntil(s, a, p, kPast, stop);
       }},
      {"SendUntil past stopped", false, false, false,
       [=](S s, A a, P p, Token) { return SendUntil(s, a, p, kPast, late); }},
  };
}

// One send of `way`, and what became of its argument.
class OneSend {
 public:
  OneSend(const Way& way, const Sender<Parcel>& sender, Argument argument)
      : way_(way), sender_(sender), argument_(argument) {
    Parcel::copies = 0;
  }

  bool operator()() {
    return way_.send(sender_, argument_, value_, source_.get_token());
  }
  void RequestStop() { source_.request_stop(); }

  // After a call that returned `sent`.
  void Check(bool sent) const {
    const bool lvalue = argument_ == Argument::kLvalue;
    CHECK(Parcel::copies == (lvalue && (sent || !way_.copies_late) ? 1 : 0));
    CHECK(value_.number == 42);
    CHECK(value_.whole == !(sent && argument_ == Argument::kRvalue));
  }

 private:
  const Way& way_;
  const Sender<Parcel>& sender_;
  Argument argument_;
  std::stop_source source_;
  Parcel value_{42};
};

Channel<Parcel> FullChannel(std::size_t capacity) {
  Channel<Parcel> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) channel.TrySend(Parcel(7));
  return channel;
}

// Calls `check(way, argument)` for each pair of them.
template <typename Check>
void ForEachWay(Check check) {
  for (const Way& way : Ways()) {
    for (const Argument argument : {Argument::kLvalue, Argument::kRvalue,
                                    Argument::kConverted, Argument::kBraced}) {
      CAPTURE(way.name, argument);
      check(way, argument);
    }
  }
}

TEST_CASE("C4 C5 C6: each way to send delivers where there is room") {
  const std::size_t capacity = GENERATE(1U, 64U);
  ForEachWay([&](const Way& way, Argument argument) {
    const Channel<Parcel> channel(capacity);
    OneSend send(way, channel, argument);
    CHECK(send());
    send.Check(true);
    CHECK(channel.TryReceive()->number == 42);
  });
}

TEST_CASE("C4 C5 C6: each way to send hands over to a blocked receive") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForEachWay([&](const Way& way, Argument argument) {
    const Channel<Parcel> channel(capacity);
    InThread receiving([&] { return channel.Receive()->number; });
    AwaitReceivers(channel, 1);
    OneSend send(way, channel, argument);
    CHECK(send());
    send.Check(true);
    CHECK(receiving.Get() == 42);
  });
}

TEST_CASE("C4 C5: no way to send delivers to a channel that is closed") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForEachWay([&](const Way& way, Argument argument) {
    const Channel<Parcel> channel(capacity);
    channel.Close();
    OneSend send(way, channel, argument);
    CHECK_FALSE(send());
    send.Check(false);
    CHECK(channel.size() == 0);
  });
}

TEST_CASE("C4 C5 C6: where there is no room a send gives up or waits for it") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForEachWay([&](const Way& way, Argument argument) {
    const auto channel = FullChannel(capacity);
    OneSend send(way, channel, argument);
    if (!way.patient) {
      CHECK_FALSE(send());
      send.Check(false);
      CHECK(channel.size() == capacity);
      return;
    }
    InThread sending(std::ref(send));
    AwaitSenders(channel, 1);
    for (std::size_t i = 0; i < capacity; ++i) {
      CHECK(channel.Receive()->number == 7);
    }
    CHECK(channel.Receive()->number == 42);
    CHECK(sending.Get());
    send.Check(true);
  });
}

TEST_CASE("C4 C5: a Close ends each way to wait for room") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForEachWay([&](const Way& way, Argument argument) {
    if (!way.patient) return;
    const auto channel = FullChannel(capacity);
    OneSend send(way, channel, argument);
    InThread sending(std::ref(send));
    AwaitSenders(channel, 1);
    channel.Close();
    CHECK_FALSE(sending.Get());
    send.Check(false);
    CHECK(channel.size() == capacity);
  });
}

TEST_CASE("C4 C5: a stop ends each way to wait for room that takes one") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  ForEachWay([&](const Way& way, Argument argument) {
    if (!way.stoppable) return;
    const auto channel = FullChannel(capacity);
    OneSend send(way, channel, argument);
    InThread sending(std::ref(send));
    AwaitSenders(channel, 1);
    send.RequestStop();
    CHECK_FALSE(sending.Get());
    send.Check(false);
    CHECK(channel.size() == capacity);
  });
}

TEST_CASE("C3 C5: on a nil sender each way to send waits or gives up") {
  ForEachWay([&](const Way& way, Argument argument) {
    if (way.patient && !way.stoppable) return;
    const Sender<Parcel> nil;
    OneSend send(way, nil, argument);
    send.RequestStop();
    CHECK_FALSE(send());
    send.Check(false);
  });
}

TEST_CASE("C4: a deadline ends a send that could be stopped as well") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const auto channel = FullChannel(capacity);
  const std::stop_source source;
  const auto soon = Clock::Soon();
  InThread sending(
      [&] { return channel.SendUntil(42, soon, source.get_token()); });
  AwaitSenders(channel, 1);
  Clock::Advance();
  CHECK_FALSE(sending.Get());
  CHECK_FALSE(channel.SendFor(42, 1us, source.get_token()));
}

TEST_CASE("C4 C6: a receive with a deadline can be stopped as well") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  std::stop_source source;
  const std::stop_token stop = source.get_token();
  const auto soon = Clock::Soon();
  {
    InThread receiving([&] { return channel.ReceiveUntil(soon, stop); });
    AwaitReceivers(channel, 1);
    Clock::Advance();
    CHECK_FALSE(receiving.Get());
    CHECK_FALSE(channel.ReceiveFor(1us, stop));
  }
  InThread first([&] { return channel.ReceiveFor(1h, stop); });
  AwaitReceivers(channel, 1);
  CHECK(channel.Send(7));
  CHECK(first.Get() == 7);
  InThread second([&] { return channel.ReceiveFor(1h, stop); });
  InThread third([&] { return channel.ReceiveUntil(Clock::Soon(), stop); });
  AwaitReceivers(channel, 2);
  source.request_stop();
  CHECK_FALSE(second.Get());
  CHECK_FALSE(third.Get());
  CHECK_FALSE(Receiver<int>().ReceiveFor(1h, stop));
  CHECK_FALSE(Receiver<int>().ReceiveUntil(Clock::Soon(), stop));
  if (capacity == 0) return;
  CHECK(channel.Send(8));
  CHECK(channel.ReceiveFor(1h, stop) == 8);
  CHECK(channel.Send(9));
  CHECK(channel.ReceiveUntil(kPast, stop) == 9);
}

// ---------------------------------------------------------------------------
// C5: arguments that are no ordinary references
// ---------------------------------------------------------------------------

TEST_CASE("C5: bit-fields, packed fields and null pointers can be sent") {
  const std::size_t capacity = GENERATE(4U, 64U);
  struct Header {
    unsigned version : 4, length : 12;
  };
  struct [[gnu::packed]] Packed {
    char tag;
    int value;
  };
  Header header{1, 2};
  Packed packed{'a', 3};
  const Channel<unsigned> lengths(capacity);
  CHECK(lengths.Send(header.length));
  CHECK(lengths.TrySend(header.length));
  CHECK(lengths.SendFor(header.length, 0s));
  CHECK(lengths.SendUntil(header.length, kPast));
  CHECK(lengths.Receive() == 2U);

  const Channel<int> values(capacity);
  // clang++ refers to the field itself where a const int& is wanted, which is
  // undefined behaviour, as it is with any function.
#ifndef __clang__
  CHECK(values.Send(packed.value));
  CHECK(values.TrySend(packed.value));
#else
  CHECK(values.Send(+packed.value));
#endif
  CHECK(values.Send(header.version));  // of another type
  CHECK(values.Receive() == 3);

  const Channel<int*> pointers(capacity);
  CHECK(pointers.Send(0));
  CHECK(pointers.TrySend(NULL));
  CHECK(pointers.SendFor(nullptr, 0s));
  CHECK(pointers.Receive() == nullptr);
}

// Cannot be converted implicitly to what a move takes.
struct Reluctant {
  explicit Reluctant(int) {}
};

template <typename T, typename Value>
concept CanBeSent = requires(const Sender<T>& sender, Value value) {
  sender.Send(std::forward<Value>(value));
}
|| requires(const Sender<T>& sender, Value value) {
  sender.TrySend(std::forward<Value>(value));
}
|| requires(const Sender<T>& sender, Value value) {
  sender.SendFor(std::forward<Value>(value), 1s);
}
|| requires(const Sender<T>& sender, Value value) {
  sender.SendUntil(std::forward<Value>(value), kPast);
};

TEST_CASE("C5: an lvalue of a move-only type cannot be sent in any way") {
  STATIC_REQUIRE(CanBeSent<MoveOnly, MoveOnly>);
  STATIC_REQUIRE_FALSE(CanBeSent<MoveOnly, MoveOnly&>);
  STATIC_REQUIRE_FALSE(CanBeSent<MoveOnly, const MoveOnly&>);
  STATIC_REQUIRE_FALSE(CanBeSent<MoveOnly, const MoveOnly>);
  STATIC_REQUIRE_FALSE(CanBeSent<Reluctant, int>);
  STATIC_REQUIRE(CanBeSent<std::string, const std::string>);
}

TEST_CASE("C5: a TrySend that cannot deliver does not copy its lvalue") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<Uncopyable> channel(capacity);
  for (std::size_t i = 0; i < capacity; ++i) channel.TrySend(Uncopyable());
  const Uncopyable value;
  CHECK_FALSE(channel.TrySend(value));
  channel.Close();
  CHECK_FALSE(channel.TrySend(value));
}

TEST_CASE("C5 C8: a TrySend loses the room to what its copy sends") {
  const Channel<Hooked> channel(1);
  const Hooked::Hook fill = [&] { channel.TrySend(Hooked(1, nullptr)); };
  const Hooked value(7, &fill);
  CHECK_FALSE(channel.TrySend(value));
  CHECK(channel.TryReceive()->value() == 1);
}

}  // namespace
