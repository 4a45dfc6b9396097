// SPDX-License-Identifier: MIT
//
// Every kind of case, in every form of Select, in every situation, at several
// capacities. A row of the table is a type; the program is the product.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/manual_clock.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::kNoCase;
using fanfare::Loop;
using fanfare::OnDefault;
using fanfare::OnEnd;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnStop;
using fanfare::OnTimeout;
using fanfare::Select;
using fanfare::SelectCase;
using fanfare::SelectLoop;
using fanfare::Subscription;
using namespace std::chrono_literals;

const std::string kValue = "a value too long for the small string optimisation";

enum class When {
  kNow,    // the case is ready before Select starts
  kLater,  // it becomes ready once Select is blocked
  kNot,    // another case happens instead
};

// What the cases of one round refer to. Nothing here is used by two threads at
// once but what may be.
struct Stage {
  Stage(std::size_t capacity, When situation)
      : when(situation), channel(capacity) {}
  ~Stage() { helper = {}; }

  // Runs `function` beside the Select, joined by the next call.
  template <typename F>
  void Help(F function) {
    helper = std::jthread(function);
  }
  // One send for a receive that is tested. Returns once it has been made or,
  // where it must wait for the receive, is blocked.
  void SendOne() {
    const std::size_t before = sent;
    Help([this] {
      channel.Send(kValue);
      ++sent;
    });
    AwaitThat([&] { return sent > before || channel.waiting_senders() == 1; });
  }
  // One receive for a send that is tested.
  void ReceiveOne() {
    const std::size_t before = taken;
    Help([this] {
      last = channel.Receive().value_or("closed");
      ++taken;
    });
    AwaitThat(
        [&] { return taken > before || channel.waiting_receivers() == 1; });
  }
  void Fill() {
    while (channel.TrySend("filling")) {
    }
  }
  // Whether `value` was sent: after all that was there before.
  bool Arrived(const std::string& wanted) {
    helper = {};
    while (auto next = channel.TryReceive()) last = *next;
    return last == wanted;
  }

  const When when;
  const Channel<std::string> channel;
  const Channel<int> other;  // whose receive is the other case
  std::atomic<int> handled = 0;
  std::atomic<std::size_t> sent = 0;
  std::atomic<std::size_t> taken = 0;
  std::string got, last;
  std::string value = kValue;
  std::stop_source stop;
  Feed<int> feed;
  Subscription subscription = feed.Subscribe(Channel<int>(1));
  std::jthread helper;
};

// ---------------------------------------------------------------------------
// The rows: the case, what makes it ready, what it has done
// ---------------------------------------------------------------------------

struct Receives {
  static constexpr bool kAgain = true;  // it happens in a second Select, too
  static constexpr bool kEndsLoop = false;
  static void Prepare(Stage&) {}
  static void MakeReady(Stage& on) { on.SendOne(); }
  static bool Done(Stage& on) {
    on.helper = {};
    return on.got == kValue && on.channel.size() == 0;
  }
};

struct ReceivesOptional : Receives {
  static auto Make(Stage& on) {
    return OnReceive(on.channel, [&on](std::optional<std::string> value) {
      on.got = std::move(value).value_or("closed");
      ++on.handled;
    });
  }
};

struct ReceivesValue : Receives {
  static auto Make(Stage& on) {
    return OnReceive(on.channel, [&on](std::string value) {
      on.got = std::move(value);
      ++on.handled;
    });
  }
};

struct ReceivesValueOrEnd : Receives {
  static auto Make(Stage& on) {
    return OnReceive(
        on.channel,
        [&on](std::string value) {
          on.got = std::move(value);
          ++on.handled;
        },
        [&on] { on.got = "closed"; });
  }
};

struct Sends {
  static constexpr bool kAgain = false;
  static constexpr bool kEndsLoop = false;
  static void Prepare(Stage& on) { on.Fill(); }
  static void MakeReady(Stage& on) { on.ReceiveOne(); }
  static bool Done(Stage& on) { return on.Arrived(kValue); }
};

