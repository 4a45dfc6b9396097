// SPDX-License-Identifier: MIT
//
// The countdown of a Send to many, and the turn to send.

#include "scenario.h"
// The platform comes first.

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <utility>

#include <fanfare/feed.h>
#include <fanfare/select.h>

namespace model {
namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::OnReceive;
using fanfare::Select;
using fanfare::Subscription;
using namespace std::chrono_literals;

struct CopyFailed {};

// Is copied by the sender, and counted.
class Value {
 public:
  Value() { ++alive; }
  Value(const Value&) {
    if (copies_until_failure-- == 0) throw CopyFailed();
    ++alive;
  }
  Value(Value&&) noexcept { ++alive; }
  ~Value() { --alive; }

  static inline int alive = 0;
  static inline int copies_until_failure = 0;

  static void Restart() {
    alive = 0;
    copies_until_failure = -1;
  }
};

// A feed with two subscribers who are not ready. The first one gets a copy, the
// second one the value itself.
template <typename T>
struct Audience {
  explicit Audience(std::size_t capacity = 0) : a(capacity), b(capacity) {
    Value::Restart();
    subscriptions[0] = feed.Subscribe(a);
    subscriptions[1] = feed.Subscribe(b);
    while (a.TrySend(T()) && b.TrySend(T())) taken += 2;
  }
  ~Audience() {
    ExpectNobodyWaits(a);
    ExpectNobodyWaits(b);
    Expect(feed.waiting_senders() == 0, "a Send is left in the line");
  }
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;

  void Count(const std::optional<T>& value) {
    if (value.has_value()) ++got;
  }
  // Looks once whether there is anything.
  Body TryBoth() {
    return [this] {
      Count(a.TryReceive());
      Count(b.TryReceive());
    };
  }
  void ExpectAllThere() const {
    Expect(taken == got, "another number than were taken");
    Expect(Value::alive == 0, "a copy is lost or destroyed twice");
  }
  // Whoever has the turn has passed it on.
  void ExpectTurnIsFree() {
    const Channel<T> last(1);
    const Subscription subscription = feed.Subscribe(last);
    feed.TrySend(T());
    Expect(last.size() == 1, "the turn is not free");
  }

