// SPDX-License-Identifier: MIT
//
// Selects over spans of cases that are kept, and waits for nothing but time or
// a stop.

#include "scenario.h"
// The platform comes first.

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <stop_token>

#include <fanfare/select.h>

namespace model {
namespace {

using fanfare::Channel;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnStop;
using fanfare::Receiver;
using fanfare::Select;
using fanfare::SelectCase;
using namespace std::chrono_literals;

void RequestStop(std::stop_source& source) {
  const Scheduler::Uninterrupted request;
  source.request_stop();
}

void SpanIsUsedTwice() {
  const Channel<int> a, b;
  int sum = 0;
  const auto add = [&](int value) { sum += value; };
  std::array<SelectCase, 2> cases{OnReceive(a, add), OnReceive(b, add)};
  std::array<std::size_t, 2> chosen{};
  Scheduler::Interleave({[&] {
                           for (std::size_t& index : chosen)
                             index = Select(std::span(cases));
                         },
                         [&] { a.Send(1); }, [&] { b.Send(2); }});
  Expect(sum == 3, "a value is lost or doubled");
  Expect(chosen[0] + chosen[1] == 1, "another case than was served");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

void SpanKeepsAnUnsentValue() {
  const Channel<int> a, b;
  int got = 0;
  std::array<SelectCase, 2> cases{
      OnSend(a, 1), OnReceive(b, [&](int value) { got = value; })};
  std::size_t chosen = 2;
  std::optional<int> taken;
  bool sent = false;
  Scheduler::Interleave({[&] { chosen = Select(std::span(cases)); },
                         [&] { taken = a.ReceiveFor(10s); },
                         [&] { sent = b.SendFor(2, 10s); }});
  Expect(taken.has_value() == (chosen == 0), "another case than was served");
  Expect(sent == (chosen == 1), "another case than was served");
  Expect(got == (sent ? 2 : 0), "the handler saw something else");
  const std::optional<int> unsent = cases[0].TakeUnsent<int>();
  Expect(unsent.has_value() != taken.has_value(), "it is lost or doubled");
  Expect(unsent.value_or(1) == 1 && taken.value_or(1) == 1, "another value");
  Expect(!cases[0].TakeUnsent<int>().has_value(), "it is taken twice");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

// The stop may come between the two, or after both.
void SpanWithAStop() {
  const Channel<int> a;
  std::stop_source source;
  std::size_t received = 0;
  std::array<SelectCase, 2> cases{OnReceive(a, [&](int) { ++received; }),
                                  OnStop(source.get_token())};
  std::size_t stopped = 0;
  std::size_t sent = 0;
  Scheduler::Interleave({[&] {
                           for (int i = 0; i < 2; ++i) {
                             stopped += Select(std::span(cases));
                           }
                         },
                         [&] {
                           while (sent < 2 && a.SendFor(1, 10s)) ++sent;
                         },
                         [&] { RequestStop(source); }});
  Expect(sent == received, "a value is lost or doubled");
  Expect(received + stopped == 2, "neither case was chosen, or both");
  ExpectNobodyWaits(a);
}

void NilEndsWithItsTime() {
  bool got = false;
  Scheduler::Interleave(
      {[&] { got = Receiver<int>().ReceiveFor(5s).has_value(); },
       TimePasses(7s)});
  Expect(!got, "a value of nobody's");
  Expect(Scheduler::now() >= 5s, "it returned too early");
}

void NilEndsWithAStop() {
  std::stop_source source;
  bool got = false;
  Scheduler::Interleave(
      {[&] { got = Receiver<int>().Receive(source.get_token()).has_value(); },
       [&] { RequestStop(source); }});
  Expect(!got, "a value of nobody's");
  Expect(Scheduler::now() == 0s, "it waited for something else");
}

// A clock that takes twice as long for everything.
struct SlowClock {
  using duration = Scheduler::Time;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<SlowClock>;
  [[maybe_unused]] static constexpr bool is_steady = true;
  static time_point now() { return time_point(Scheduler::now() / 2); }
};

void UntilAMomentOfASlowClock() {
  const Channel<int> channel;
  std::optional<int> got;
  bool sent = false;
  Scheduler::Time returned{};
  Scheduler::Interleave({[&] {
                           got =
                               channel.ReceiveUntil(SlowClock::time_point(2s));
                           returned = Scheduler::now();
                         },
                         [&] {
                           Scheduler::MoveTime(3s);
                           sent = channel.TrySend(1);
                         }});
  Expect(got.has_value() == sent, "the value is lost or doubled");
  Expect(sent || returned >= 4s, "it returned too early");
  ExpectNobodyWaits(channel);
}

constexpr std::array kScenarios = {
    Scenario{"span_twice", "a kept span takes one value in each Select",
             SpanIsUsedTwice},
    Scenario{"span_unsent", "a value is sent, or can be taken out of its case",
             SpanKeepsAnUnsentValue},
    Scenario{"span_stop",
             "a stop between two Selects of a span meets neither's thread",
             SpanWithAStop},
    Scenario{"nil_time", "a receive on a nil channel ends with its time",
             NilEndsWithItsTime},
    Scenario{"nil_stop", "the same with a stop", NilEndsWithAStop},
    Scenario{"until_slow_clock",
             "a moment of another clock is waited for by that clock",
             UntilAMomentOfASlowClock},
};

}  // namespace

std::span<const Scenario> SpanScenarios() { return kScenarios; }

}  // namespace model
