// SPDX-License-Identifier: MIT
//
// Random calls of three threads on a feed and its two channels, and whether
// what they saw can be explained by a feed that does one thing after the other:
// clauses F2 to F5, F7 and F8, and with options O3 and V1. See
// linearizability_test.cc.

#include "support/simulated_platform.h"
// The platform comes first.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/feed.h>
#include <fanfare/feed_options.h>

#include "support/catch.h"
#include "support/feeds.h"
#include "support/histories.h"
#include "support/linearizability.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Overflow;
using fanfare::Subscription;

constexpr std::uint64_t kHistories = 3000;
constexpr std::size_t kThreads = 3;
constexpr std::size_t kChannels = 2;

using Capacities = std::array<std::size_t, kChannels>;

enum class Verb {
  kSend,
  kTrySend,
  kSendFor,
  kSubscribe,
  kUnsubscribe,
  kReceive,
  kTryReceive,
  kCloseFeed,
  kCloseChannel,
  kStandstill,  // waits for one
};
constexpr std::array kNames{
    "Send",    "TrySend",    "SendFor",   "Subscribe",    "Unsubscribe",
    "Receive", "TryReceive", "CloseFeed", "CloseChannel", "Standstill"};

// A call, and what came of it.
struct Call {
  Verb verb = Verb::kStandstill;
  std::size_t channel = 0;
  std::size_t subscription = 0;  // its number in the history
  int value = 0;                 // sent or received; 0: nothing was received
  std::chrono::seconds duration{};
  // Of a subscription: what becomes of a value that does not fit, and whether
  // it receives the last value first.
  Overflow overflow = Overflow::kWait;
  bool replay = false;

  Interval interval{};  // its end is 0 until it has returned
  std::size_t taken = 0;
};

struct History {
  Capacities capacities{};
  std::size_t subscriptions = 0;
  bool has_options = false;
  // The threads' that are examined; then those of one that helps when all
  // others wait; then of one that is alone, before and after the others.
  std::array<std::vector<Call>, kThreads + 2> threads;
};

constexpr std::size_t kHelper = kThreads;
constexpr std::size_t kAlone = kThreads + 1;

// ---------------------------------------------------------------------------
// The model
// ---------------------------------------------------------------------------

// A Send takes the turn, hands its value to one subscriber after the other, in
// any order, and gives the turn back; all else takes effect at once. Only those
// that subscribe during a Send receive the last value later, before the next
// Send has the turn.
class FeedModel {
 public:
  struct State {
    std::array<ChannelState, kChannels> channels;
    EffectSet subscribed = 0;
    bool closed = false;
    // Of the Send that has the turn: one more than its number, who has not
    // got the value yet, and how many have.
    std::size_t turn = 0;
    EffectSet left = 0;
    std::size_t taken = 0;
    int last = 0;             // the value of the last Send that had the turn
    EffectSet newcomers = 0;  // who is to receive it when the turn is free
    friend auto operator<=>(const State&, const State&) = default;
  };

  explicit FeedModel(const History& history)
      : capacities_(history.capacities), has_options_(history.has_options) {
    for (const auto& calls : history.threads) {
      for (const Call& call : calls) {
        effects_.push_back(call);
        if (call.verb == Verb::kSubscribe) {
          subscribed_.resize(history.subscriptions);
          subscribed_[call.subscription] = call;
        }
        // Close ends one subscription after the other.
        if (call.verb != Verb::kCloseFeed) continue;
        for (std::size_t s = 0; s < history.subscriptions; ++s) {
          Call end = call;
          end.verb = Verb::kUnsubscribe;
          end.subscription = s;
          effects_.push_back(end);
        }
      }
    }
  }

  [[nodiscard]] bool Explains() const {
    std::vector<Interval> intervals;
    for (const Call& effect : effects_) intervals.push_back(effect.interval);
    return Linearizer(*this, std::move(intervals)).Succeeds();
  }

