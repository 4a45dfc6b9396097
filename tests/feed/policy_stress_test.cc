// SPDX-License-Identifier: MIT
//
// Subscribers of every policy under load, which come, are slow and go. However
// they end:
//   what the Sends counted = what the subscriptions say was delivered;
//   offered = delivered + dropped + missed;
//   received = replayed + delivered - evicted;
//   numbers only grow, and their gaps are no more than what was lost.
// FANFARE_STRESS_SECONDS says for how long each case runs. Every other round is
// on an unsteady platform.

#include "support/unsteady_platform.h"
// It comes first, because it says what the library stands on.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>
#include <fanfare/subscribe_options.h>

#include "support/catch.h"
#include "support/feeds.h"
#include "support/in_thread.h"
#include "support/policies.h"
#include "support/stress.h"

namespace {

using namespace std::chrono_literals;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::Numbered;
using fanfare::Overflow;
using fanfare::Receiver;
using fanfare::SubscribeOptions;
using fanfare::Subscription;

// Leaves the processors to the others for a while.
void WaitFor(std::chrono::microseconds duration) {
  static_cast<void>(Receiver<int>().ReceiveFor(duration));
}

// What threads add up.
struct Sums {
  std::uint64_t taken = 0;      // by what the Sends returned
  std::uint64_t delivered = 0;  // by what the subscriptions say
  std::uint64_t acted = 0;      // dropped and evicted
  std::uint64_t replayed = 0;
  std::uint64_t slow = 0;  // subscriptions that ended with a SlowSubscriber
  int unbalanced = 0;      // statistics that do not add up
  int lost = 0;            // received too much or too little
  int unordered = 0;       // numbers that did not grow
  int unexplained = 0;     // gaps that are too wide
  int misreported = 0;     // an end with the wrong error

  [[nodiscard]] std::uint64_t values() const { return taken; }
  Sums& operator+=(const Sums& other) {
    taken += other.taken;
    delivered += other.delivered;
    acted += other.acted;
    replayed += other.replayed;
    slow += other.slow;
    unbalanced += other.unbalanced;
    lost += other.lost;
    unordered += other.unordered;
    unexplained += other.unexplained;
    misreported += other.misreported;
    return *this;
  }
};

template <typename T>
std::size_t SendOne(Feed<Numbered<T>>& feed, Dice& dice) {
  const T value = Value<T>(static_cast<int>(dice(100)));
  switch (dice(6)) {
    case 0:
      return feed.TrySend(value);
    case 1:
      return feed.SendReady(value);
    case 2:
      return feed.SendFor(value, std::chrono::microseconds(dice(100)));
    default:
      return feed.Send(value);
  }
}

SubscribeOptions AnyOptions(Dice& dice, std::size_t capacity) {
  constexpr Overflow kPolicies[] = {Overflow::kWait, Overflow::kDropNewest,
                                    Overflow::kDropOldest, Overflow::kEnd};
  SubscribeOptions options{.overflow = kPolicies[dice(4)],
                           .close_channel = true};
  if (options.overflow == Overflow::kDropOldest && capacity == 0) {
    options.overflow = Overflow::kDropNewest;
  }
  if (options.overflow != Overflow::kWait && dice(2) == 0) {
    options.patience = std::chrono::microseconds(dice(300));
  }
  options.replay = std::min<std::size_t>(capacity, dice(5));
  return options;
}

// One subscription, from Subscribe until its channel is drained.
struct Life {
  Subscription subscription;
  SubscribeOptions options;
  std::uint64_t received = 0;
  std::uint64_t gaps = 0;
  Sums sums;

  // Judges its statistics, once no Send is in progress any more. (Before, the
  // last value may count although the Send had not come to this subscription.)
  void Judge() {
    const auto stats = *subscription.Stats();
    const Tally tally = TallyOf(stats);
    if (tally.unaccounted != 0) ++sums.unbalanced;
    if (received != tally.replayed + tally.delivered - tally.evicted) {
      ++sums.lost;
    }
    if (gaps > tally.dropped + tally.missed + tally.evicted) {
      ++sums.unexplained;
    }
    const bool slow = AsSlow(subscription.Err().TryReceive()).has_value();
    // The value that made it end was dropped; without one, it was unsubscribed.
    if (slow && (options.overflow != Overflow::kEnd || tally.dropped != 1)) {
      ++sums.misreported;
    }
    sums.delivered = tally.delivered;
    sums.acted = tally.dropped + tally.evicted;
    sums.replayed = tally.replayed;
    sums.slow = slow ? 1 : 0;
  }
};

template <typename T>
Life Subscribe(Feed<Numbered<T>>& feed, Dice& dice) {
  constexpr std::size_t kCapacities[] = {0, 1, 2, 16};
  Life life;
  const Channel<Numbered<T>> channel(kCapacities[dice(4)]);
  life.options = AnyOptions(dice, channel.capacity());
  life.subscription = feed.Subscribe(channel, life.options);
  std::uint64_t last = 0;
  const auto count = [&](const Numbered<T>& next) {
    ++life.received;
    if (next.number <= last) ++life.sums.unordered;
    if (last != 0) life.gaps += next.number - last - 1;
    last = next.number;
  };
  // The channel is closed if the policy ends the subscription meanwhile.
  for (std::uint32_t left = dice(60); left > 0; --left) {
    if (dice(8) == 0) WaitFor(std::chrono::microseconds(dice(200)));
    const auto next = channel.ReceiveFor(1ms);
    if (next.has_value()) count(*next);
    if (TallyOf(life.subscription).unaccounted != 0) ++life.sums.unbalanced;
  }
  life.subscription.Unsubscribe();
  for (const Numbered<T>& next : channel) count(next);
  return life;
}

}  // namespace

TEMPLATE_TEST_CASE(
    "O1 O3 O7 N1 N3 V1: subscribers of every policy come and go under load", "",
    int, std::string) {
  constexpr std::size_t kSenders = 3;
  constexpr std::size_t kSubscribers = 5;
  const StressTimer timer(1);
  Sums all;
  for (std::uint32_t round = 0; !timer.over(); ++round) {
    unsteady::on = round % 2 == 1;
    Feed<Numbered<TestType>> feed({.replay = 4});
    std::atomic<bool> done = false;
    Crowd sending(kSenders, [&](std::size_t i) {
      Dice dice(100 * round + static_cast<std::uint32_t>(i));
      Sums sums;
      while (!done) sums.taken += SendOne(feed, dice);
      return sums;
    });
    std::vector<std::vector<Life>> lives(kSubscribers);
    Crowd receiving(kSubscribers, [&](std::size_t i) {
      Dice dice(100 * round + 50 + static_cast<std::uint32_t>(i));
      for (int life = 0; life < 20; ++life) {
        lives[i].push_back(Subscribe(feed, dice));
      }
      return Sums();
    });
    static_cast<void>(receiving.Sum());
    done = true;
    Sums sums = sending.Sum();
    for (std::vector<Life>& of_thread : lives) {
      for (Life& life : of_thread) {
        life.Judge();
        sums += life.sums;
      }
    }
    CHECK(sums.taken == sums.delivered);
    all += sums;
  }
  CHECK(all.unbalanced == 0);
  CHECK(all.lost == 0);
  CHECK(all.unordered == 0);
  CHECK(all.unexplained == 0);
  CHECK(all.misreported == 0);
  // All of it did happen.
  CHECK(all.acted > 0);
  CHECK(all.replayed > 0);
  CHECK(all.slow > 0);
}
