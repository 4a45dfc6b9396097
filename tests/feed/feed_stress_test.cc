// SPDX-License-Identifier: MIT
//
// Feeds under load. However Sends, subscriptions, channels and feeds end:
//   what the Sends counted = what was received + what is left in the channels;
//   every subscriber sees, in the one order of all, every value between its
//   first and its last, but those of Sends that gave up.
// FANFARE_STRESS_SECONDS says for how long each case runs. Every other round is
// on an unsteady platform.

#include "support/unsteady_platform.h"
// It comes first, because it says what the library stands on.

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/stress.h"

namespace {

using namespace std::chrono_literals;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::OnReceive;
using fanfare::OnStop;
using fanfare::Receiver;
using fanfare::Select;
using fanfare::Subscription;

// Leaves the processors to the others for a while.
void WaitFor(std::chrono::microseconds duration) {
  static_cast<void>(Receiver<int>().ReceiveFor(duration));
}
constexpr auto kRound = 100ms;

template <typename T>
using Threads = std::deque<InThread<std::function<T()>>>;

// A value that learns its place in the order of all values when the feed makes
// the first copy of it. Only the Send that has the turn makes copies, so the
// place needs no lock; ThreadSanitizer watches that.
class Event {
 public:
  explicit Event(std::uint64_t& last_place) : last_place_(&last_place) {}
  Event(const Event& other) : place_(other.Place()) {}
  Event(Event&& other) noexcept
      : last_place_(other.last_place_),
        place_(other.place_),
        text_(std::move(other.text_)) {}

  // 0: it was not copied.
  [[nodiscard]] std::uint64_t place() const { return place_; }
  [[nodiscard]] bool whole() const { return text_ == kText; }

 private:
  static inline const std::string kText = "long enough to need memory itself";

  std::uint64_t Place() const {
    if (place_ == 0) place_ = ++*last_place_;
    return place_;
  }

  std::uint64_t* last_place_ = nullptr;
  mutable std::uint64_t place_ = 0;
  std::string text_ = kText;
};

// What one sender did.
struct Sent {
  std::size_t count = 0;
  std::vector<std::uint64_t> patient;  // places of those that did not give up
};

// What one subscription brought. With several subscriptions of one channel each
// value comes up to that many times.
struct Life {
  explicit Life(std::size_t capacity) : channel(capacity) {}

  Channel<Event> channel;
  std::size_t copies = 1;
  std::size_t received = 0;
  std::size_t left_over = 0;
  bool whole = true;
  std::vector<std::uint64_t> places;

  void Log(const Event& event) {
    ++received;
    whole = whole && event.whole();
    places.push_back(event.place());
  }
  // Takes what the channel holds.
  void Drain() {
    while (const auto event = channel.TryReceive()) Log(*event);
  }
};

// Stops at random what is blocked at random.
class Stopper {
 public:
  explicit Stopper(std::size_t senders) : stops_(senders) {}

  std::stop_token Arm(std::size_t sender) {
    const std::lock_guard lock(mutex_);
    stops_[sender] = std::stop_source();
    return stops_[sender].get_token();
  }
  void StopOne(Dice& dice) {
    std::stop_source stop;
    {
      const std::lock_guard lock(mutex_);
      stop = stops_[dice(static_cast<std::uint32_t>(stops_.size()))];
    }
    stop.request_stop();
  }