  template <typename Step>
  void ForEachStep(const State& state, EffectSet open, Step step) const {
    if (state.turn != 0) GoOn(state, open, step);
    for (std::size_t s = 0; s < subscribed_.size(); ++s) {
      if (state.turn != 0 || !Has(state.newcomers, s)) continue;
      State next = state;
      Replay(next, s);
      step(next, 0);
    }
    for (std::size_t i = 0; i < effects_.size(); ++i) {
      if (!Has(open, i)) continue;
      State next = state;
      if (Happens(i, open, next)) step(next, OneEffect(i));
      if (Sends(effects_[i]) && state.turn == 0 && state.newcomers == 0 &&
          !state.closed) {
        next = state;
        next.turn = i + 1;
        next.left = state.subscribed;
        next.taken = 0;
        next.last = effects_[i].value;
        step(next, 0);
      }
    }
  }

 private:
  static bool Sends(const Call& call) {
    return call.verb == Verb::kSend || call.verb == Verb::kTrySend ||
           call.verb == Verb::kSendFor;
  }

  // What the Send that has the turn can do next.
  template <typename Step>
  void GoOn(const State& state, EffectSet open, Step step) const {
    const std::size_t sender = state.turn - 1;
    const Call& send = effects_[sender];
    State next = state;
    if (state.left == 0 && state.taken == send.taken) {
      next.turn = 0;
      next.taken = 0;
      step(next, OneEffect(sender));
    }
    for (std::size_t s = 0; s < subscribed_.size(); ++s) {
      if (!Has(state.left, s)) continue;
      const std::size_t c = subscribed_[s].channel;
      next = state;
      next.left &= ~OneEffect(s);
      if (!HasRoom(state, c)) MeetFull(next, s, send, step);
      ++next.taken;
      if (HasRoom(state, c)) {
        next.channels[c].Push(send.value);
        step(next, 0);
      }
      // A rendezvous: both at once, and nothing stays in the channel.
      for (std::size_t i = 0; i < effects_.size(); ++i) {
        if (capacities_[c] == 0 && Has(open, i) && Receives(effects_[i], c) &&
            effects_[i].value == send.value) {
          step(next, OneEffect(i));
        }
      }
    }
  }

  // What becomes of the value of `send` if there is no room for it. `next` is
  // the state without that delivery.
  template <typename Step>
  void MeetFull(State next, std::size_t s, const Call& send, Step step) const {
    switch (subscribed_[s].overflow) {
      case Overflow::kWait:
        // A Send that does not wait leaves out who is not ready.
        if (send.verb != Verb::kSend) step(next, 0);
        return;
      case Overflow::kDropNewest:
        return step(next, 0);
      case Overflow::kDropOldest: {
        ChannelState& channel = next.channels[subscribed_[s].channel];
        channel.Pop();
        channel.Push(send.value);
        ++next.taken;
        return step(next, 0);
      }
      case Overflow::kEnd:
        next.subscribed &= ~OneEffect(s);
        return step(next, 0);
    }
  }

  // Puts the last value into the channel of a newcomer, if there is room, or if
  // its policy makes room.
  void Replay(State& state, std::size_t s) const {
    const std::size_t c = subscribed_[s].channel;
    ChannelState& channel = state.channels[c];
    state.newcomers &= ~OneEffect(s);
    if (state.last == 0 || channel.closed) return;
    if (!HasRoom(state, c)) {
      if (subscribed_[s].overflow != Overflow::kDropOldest) return;
      channel.Pop();
    }
    channel.Push(state.last);
  }

