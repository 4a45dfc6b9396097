// SPDX-License-Identifier: MIT
//
// A thread of a random program: what it does next, and the subscriptions that
// it makes and ends.
#ifndef FANFARE_TESTS_SUPPORT_RANDOM_ACTOR_H_
#define FANFARE_TESTS_SUPPORT_RANDOM_ACTOR_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "random_caller.h"
#include "random_program.h"
#include "random_record.h"
#include "stress.h"
#include "subscriptions.h"

// What a thread of the program can do, and what it wrote down.
class Actor {
 public:
  Actor(Shared& shared, Sends& sends, std::size_t number, std::uint32_t seed)
      : shared_(&shared),
        number_(number),
        dice_(seed),
        calls_(shared, sends, number, ~seed) {
    shared.progress.emplace_back(0);
  }

  void Run() {
    for (std::uint32_t i = 0; i < shared_->plan.calls; ++i) {
      Act();
      calls_.Returned();
      ++shared_->progress[number_];
    }
    calls_.WithParts([](auto& part) { part.feeds.clear(); });
    doing_ = "is done";
  }

  template <typename T>
  void Subscribe(const SharedFeed<T>& feed, Place<T>& place, Holding& to,
                 fanfare::SubscribeOptions options = {}) {
    to.handle = Join(feed, place, to, std::move(options));
    Hold(to);
  }

  // Ends it and waits for that.
  void Unsubscribe(Holding& holding) {
    holding.end.During([&] { holding.handle.Unsubscribe(); });
    calls_.Expect(!holding.err || holding.err.closed(),
                  "Err() is open after Unsubscribe");
  }

  Holding& NewHolding() {
    return *holdings_.emplace_back(std::make_unique<Holding>());
  }

  std::vector<Actor*> others;  // all of the program

  [[nodiscard]] const auto& holdings() const { return holdings_; }
  [[nodiscard]] Caller& calls() { return calls_; }
  [[nodiscard]] const char* doing() const { return doing_; }

 private:
  void Act() {
    const auto& weights = shared_->plan.weights;
    std::uint32_t sum = 0;
    for (const std::uint32_t weight : weights) sum += weight;
    std::uint32_t rest = dice_(sum);
    std::size_t which = 0;
    while (rest >= weights[which]) rest -= weights[which++];
    switch (which) {
      case 0:
      case 1:
        doing_ = "sends on a feed";
        return calls_.InWorld([&](auto& part) {
          if (auto feed = calls_.AnyFeed(part)) calls_.SendOn(feed);
        });
      case 2:
        doing_ = "sends on a channel";
        return calls_.InWorld(
            [&](auto& part) { calls_.SendOn(calls_.Any(part)); });
      case 3:
      case 4:
        doing_ = "receives";
        return calls_.InWorld(
            [&](auto& part) { calls_.Receive(calls_.Any(part)); });
      case 5:
        doing_ = "selects";
        return calls_.InWorld([&](auto& part) { calls_.SelectOf(part); });
      case 6:
        doing_ = "selects from a span";
        return calls_.InWorld([&](auto& part) { calls_.SelectFromSpan(part); });
      case 7:
        doing_ = "subscribes";
        return Come();
      case 8:
        doing_ = "unsubscribes";
        return Go();
      case 9:
        doing_ = "is a guest";
        return calls_.InWorld([&](auto& part) { BeGuest(part); });
      default:
        return ActSeldom();
    }
  }

  void ActSeldom() {
    const Plan& plan = shared_->plan;
    switch (dice_(8)) {
      case 0:
        doing_ = "closes a channel";
        if (!plan.closes_channels || dice_(4) != 0) return;
        return calls_.InWorld([&](auto& part) {
          auto& place = calls_.Any(part);
          place.record.end.During([&] { place.channel.Close(); });
        });
      case 1: {
        doing_ = "closes a scope";
        if (!plan.closes_scopes || dice_(4) != 0) return;
        Scope& scope = shared_->scopes[dice_(kScopes)];
        scope.end.During([&] { scope.scope->Close(); });
        return calls_.Expect(scope.scope->Count() == 0,
                             "a closed scope counts some");
      }
      case 2:
        doing_ = "closes a feed";
        if (!plan.closes_feeds || dice_(8) != 0) return;
        return calls_.InWorld([&](auto& part) {
          const auto feed = calls_.AnyFeed(part);
          if (!feed) return;
          feed->record->end.During([&] { feed->feed.Close(); });
        });
      case 3:
        doing_ = "lets go of a feed";
        if (!plan.drops_feeds) return;
        return calls_.InWorld([&](auto& part) {
          if (!part.feeds.empty()) part.feeds.pop_back();
        });
      case 4:
        doing_ = "uses a scope";
        return UseScope();
      case 5:
        doing_ = "counts";
        return calls_.InWorld([&](auto& part) {
          if (auto feed = calls_.AnyFeed(part)) {
            seen_ += feed->feed.subscriber_count();
            seen_ += feed->feed.waiting_senders();
            for (const auto& one : feed->feed.Report()) Check(one.stats);
          }
          auto& place = calls_.Any(part);
          calls_.Expect(place.channel.size() <= place.record.capacity,
                        "a channel holds more than it can");
          seen_ += place.channel.waiting_receivers();
        });
      default:
        doing_ = "stops another one";
        return others[dice_(static_cast<std::uint32_t>(others.size()))]
            ->calls()
            .RequestStop();
    }
  }

