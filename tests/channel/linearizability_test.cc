// SPDX-License-Identifier: MIT
//
// Random calls of three threads on two channels, and whether what they saw can
// be explained by a channel that does one thing after the other: clauses C4 to
// C7, S1, S2 and S6. On the simulated platform, so that a seed tells the calls
// and the order of events; FANFARE_SEED=<seed> repeats one history.

#include "support/simulated_platform.h"
// The platform comes first.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/select.h>

#include "support/catch.h"
#include "support/histories.h"
#include "support/linearizability.h"
#include "support/values.h"

namespace {

using fanfare::Channel;
using fanfare::kNoCase;
using fanfare::OnDefault;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnTimeout;
using fanfare::Select;
using fanfare::SelectCase;

constexpr std::uint64_t kHistories = 5000;
constexpr std::size_t kThreads = 3;
constexpr std::size_t kChannels = 2;

using Capacities = std::array<std::size_t, kChannels>;

// ---------------------------------------------------------------------------
// The model
// ---------------------------------------------------------------------------

// What a call could do with a channel: send a value, or receive.
struct Offer {
  std::size_t channel = 0;
  bool sends = false;
  int value = 0;  // unlike any other; 0: nothing was received
};

// What a call tells about its channel at some moment.
struct Effect {
  enum class Kind {
    kSent,
    kReceived,
    kClosed,
    kRefused,     // all offers are sends, and their channels are closed
    kDrained,     // closed and empty
    kNoRoom,      // or closed
    kNoValue,     // closed or not
    kNotReady,    // for a receive: neither a value nor closed
    kStandstill,  // nobody can go on
    kNever,       // nonsense
  };

  Kind kind;
  Interval interval;
  Offer offer;                // unless kRefused, kStandstill, kNever
  std::vector<Offer> offers;  // all of its call's
};

// Two of Go's channels. Beyond linearizability: at a standstill no call is
// under way that could go on, and a call that was under way then is seen by all
// that come later.
class ChannelModel {
 public:
  struct State {
    std::array<ChannelState, kChannels> channels;
    EffectSet waiting = 0;  // since the last standstill
    friend auto operator<=>(const State&, const State&) = default;
  };

  ChannelModel(const Capacities& capacities, std::vector<Effect> effects)
      : capacities_(capacities), effects_(std::move(effects)) {}

  [[nodiscard]] bool Explains() const {
    std::vector<Interval> intervals;
    for (const Effect& effect : effects_) intervals.push_back(effect.interval);
    return Linearizer(*this, std::move(intervals)).Succeeds();
  }

  template <typename Step>
  void ForEachStep(const State& state, EffectSet open, Step step) const {
    for (std::size_t i = 0; i < effects_.size(); ++i) {
      if (!Has(open, i)) continue;
      State next = state;
      if (Happens(i, open, next)) step(next, OneEffect(i));
      // A rendezvous: both at once, and nothing stays in the channel.
      const Effect& sent = effects_[i];
      if (sent.kind != Effect::Kind::kSent ||
          capacities_[sent.offer.channel] > 0 ||
          state.channels[sent.offer.channel].closed) {
        continue;
      }
      for (std::size_t j = 0; j < effects_.size(); ++j) {
        const Effect& received = effects_[j];
        if (Has(open, j) && received.kind == Effect::Kind::kReceived &&
            received.offer.channel == sent.offer.channel &&
            received.offer.value == sent.offer.value) {
          step(state, OneEffect(i) | OneEffect(j));
        }
      }
    }
  }