  // Whether effect i can come next by itself; changes the state to what it
  // leads to.
  bool Happens(std::size_t i, EffectSet open, State& state) const {
    const Call& effect = effects_[i];
    ChannelState& channel = state.channels[effect.channel];
    switch (effect.verb) {
      case Verb::kSend:
        return effect.taken == 0 && state.closed;
      case Verb::kTrySend:
      case Verb::kSendFor:
        return effect.taken == 0 &&
               (state.closed || (state.turn != 0 && state.turn != i + 1) ||
                IsServing(effect.interval, open));
      case Verb::kSubscribe:
        if (state.closed) return true;
        state.subscribed |= OneEffect(effect.subscription);
        if (!effect.replay) return true;
        state.newcomers |= OneEffect(effect.subscription);
        if (!IsBesideATurn(effect.interval)) Replay(state, effect.subscription);
        return true;
      case Verb::kUnsubscribe:
        state.subscribed &= ~OneEffect(effect.subscription);
        state.left &= ~OneEffect(effect.subscription);
        state.newcomers &= ~OneEffect(effect.subscription);
        return true;
      case Verb::kReceive:
      case Verb::kTryReceive:
        if (effect.value == 0) {
          return channel.empty() &&
                 (channel.closed || effect.verb == Verb::kTryReceive);
        }
        if (channel.front() != effect.value) return false;
        channel.Pop();
        return true;
      case Verb::kCloseFeed:
        state.closed = true;
        return true;
      case Verb::kCloseChannel:
        channel.closed = true;
        return true;
      case Verb::kStandstill:
        return NobodyCanGoOn(state, open & ~OneEffect(i), effect.interval);
    }
    return false;
  }

  // Whether a Send that has delivered its own value could still have the turn
  // then, to deliver those of others; or a Subscribe, to deliver the last one.
  bool IsServing(const Interval& interval, EffectSet open) const {
    for (std::size_t i = 0; i < effects_.size(); ++i) {
      const Call& effect = effects_[i];
      if (!effect.interval.Overlaps(interval)) continue;
      if (effect.verb == Verb::kSubscribe && effect.replay) return true;
      // With options, a Send that had the turn may have delivered nothing.
      if (Sends(effect) && (effect.taken > 0 || has_options_) &&
          !Has(open, i)) {
        return true;
      }
    }
    return false;
  }

  // Whether a Send, or another Subscribe, may have had the turn then.
  [[nodiscard]] bool IsBesideATurn(const Interval& interval) const {
    return std::any_of(effects_.begin(), effects_.end(), [&](const Call& call) {
      return (Sends(call) || call.replay) &&
             call.interval.begin != interval.begin &&
             call.interval.Overlaps(interval);
    });
  }

  // Whether exactly `waiting` were under way then, and had to wait.
  [[nodiscard]] bool NobodyCanGoOn(const State& state, EffectSet waiting,
                                   const Interval& then) const {
    bool sends = false;
    std::array<bool, kChannels> receives{};
    for (std::size_t i = 0; i < effects_.size(); ++i) {
      const Call& call = effects_[i];
      const bool around =
          call.interval.begin < then.begin && then.end < call.interval.end;
      if (around != Has(waiting, i)) return false;
      if (!around) continue;
      if (Sends(call)) {
        sends = true;
      } else if (call.verb == Verb::kReceive &&
                 state.channels[call.channel].empty() &&
                 !state.channels[call.channel].closed) {
        receives[call.channel] = true;
      } else {
        return false;
      }
    }
    if (state.newcomers != 0 && state.turn == 0) return false;
    if (!sends) return state.turn == 0;
    for (std::size_t s = 0; s < subscribed_.size(); ++s) {
      const std::size_t c = subscribed_[s].channel;
      if (Has(state.left, s) && (HasRoom(state, c) || receives[c] ||
                                 subscribed_[s].overflow != Overflow::kWait)) {
        return false;
      }
    }
    return state.turn != 0 && state.left != 0;
  }

  static bool Receives(const Call& call, std::size_t channel) {
    return (call.verb == Verb::kReceive || call.verb == Verb::kTryReceive) &&
           call.channel == channel;
  }
  [[nodiscard]] bool HasRoom(const State& state, std::size_t c) const {
    return state.channels[c].size() < capacities_[c];
  }