  void Check(const fanfare::SubscriberStats& stats) {
    calls_.Expect(
        stats.offered == stats.delivered + stats.dropped + stats.missed,
        "values are not accounted for");
    calls_.Expect(stats.queued <= stats.capacity,
                  "a channel holds more than it can");
  }

  // What is to become of values that do not fit, without an eviction. A slow
  // subscription ends if that `may_end` it.
  fanfare::SubscribeOptions SomeOptions(bool may_end) {
    fanfare::SubscribeOptions options;
    if (dice_(3) != 0) return options;
    options.overflow = may_end && dice_(2) == 0
                           ? fanfare::Overflow::kEnd
                           : fanfare::Overflow::kDropNewest;
    if (dice_(2) == 0) options.patience = std::chrono::microseconds(dice_(99));
    return options;
  }
  // Any options, for the only subscription of a channel.
  fanfare::SubscribeOptions AnyOptions(ChannelRecord& channel) {
    auto options = SomeOptions(true);
    options.close_channel = dice_(3) == 0;
    if (channel.capacity == 0) return options;
    if (dice_(3) == 0) options.overflow = fanfare::Overflow::kDropOldest;
    if (dice_(3) == 0) options.replay = channel.capacity;
    channel.exact = options.replay == 0 &&
                    options.overflow != fanfare::Overflow::kDropOldest;
    return options;
  }

  // Subscribes, as a part of `to`.
  template <typename T>
  static fanfare::Subscription Join(const SharedFeed<T>& feed, Place<T>& place,
                                    Holding& to,
                                    fanfare::SubscribeOptions options = {}) {
    Life& life = to.lives.emplace_back();
    life.feed = feed->record;
    life.channel = &place.record;
    life.holding = &to.end;
    life.overflow = options.overflow;
    life.replays = options.replay > 0;
    life.began = Now();
    const bool plain = !life.may_miss() && !life.replays;
    fanfare::Subscription made =
        plain && !options.close_channel
            ? feed->feed.Subscribe(place.channel)
            : feed->feed.Subscribe(place.channel, std::move(options));
    life.stood = Now();
    return made;
  }

  // Of some channel to some feed; empty where it has let go of all.
  fanfare::Subscription JoinAny(Holding& to, bool may_end = true) {
    fanfare::Subscription made;
    calls_.InWorld([&](auto& part) {
      if (const auto feed = calls_.AnyFeed(part))
        made = Join(feed, calls_.Any(part), to, SomeOptions(may_end));
    });
    return made;
  }

  static void Hold(Holding& holding) { holding.err = holding.handle.Err(); }

  // Something new that delivers.
  void Come() {
    if (mine_.size() >= shared_->plan.most_subscriptions) return Go();
    Holding& holding = NewHolding();
    switch (dice_(6)) {
      case 0:
        holding.handle = MakeJoin(holding);
        break;
      case 1:
        calls_.InWorld([&](auto& part) {
          if (const auto feed = calls_.AnyFeed(part)) {
            holding.handle =
                MakeResubscription(feed, calls_.Any(part), holding);
          }
        });
        break;
      case 2: {
        Scope& scope = shared_->scopes[dice_(kScopes)];
        Track(scope, JoinAny(holding), holding);
        break;
      }
      default:
        holding.handle = JoinAny(holding);
    }
    Hold(holding);
    mine_.push_back(&holding);
  }

  void Track(Scope& scope, fanfare::Subscription subscription,
             Holding& holding) {
    const bool some = static_cast<bool>(subscription);
    holding.tracked = true;
    holding.handle = scope.scope->Track(std::move(subscription));
    if (holding.handle) {
      holding.scope = &scope.end;
      for (Life& life : holding.lives) life.scope = &scope.end;
    } else if (some) {
      calls_.Expect(scope.end.begun.get() != kNever,
                    "an open scope took nothing");
      // It was ended, at the earliest when it stood.
      holding.end.begun.Tell(holding.lives.back().stood);
      holding.end.over.Tell(Now());
    }
  }

  fanfare::Subscription MakeJoin(Holding& holding) {
    holding.plain = false;
    std::vector<fanfare::Subscription> members;
    for (std::uint32_t i = dice_(4); i > 0; --i) {
      members.push_back(JoinAny(holding, false));
    }
    holding.can_fail = dice_(2) == 0;
    if (holding.can_fail) {
      members.push_back(fanfare::NewSubscription(
          [failure = holding.failure](std::stop_token stop) {
            return failure.Receive(stop).value_or(nullptr);
          }));
    }
    return fanfare::JoinSubscriptions(std::move(members));
  }

