// SPDX-License-Identifier: MIT
//
// C4: a value that is there is received at once, whatever happened before.

#define FANFARE_PLATFORM ::PatientPlatform
#define FANFARE_ABI patient

#include <chrono>
#include <ratio>

#include <fanfare/detail/base/spin_lock.h>

#include "support/real_parts.h"

namespace patient {

// What the calling thread has done.
inline thread_local int clock_reads = 0;
inline thread_local int pauses = 0;  // and yields
inline thread_local int locks = 0;

struct Clock : std::chrono::steady_clock {
  static time_point now() noexcept {
    ++clock_reads;
    return steady_clock::now();
  }
};

template <typename Base>
struct Counted : Base {
  void lock() noexcept {
    ++locks;
    Base::lock();
  }
};

}  // namespace patient

struct PatientPlatform : RealParts {
  using Lock = patient::Counted<fanfare::detail::SpinLock<PatientPlatform>>;
  using Clock = patient::Clock;

  static void CpuRelax() noexcept { ++patient::pauses; }
  static void YieldThread() noexcept {
    ++patient::pauses;
    RealParts::YieldThread();
  }
};

#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <fanfare/channel.h>
#include <fanfare/select.h>

#include "support/catch.h"
#include "support/in_thread.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;

// Each way to receive, and how often it reads a clock: to know when it would
// give up, not to receive.
struct Way {
  const char* name;
  std::optional<int> (*receive)(const Channel<int>&);
  int clock_reads;
};
constexpr Way kWays[] = {
    {"Receive", [](const Channel<int>& c) { return c.Receive(); }, 0},
    {"Receive with a stop token",
     [](const Channel<int>& c) {
       return c.Receive(std::stop_source().get_token());
     },
     0},
    {"TryReceive", [](const Channel<int>& c) { return c.TryReceive(); }, 0},
    {"ReceiveFor",
     [](const Channel<int>& c) { return c.ReceiveFor(std::chrono::hours(1)); },
     1},
    {"ReceiveFor no time",
     [](const Channel<int>& c) { return c.ReceiveFor(std::chrono::hours(0)); },
     1},
    {"ReceiveUntil",
     [](const Channel<int>& c) {
       return c.ReceiveUntil(std::chrono::steady_clock::time_point::max());
     },
     1},
    {"a range",
     [](const Channel<int>& c) -> std::optional<int> {
       const auto value = c.begin();
       return *value;
     },
     0},
    {"Select",
     [](const Channel<int>& c) {
       std::optional<int> value;
       fanfare::Select(fanfare::OnReceive(
           c, [&](std::optional<int> received) { value = received; }));
       return value;
     },
     0},
};

// What the channel's receiver has seen before. Each leaves the channel empty.
struct Before {
  const char* name;
  void (*happen)(const Channel<int>&);
};
void SendAndReceive(const Channel<int>& channel, std::size_t values) {
  for (std::size_t i = 0; i < values; ++i) REQUIRE(channel.TrySend(0));
  for (std::size_t i = 0; i < values; ++i) REQUIRE(channel.Receive() == 0);
}
constexpr Before kBefore[] = {
    {"nothing", [](const Channel<int>&) {}},
    {"it found one value", [](const Channel<int>& c) { SendAndReceive(c, 1); }},
    {"it found all values",
     [](const Channel<int>& c) { SendAndReceive(c, c.capacity()); }},
    {"it found none",
     [](const Channel<int>& c) { REQUIRE_FALSE(c.TryReceive()); }},
    {"it waited in vain",
     [](const Channel<int>& c) {
       REQUIRE_FALSE(c.ReceiveFor(std::chrono::nanoseconds(1)));
     }},
    {"it waited, and a value came",
     [](const Channel<int>& c) {
       InThread receiving([&] { return c.Receive(); });
       AwaitReceivers(c, 1);
       REQUIRE(c.TrySend(0));
       REQUIRE(receiving.Get() == 0);
     }},
    {"it waited itself, and a value came",
     [](const Channel<int>& c) {
       InThread sending([&] {
         AwaitReceivers(c, 1);
         return c.TrySend(0);
       });
       REQUIRE(c.Receive() == 0);
       REQUIRE(sending.Get());
     }},
};

// Receives, which has to take no time.
void ReceiveAtOnce(const Way& way, const Channel<int>& channel, int expected) {
  patient::clock_reads = patient::pauses = 0;
  const std::optional<int> received = way.receive(channel);
  CHECK(patient::clock_reads == way.clock_reads);
  CHECK(patient::pauses == 0);
  CHECK(received == expected);
}

}  // namespace

TEST_CASE(
    "C4: a value that is there is received at once, whatever was before") {
  for (const Way& way : kWays) {
    for (const Before& before : kBefore) {
      for (const std::size_t capacity : {1U, 2U, 64U, 128U}) {
        INFO(way.name << " of a channel of " << capacity << ", before which "
                      << before.name);
        const Channel<int> channel(capacity);
        before.happen(channel);
        REQUIRE(channel.TrySend(1));
        ReceiveAtOnce(way, channel, 1);
        // And the same again: what it has just found is the last that it knows.
        REQUIRE(channel.TrySend(2));
        ReceiveAtOnce(way, channel, 2);
      }
    }
  }
}

TEST_CASE("C4: the value of a Send that is blocked is received at once") {
  for (const Way& way : kWays) {
    for (const std::size_t capacity : {0U, 1U, 64U}) {
      INFO(way.name << " of a channel of " << capacity);
      const Channel<int> channel(capacity);
      for (std::size_t i = 0; i < capacity; ++i) REQUIRE(channel.TrySend(1));
      InThread sending([&] { return channel.Send(1); });
      AwaitSenders(channel, 1);
      ReceiveAtOnce(way, channel, 1);
      CHECK(sending.Get());
    }
  }
}

TEST_CASE("C4: to meet a Send that is blocked, a receive locks each end once") {
  for (const Way& way : kWays) {
    INFO(way.name);
    const Channel<int> channel;
    InThread sending([&] { return channel.Send(1); });
    AwaitSenders(channel, 1);
    patient::locks = 0;
    CHECK(way.receive(channel) == 1);
    CHECK(patient::locks == 2);
    CHECK(sending.Get());
  }
}