  const Capacities capacities_;
  const bool has_options_;
  std::vector<Call> effects_;
  std::vector<Call> subscribed_;  // by the number of the subscription
};

std::string Text(const History& history) {
  std::string text = "capacities " + std::to_string(history.capacities[0]) +
                     " and " + std::to_string(history.capacities[1]) + "\n";
  for (std::size_t t = 0; t < history.threads.size(); ++t) {
    for (const Call& call : history.threads[t]) {
      text += "thread " + std::to_string(t) + " [" +
              std::to_string(call.interval.begin) + ", " +
              std::to_string(call.interval.end) + "] " +
              kNames[static_cast<std::size_t>(call.verb)] + " channel " +
              std::to_string(call.channel) + " subscription " +
              std::to_string(call.subscription) + " value " +
              std::to_string(call.value) + " taken " +
              std::to_string(call.taken) + " overflow " +
              std::to_string(static_cast<int>(call.overflow)) +
              (call.replay ? " replay\n" : "\n");
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
  Planner(std::uint64_t seed, bool has_options) : chance_(seed) {
    history_.has_options = has_options;
  }

  History Plan() {
    for (std::size_t& capacity : history_.capacities) {
      capacity = Below(ChannelState::kMostValues + 1);
    }
    for (std::size_t c = 0; c < kChannels; ++c) {
      history_.threads[kAlone].push_back(Subscribe(c));
    }
    for (std::size_t t = 0; t < kThreads; ++t) {
      std::vector<std::size_t> known{0, 1};
      const std::size_t count = 2 + Below(3);
      for (std::size_t i = 0; i < count; ++i) {
        history_.threads[t].push_back(Draw(known));
      }
    }
    // When nobody can go on, one more call each time, and in the end all is
    // closed: after that nothing waits.
    std::vector<Call>& helper = history_.threads[kHelper];
    for (int i = 0; i < 4; ++i) {
      helper.push_back({});
      helper.push_back({Verb::kTryReceive, Below(kChannels)});
    }
    helper.push_back({});
    helper.push_back({Verb::kCloseFeed});
    helper.push_back({Verb::kCloseChannel, 0});
    helper.push_back({Verb::kCloseChannel, 1});
    helper.push_back({});
    return std::move(history_);
  }

 private:
  Call Draw(std::vector<std::size_t>& known) {
    constexpr std::array kVerbs{
        Verb::kSend,      Verb::kSend,        Verb::kSend,
        Verb::kTrySend,   Verb::kSendFor,     Verb::kReceive,
        Verb::kReceive,   Verb::kReceive,     Verb::kTryReceive,
        Verb::kSubscribe, Verb::kUnsubscribe, Verb::kUnsubscribe};
    Call call{kVerbs[Below(kVerbs.size())], Below(kChannels)};
    call.duration = std::chrono::seconds(Below(3));
    switch (call.verb) {
      case Verb::kSend:
      case Verb::kTrySend:
      case Verb::kSendFor:
        call.value = ++last_value_;
        break;
      case Verb::kSubscribe:
        call = Subscribe(call.channel);
        known.push_back(call.subscription);
        break;
      case Verb::kUnsubscribe:
        call.subscription = known[Below(known.size())];
        break;
      default:
        break;
    }
    return call;
  }

  Call Subscribe(std::size_t channel) {
    Call call{Verb::kSubscribe, channel, history_.subscriptions++};
    if (!history_.has_options) return call;
    constexpr std::array kOverflows{Overflow::kWait, Overflow::kDropNewest,
                                    Overflow::kEnd, Overflow::kDropOldest};
    const bool has_buffer = history_.capacities[channel] > 0;
    call.overflow = kOverflows[Below(has_buffer ? 4 : 3)];
    call.replay = has_buffer && Below(2) == 0;
    return call;
  }

  std::size_t Below(std::size_t count) {
    return static_cast<std::size_t>(chance_() % count);
  }

  std::mt19937_64 chance_;
  int last_value_ = 0;
  History history_;
};

template <typename T>
int NumberOf(const std::optional<T>& value) {
  if (!value.has_value()) return 0;
  if constexpr (std::is_same_v<T, std::string>) {
    return std::stoi(value->substr(value->rfind(' ')));
  } else {
    return *value;
  }
}

// The feed of a history and its channels.
template <typename T>
class World {
 public:
  explicit World(const History& history)
      : feed_(fanfare::FeedOptions{.replay = history.has_options ? 1U : 0U}),
        channels_{Channel<T>(history.capacities[0]),
                  Channel<T>(history.capacities[1])},
        subscriptions_(history.subscriptions) {}

  void Perform(Call& call) {
    const Channel<T>& channel = channels_[call.channel];
    Subscription& subscription = subscriptions_[call.subscription];
    const T value = Value<T>(call.value);
    switch (call.verb) {
      case Verb::kSend:
        Time(call, [&] { call.taken = feed_.Send(value); });
        break;
      case Verb::kTrySend:
        Time(call, [&] { call.taken = feed_.TrySend(value); });
        break;
      case Verb::kSendFor:
        Time(call, [&] { call.taken = feed_.SendFor(value, call.duration); });
        break;
      case Verb::kSubscribe:
        Time(call, [&] { subscription = Subscribe(channel, call); });
        break;
      case Verb::kUnsubscribe:
        Time(call, [&] { subscription.Unsubscribe(); });
        break;
      case Verb::kReceive:
        Time(call, [&] { call.value = NumberOf(channel.Receive()); });
        break;
      case Verb::kTryReceive:
        Time(call, [&] { call.value = NumberOf(channel.TryReceive()); });
        break;
      case Verb::kCloseFeed:
        Time(call, [&] { feed_.Close(); });
        break;
      case Verb::kCloseChannel:
        Time(call, [&] { channel.Close(); });
        break;
      case Verb::kStandstill:
        Simulation::AwaitStandstill();
        Time(call, [] {});
    }
  }

 private:
  Subscription Subscribe(const Channel<T>& channel, const Call& call) {
    if (call.overflow == Overflow::kWait && !call.replay) {
      return feed_.Subscribe(channel);
    }
    return feed_.Subscribe(
        channel, {.overflow = call.overflow, .replay = call.replay ? 1U : 0U});
  }

  template <typename F>
  void Time(Call& call, F perform) {
    call.interval.begin = ++clock_;
    perform();
    call.interval.end = ++clock_;
  }

  Feed<T> feed_;
  std::array<Channel<T>, kChannels> channels_;
  std::vector<Subscription> subscriptions_;
  // Not a part of the simulation: nobody comes in where it is used.
  std::atomic<int> clock_{0};
};

// Plans a history and lets it happen.
template <typename T, bool kOptions>
History Perform(std::uint64_t seed) {
  History history = Planner(seed, kOptions).Plan();
  World<T> world(history);
  for (Call& call : history.threads[kAlone]) world.Perform(call);
  PerformInterleaved<kThreads>(seed, history, world);
  // What is left in the channels?
  for (std::size_t c = 0; c < kChannels; ++c) {
    for (std::size_t i = 0; i <= history.capacities[c]; ++i) {
      history.threads[kAlone].push_back({Verb::kTryReceive, c});
      world.Perform(history.threads[kAlone].back());
    }
  }
  return history;
}

}  // namespace

TEMPLATE_TEST_CASE(
    "F2 F3 F4 F5 F7 F8: what three threads saw, one could have seen", "", int,
    std::string) {
  CheckHistories<kThreads>(
      kHistories, Perform<TestType, false>,
      [](const History& history) { return FeedModel(history).Explains(); });
}

TEMPLATE_TEST_CASE(
    "O3 O4 O7 V1: what three threads saw of subscriptions with options", "",
    int, std::string) {
  CheckHistories<kThreads>(
      kHistories, Perform<TestType, true>,
      [](const History& history) { return FeedModel(history).Explains(); });
}
