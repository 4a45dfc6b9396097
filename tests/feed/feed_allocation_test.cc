// SPDX-License-Identifier: MIT
//
// F2, F3, F7: Send and Receive allocate nothing. A program of its own, because
// it replaces operator new.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <functional>
#include <new>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/aligned_memory.h"
#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/waiters.h"

namespace {

std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> freed{0};

void* Allocate(std::size_t size) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}

void* Allocate(std::size_t size, std::align_val_t alignment) noexcept {
  ++allocations;
  return AlignedMemory(size, alignment);
}

void* OrThrow(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Not inlined, or g++ sees new meet free and warns.
[[gnu::noinline]] void Free(void* memory) noexcept {
  if (memory != nullptr) ++freed;
  std::free(memory);
}

}  // namespace

// All forms but the rarest: sanitizers replace each that is missing by theirs.
void* operator new(std::size_t size) { return OrThrow(Allocate(size)); }
void* operator new[](std::size_t size) { return OrThrow(Allocate(size)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return OrThrow(Allocate(size, alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return OrThrow(Allocate(size, alignment));
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, std::size_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { Free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  Free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  Free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  FreeAligned(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  FreeAligned(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  FreeAligned(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  FreeAligned(memory);
}

namespace {

using namespace std::chrono_literals;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::Overflow;
using fanfare::SubscribeOptions;
using fanfare::Subscription;

struct Large {
  std::array<char, 1024> bytes{};
};

// Not copied as bytes; a feed keeps copies of it for who lags.
struct Copied {
  Copied() = default;
  Copied(const Copied&) {}  // NOLINT(modernize-use-equals-default)
  Copied(Copied&&) noexcept {}
  char padding = 0;
};

// How often any thread allocated meanwhile.
template <typename F>
std::size_t AllocationsIn(F act) {
  const std::size_t before = allocations;
  act();
  return allocations - before;
}

template <typename T>
struct Audience {
  Audience(Feed<T>& feed, std::size_t count, std::size_t capacity) {
    for (std::size_t i = 0; i < count; ++i) {
      channels.emplace_back(capacity);
      subscriptions.push_back(feed.Subscribe(channels.back()));
    }
  }
  std::vector<Channel<T>> channels;
  std::vector<Subscription> subscriptions;
};

constexpr std::size_t kSubscribers = 10;
constexpr int kRounds = 20;

}  // namespace

TEST_CASE("F2: the count of allocations counts") {
  CHECK(AllocationsIn([] { ::operator delete(::operator new(1)); }) == 1);
  CHECK(AllocationsIn([] {
          const auto big = std::align_val_t(256);
          ::operator delete(::operator new(1, big), big);
        }) == 1);
  CHECK(AllocationsIn([] { ::operator delete[](::operator new[](1)); }) == 1);
}

TEMPLATE_TEST_CASE("F2 F7: no call of Send allocates when all are ready", "",
                   int, Large, Copied) {
  Feed<TestType> feed;
  const Audience<TestType> audience(feed, kSubscribers, 64);
  const std::stop_source stop;
  TestType value{};
  std::size_t served = 0;
  // From the very first Send on.
  const std::size_t allocated = AllocationsIn([&] {
    served += feed.Send(value);
    served += feed.Send(std::move(value));
    served += feed.Send(value, stop.get_token());
    served += feed.SendFor(value, 1h);
    served += feed.SendUntil(value, std::chrono::system_clock::now() + 1h);
    served += feed.TrySend(value);
    for (const auto& channel : audience.channels) {
      while (channel.TryReceive().has_value()) {
      }
    }
  });
  CHECK(allocated == 0);
  CHECK(served == 6 * kSubscribers);
}

TEMPLATE_TEST_CASE("F2: Send allocates nothing when subscribers lag", "", int,
                   Large, Copied) {
  const std::size_t capacity = GENERATE(0U, 1U);
  Feed<TestType> feed;
  const Audience<TestType> audience(feed, kSubscribers, capacity);
  const TestType value{};
  for (const auto& channel : audience.channels) {
    while (channel.TrySend(value)) {
    }
  }
  std::atomic<bool> ready{false};
  InThread receiving([&] {
    ready = true;
    std::size_t received = 0;
    for (int round = 0; round < kRounds; ++round) {
      for (const auto& channel : audience.channels) AwaitSenders(channel, 1);
      for (const auto& channel : audience.channels) {
        received += channel.Receive().has_value() ? 1 : 0;
      }
    }
    return received;
  });
  AwaitThat([&] { return ready.load(); });
  std::size_t served = 0;
  const std::size_t allocated = AllocationsIn([&] {
    for (int round = 0; round < kRounds; ++round) served += feed.Send(value);
  });
  CHECK(allocated == 0);
  CHECK(served == kRounds * kSubscribers);
  CHECK(receiving.Get() == kRounds * kSubscribers);
}

TEMPLATE_TEST_CASE("F3: Send allocates nothing while it waits for its turn", "",
                   int, Large, Copied) {
  constexpr std::size_t kSenders = 5;
  Feed<TestType> feed;
  const Audience<TestType> audience(feed, 2, 0);
  const TestType value{};
  const std::stop_source stop;
  std::atomic<std::size_t> ready{0};
  std::atomic<std::size_t> returned{0};
  std::atomic<bool> go{false};
  std::deque<InThread<std::function<std::size_t()>>> senders;
  for (std::size_t i = 0; i < kSenders; ++i) {
    senders.emplace_back([&] {
      ++ready;
      AwaitThat([&] { return go.load(); });
      std::size_t served = 0;
      for (int round = 0; round < kRounds; ++round) {
        served += feed.Send(value, stop.get_token());
      }
      ++returned;
      return served;
    });
  }
  AwaitThat([&] { return ready == kSenders; });
  const std::size_t allocated = AllocationsIn([&] {
    go = true;
    AwaitThat([&] { return feed.waiting_senders() == kSenders - 1; });
    for (std::size_t i = 0; i < kSenders * kRounds; ++i) {
      for (const auto& channel : audience.channels) {
        static_cast<void>(channel.Receive());
      }
    }
    AwaitThat([&] { return returned == kSenders; });
  });
  CHECK(allocated == 0);
  for (auto& sender : senders) CHECK(sender.Get() == kRounds * 2);
}

TEMPLATE_TEST_CASE("F7: Send allocates nothing when it gives up", "", int,
                   Large, Copied) {
  Feed<TestType> feed;
  const Audience<TestType> audience(feed, kSubscribers, 0);
  std::stop_source stop;
  stop.request_stop();
  TestType value{};
  std::size_t served = 0;
  const std::size_t allocated = AllocationsIn([&] {
    for (int round = 0; round < kRounds; ++round) {
      served += feed.TrySend(value);
      served += feed.TrySend(std::move(value));
      served += feed.Send(value, stop.get_token());
      served += feed.SendFor(value, 0s);
      served += feed.SendFor(value, 1us);
    }
  });
  CHECK(allocated == 0);
  CHECK(served == 0);
}

TEST_CASE(
    "F5 F6 F8: ending subscriptions under a blocked Send allocates nothing") {
  Feed<Copied> feed;
  const Audience<Copied> audience(feed, kSubscribers, 0);
  const Copied value;
  std::atomic<bool> returned{false};
  InThread sending([&] {
    const std::size_t served = feed.Send(value);
    returned = true;
    return served;
  });
  for (const auto& channel : audience.channels) AwaitSenders(channel, 1);
  const std::size_t allocated = AllocationsIn([&] {
    audience.subscriptions[0].Unsubscribe();
    audience.channels[1].Close();
    feed.Close();
    AwaitThat([&] { return returned.load(); });
  });
  CHECK(allocated == 0);
  CHECK(sending.Get() == 0);
}

TEST_CASE("F1: Subscribe allocates once, and seldom for the list") {
  Feed<int> feed;
  const Channel<int> channel(1);
  std::vector<Subscription> subscriptions;
  subscriptions.reserve(1000);
  const std::size_t allocated = AllocationsIn([&] {
    for (int i = 0; i < 1000; ++i) {
      subscriptions.push_back(feed.Subscribe(channel));
    }
  });
  CHECK(allocated >= 1000);
  CHECK(allocated < 1000 + 30);
  CHECK(AllocationsIn([&] { subscriptions.clear(); }) == 0);
}

TEST_CASE("O9: a subscription with default options allocates no more") {
  Feed<int> feed;
  const Channel<int> channel(1);
  std::vector<Subscription> subscriptions;
  subscriptions.reserve(1000);
  const std::size_t allocated = AllocationsIn([&] {
    for (int i = 0; i < 1000; ++i) {
      subscriptions.push_back(feed.Subscribe(channel, SubscribeOptions{}));
    }
  });
  CHECK(allocated >= 1000);
  CHECK(allocated < 1000 + 30);
}

TEMPLATE_TEST_CASE("O3 O8: to drop or to miss a value allocates nothing", "",
                   int, Large, Copied) {
  const auto overflow =
      GENERATE(Overflow::kWait, Overflow::kDropNewest, Overflow::kDropOldest);
  CAPTURE(overflow);
  Feed<TestType> feed;
  const Channel<TestType> channel(1);
  const Subscription subscription =
      feed.Subscribe(channel, {.overflow = overflow});
  CHECK(feed.Send(TestType()) == 1);
  CHECK(AllocationsIn([&] {
          for (int i = 0; i < kRounds; ++i) feed.SendReady(TestType());
        }) == 0);
  CHECK(subscription.Stats()->offered == 1 + kRounds);
}

TEST_CASE("F3: a Send that takes in who came meanwhile allocates nothing") {
  const std::size_t others = GENERATE(0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U);
  const std::size_t comers = GENERATE(1U, 2U, 5U);
  CAPTURE(others, comers);
  Feed<int> feed;
  const Channel<int> blocking, ready(64);
  const Subscription first = feed.Subscribe(blocking);
  std::vector<Subscription> subscriptions;
  const auto subscribe = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      subscriptions.push_back(feed.Subscribe(ready));
    }
  };
  subscribe(others);
  std::atomic<bool> returned{false};
  InThread sending([&] {
    const std::size_t served = feed.Send(1);
    returned = true;
    return served;
  });
  AwaitSenders(blocking, 1);
  subscribe(comers);
  const std::size_t allocated = AllocationsIn([&] {
    static_cast<void>(blocking.Receive());
    AwaitThat([&] { return returned.load(); });
  });
  CHECK(allocated == 0);
  CHECK(sending.Get() == 1 + others);
  CHECK(feed.TrySend(2) == others + comers);
}

TEST_CASE("F8: a feed that is destroyed keeps no memory for its list") {
  const bool newcomers = GENERATE(false, true);
  CAPTURE(newcomers);
  const Channel<int> channel(1), blocking;
  std::size_t left = allocations - freed;
  {
    std::optional<Feed<int>> feed(std::in_place);
    Subscription kept = feed->Subscribe(channel);
    std::vector<Subscription> others;
    const auto subscribe = [&] {
      for (int i = 0; i < 100; ++i) others.push_back(feed->Subscribe(channel));
    };
    if (newcomers) {
      const Subscription gate = feed->Subscribe(blocking);
      InThread sending([&] { return feed->Send(1); });
      AwaitSenders(blocking, 1);
      subscribe();
      feed->Close();
      static_cast<void>(sending.Get());
    } else {
      subscribe();
    }
    feed.reset();
    others.clear();
    others.shrink_to_fit();
    left = allocations - freed - left;
  }
  CHECK(left == 2);  // the subscription, and the feed that it refers to
}