 private:
  std::mutex mutex_;
  std::vector<std::stop_source> stops_;  // guarded by mutex_
};

// Sends until `over`, in every way.
Sent SendAll(Feed<Event>& feed, std::uint64_t& last_place, Stopper& stopper,
             std::size_t sender, Dice dice, const std::atomic<bool>& over) {
  Sent sent;
  while (!over) {
    Event event(last_place);
    const auto moment = std::chrono::microseconds(dice(40));
    switch (dice(8)) {
      case 0:
        sent.count += feed.TrySend(event);
        break;
      case 1:
        sent.count += feed.SendFor(event, moment);
        break;
      case 2:
        sent.count +=
            feed.SendUntil(event, std::chrono::system_clock::now() + moment);
        break;
      case 3:
        sent.count += feed.Send(event, stopper.Arm(sender));
        break;
      default:
        sent.count += feed.Send(event);
        if (event.place() != 0) sent.patient.push_back(event.place());
    }
  }
  return sent;
}

// Subscribes, receives for a while and ends that, over and over.
std::deque<Life> SubscribeAll(Feed<Event>& feed,
                              const Channel<Subscription>& others, Dice dice,
                              const std::stop_token& stop) {
  std::deque<Life> lives;
  while (!stop.stop_requested()) {
    constexpr std::array<std::size_t, 4> kCapacities = {0, 1, 3, 64};
    Life& life = lives.emplace_back(kCapacities[dice(4)]);
    Subscription subscription = feed.Subscribe(life.channel);
    Subscription second;
    if (dice(4) == 0) {
      life.copies = 2;
      second = feed.Subscribe(life.channel);
    }
    for (std::size_t i = dice(40); i > 0; --i) {
      const auto event = life.channel.Receive(stop);
      if (!event.has_value()) break;
      life.Log(*event);
    }
    second.Unsubscribe();
    switch (dice(5)) {
      case 0:
        subscription = Subscription();
        life.Drain();
        break;
      case 1:
        subscription.RequestUnsubscribe();
        life.Drain();
        break;
      case 2:  // The owner closes the channel, and the feed notices.
        life.channel.Close();
        life.Drain();
        break;
      case 3: {  // Somebody else ends it, while values are received.
        const auto err = subscription.Err();
        others.Send(std::move(subscription));
        for (bool going = true; going;) {
          Select(OnReceive(life.channel, [&](const Event& e) { life.Log(e); }),
                 OnReceive(
                     err, [](const std::exception_ptr&) {},
                     [&] { going = false; }));
        }
        life.Drain();
        break;
      }
      default:  // What is in the channel stays there.
        subscription.Unsubscribe();
        life.left_over = life.channel.size();
    }
  }
  return lives;
}

// Whether the values came in order, and none of `patient` is missing: that is,
// how many of them are not above a place.
bool InOrder(const Life& life, const std::vector<std::uint64_t>& patient) {
  for (std::size_t i = 1; i < life.places.size(); ++i) {
    const auto last = static_cast<std::size_t>(life.places[i - 1]);
    const auto next = static_cast<std::size_t>(life.places[i]);
    if (next < last) return false;
    if (next == last) {
      if (life.copies == 1) return false;
    } else if (patient[next - 1] != patient[last]) {
      return false;
    }
  }
  return life.whole;
}

}  // namespace

TEST_CASE(
    "F2 F3 F5 F6 F7: subscriptions come and go under load from several "
    "senders") {
  constexpr std::size_t kSenders = 3;
  constexpr std::size_t kSubscribers = 4;
  const StressTimer timer(1);
  std::uint32_t seed = 1;
  std::size_t total = 0;
  do {
    unsteady::on = !unsteady::on;
    Feed<Event> feed;
    std::uint64_t last_place = 0;
    Stopper stopper(kSenders);
    std::atomic<bool> over{false};
    std::stop_source stop;
    const Channel<Subscription> others(1);

    // One that stays, so that no value is seen by nobody.
    Life witness(2);
    const Subscription witness_subscription = feed.Subscribe(witness.channel);
    InThread witnessing([&] {
      while (const auto event = witness.channel.Receive(stop.get_token())) {
        witness.Log(*event);
      }
    });
    InThread ending_others([&] {
      for (const Subscription& other : others) other.Unsubscribe();
    });
    Threads<std::deque<Life>> subscribers;
    for (std::size_t i = 0; i < kSubscribers; ++i) {
      subscribers.emplace_back([&, dice = Dice(seed++)] {
        return SubscribeAll(feed, others, dice, stop.get_token());
      });
    }
    Threads<Sent> senders;
    for (std::size_t i = 0; i < kSenders; ++i) {
      senders.emplace_back([&, i, dice = Dice(seed++)] {
        return SendAll(feed, last_place, stopper, i, dice, over);
      });
    }
    InThread stopping([&, dice = Dice(seed++)]() mutable {
      while (!over) {
        stopper.StopOne(dice);
        WaitFor(std::chrono::microseconds(dice(40)));
      }
    });

    WaitFor(kRound);
    over = true;
    stopping.Get();
    std::size_t counted = 0;
    std::vector<std::uint64_t> patient;  // by place: how many up to there
    {
      std::vector<Sent> sent;
      for (auto& sender : senders) sent.push_back(sender.Get());
      patient.resize(static_cast<std::size_t>(last_place) + 1);
      for (const Sent& one : sent) {
        counted += one.count;
        for (const std::uint64_t place : one.patient) {
          patient[static_cast<std::size_t>(place)] = 1;
        }
      }
      std::partial_sum(patient.begin(), patient.end(), patient.begin());
    }
    stop.request_stop();
    witnessing.Get();
    witness.Drain();
    std::size_t received = witness.received;
    std::size_t left_over = 0;
    std::size_t out_of_order = InOrder(witness, patient) ? 0 : 1;
    std::size_t came_later = 0;
    for (auto& subscriber : subscribers) {
      for (Life& life : subscriber.Get()) {
        received += life.received;
        left_over += life.channel.size();
        // Nothing was delivered after the subscription had ended.
        if (life.channel.size() != life.left_over) ++came_later;
        life.Drain();
        if (!InOrder(life, patient)) ++out_of_order;
      }
    }
    others.Close();
    ending_others.Get();

    CHECK(counted == received + left_over);
    CHECK(came_later == 0);
    CHECK(out_of_order == 0);
    // The witness has missed no value of those that did not give up.
    if (!witness.places.empty()) {
      const auto front = static_cast<std::size_t>(witness.places.front());
      const auto back = static_cast<std::size_t>(witness.places.back());
      CHECK(patient[front - 1] == 0);
      CHECK(patient[back] == patient.back());
    }
    // Those whose channels were closed are gone; the witness is not.
    CHECK(feed.TrySend(Event(last_place)) == 1);
    CHECK(feed.subscriber_count() == 1);
    total += counted;
    tried_values += counted + received;
  } while (!timer.over());
  CHECK(total > 0);
}