  // Fails up to three times, by a throw or after a while.
  template <typename T>
  fanfare::Subscription MakeResubscription(const SharedFeed<T>& feed,
                                           Place<T>& place, Holding& holding) {
    holding.plain = false;
    return fanfare::Resubscribe(
        std::chrono::milliseconds(1),
        [feed, &place, &holding, rest = dice_(4), dice = Dice(dice_(10000))](
            std::stop_token) mutable -> fanfare::Subscription {
          if (!holding.lives.empty()) holding.lives.back().own.over.Tell(Now());
          if (rest > 0 && --rest % 2 == 1) throw std::runtime_error("not yet");
          fanfare::Subscription made = Join(feed, place, holding);
          if (rest == 0) return made;
          return fanfare::JoinSubscriptions(
              std::move(made), fanfare::NewSubscription(
                                   [&life = holding.lives.back(),
                                    yields = dice(300)](std::stop_token stop) {
                                     for (std::uint32_t i = 0;
                                          i < yields && !stop.stop_requested();
                                          ++i) {
                                       std::this_thread::yield();
                                     }
                                     life.own.begun.Tell(Now());
                                     return Failure("a while");
                                   }));
        });
  }

  // Ends what it holds, or what another one does.
  void Go() {
    if (dice_(4) == 0) {
      if (const auto other = shared_->handed.TryReceive()) {
        return Unsubscribe(**other);
      }
    }
    if (mine_.empty()) return;
    std::swap(mine_[dice_(static_cast<std::uint32_t>(mine_.size()))],
              mine_.back());
    Holding& holding = *mine_.back();
    mine_.pop_back();
    switch (dice_(6)) {
      case 0:
        holding.end.During([&] {
          holding.handle.RequestUnsubscribe();
          while (holding.err.Receive().has_value()) {
          }
        });
        return;
      case 1:
        if (holding.shared) return Unsubscribe(holding);
        if (holding.tracked) {
          holding.handle = fanfare::Subscription();
          return;
        }
        holding.end.During([&] { holding.handle = fanfare::Subscription(); });
        return calls_.Expect(holding.err.closed(),
                             "Err() is open after the handle");
      case 2:
        if (!holding.can_fail || holding.shared) return Unsubscribe(holding);
        holding.end.During([&] {
          holding.failure.Send(Failure("told so"));
          calls_.Expect(holding.err.Receive().has_value(),
                        "a failure was not told");
          while (holding.err.Receive().has_value()) {
          }
        });
        return;
      case 3:
        holding.shared = true;
        static_cast<void>(shared_->handed.TrySend(&holding));
        return Unsubscribe(holding);
      default:
        return Unsubscribe(holding);
    }
  }

  // A channel of its own, once or twice subscribed, and nothing comes after the
  // end of that.
  template <typename T>
  void BeGuest(Part<T>& part) {
    constexpr std::array<std::size_t, 4> kCapacities = {0, 1, 2, 64};
    const auto feed = calls_.AnyFeed(part);
    if (!feed) return;
    auto& guest = part.guests.emplace_back(
        1000 * (number_ + 1) + part.guests.size(), kCapacities[dice_(4)]);
    guest.record.guest = true;
    std::array<Holding*, 2> held{&NewHolding(), nullptr};
    if (dice_(3) == 0) {
      held[1] = &NewHolding();
      Subscribe(feed, guest, *held[0]);
      Subscribe(feed, guest, *held[1]);
    } else {
      Subscribe(feed, guest, *held[0], AnyOptions(guest.record));
      for (std::uint32_t i = dice_(4); i > 0; --i) calls_.SendBriefly(feed);
    }
    for (std::uint32_t i = dice_(6); i > 0; --i) calls_.Receive(guest, false);
    if (dice_(6) == 0) {
      guest.record.end.During([&] { guest.channel.Close(); });
    }
    for (Holding* const one : held) {
      if (one != nullptr) Unsubscribe(*one);
    }
    if (dice_(2) == 0) calls_.Drain(guest);
    part.left_over.emplace_back(&guest, guest.channel.size());
  }

  // A scope of its own, which comes and goes.
  void UseScope() {
    Scope& scope = own_scopes_.emplace_back();
    std::vector<Holding*> held;
    for (std::uint32_t i = 1 + dice_(3); i > 0; --i) {
      Holding& holding = *held.emplace_back(&NewHolding());
      Track(scope, JoinAny(holding), holding);
      Hold(holding);
    }
    calls_.InWorld(
        [&](auto& part) { calls_.Receive(calls_.Any(part), false); });
    if (dice_(2) == 0) Unsubscribe(*held.front());
    scope.end.During([&] { scope.scope.reset(); });
    for (const Holding* one : held) {
      calls_.Expect(one->err.closed(),
                    "Err() is open after the end of its scope");
    }
  }

  Shared* shared_;
  std::size_t number_;
  Dice dice_;
  Caller calls_;
  std::deque<std::unique_ptr<Holding>> holdings_;
  std::vector<Holding*> mine_;  // of holdings_, those that it has not ended
  std::deque<Scope> own_scopes_;
  std::atomic<const char*> doing_ = "nothing yet";
  std::size_t seen_ = 0;
};

#endif  // FANFARE_TESTS_SUPPORT_RANDOM_ACTOR_H_