 private:
  // Whether effect i can come next by itself; changes the state to what it
  // leads to.
  bool Happens(std::size_t i, EffectSet open, State& state) const {
    const Effect& effect = effects_[i];
    const std::size_t c = effect.offer.channel;
    ChannelState& channel = state.channels[c];
    const EffectSet waiting = open & state.waiting;
    switch (effect.kind) {
      case Effect::Kind::kSent:
        if (channel.closed || !HasRoom(state, c)) return false;
        channel.Push(effect.offer.value);
        return true;
      case Effect::Kind::kReceived:
        if (channel.front() != effect.offer.value) return false;
        channel.Pop();
        return true;
      case Effect::Kind::kClosed:
        channel.closed = true;
        // A Select that waits to send here looks at its cases anew, and is not
        // seen for a while.
        for (std::size_t j = 0; j < effects_.size(); ++j) {
          if (AnyOffers(OneEffect(j), c, true)) state.waiting &= ~OneEffect(j);
        }
        return true;
      case Effect::Kind::kRefused:
        return Refused(state, effect);
      case Effect::Kind::kDrained:
        return channel.closed && channel.empty();
      case Effect::Kind::kNoRoom:
        return channel.closed ||
               (!HasRoom(state, c) && !AnyOffers(waiting, c, false));
      case Effect::Kind::kNoValue:
        return channel.empty() &&
               (channel.closed || !AnyOffers(waiting, c, true));
      case Effect::Kind::kNotReady:
        return channel.empty() && !channel.closed &&
               !AnyOffers(waiting, c, true);
      case Effect::Kind::kStandstill: {
        state.waiting = Around(effect.interval);
        // What has taken effect would have returned.
        if ((open & ~OneEffect(i)) != state.waiting) return false;
        for (std::size_t j = 0; j < effects_.size(); ++j) {
          if (Has(state.waiting, j) && CanGoOn(state, j)) return false;
        }
        return true;
      }
      case Effect::Kind::kNever:
        break;
    }
    return false;
  }

  [[nodiscard]] bool HasRoom(const State& state, std::size_t c) const {
    return state.channels[c].size() < capacities_[c];
  }

  [[nodiscard]] bool Refused(const State& state, const Effect& effect) const {
    return std::all_of(
        effect.offers.begin(), effect.offers.end(), [&](const Offer& offer) {
          return offer.sends && state.channels[offer.channel].closed;
        });
  }

  // Whether one of the calls sends to the channel, or receives from it.
  [[nodiscard]] bool AnyOffers(EffectSet calls, std::size_t channel,
                               bool sends) const {
    for (std::size_t i = 0; i < effects_.size(); ++i) {
      if (!Has(calls, i)) continue;
      for (const Offer& offer : effects_[i].offers) {
        if (offer.channel == channel && offer.sends == sends) return true;
      }
    }
    return false;
  }

  [[nodiscard]] EffectSet Around(const Interval& moment) const {
    EffectSet around = 0;
    for (std::size_t i = 0; i < effects_.size(); ++i) {
      const Interval& interval = effects_[i].interval;
      if (interval.begin < moment.begin && moment.end < interval.end) {
        around |= OneEffect(i);
      }
    }
    return around;
  }

  // Whether the call of effect i, which waits, could do something: alone, or
  // with another one that waits.
  [[nodiscard]] bool CanGoOn(const State& state, std::size_t i) const {
    const std::vector<Offer>& offers = effects_[i].offers;
    return Refused(state, effects_[i]) ||
           std::any_of(offers.begin(), offers.end(), [&](const Offer& offer) {
             const std::size_t c = offer.channel;
             const ChannelState& channel = state.channels[c];
             if (!offer.sends) return channel.closed || !channel.empty();
             return !channel.closed &&
                    (HasRoom(state, c) ||
                     AnyOffers(state.waiting & ~OneEffect(i), c, false));
           });
  }