  Feed<T> feed;
  Channel<T> a, b;
  std::array<Subscription, 2> subscriptions;
  std::size_t taken = 0;
  std::size_t got = 0;
};

template <typename T>
void Unsubscribing() {
  Audience<T> audience;
  Scheduler::Interleave({[&] { audience.taken = audience.feed.Send(T()); },
                         [&] {
                           audience.Count(audience.b.Receive());
                           audience.Count(audience.a.TryReceive());
                         },
                         [&] {
                           audience.subscriptions[0].Unsubscribe();
                           Expect(!audience.a.TryReceive().has_value(),
                                  "a delivery after Unsubscribe");
                         }});
  audience.ExpectAllThere();
  Expect(audience.feed.subscriber_count() == 1,
         "a subscriber is lost, or one too many");
  audience.ExpectTurnIsFree();
}

template <typename T>
void ClosingTheFeed() {
  Audience<T> audience;
  Scheduler::Interleave({[&] { audience.taken = audience.feed.Send(T()); },
                         audience.TryBoth(), [&] { audience.feed.Close(); }});
  audience.ExpectAllThere();
  Expect(audience.feed.subscriber_count() == 0, "a subscriber is left");
  Expect(audience.subscriptions[0].Err().drained() &&
             audience.subscriptions[1].Err().drained(),
         "a subscription has not ended");
}

template <typename T>
void ClosingAChannel() {
  Audience<T> audience;
  Scheduler::Interleave({[&] { audience.taken = audience.feed.Send(T()); },
                         [&] {
                           audience.Count(audience.b.Receive());
                           audience.Count(audience.a.TryReceive());
                         },
                         [&] { audience.a.Close(); }});
  audience.ExpectAllThere();
  // Either the Send has noticed that, or it was over before.
  if (audience.feed.subscriber_count() == 2) audience.feed.TrySend(T());
  Expect(audience.feed.subscriber_count() == 1, "it stays subscribed");
  audience.ExpectTurnIsFree();
}

template <typename T>
void TimingOut() {
  Audience<T> audience;
  Scheduler::Interleave(
      {[&] { audience.taken = audience.feed.SendFor(T(), 10s); },
       audience.TryBoth(), TimePasses(10s)});
  audience.ExpectAllThere();
  audience.ExpectTurnIsFree();
}

// Where values gather, a Send looks again before it leaves its offers behind.
template <typename T>
void Lagging() {
  Audience<T> audience(2);
  Scheduler::Interleave(
      {[&] { audience.taken += audience.feed.SendFor(T(), 10s); },
       audience.TryBoth(), [&] { audience.subscriptions[0].Unsubscribe(); }});
  audience.got += CountLeft(audience.a) + CountLeft(audience.b);
  audience.ExpectAllThere();
  audience.ExpectTurnIsFree();
}

void Stopping() {
  Audience<Value> audience;
  std::stop_source stop;
  Scheduler::Interleave(
      {[&] { audience.taken = audience.feed.Send(Value(), stop.get_token()); },
       audience.TryBoth(),
       [&] {
         const Scheduler::Uninterrupted request;
         stop.request_stop();
       }});
  audience.ExpectAllThere();
  audience.ExpectTurnIsFree();
}

void Throwing() {
  Audience<Value> audience;
  // Behind the others, and takes the Send's own copy: the second copy is for
  // the first subscriber, whose channel is not ready, and the third one fails.
  const Channel<Value> last;
  const Subscription subscription = audience.feed.Subscribe(last);
  Value::copies_until_failure = 2;
  bool failed = false;
  Scheduler::Interleave({[&] {
                           const Value value;
                           try {
                             audience.taken = audience.feed.SendFor(value, 10s);
                           } catch (const CopyFailed&) {
                             failed = true;
                           }
                         },
                         [&] { audience.Count(audience.a.ReceiveFor(5s)); },
                         [&] { audience.subscriptions[1].Unsubscribe(); }});
  Value::copies_until_failure = -1;
  // What was delivered before the failure stands.
  if (!failed)
    Expect(audience.taken == audience.got, "another number than were taken");
  Expect(Value::alive == 0, "a copy is lost or destroyed twice");
  audience.ExpectTurnIsFree();
}

// The turn, with a subscriber that always has room.
struct Line {
  Line() { subscription = feed.Subscribe(channel); }
  ~Line() {
    Expect(feed.waiting_senders() == 0, "a Send is left in the line");
    Expect(taken == CountLeft(channel), "another number than were taken");
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void ExpectTurnIsFree() {
    const std::size_t count = feed.TrySend(3);
    Expect(count == 1, "the turn is not free");
    taken += count;
  }

  Feed<int> feed;
  const Channel<int> channel{4};
  Subscription subscription;
  std::size_t taken = 0;
};

void TurnAndDeadline() {
  Line line;
  Scheduler::Interleave({[&] { line.taken += line.feed.Send(1); },
                         [&] { line.taken += line.feed.SendFor(2, 10s); },
                         TimePasses(10s)});
  line.ExpectTurnIsFree();
}

void TurnAndStop() {
  Line line;
  std::stop_source stop;
  Scheduler::Interleave(
      {[&] { line.taken += line.feed.Send(1); },
       [&] { line.taken += line.feed.Send(2, stop.get_token()); },
       [&] {
         const Scheduler::Uninterrupted request;
         stop.request_stop();
       }});
  line.ExpectTurnIsFree();
}

void TurnOfThree() {
  Line line;
  Scheduler::Interleave({[&] { line.taken += line.feed.Send(1); },
                         [&] { line.taken += line.feed.Send(2); },
                         [&] { line.taken += line.feed.SendFor(3, 10s); }});
  Expect(line.taken == 3, "not everybody had a turn");
  line.ExpectTurnIsFree();
}

void TurnServedByOthers() {
  Feed<int> feed;
  const Channel<int> channel(1);
  const Subscription subscription = feed.Subscribe(channel);
  std::size_t taken = 0;
  std::array<int, 3> got{};
  Scheduler::Interleave({[&] {
                           taken += feed.Send(1);
                           taken += feed.Send(2);
                         },
                         [&] { taken += feed.Send(3); },
                         [&] {
                           for (int& value : got) {
                             value = channel.Receive().value_or(0);
                           }
                         }});
  Expect(taken == 3, "not everybody had a turn");
  const bool in_order = got == std::array{1, 2, 3} ||
                        got == std::array{1, 3, 2} ||
                        got == std::array{3, 1, 2};
  Expect(in_order, "a value is lost, doubled or out of order");
  Expect(feed.waiting_senders() == 0, "a Send is left in the line");
  ExpectNobodyWaits(channel);
}

void TurnBehindALaggard() {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  std::size_t taken = 0;
  std::size_t got = 0;
  Scheduler::TimeWillMove();
  Scheduler::Interleave({[&] { taken += feed.SendFor(1, 20s); },
                         [&] { taken += feed.SendFor(2, 10s); },
                         [&] {
                           got += channel.Receive().has_value() ? 1 : 0;
                           Scheduler::MoveTime(10s);
                           got += channel.TryReceive().has_value() ? 1 : 0;
                         }});
  Expect(taken == got, "another number than were taken");
  Expect(feed.waiting_senders() == 0, "a Send is left in the line");
  ExpectNobodyWaits(channel);
}

void TurnBehindALaggardAndStop() {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  std::stop_source stop;
  std::size_t taken = 0;
  std::size_t got = 0;
  Scheduler::Interleave({[&] { taken += feed.Send(1, stop.get_token()); },
                         [&] { taken += feed.Send(2, stop.get_token()); },
                         [&] {
                           got += channel.TryReceive().has_value() ? 1 : 0;
                           const Scheduler::Uninterrupted request;
                           stop.request_stop();
                         }});
  Expect(taken == got, "another number than were taken");
  Expect(feed.waiting_senders() == 0, "a Send is left in the line");
  ExpectNobodyWaits(channel);
}

// One subscribes while a Send is under way, and another thread closes the feed.
void CloseAndANewcomer() {
  Feed<int> feed;
  const Channel<int> channel, late(1);
  const Subscription subscription = feed.Subscribe(channel);
  Subscription newcomer;
  std::size_t taken = 0;
  Scheduler::Interleave({[&] { taken = feed.Send(1); },
                         [&] { newcomer = feed.Subscribe(late); },
                         [&] { feed.Close(); }});
  Expect(subscription.Err().drained(), "the subscription has not ended");
  Expect(newcomer.Err().drained(), "the newcomer has not ended");
  Expect(late.size() == taken, "another number than were taken");
  Expect(feed.subscriber_count() == 0, "a subscriber is left");
}

void TurnAndClose() {
  Line line;
  Scheduler::Interleave({[&] { line.taken += line.feed.Send(1); },
                         [&] { line.taken += line.feed.Send(2); },
                         [&] { line.feed.Close(); }});
  Expect(line.feed.Send(3) == 0, "a closed feed sends");
}

void TurnOfAClosedFeed() {
  Line line;
  const Channel<int> late(1);
  Scheduler::Interleave({[&] { line.feed.Close(); },
                         [&] {
                           const Subscription subscription =
                               line.feed.Subscribe(late);
                           const bool closed = subscription.Err().closed();
                           const std::size_t count = line.feed.Send(1);
                           Expect(count == 0 || !closed, "a closed feed sends");
                           line.taken += count - late.size();
                         }});
}

void TurnAndSubscribers() {
  Line line;
  const Channel<int> late(4);
  Subscription newcomer;
  Scheduler::Interleave({[&] { line.taken += line.feed.Send(1); },
                         [&] { newcomer = line.feed.Subscribe(late); },
                         [&] { line.subscription.Unsubscribe(); }});
  Expect(line.feed.subscriber_count() == 1, "a subscriber is lost");
  line.taken -= late.size();
  Expect(line.feed.TrySend(2) == 1, "the turn is not free");
  Expect(late.TryReceive().has_value(), "nobody was told");
}

void DestroyingTheFeed() {
  std::optional<Feed<int>> feed(std::in_place);
  const Channel<int> channel;
  const Subscription subscription = feed->Subscribe(channel);
  bool destroying = false;
  bool sent = false;
  Scheduler::Interleave({[&] {
                           feed->Send(1);
                           sent = true;
                         },
                         [&] {
                           // No Send may begin from here on.
                           while (channel.waiting_senders() == 0) {
                             Scheduler::Yield();
                           }
                           destroying = true;
                           feed.reset();
                         },
                         [&] {
                           while (!destroying) Scheduler::Yield();
                           static_cast<void>(channel.TryReceive());
                         }});
  Expect(sent, "a Send is left behind");
  ExpectNobodyWaits(channel);
}

void DestroyingTheFeedWithALine() {
  Value::Restart();
  std::optional<Feed<Value>> feed(std::in_place);
  const Channel<Value> channel;
  Subscription subscription = feed->Subscribe(channel);
  int sent = 0;
  const auto send = [&] {
    feed->Send(Value());
    ++sent;
  };
  Scheduler::Interleave({send, send, [&] {
                           // One has the turn, the other one waits for it.
                           while (feed->waiting_senders() == 0) {
                             Scheduler::Yield();
                           }
                           subscription.Unsubscribe();
                           feed.reset();
                         }});
  Expect(sent == 2, "a Send is left behind");
  ExpectNobodyWaits(channel);
}

void DestroyingTheFeedBesideClose() {
  Value::Restart();
  std::optional<Feed<Value>> feed(std::in_place);
  const Channel<Value> first(1);
  const Subscription closed = feed->Subscribe(first);
  // The feed alone has the second channel, with a value in it.
  std::optional<Channel<Value>> second(std::in_place, 1);
  Subscription subscription = feed->Subscribe(*second);
  second->TrySend(Value());
  second.reset();
  Scheduler::Interleave({[&] { feed->Close(); },
                         [&] {
                           while (!closed.Err().closed()) Scheduler::Yield();
                           subscription = {};
                           feed.reset();
                           Expect(Value::alive == 0,
                                  "a value outlives the feed that had it");
                         }});
}

void OfferedToASelect() {
  Feed<int> feed;
  const Channel<int> a, b;
  const Subscription subscription = feed.Subscribe(b);
  int got = 0;
  std::size_t taken = 0;
  bool served = false;
  std::size_t index = fanfare::kNoCase;
  Scheduler::Interleave(
      {[&] {
         index = Select(OnReceive(a, [&](int value) { got += value; }),
                        OnReceive(b, [&](int value) { got += value; }));
       },
       [&] { taken = feed.SendFor(1, 10s); }, [&] { served = a.TrySend(10); }});
  Expect(got == static_cast<int>(taken) + (served ? 10 : 0), "a value is lost");
  Expect(index == (served ? 0U : 1U), "another case than was served");
  ExpectNobodyWaits(a);
  ExpectNobodyWaits(b);
}

constexpr std::array kScenarios = {
    Scenario{"fan_out_unsubscribe",
             "Unsubscribe releases a Send, which counts every delivery, and "
             "ends them",
             Unsubscribing<Value>},
    Scenario{"fan_out_unsubscribe_int",
             "the same for bytes that are not copied first",
             Unsubscribing<int>},
    Scenario{"fan_out_close",
             "Close releases a Send, which counts every delivery",
             ClosingTheFeed<Value>},
    Scenario{"fan_out_channel_close",
             "a subscriber that closes its channel releases a Send",
             ClosingAChannel<Value>},
    Scenario{"fan_out_timeout",
             "at the deadline every copy is delivered or taken back",
             TimingOut<Value>},
    Scenario{"fan_out_timeout_int",
             "the same for bytes that are not copied first", TimingOut<int>},
    Scenario{"fan_out_lag", "the same for channels where values gather",
             Lagging<Value>},
    Scenario{"fan_out_stop", "the same at a stop", Stopping},
    Scenario{"fan_out_throw",
             "a copy that throws leaves no offer behind and passes the turn on",
             Throwing},
    Scenario{"fan_out_select",
             "a Select takes an offer, or was served elsewhere, not both",
             OfferedToASelect},
    Scenario{"turn_deadline",
             "the turn comes or the deadline; it is never lost",
             TurnAndDeadline},
    Scenario{"turn_stop", "the same at a stop", TurnAndStop},
    Scenario{"turn_three", "each of three Sends has a turn", TurnOfThree},
    Scenario{"turn_served",
             "each value is delivered once and in order, whoever does it",
             TurnServedByOthers},
    Scenario{"turn_laggard",
             "turns and deadlines are kept while a subscriber lags",
             TurnBehindALaggard},
    Scenario{"turn_laggard_stop", "the same at a stop",
             TurnBehindALaggardAndStop},
    Scenario{"turn_close_newcomer",
             "Close ends one that subscribes meanwhile as well",
             CloseAndANewcomer},
    Scenario{"turn_close", "Close leaves no Send in the line", TurnAndClose},
    Scenario{"turn_of_closed",
             "whoever has seen that the feed is closed sends to nobody",
             TurnOfAClosedFeed},
    Scenario{"turn_destroyed", "the destructor waits for the last Send",
             DestroyingTheFeed},
    Scenario{"turn_destroyed_line",
             "the same where that one waited for its turn",
             DestroyingTheFeedWithALine},
    Scenario{"turn_destroyed_close",
             "the destructor waits for what a Close lets go of",
             DestroyingTheFeedBesideClose},
    Scenario{"turn_subscribers",
             "who comes or goes during a Send is in the list afterwards or is "
             "not",
             TurnAndSubscribers},
};

}  // namespace

std::span<const Scenario> FeedScenarios() { return kScenarios; }

}  // namespace model
