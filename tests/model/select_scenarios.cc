// SPDX-License-Identifier: MIT
//
// Select against Select, against Close, and against the end of a subscription.

#include "scenario.h"
// The platform comes first.

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>

#include <fanfare/feed.h>
#include <fanfare/select.h>
#include <fanfare/subscription.h>

namespace model {
namespace {

using fanfare::Channel;
using fanfare::kNoCase;
using fanfare::OnEnd;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnTimeout;
using fanfare::Select;
using namespace std::chrono_literals;

void Crossed() {
  const Channel<int> a, b;
  std::array<std::size_t, 2> index{};
  std::array<int, 2> got{};
  Scheduler::Interleave(
      {[&] {
         index[0] = Select(OnSend(a, 1),
                           OnReceive(b, [&](int value) { got[0] = value; }));
       },
       [&] {
         index[1] = Select(OnSend(b, 2),
                           OnReceive(a, [&](int value) { got[1] = value; }));
       }});
  Expect(index[0] + index[1] == 1, "they do not agree on a channel");
  Expect(got[0] == (index[0] == 1 ? 2 : 0), "the first got something else");
  Expect(got[1] == (index[1] == 1 ? 1 : 0), "the second got something else");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

void CrossedWithAThird() {
  const Channel<int> a, b;
  int balance = 0;
  const auto meet = [&](const Channel<int>& to, const Channel<int>& from) {
    Select(OnSend(to, 1, [&] { ++balance; }),
           OnReceive(from, [&](int value) { balance -= value; }),
           OnTimeout(10s));
  };
  const Channel<int>& third = Scheduler::Choose(2) == 0 ? a : b;
  Scheduler::Interleave({[&] { meet(a, b); }, [&] { meet(b, a); },
                         // Whoever it meets, the other one is left alone.
                         [&] { balance -= third.ReceiveFor(5s).value_or(0); }});
  Expect(balance == 0, "a value is lost or doubled");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

void TwoSends() {
  const Channel<int> a, b;
  int got = 0;
  std::size_t index = kNoCase;
  bool sent_a = false;
  bool sent_b = false;
  Scheduler::Interleave({[&] {
                           index = Select(
                               OnReceive(a, [&](int value) { got = value; }),
                               OnReceive(b, [&](int value) { got = value; }));
                         },
                         [&] { sent_a = a.SendFor(1, 10s); },
                         [&] { sent_b = b.SendFor(2, 10s); }});
  Expect(sent_a != sent_b, "not one was sent");
  Expect(got == (sent_a ? 1 : 2), "another value than was sent");
  Expect(index == (sent_a ? 0U : 1U), "another case than was served");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

void Closing() {
  const Channel<int> a, b;
  std::size_t index = kNoCase;
  bool sent = false;
  bool closed = false;
  Scheduler::Interleave(
      {[&] {
         index = Select(OnReceive(a,
                                  [&](std::optional<int> value) {
                                    closed = !value.has_value();
                                  }),
                        OnReceive(b, [](int) {}));
       },
       [&] { a.Close(); }, [&] { sent = b.SendFor(1, 10s); }});
  Expect(index == (sent ? 1U : 0U), "two cases, or none");
  Expect(closed == (index == 0), "the handler saw something else");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

void ClosingANilCase() {
  const Channel<int> a, b;
  std::size_t index = kNoCase;
  Scheduler::Interleave({[&] {
                           index = Select(OnReceive(a, [](int) {}),
                                          OnReceive(b, [](int) {}));
                         },
                         [&] { a.Close(); }, [&] { b.Send(1); }});
  Expect(index == 1, "a closed channel decided");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

void ClosingASend() {
  const Channel<int> a;
  std::size_t first = 0;
  std::size_t second = 0;
  Scheduler::Interleave({[&] { first = Select(OnSend(a, 1)); },
                         [&] { second = Select(OnReceive(a, [](int) {})); },
                         [&] { a.Close(); }});
  Expect(first == second, "one was refused, the other was not");
  ExpectNobodyWaits(a);
}

// The receive behind the Select is queued when the Select has been served
// elsewhere, or is not queued yet.
void ClosingBehindASelect() {
  const Channel<int> a, b;
  int got = 0;
  bool sent = false;
  bool refused = false;
  Scheduler::Interleave({[&] {
                           Select(
                               OnReceive(a, [](std::optional<int>) {}),
                               OnReceive(b, [&](int value) { got = value; }));
                         },
                         [&] { refused = !a.Receive().has_value(); },
                         [&] {
                           sent = b.TrySend(1);
                           a.Close();
                         }});
  Expect(got == (sent ? 1 : 0), "the value is lost or doubled");
  Expect(refused, "it received from nobody");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

void ServedWhileItStarts() {
  const Channel<int> a(1), b(1);
  Expect(b.TrySend(1), "there was room");
  std::size_t index = kNoCase;
  int got = 0;
  Scheduler::Interleave(
      {[&] {
         index = Select(OnReceive(a, [&](int value) { got = value; }),
                        OnSend(b, 2));
       },
       [&] {
         Expect(b.TryReceive() == 1, "the value that was there");
         Expect(a.TrySend(3), "there is room, or somebody waits");
       }});
  const bool received = index == 0;
  Expect(got == (received ? 3 : 0), "the handler saw something else");
  Expect(a.TryReceive().has_value() == !received, "it is lost or doubled");
  Expect(b.TryReceive().has_value() == !received, "both cases went ahead");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

void EndAfterAValue() {
  struct Source {
    Channel<std::exception_ptr> err;
    [[nodiscard]] fanfare::Receiver<std::exception_ptr> Err() const {
      return err;
    }
  };
  const Source source;
  const Channel<int> a(1);
  int got = 0;
  bool ended = false;
  const auto receive = [&](int value) { got = value; };
  const auto end = [&] { ended = true; };
  Scheduler::Interleave({[&] {
                           while (!ended) {
                             Select(OnEnd(source, end), OnReceive(a, receive));
                           }
                         },
                         [&] {
                           Expect(a.TrySend(1), "there is room");
                           source.err.Close();
                         }});
  Expect(got == 1, "the end came before the value");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(source.err);
}

void ErrAfterAValue() {
  fanfare::Feed<int> feed;
  const Channel<int> a(1);
  const fanfare::Subscription subscription = feed.Subscribe(a);
  int got = 0;
  bool ended = false;
  const auto receive = [&](int value) { got = value; };
  const auto end = [&](const std::optional<std::exception_ptr>&) {
    ended = true;
  };
  Scheduler::Interleave({[&] {
                           while (!ended) {
                             Select(OnReceive(subscription.Err(), end),
                                    OnReceive(a, receive));
                           }
                         },
                         [&] {
                           Expect(feed.Send(1) == 1, "there is room");
                           feed.Close();
                         }});
  Expect(got == 1, "the end came before the value");
  ExpectNobodyWaits(a);
}

constexpr std::array kScenarios = {
    Scenario{"select_crossed",
             "two Selects meet in one channel, and in one alone", Crossed},
    Scenario{"select_crossed_three",
             "the same while another thread meets one of them",
             CrossedWithAThird},
    Scenario{"select_two_sends", "one of two senders is received, whole",
             TwoSends},
    Scenario{"select_close",
             "Close or a value from elsewhere decides a Select, not both",
             Closing},
    Scenario{"select_close_nil",
             "a case whose channel is closed leaves the choice to the others",
             ClosingANilCase},
    Scenario{"select_close_both",
             "Close refuses two Selects that may meet, or "
             "neither",
             ClosingASend},
    Scenario{"select_close_behind",
             "Close reaches a receive behind a Select that was served "
             "elsewhere",
             ClosingBehindASelect},
    Scenario{"select_starting",
             "a case that is served decides, though the next has room",
             ServedWhileItStarts},
    Scenario{"select_end",
             "what was delivered before the end is received before it",
             EndAfterAValue},
    Scenario{"select_err",
             "a receive from Err() comes after what a feed has delivered",
             ErrAfterAValue},
};

}  // namespace

std::span<const Scenario> SelectScenarios() { return kScenarios; }

}  // namespace model