  const Capacities capacities_;
  const std::vector<Effect> effects_;
};

// ---------------------------------------------------------------------------
// Calls
// ---------------------------------------------------------------------------

enum class Verb {
  kTrySend,
  kSend,
  kSendFor,
  kTryReceive,
  kReceive,
  kReceiveFor,
  kClose,
  kSelect,
  kSelectOrDefault,
  kSelectOrTimeout,
  kStandstill,  // waits for one
};
constexpr std::array kNames{"TrySend",         "Send",      "SendFor",
                            "TryReceive",      "Receive",   "ReceiveFor",
                            "Close",           "Select",    "SelectOrDefault",
                            "SelectOrTimeout", "Standstill"};

// A call, and what came of it.
struct Call {
  Verb verb = Verb::kStandstill;
  std::vector<Offer> offers{};  // two in a Select, else one or none
  std::chrono::seconds duration{};

  Interval interval{};  // its end is 0 until it has returned
  bool sent = false;
  std::size_t index = kNoCase;    // that Select returned
  std::size_t handler = kNoCase;  // that was called
};

struct History {
  Capacities capacities{};
  // The threads' that are examined; then those of one that helps when all
  // others wait; then of one that empties the channels at the end.
  std::array<std::vector<Call>, kThreads + 2> threads;
};

constexpr std::size_t kHelper = kThreads;
constexpr std::size_t kLast = kThreads + 1;

// What the call says about the channels.
void AddEffects(const Call& call, std::vector<Effect>& effects) {
  using Kind = Effect::Kind;
  const auto add = [&](Kind kind, const Offer& offer = {}) {
    effects.push_back({kind, call.interval, offer, call.offers});
  };
  const auto add_received = [&](const Offer& offer, Kind otherwise) {
    add(offer.value == 0 ? otherwise : Kind::kReceived, offer);
  };
  switch (call.verb) {
    case Verb::kTrySend:
    case Verb::kSendFor:
      add(call.sent ? Kind::kSent : Kind::kNoRoom, call.offers[0]);
      return;
    case Verb::kSend:
      add(call.sent ? Kind::kSent : Kind::kRefused, call.offers[0]);
      return;
    case Verb::kTryReceive:
    case Verb::kReceiveFor:
      add_received(call.offers[0], Kind::kNoValue);
      return;
    case Verb::kReceive:
      add_received(call.offers[0], Kind::kDrained);
      return;
    case Verb::kClose:
      add(Kind::kClosed, call.offers[0]);
      return;
    case Verb::kStandstill:
      add(Kind::kStandstill);
      return;
    case Verb::kSelect:
    case Verb::kSelectOrDefault:
    case Verb::kSelectOrTimeout:
      break;
  }
  if (call.index != call.handler) {
    add(Kind::kNever);
  } else if (call.index < call.offers.size()) {
    const Offer& offer = call.offers[call.index];
    if (offer.sends) {
      add(Kind::kSent, offer);
    } else {
      add_received(offer, Kind::kDrained);
    }
  } else if (call.index == kNoCase) {
    add(call.verb == Verb::kSelect ? Kind::kRefused : Kind::kNever);
  } else if (call.verb == Verb::kSelectOrDefault) {
    // It looks at one channel after the other: each was not ready, but perhaps
    // not both at one moment.
    for (const Offer& offer : call.offers) {
      add(offer.sends ? Kind::kNoRoom : Kind::kNotReady, offer);
    }
  }
  // A timeout that has expired may be chosen before others (S5).
}

bool IsExplained(const History& history) {
  std::vector<Effect> effects;
  for (const auto& calls : history.threads) {
    for (const Call& call : calls) AddEffects(call, effects);
  }
  return ChannelModel(history.capacities, std::move(effects)).Explains();
}

std::string Text(const History& history) {
  std::string text = "capacities " + std::to_string(history.capacities[0]) +
                     " and " + std::to_string(history.capacities[1]) + "\n";
  for (std::size_t t = 0; t < history.threads.size(); ++t) {
    for (const Call& call : history.threads[t]) {
      text += "thread " + std::to_string(t) + " [" +
              std::to_string(call.interval.begin) + ", " +
              std::to_string(call.interval.end) + "] " +
              kNames[static_cast<std::size_t>(call.verb)];
      for (const Offer& offer : call.offers) {
        text += offer.channel == 0 ? " a" : " b";
        if (call.verb != Verb::kClose) {
          text += (offer.sends ? "<-" : "->") + std::to_string(offer.value);
        }
      }
      if (call.sent) text += " sent";
      if (call.index != kNoCase) text += " case " + std::to_string(call.index);
      text += "\n";
    }
  }
  return text;
}

// ---------------------------------------------------------------------------
// Histories
// ---------------------------------------------------------------------------

// Draws capacities and calls.
class Planner {
 public:
  explicit Planner(std::uint64_t seed) : chance_(seed) {}