TEST_CASE("F8: feeds are closed and destroyed under load") {
  constexpr std::size_t kSenders = 3;
  constexpr std::size_t kSubscribers = 3;
  const StressTimer timer(1);
  const std::string value = "long enough to need memory of its own";
  Dice dice(1);
  std::size_t wrong = 0;
  std::size_t rounds = 0;
  do {
    unsteady::on = !unsteady::on;
    const bool destroy = dice(2) == 0;
    auto feed = std::make_unique<Feed<std::string>>();
    std::atomic<bool> over{false};
    // Full channels: the first Send is blocked, and the others behind it.
    std::size_t filled = 0;
    std::vector<Channel<std::string>> channels;
    std::vector<Subscription> subscriptions;
    for (std::size_t i = 0; i < kSubscribers; ++i) {
      channels.emplace_back(dice(3));
      while (channels.back().TrySend(value)) ++filled;
      subscriptions.push_back(feed->Subscribe(channels.back()));
    }
    Threads<std::size_t> senders;
    for (std::size_t i = 0; i < kSenders; ++i) {
      senders.emplace_back([&f = *feed, &value, &over, destroy] {
        std::size_t count = 0;
        // While a feed is destroyed, no call may start.
        do {
          count += f.Send(value);
        } while (!destroy && !over);
        return count;
      });
    }
    Threads<std::size_t> receivers;
    for (std::size_t i = 0; i < kSubscribers; ++i) {
      receivers.emplace_back([&, i, how = dice(4)] {
        AwaitThat([&] { return over.load(); });
        std::size_t received = 0;
        if (how == 0) subscriptions[i].Unsubscribe();
        if (how == 1) channels[i].Close();
        while (how != 2 && !subscriptions[i].Err().closed()) {
          if (channels[i].TryReceive().has_value()) ++received;
          std::this_thread::yield();
        }
        return received;
      });
    }
    AwaitThat([&] {
      return feed->waiting_senders() == kSenders - 1 &&
             std::all_of(channels.begin(), channels.end(), [](const auto& c) {
               return c.waiting_senders() == 1;
             });
    });
    over = true;
    for (std::size_t i = dice(20); i > 0; --i) std::this_thread::yield();
    if (destroy) {
      feed.reset();
    } else {
      feed->Close();
    }
    std::size_t counted = filled;
    for (auto& sender : senders) counted += sender.Get();
    std::size_t received = 0;
    for (auto& receiver : receivers) received += receiver.Get();
    for (const auto& channel : channels) received += channel.size();
    if (counted != received) ++wrong;
    for (const auto& subscription : subscriptions) {
      if (!subscription.Err().drained()) ++wrong;
    }
    ++rounds;
    tried_values += counted + received;
    tried_rounds += 1;
  } while (!timer.over());
  CHECK(wrong == 0);
  CHECK(rounds > 0);
}

