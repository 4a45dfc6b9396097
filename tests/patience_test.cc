// SPDX-License-Identifier: MIT
//
// C4: how often a receive looks for values, in a time that only the test moves.

#define FANFARE_PLATFORM ::PatientPlatform
#define FANFARE_ABI patient

#include <chrono>
#include <functional>

#include <fanfare/detail/spin_lock.h>

#include "support/manual_clock.h"
#include "support/real_parts.h"

namespace patient {

struct Steady;
inline int yields = 0;
inline std::function<void()> others_run = [] {};

}  // namespace patient

struct PatientPlatform : RealParts {
  using Lock = fanfare::detail::SpinLock<PatientPlatform>;
  using Clock = ManualClock<patient::Steady>;

  // Others take a tenth of a microsecond.
  static void GiveWay() noexcept {
    ++patient::yields;
    Clock::Advance(std::chrono::nanoseconds(100));
    patient::others_run();
  }
  static constexpr int kMostYields = 128;
};

#include <fanfare/channel.h>

#include "support/catch.h"

namespace {

using fanfare::Channel;
using patient::others_run;
using patient::yields;

// A channel to which a value comes whenever the receiver gives way, and whose
// receiver has just waited for the first ones and has taken all but one.
struct Stream {
  Stream() {
    others_run = [this] { channel.TrySend(sent++); };
    Receive();
    while (channel.size() > 1) Receive();
    yields = 0;
  }
  ~Stream() {
    others_run = [] {};
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void Receive() { REQUIRE(channel.Receive() == received++); }
  void Send(int values) {
    for (int i = 0; i < values; ++i) REQUIRE(channel.TrySend(sent++));
  }

  Channel<int> channel{128};
  int sent = 0;
  int received = 0;
};

}  // namespace

TEST_CASE("C4: a receive that found few values lets others gather") {
  Stream stream;
  stream.Receive();
  CHECK(yields == 0);
  stream.Receive();
  CHECK(yields == 6);
  CHECK(stream.channel.size() == 5);
  for (int i = 0; i < 5; ++i) stream.Receive();
  CHECK(yields == 6);
}

TEST_CASE("C4: not if it has looked long ago") {
  Stream stream;
  stream.Receive();
  stream.Send(1);
  PatientPlatform::Clock::Advance(std::chrono::microseconds(1));
  stream.Receive();
  CHECK(yields == 0);
}

TEST_CASE("C4: nor if it has looked at another channel since") {
  Stream stream;
  stream.Receive();
  {
    const Stream other;
    others_run = [] {};
  }
  stream.Send(1);
  stream.Receive();
  CHECK(yields == 0);
}

TEST_CASE("C4: nor if it found half of what the channel holds") {
  Stream stream;
  stream.Receive();
  stream.Send(64);
  while (stream.channel.size() > 0) stream.Receive();
  CHECK(yields == 6);
  stream.Send(1);
  stream.Receive();
  CHECK(yields == 6);
}

TEST_CASE("C4: nor if its time is over, or it does not wait") {
  Stream stream;
  stream.Receive();
  stream.Send(1);
  CHECK(stream.channel.ReceiveFor(std::chrono::seconds(0)).has_value());
  stream.Send(1);
  CHECK(stream.channel.TryReceive().has_value());
  CHECK(yields == 0);
}