  History Plan() {
    History history;
    for (std::size_t& capacity : history.capacities) {
      capacity = Below(ChannelState::kMostValues + 1);
    }
    for (std::size_t t = 0; t < kThreads; ++t) {
      const std::size_t count = 2 + Below(3);
      for (std::size_t i = 0; i < count; ++i) {
        history.threads[t].push_back(Draw());
      }
    }
    // When nobody can go on, one more call each time, and in the end all is
    // closed: after that nothing waits.
    std::vector<Call>& helper = history.threads[kHelper];
    for (int i = 0; i < 3; ++i) {
      helper.push_back({});
      helper.push_back(
          Below(2) == 0 ? Call{Verb::kTrySend, {Send(Below(kChannels))}}
                        : Call{Verb::kTryReceive, {Offer{Below(kChannels)}}});
    }
    helper.push_back({});
    helper.push_back({Verb::kClose, {Offer{0}}});
    helper.push_back({Verb::kClose, {Offer{1}}});
    helper.push_back({});
    return history;
  }

 private:
  Call Draw() {
    // Some more often than others; a channel that was closed has few stories.
    constexpr std::array kVerbs{Verb::kTrySend,
                                Verb::kTrySend,
                                Verb::kSend,
                                Verb::kSend,
                                Verb::kSend,
                                Verb::kSendFor,
                                Verb::kTryReceive,
                                Verb::kTryReceive,
                                Verb::kReceive,
                                Verb::kReceive,
                                Verb::kReceive,
                                Verb::kReceiveFor,
                                Verb::kSelect,
                                Verb::kSelect,
                                Verb::kSelect,
                                Verb::kSelectOrDefault,
                                Verb::kSelectOrTimeout,
                                Verb::kClose};
    Call call;
    call.verb = kVerbs[Below(kVerbs.size())];
    call.duration = std::chrono::seconds(Below(3));
    // One channel more often: there they meet.
    const std::size_t channel = Below(4) / 3;
    switch (call.verb) {
      case Verb::kTrySend:
      case Verb::kSend:
      case Verb::kSendFor:
        call.offers = {Send(channel)};
        break;
      case Verb::kSelect:
      case Verb::kSelectOrDefault:
      case Verb::kSelectOrTimeout:
        for (int i = 0; i < 2; ++i) {
          const std::size_t c = Below(kChannels);
          call.offers.push_back(Below(2) == 0 ? Send(c) : Offer{c});
        }
        break;
      default:
        call.offers = {Offer{channel}};
    }
    return call;
  }

  Offer Send(std::size_t channel) { return {channel, true, ++last_value_}; }

  std::size_t Below(std::size_t count) {
    return static_cast<std::size_t>(chance_() % count);
  }

  std::mt19937_64 chance_;
  int last_value_ = 0;
};

template <typename T>
T Make(int number) {
  if constexpr (std::is_same_v<T, MoveOnly>) {
    return Own(number);
  } else {
    return number;
  }
}
template <typename T>
int NumberOf(const std::optional<T>& value) {
  if constexpr (std::is_same_v<T, MoveOnly>) {
    return value.has_value() ? **value : 0;
  } else {
    return value.value_or(0);
  }
}

// The channels of a history.
template <typename T>
class World {
 public:
  explicit World(const Capacities& capacities)
      : channels_{Channel<T>(capacities[0]), Channel<T>(capacities[1])} {}