TEST_CASE("F5 S6: feeds and others share channels that Selects empty") {
  constexpr std::size_t kChannels = 3;
  constexpr std::size_t kFeeds = 2;
  constexpr std::size_t kOthers = 2;
  constexpr std::size_t kSources = kFeeds + kOthers;
  const StressTimer timer(1);
  std::uint32_t seed = 1;
  std::size_t total = 0;
  do {
    unsteady::on = !unsteady::on;
    std::array<Feed<std::uint64_t>, kFeeds> feeds;
    const std::array<Channel<std::uint64_t>, kChannels> channels = {
        Channel<std::uint64_t>(0), Channel<std::uint64_t>(1),
        Channel<std::uint64_t>(64)};
    std::atomic<bool> over{false};
    std::stop_source stop;

    // Each value is the number of its source and its own; of one source's
    // values any thread sees a growing sequence in each channel.
    Threads<std::size_t> senders;
    for (std::size_t f = 0; f < kFeeds; ++f) {
      senders.emplace_back([&, f, dice = Dice(seed++)]() mutable {
        std::size_t count = 0;
        for (std::uint64_t value = kSources + f; !over; value += kSources) {
          count +=
              dice(4) == 0 ? feeds[f].TrySend(value) : feeds[f].Send(value);
        }
        return count;
      });
    }
    Threads<std::pair<std::size_t, bool>> receivers;
    for (std::size_t r = 0; r < 2; ++r) {
      receivers.emplace_back([&] {
        std::pair<std::size_t, bool> result = {0, true};
        std::array<std::array<std::uint64_t, kSources>, kChannels> last{};
        const auto log = [&](std::size_t channel) {
          return [&, channel](std::uint64_t value) {
            ++result.first;
            std::uint64_t& previous = last[channel][value % kSources];
            // Equal: the channel was subscribed twice.
            result.second = result.second && value >= previous;
            previous = value;
          };
        };
        for (bool going = true; going;) {
          Select(OnReceive(channels[0], log(0)), OnReceive(channels[1], log(1)),
                 OnReceive(channels[2], log(2)),
                 OnStop(stop.get_token(), [&] { going = false; }));
        }
        return result;
      });
    }
    // They subscribe, unsubscribe, and send to a channel by themselves.
    Threads<std::size_t> others;
    for (std::size_t o = 0; o < kOthers; ++o) {
      others.emplace_back([&, o, dice = Dice(seed++)]() mutable {
        std::size_t count = 0;
        std::deque<Subscription> subscriptions;
        for (std::uint64_t value = kSources + kFeeds + o; !over;
             value += kSources) {
          const auto& channel = channels[dice(std::uint32_t{kChannels})];
          if (subscriptions.size() < dice(6)) {
            subscriptions.push_back(
                feeds[dice(std::uint32_t{kFeeds})].Subscribe(channel));
          } else if (!subscriptions.empty()) {
            subscriptions.pop_front();
          }
          if (dice(4) == 0 && channel.TrySend(value)) ++count;
          std::this_thread::yield();
        }
        return count;
      });
    }
    WaitFor(kRound);
    over = true;
    std::size_t counted = 0;
    for (auto& sender : senders) counted += sender.Get();
    for (auto& other : others) counted += other.Get();
    stop.request_stop();
    std::size_t received = 0;
    bool in_order = true;
    for (auto& receiver : receivers) {
      const auto result = receiver.Get();
      received += result.first;
      in_order = in_order && result.second;
    }
    for (const auto& channel : channels) received += channel.size();
    CHECK(counted == received);
    CHECK(in_order);
    total += counted;
    tried_values += counted + received;
  } while (!timer.over());
  CHECK(total > 0);
}

#if defined(__linux__)
// A waiting thread gives way before it sleeps: with many more threads than
// processors nothing may be lost, and nobody may be kept from going on.
TEST_CASE("F4 C7: 200 threads on one processor") {
  constexpr std::size_t kConsumers = 180;
  constexpr std::size_t kSenders = 20;
  const std::size_t capacity = GENERATE(0U, 1U, 16U);
  CAPTURE(capacity);
  cpu_set_t before, one;
  REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  }
  // The threads that are started now inherit it.
  REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
  {
    Feed<std::uint64_t> feed;
    std::vector<Channel<std::uint64_t>> channels;
    std::vector<Subscription> subscriptions;
    for (std::size_t i = 0; i < kConsumers; ++i) {
      channels.emplace_back(capacity);
      subscriptions.push_back(feed.Subscribe(channels.back()));
    }
    Crowd consumers(kConsumers, [&](std::size_t i) {
      Account received;
      for (const std::uint64_t value : channels[i]) received.Add(value);
      return received;
    });
    const StressTimer timer(3);
    Account sent = Crowd(kSenders, [&](std::size_t i) {
                     Account account;
                     for (std::uint64_t n = i; !timer.over(); n += kSenders) {
                       if (feed.Send(n) != kConsumers) ++account.errors;
                       account.Add(n);
                     }
                     return account;
                   }).Sum();
    for (const auto& channel : channels) channel.Close();
    Account expected;
    for (std::size_t i = 0; i < kConsumers; ++i) expected += sent;
    CHECK(sent.errors == 0);
    CHECK(sent.count > 0);
    CHECK(consumers.Sum() == expected);
  }
  CHECK(sched_setaffinity(0, sizeof(before), &before) == 0);
}
#endif
