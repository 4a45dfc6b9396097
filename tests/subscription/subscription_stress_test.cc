// SPDX-License-Identifier: MIT
//
// Subscriptions, scopes, joins and resubscriptions that come and go under load
// and are ended from everywhere at once: by other threads, by scopes, and from
// inside of their own producers. Nothing hangs, every producer that started has
// ended when its end is seen, and what was sent was received.
//
// The platform is replaced by one that, half of the time, gives way to other
// threads at random around every lock and every atomic, so that windows of a
// few instructions are met. Each case runs for FANFARE_STRESS_SECONDS, 1 if
// that is not set.

#include "support/unsteady_platform.h"
// It comes first, because it says what the library stands on.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/subscriptions.h"
#include "support/tried.h"

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::Resubscribe;
using fanfare::Subscription;
using fanfare::SubscriptionScope;
using unsteady::Chance;

namespace {

// Calls `round` until the time is over; every other one is unsteady. Stops when
// it returns false; whether none did.
bool Repeat(const std::function<bool()>& round) {
  const char* const set = std::getenv("FANFARE_STRESS_SECONDS");
  const std::chrono::duration<double> seconds(set != nullptr ? std::atof(set)
                                                             : 1.0);
  const auto end = std::chrono::steady_clock::now() + seconds;
  bool good = true;
  do {
    unsteady::on = !unsteady::on;
    good = round();
    tried_rounds += 1;
  } while (good && std::chrono::steady_clock::now() < end);
  unsteady::on = false;
  return good;
}

void Dawdle() {
  for (auto i = Chance(8); i > 0; --i) std::this_thread::yield();
}

// How many producers, and whatever else counts itself, are alive.
class Census {
 public:
  // Counts from when it is made until it is destroyed, wherever it was moved.
  class Citizen {
   public:
    explicit Citizen(const std::shared_ptr<std::atomic<int>>& alive)
        : alive_(alive) {
      ++*alive_;
    }
    Citizen(Citizen&&) = default;
    Citizen& operator=(Citizen&&) = delete;
    ~Citizen() {
      if (alive_) --*alive_;
    }

   private:
    std::shared_ptr<std::atomic<int>> alive_;
  };

  [[nodiscard]] Citizen Add() const { return Citizen(alive_); }
  [[nodiscard]] int alive() const { return *alive_; }

 private:
  std::shared_ptr<std::atomic<int>> alive_ =
      std::make_shared<std::atomic<int>>(0);
};

// A handle that is there before what it is the handle of: a producer can end
// itself through it. It is emptied when the test is done with it.
class Slot {
 public:
  void Set(Subscription subscription) {
    *subscription_ = std::move(subscription);
    filled_.Close();
  }
  // Waits until it is set.
  const Subscription& Get() const {
    static_cast<void>(filled_.Receive());
    return *subscription_;
  }
  // For the one that set it.
  Subscription Take() { return std::move(*subscription_); }

 private:
  Channel<int> filled_ = Channel<int>();
  std::shared_ptr<Subscription> subscription_ =
      std::make_shared<Subscription>();
};

// A producer that counts itself, ends in one of many ways, and, where `end` is
// given, may call that from inside first.
Subscription AnyProducer(const Census& census,
                         std::function<void()> end = nullptr) {
  return NewSubscription(
      [citizen = std::make_shared<Census::Citizen>(census.Add()),
       end = std::move(end),
       way = Chance(6)](std::stop_token stop) -> std::exception_ptr {
        Dawdle();
        switch (way) {
          case 0:
            return nullptr;
          case 1:
            return Failure("returned");
          case 2:
            throw std::runtime_error("thrown");
          case 3:
          case 4:
            if (end) end();
            if (way == 4) return Failure("afterwards");
            break;
          default:
            break;
        }
        WaitForStop(stop);
        if (end && Chance(2) == 0) end();
        return nullptr;
      });
}

// Ends `subscription` from this thread in one of many ways, at last surely.
// What was seen wrong is counted.
int EndSomehow(const Subscription& subscription) {
  int wrong = 0;
  Dawdle();
  if (Chance(3) == 0) subscription.RequestUnsubscribe();
  if (Chance(3) == 0) {
    static_cast<void>(subscription.Err().TryReceive());
  }
  subscription.Unsubscribe();
  if (!subscription.Err().closed()) ++wrong;
  if (Chance(3) == 0) subscription.Unsubscribe();
  return wrong;
}

// Lets two more threads and this one end it together; what was seen wrong.
int EndTogether(const Subscription& subscription) {
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] { wrong += EndSomehow(subscription); });
    }
    wrong += EndSomehow(subscription);
  }
  return wrong;
}

}  // namespace