struct SendsLvalue : Sends {
  static auto Make(Stage& on) {
    return OnSend(on.channel, std::as_const(on.value), [&on] { ++on.handled; });
  }
  static bool Done(Stage& on) { return Sends::Done(on) && on.value == kValue; }
};

struct SendsRvalue : Sends {
  static auto Make(Stage& on) {
    return OnSend(on.channel, std::move(on.value), [&on] { ++on.handled; });
  }
};

struct SendsConverted : Sends {
  static auto Make(Stage& on) {
    return OnSend(on.channel, kValue.c_str(), [&on] { ++on.handled; });
  }
};

struct TimesOut {
  static constexpr bool kAgain = true;
  static constexpr bool kEndsLoop = false;
  static void Prepare(Stage&) {}
  static void MakeReady(Stage&) {}
  static auto Make(Stage& on) {
    return OnTimeout(on.when == When::kNow     ? 0s
                     : on.when == When::kLater ? std::chrono::microseconds(100)
                                               : std::chrono::hours(1000),
                     [&on] { ++on.handled; });
  }
  static bool Done(Stage& on) { return on.handled >= 1; }
};

struct ReachesTime {
  static constexpr bool kAgain = true;
  static constexpr bool kEndsLoop = true;
  using Clock = ManualClock<ReachesTime>;
  static void Prepare(Stage&) {}
  static void MakeReady(Stage&) { Clock::Advance(); }
  static auto Make(Stage& on) {
    const auto time = on.when == When::kNow     ? Clock::now()
                      : on.when == When::kLater ? Clock::Soon()
                                                : Clock::now() + 1000h;
    return OnTimeout(time, [&on] { ++on.handled; });
  }
  static bool Done(Stage&) { return true; }
};

struct Stops {
  static constexpr bool kAgain = true;
  static constexpr bool kEndsLoop = true;
  static void Prepare(Stage&) {}
  static void MakeReady(Stage& on) { on.stop.request_stop(); }
  static auto Make(Stage& on) {
    return OnStop(on.stop.get_token(), [&on] { ++on.handled; });
  }
  static bool Done(Stage&) { return true; }
};

struct Ends {
  static constexpr bool kAgain = true;
  static constexpr bool kEndsLoop = true;
  static void Prepare(Stage&) {}
  static void MakeReady(Stage& on) { on.feed.Close(); }
  static auto Make(Stage& on) {
    return OnEnd(on.subscription, [&on](std::exception_ptr error) {
      on.handled += error == nullptr ? 1 : 100;
    });
  }
  static bool Done(Stage& on) { return on.subscription.ended(); }
};

// ---------------------------------------------------------------------------
// The forms
// ---------------------------------------------------------------------------

template <typename Row>
void AwaitBlocked(Stage& on) {
  AwaitReceivers(on.other, 1);
  if constexpr (std::is_base_of_v<Receives, Row>) AwaitReceivers(on.channel, 1);
  if constexpr (std::is_base_of_v<Sends, Row>) AwaitSenders(on.channel, 1);
}

// What other threads do while `select` selects among the row's case and a
// receive; returns what it returned.
template <typename Row, typename F>
std::size_t Run(Stage& on, When when, F select) {
  if (when == When::kNow) Row::MakeReady(on);
  InThread selecting(select);
  if (when == When::kNot ||
      (when == When::kLater && !std::is_same_v<Row, TimesOut>)) {
    AwaitBlocked<Row>(on);
  }
  if (when == When::kLater) Row::MakeReady(on);
  if (when == When::kNot) on.other.Send(1);
  return selecting.Get();
}

template <typename Row>
void SelectOnce(std::size_t capacity, When when) {
  Stage on(capacity, when);
  Row::Prepare(on);
  const std::size_t index = Run<Row>(on, when, [&] {
    return Select(Row::Make(on), OnReceive(on.other, [](int) {}));
  });
  const bool happens = when != When::kNot;
  CHECK(index == (happens ? 0 : 1));
  CHECK(on.handled == (happens ? 1 : 0));
  if (happens) CHECK(Row::Done(on));
  if (!happens) CHECK(on.value == kValue);
  CHECK(on.channel.waiting_receivers() + on.channel.waiting_senders() == 0);
}