  void Perform(Call& call) {
    Offer none;
    Offer& offer = call.offers.empty() ? none : call.offers[0];
    const Channel<T>& channel = channels_[offer.channel];
    switch (call.verb) {
      case Verb::kTrySend:
        Time(call, [&, value = Make<T>(offer.value)]() mutable {
          call.sent = channel.TrySend(std::move(value));
        });
        break;
      case Verb::kSend:
        Time(call, [&, value = Make<T>(offer.value)]() mutable {
          call.sent = channel.Send(std::move(value));
        });
        break;
      case Verb::kSendFor:
        Time(call, [&, value = Make<T>(offer.value)]() mutable {
          call.sent = channel.SendFor(std::move(value), call.duration);
        });
        break;
      case Verb::kTryReceive:
        Time(call, [&] { offer.value = NumberOf(channel.TryReceive()); });
        break;
      case Verb::kReceive:
        Time(call, [&] { offer.value = NumberOf(channel.Receive()); });
        break;
      case Verb::kReceiveFor:
        Time(call, [&] {
          offer.value = NumberOf(channel.ReceiveFor(call.duration));
        });
        break;
      case Verb::kClose:
        Time(call, [&] { channel.Close(); });
        break;
      case Verb::kSelect:
      case Verb::kSelectOrDefault:
      case Verb::kSelectOrTimeout:
        PerformSelect(call);
        break;
      case Verb::kStandstill:
        Simulation::AwaitStandstill();
        Time(call, [] {});
    }
  }

 private:
  void PerformSelect(Call& call) {
    std::vector<SelectCase> cases;
    for (std::size_t i = 0; i < call.offers.size(); ++i) {
      Offer& offer = call.offers[i];
      const Channel<T>& channel = channels_[offer.channel];
      if (offer.sends) {
        cases.push_back(OnSend(channel, Make<T>(offer.value),
                               [&call, i] { call.handler = i; }));
      } else {
        cases.emplace_back(
            OnReceive(channel, [&call, &offer, i](std::optional<T> value) {
              call.handler = i;
              offer.value = NumberOf(value);
            }));
      }
    }
    const auto otherwise = [&call] { call.handler = call.offers.size(); };
    if (call.verb == Verb::kSelectOrDefault) {
      cases.emplace_back(OnDefault(otherwise));
    } else if (call.verb == Verb::kSelectOrTimeout) {
      cases.emplace_back(OnTimeout(call.duration, otherwise));
    }
    Time(call, [&] { call.index = Select(std::span<SelectCase>(cases)); });
  }

  template <typename F>
  void Time(Call& call, F perform) {
    call.interval.begin = ++clock_;
    perform();
    call.interval.end = ++clock_;
  }

  std::array<Channel<T>, kChannels> channels_;
  // Not a part of the simulation: nobody comes in where it is used.
  std::atomic<int> clock_{0};
};

// Plans a history and lets it happen.
template <typename T>
History Perform(std::uint64_t seed) {
  History history = Planner(seed).Plan();
  World<T> world(history.capacities);
  PerformInterleaved<kThreads>(seed, history, world);
  // What is left in the channels?
  for (std::size_t c = 0; c < kChannels; ++c) {
    for (std::size_t i = 0; i <= history.capacities[c]; ++i) {
      Call& call = history.threads[kLast].emplace_back();
      call.verb = Verb::kTryReceive;
      call.offers = {Offer{c}};
      world.Perform(call);
    }
  }
  return history;
}

}  // namespace

TEMPLATE_TEST_CASE(
    "C4 C5 C6 C7 S1 S2 S6: what three threads saw, one could have seen", "",
    int, MoveOnly) {
  CheckHistories<kThreads>(kHistories, Perform<TestType>, IsExplained);
}