TEST_CASE("U2 U3: producers that are ended from everywhere") {
  const Census census;
  const bool good = Repeat([&] {
    Slot slot;
    slot.Set(AnyProducer(census, [slot] { slot.Get().Unsubscribe(); }));
    const auto err = slot.Get().Err();
    const int wrong = EndTogether(slot.Get());
    if (wrong != 0 || census.alive() != 0) return false;
    std::size_t errors = 0;
    while (err.Receive().has_value()) ++errors;
    slot.Take();  // the producer is gone, but its function may hold the slot
    return errors <= 1;
  });
  CHECK(good);
  CHECK(census.alive() == 0);
}

TEST_CASE("U4: handles that are dropped everywhere") {
  const Census census;
  const bool good = Repeat([&] {
    // Some are dropped by their own producer.
    const Channel<Subscription> handle(1);
    Subscription sub =
        NewSubscription([handle, citizen = std::make_shared<Census::Citizen>(
                                     census.Add())](std::stop_token stop) {
          static_cast<void>(handle.Receive(stop));
          Dawdle();
        });
    const auto err = sub.Err();
    if (Chance(2) == 0) {
      handle.Send(std::move(sub));
    } else {
      Dawdle();
      sub = Subscription();
      if (census.alive() != 0) return false;
    }
    return !err.Receive().has_value() && census.alive() == 0;
  });
  CHECK(good);
}

TEST_CASE("P2 P3: scopes that are closed from everywhere") {
  const Census census;
  const bool good = Repeat([&] {
    std::optional<SubscriptionScope> scope(std::in_place);
    SubscriptionScope& s = *scope;
    Feed<int> feed;
    std::mutex mutex;
    std::vector<Subscription> wrappers;  // guarded by mutex
    const auto keep = [&](Subscription wrapper) {
      const std::lock_guard lock(mutex);
      wrappers.push_back(std::move(wrapper));
    };
    const auto from_inside = [&] {
      switch (Chance(3)) {
        case 0:
          s.Close();
          break;
        case 1:
          static_cast<void>(s.Count());
          break;
        default:
          keep(s.Track(AnyProducer(census)));
      }
    };
    const auto track = [&] {
      for (int i = 0; i < 4; ++i) {
        switch (Chance(5)) {
          case 0:
            keep(s.Track(feed.Subscribe(Channel<int>(1))));
            break;
          case 1:
            keep(s.Track(Subscription(Foreign())));
            break;
          case 2:
            keep(s.Track(JoinSubscriptions(AnyProducer(census, from_inside),
                                           AnyProducer(census, from_inside))));
            break;
          case 3:
            EndSomehow(s.Track(AnyProducer(census, from_inside)));
            break;
          default:
            keep(s.Track(AnyProducer(census, from_inside)));
        }
        static_cast<void>(s.Count());
      }
    };
    {
      std::vector<std::jthread> threads;
      threads.emplace_back(track);
      threads.emplace_back(track);
      if (Chance(2) == 0) {
        threads.emplace_back([&] {
          Dawdle();
          s.Close();
        });
      }
      if (Chance(4) == 0) {
        Dawdle();
        feed.Close();
      }
    }
    // Nobody adds anything from outside any more; what runs inside may.
    s.Close();
    const bool gone = s.Count() == 0 && census.alive() == 0;
    for (const Subscription& wrapper : wrappers) {
      if (!wrapper.Err().closed()) return false;
    }
    scope.reset();
    for (const Subscription& wrapper : wrappers) wrapper.Unsubscribe();
    return gone && feed.subscriber_count() == 0;
  });
  CHECK(good);
  CHECK(census.alive() == 0);
}

TEST_CASE("P2: a scope that is closed while what it tracks ends by itself") {
  const Census census;
  const bool good = Repeat([&] {
    SubscriptionScope scope;
    Feed<int> feed;
    std::vector<Subscription> wrappers;
    wrappers.push_back(scope.Track(AnyProducer(census)));
    wrappers.push_back(scope.Track(feed.Subscribe(Channel<int>(1))));
    std::jthread closing([&] {
      Dawdle();
      feed.Close();
    });
    Dawdle();
    scope.Close();
    for (const Subscription& wrapper : wrappers) {
      if (!wrapper.Err().closed()) return false;
    }
    return scope.Count() == 0 && census.alive() == 0;
  });
  CHECK(good);
}