template <typename Row>
void SelectTwice(std::size_t capacity, When when) {
  Stage on(capacity, when);
  Row::Prepare(on);
  std::array<SelectCase, 2> cases{Row::Make(on),
                                  OnReceive(on.other, [](int) {})};
  const auto select = [&] { return Select(cases); };
  const bool happens = when != When::kNot;
  CHECK(Run<Row>(on, when, select) == (happens ? 0 : 1));
  CHECK(on.handled == (happens ? 1 : 0));
  const bool again = happens && Row::kAgain;
  // A send has nothing more to send, although there is room.
  if (happens && !again) {
    CHECK(Row::Done(on));
    InThread selecting(select);
    AwaitReceivers(on.other, 1);
    on.other.Send(1);
    CHECK(selecting.Get() == 1);
  } else {
    // What ends a loop stays ready.
    const When second = happens && Row::kEndsLoop ? When::kNow : when;
    CHECK(Run<Row>(on, second, select) == (happens ? 0 : 1));
    if (happens) CHECK(Row::Done(on));
  }
  CHECK(on.handled == (again ? 2 : happens ? 1 : 0));
  CHECK(on.channel.waiting_receivers() + on.channel.waiting_senders() == 0);
}

template <typename Row>
void SelectOrDefault(std::size_t capacity, When when) {
  if (when == When::kLater) return;
  Stage on(capacity, when);
  Row::Prepare(on);
  const bool happens = when == When::kNow;
  if (happens) Row::MakeReady(on);
  CHECK(Select(Row::Make(on), OnDefault()) == (happens ? 0 : 1));
  if (happens) CHECK(Row::Done(on));
  if (!happens) CHECK(on.value == kValue);
  CHECK(on.channel.waiting_receivers() + on.channel.waiting_senders() == 0);
}

template <typename Row>
void SelectInLoop(std::size_t capacity, When when) {
  Stage on(capacity, when);
  Row::Prepare(on);
  const bool happens = when != When::kNot;
  const auto select = [&] {
    return SelectLoop(Row::Make(on),
                      OnReceive(on.other, [](int) { return Loop::kBreak; }));
  };
  if (happens && !Row::kEndsLoop) {
    if (when == When::kNow) Row::MakeReady(on);
    InThread selecting(select);
    if (when == When::kLater && !std::is_same_v<Row, TimesOut>)
      AwaitBlocked<Row>(on);
    if (when == When::kLater) Row::MakeReady(on);
    AwaitThat([&] { return on.handled >= 1; });
    on.other.Send(1);
    CHECK(selecting.Get() == 1);
  } else {
    CHECK(Run<Row>(on, when, select) == (happens ? 0 : 1));
  }
  if (happens) CHECK(Row::Done(on));
  if (!happens) CHECK(on.handled == 0);
  if (happens && !std::is_same_v<Row, TimesOut>) CHECK(on.handled == 1);
  CHECK(on.channel.waiting_receivers() + on.channel.waiting_senders() == 0);
}

TEMPLATE_TEST_CASE("S1 S3 S7 S9 S10: every case, when it is ready or not", "",
                   ReceivesOptional, ReceivesValue, ReceivesValueOrEnd,
                   SendsLvalue, SendsRvalue, SendsConverted, TimesOut,
                   ReachesTime, Stops, Ends) {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const When when = GENERATE(When::kNow, When::kLater, When::kNot);
  INFO("capacity " << capacity << ", situation " << static_cast<int>(when));
  SelectOnce<TestType>(capacity, when);
  SelectTwice<TestType>(capacity, when);
  SelectOrDefault<TestType>(capacity, when);
  SelectInLoop<TestType>(capacity, when);
}

}  // namespace