TEST_CASE("a seed tells the same history again") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CHECK(Text(Perform<int>(seed)) == Text(Perform<int>(seed)));
  }
}

TEST_CASE("the model of channels refuses what no channel does") {
  using Kind = Effect::Kind;
  const auto explains = [](std::size_t capacity, std::vector<Effect> effects) {
    return ChannelModel({capacity, 0}, std::move(effects)).Explains();
  };
  const auto send = [](int value, int begin, int end) {
    const Offer offer{0, true, value};
    return Effect{Kind::kSent, {begin, end}, offer, {offer}};
  };
  const auto receive = [](int value, int begin, int end) {
    const Offer offer{0, false, value};
    return Effect{Kind::kReceived, {begin, end}, offer, {offer}};
  };
  const auto other = [](Kind kind, int begin, int end) {
    const Offer offer{0, kind == Kind::kNoRoom, 0};
    return Effect{kind, {begin, end}, offer, {offer}};
  };

  // First in, first out; two sends side by side are in either order.
  CHECK(explains(2, {send(1, 1, 2), send(2, 3, 4), receive(1, 5, 6)}));
  CHECK_FALSE(explains(2, {send(1, 1, 2), send(2, 3, 4), receive(2, 5, 6)}));
  CHECK(explains(2, {send(1, 1, 4), send(2, 2, 3), receive(2, 5, 6)}));
  // No value comes from nowhere, or twice.
  CHECK_FALSE(explains(2, {receive(1, 1, 2), send(1, 3, 4)}));
  CHECK_FALSE(explains(2, {send(1, 1, 2), receive(1, 3, 4), receive(1, 5, 6)}));
  // A rendezvous takes two at one time.
  CHECK(explains(1, {send(1, 1, 2), receive(1, 3, 4)}));
  CHECK_FALSE(explains(0, {send(1, 1, 2), receive(1, 3, 4)}));
  CHECK(explains(0, {send(1, 1, 3), receive(1, 2, 4)}));
  // Room.
  CHECK(explains(1, {send(1, 1, 2), other(Kind::kNoRoom, 3, 4)}));
  CHECK_FALSE(explains(2, {send(1, 1, 2), other(Kind::kNoRoom, 3, 4)}));
  CHECK_FALSE(explains(1, {send(1, 1, 2), send(2, 3, 4)}));
  CHECK(explains(1, {send(1, 1, 2), send(2, 3, 6), receive(1, 4, 5)}));
  // Close: what is in the channel comes out, nothing goes in.
  const Effect close = other(Kind::kClosed, 3, 4);
  CHECK(explains(1, {send(1, 1, 2), close, receive(1, 5, 6)}));
  CHECK_FALSE(explains(1, {close, send(1, 5, 6)}));
  CHECK_FALSE(explains(1, {send(1, 1, 2), close, other(Kind::kDrained, 5, 6)}));
  CHECK_FALSE(explains(1, {other(Kind::kDrained, 1, 2), close}));
  // At a standstill nobody waits for what is there, or has returned already.
  const Effect standstill{Kind::kStandstill, {3, 4}, {}, {}};
  CHECK(explains(1, {receive(1, 1, 7), standstill, send(1, 5, 6)}));
  CHECK_FALSE(explains(1, {send(1, 0, 1), receive(1, 2, 5), standstill}));
  CHECK_FALSE(explains(1, {send(1, 1, 5), standstill}));
  CHECK_FALSE(explains(0, {send(1, 1, 5), receive(1, 2, 6), standstill}));
  // Who waited then is there for all that come.
  const Effect no_room = other(Kind::kNoRoom, 5, 6);
  CHECK(explains(0, {receive(1, 1, 8), no_room, send(1, 7, 9)}));
  CHECK_FALSE(
      explains(0, {receive(1, 1, 8), standstill, no_room, send(1, 7, 9)}));
}