TEST_CASE("U7: joins that are ended from everywhere") {
  const Census census;
  const bool good = Repeat([&] {
    SubscriptionScope scope;
    Feed<int> feed;
    const Foreign foreign;
    Slot slot;
    const auto from_inside = [slot] { slot.Get().Unsubscribe(); };
    std::vector<Subscription> members;
    for (auto i = Chance(4); i > 0; --i) {
      switch (Chance(5)) {
        case 0:
          members.push_back(feed.Subscribe(Channel<int>(1)));
          break;
        case 1:
          members.push_back(Subscription(Foreign(foreign)));
          break;
        case 2:
          members.push_back(JoinSubscriptions(AnyProducer(census, from_inside),
                                              Subscription()));
          break;
        case 3:
          members.push_back(scope.Track(AnyProducer(census, from_inside)));
          break;
        default:
          members.push_back(AnyProducer(census, from_inside));
      }
    }
    slot.Set(JoinSubscriptions(std::move(members)));
    const Subscription& join = slot.Get();
    const auto err = join.Err();
    std::size_t errors = 0;
    int alive_at_error = 0;
    {
      std::jthread reading([&] {
        while (err.Receive().has_value()) {
          ++errors;
          alive_at_error = census.alive();
        }
      });
      std::vector<std::jthread> threads;
      threads.emplace_back([&] {
        Dawdle();
        feed.Close();
      });
      if (Chance(2) == 0) {
        threads.emplace_back([&] {
          Dawdle();
          scope.Close();
        });
      }
      if (Chance(2) == 0) foreign.Fail("foreign");
      if (Chance(4) != 0) {
        if (EndTogether(join) != 0) return false;
      } else {
        foreign.EndWell();
        join.RequestUnsubscribe();
      }
    }
    const bool gone = census.alive() == 0;
    slot.Take();
    return gone && errors <= 1 && alive_at_error == 0;
  });
  CHECK(good);
  CHECK(census.alive() == 0);
}

TEST_CASE("R4: resubscriptions that are ended from everywhere") {
  const Census census;
  const bool good = Repeat([&] {
    SubscriptionScope scope;
    Slot slot;
    std::atomic<int> established = 0;
    std::atomic<int> together = 0;
    const auto from_inside = [slot] { slot.Get().Unsubscribe(); };
    const auto fn = [&, citizen = std::make_shared<Census::Citizen>(
                            census.Add())](std::stop_token) {
      if (established.exchange(0) != 0 && census.alive() > 1) ++together;
      Dawdle();
      switch (Chance(6)) {
        case 0:
          throw std::runtime_error("no");
        case 1:
          return Subscription();
        case 2:
          from_inside();
          [[fallthrough]];
        default:
          established = 1;
          return AnyProducer(census, from_inside);
      }
    };
    slot.Set(scope.Track(Resubscribe(
        std::chrono::nanoseconds(Chance(2) == 0 ? 1 : 1'000'000), fn)));
    bool good_end = true;
    {
      std::vector<std::jthread> threads;
      if (Chance(2) == 0) {
        threads.emplace_back([&] {
          Dawdle();
          scope.Close();
        });
      }
      Dawdle();
      good_end = EndTogether(slot.Get()) == 0;
    }
    scope.Close();
    // What `fn` captured was counted, too.
    const bool gone = scope.Count() == 0 && census.alive() == 1;
    slot.Take();
    return good_end && gone && together == 0;
  });
  CHECK(good);
}

TEST_CASE("U2 F5: what is sent while subscriptions come and go is received") {
  const Census census;
  const bool good = Repeat([&] {
    Feed<int> feed;
    SubscriptionScope scope;
    std::atomic<std::size_t> sent = 0;
    std::atomic<std::size_t> received = 0;
    std::atomic<int> late = 0;
    std::jthread sending([&](std::stop_token stop) {
      while (!stop.stop_requested()) sent += feed.Send(1, stop);
    });
    const auto come_and_go = [&] {
      for (int i = 0; i < 20; ++i) {
        // No one takes from it before the end, so it blocks the feed when full.
        const Channel<int> channel(1 + Chance(3));
        Subscription sub = feed.Subscribe(channel);
        if (Chance(2) == 0) sub = scope.Track(std::move(sub));
        Dawdle();
        switch (Chance(3)) {
          case 0:
            sub = JoinSubscriptions(std::move(sub));
            sub.Unsubscribe();
            break;
          case 1:
            NewSubscription([&](std::stop_token) {
              sub.Unsubscribe();
            }).Unsubscribe();
            break;
          default:
            sub.Unsubscribe();
        }
        const std::size_t size = channel.size();
        Dawdle();
        if (channel.size() != size || channel.waiting_senders() != 0) ++late;
        received += size;
      }
    };
    {
      std::vector<std::jthread> threads;
      threads.emplace_back(come_and_go);
      threads.emplace_back(come_and_go);
      come_and_go();
    }
    sending.request_stop();
    sending.join();
    return late == 0 && sent == received && scope.Count() == 0 &&
           feed.subscriber_count() == 0;
  });
  CHECK(good);
}
