// SPDX-License-Identifier: MIT
//
// O3: a feed replaces the values of a full channel many times in a row, and
// then the channel is used. The program is the product of what happens between
// two such floods and after them, and a queue says what is to be in the
// channel. After so many replacements the two ends of the channel share a lock
// (channel_ends.h), and each use of the channel has to separate them.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>
#include <fanfare/subscribe_options.h>

#include "support/catch.h"
#include "support/in_thread.h"
#include "support/policies.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::OnDefault;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::Overflow;
using fanfare::Select;
using fanfare::Subscription;

// A value of more than one word.
struct Wide {
  std::uint64_t number;
  std::uint64_t again;
  std::uint64_t once_more;
};

template <typename T>
T Make(int number) {
  if constexpr (std::is_same_v<T, Wide>) {
    const auto n = static_cast<std::uint64_t>(number);
    return Wide{n, n, n};
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "a string that is too long to be short: " + std::to_string(number);
  } else if constexpr (std::is_same_v<T, std::shared_ptr<const int>>) {
    return std::make_shared<const int>(number);
  } else {
    return number;
  }
}
int NumberOf(int value) { return value; }
int NumberOf(const Wide& value) {
  const bool whole =
      value.number == value.again && value.number == value.once_more;
  return whole ? static_cast<int>(value.number) : -1;
}
int NumberOf(const std::string& value) {
  return std::stoi(value.substr(value.rfind(' ')));
}
int NumberOf(const std::shared_ptr<const int>& value) { return *value; }

// A channel whose oldest value makes room, and a queue that does the same.
template <typename T>
struct Stuck {
  explicit Stuck(std::size_t capacity) : channel(capacity) {
    subscription =
        feed->Subscribe(channel, {.overflow = Overflow::kDropOldest});
  }

  void Flood(int count) {
    for (; count > 0; --count) {
      Replace(next);
      CHECK(feed->Send(Make<T>(next)) == (ended ? 0 : 1));
      ++next;
    }
  }
  void Replace(int number) {
    if (ended) return;
    if (queue.size() == channel.capacity()) {
      queue.pop_front();
      ++evicted;
    }
    queue.push_back(number);
  }
  void ExpectFront(const std::optional<T>& value) {
    if (queue.empty()) {
      CHECK_FALSE(value.has_value());
      return;
    }
    REQUIRE(value.has_value());
    CHECK(NumberOf(*value) == queue.front());
    queue.pop_front();
  }
  // A send that is not the feed's.
  void ExpectSent(bool sent, int number) {
    CHECK(sent == (!closed && queue.size() < channel.capacity()));
    if (sent) queue.push_back(number);
  }
  void ExpectAll() {
    CHECK(channel.size() == queue.size());
    const auto stats = subscription.Stats();
    REQUIRE(stats.has_value());
    CHECK(stats->queued == queue.size());
    CHECK(stats->evicted == evicted);
    while (!queue.empty()) ExpectFront(channel.TryReceive());
    CHECK_FALSE(channel.TryReceive().has_value());
    CHECK(channel.size() == 0);
  }

  std::unique_ptr<Feed<T>> feed = std::make_unique<Feed<T>>();
  Channel<T> channel;
  Subscription subscription;
  std::deque<int> queue;
  std::uint64_t evicted = 0;
  int next = 0;
  bool ended = false;  // the subscription
  bool closed = false;
};

// What a program does with the channel.
template <typename T>
struct Use {
  const char* name;
  void (*act)(Stuck<T>&);
};

template <typename T>
const std::vector<Use<T>>& Uses() {
  using S = Stuck<T>&;
  static const std::vector<Use<T>> kUses = {
      {"nothing", [](S) {}},
      {"a receive", [](S s) { s.ExpectFront(s.channel.TryReceive()); }},
      {"all are received",
       [](S s) {
         while (!s.queue.empty()) s.ExpectFront(s.channel.Receive());
       }},
      {"a receive from another thread",
       [](S s) {
         InThread receive([&] { return s.channel.TryReceive(); });
         s.ExpectFront(receive.Get());
       }},
      {"a Select receives",
       [](S s) {
         std::optional<T> got;
         Select(OnReceive(s.channel,
                          [&](std::optional<T> value) { got.swap(value); }),
                OnDefault());
         s.ExpectFront(got);
       }},
      {"a Select sends",
       [](S s) {
         bool sent = false;
         Select(OnSend(s.channel, Make<T>(s.next), [&] { sent = true; }),
                OnDefault());
         s.ExpectSent(sent, s.next++);
       }},
      {"the size is asked for",
       [](S s) {
         CHECK(s.channel.size() == s.queue.size());
         CHECK(s.channel.waiting_senders() == 0);
         CHECK(s.channel.waiting_receivers() == 0);
       }},
      {"another sender tries",
       [](S s) {
         const bool sent = s.channel.TrySend(Make<T>(s.next));
         s.ExpectSent(sent, s.next++);
       }},
      {"another sender waits",
       [](S s) {
         const bool full = !s.closed && s.queue.size() == s.channel.capacity();
         const int number = s.next++;
         InThread send([&] { return s.channel.Send(Make<T>(number)); });
         if (full) {
           AwaitSenders(s.channel, 1);
           s.ExpectFront(s.channel.TryReceive());
         }
         s.ExpectSent(send.Get(), number);
       }},
      {"a replacement passes a sender that waits",
       [](S s) {
         if (s.closed || s.queue.size() < s.channel.capacity()) return;
         const int number = s.next++;
         InThread send([&] { return s.channel.Send(Make<T>(number)); });
         AwaitSenders(s.channel, 1);
         s.Flood(70);
         s.ExpectFront(s.channel.TryReceive());
         CHECK(send.Get());
         s.queue.push_back(number);
       }},
      {"another feed sends without a policy",
       [](S s) {
         Feed<T> other;
         const Subscription subscription = other.Subscribe(s.channel);
         const bool sent = other.TrySend(Make<T>(s.next)) == 1;
         s.ExpectSent(sent, s.next++);
       }},
      {"another feed replaces",
       [](S s) {
         if (s.closed) return;
         Feed<T> other;
         const Subscription subscription =
             other.Subscribe(s.channel, {.overflow = Overflow::kDropOldest});
         const bool ended = std::exchange(s.ended, false);
         std::uint64_t evicted = s.evicted;
         for (int i = 0; i < 100; ++i) {
           s.Replace(s.next);
           CHECK(other.Send(Make<T>(s.next++)) == 1);
         }
         std::swap(evicted, s.evicted);
         CHECK(subscription.Stats()->evicted == evicted - s.evicted);
         s.ended = ended;
       }},
      {"unsubscribed",
       [](S s) {
         s.subscription.Unsubscribe();
         s.ended = true;
       }},
      {"the channel is closed",
       [](S s) {
         s.channel.Close();
         s.closed = s.ended = true;
       }},
      {"the feed is destroyed",
       [](S s) {
         s.feed = std::make_unique<Feed<T>>();
         s.ended = true;
       }},
  };
  return kUses;
}

}  // namespace

TEMPLATE_TEST_CASE("a channel that is never received from, then used (O3)",
                   "[policy]", int, Wide, std::string,
                   std::shared_ptr<const int>) {
  const std::size_t capacity =
      GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{7});
  // Around the numbers after which the channel looks whether it is stuck.
  const int flood = GENERATE(31, 33, 97);
  for (const auto& first : Uses<TestType>()) {
    for (const auto& second : Uses<TestType>()) {
      INFO("capacity " << capacity << ", floods of " << flood << ", then "
                       << first.name << ", a flood, then " << second.name);
      Stuck<TestType> stuck(capacity);
      stuck.Flood(flood);
      first.act(stuck);
      stuck.Flood(flood);
      second.act(stuck);
      stuck.ExpectAll();
    }
  }
}

TEST_CASE("replacements overflow no counter (O3)", "[policy]") {
  // Only where a counter has 32 bits, is it reached.
  if (sizeof(std::size_t) > 4) return;
  Stuck<int> stuck(3);
  stuck.Flood(200);
  for (std::uint64_t i = 0; i < (std::uint64_t{1} << 32); ++i) {
    stuck.feed->Send(0);
  }
  stuck.queue = {0, 0, 0};
  stuck.evicted += std::uint64_t{1} << 32;
  stuck.Flood(2);
  stuck.ExpectAll();
}

TEMPLATE_TEST_CASE("a consumer that is stuck now and then (O3)", "[policy]",
                   int, std::string) {
  // It loses only old values, and others may look at its channel meanwhile.
  constexpr int kValues = 100'000;
  Feed<TestType> feed;
  Channel<TestType> channel(4);
  const Channel<TestType> never(2);
  const Subscription subscription =
      feed.Subscribe(channel, {.overflow = Overflow::kDropOldest});
  const Subscription stuck =
      feed.Subscribe(never, {.overflow = Overflow::kDropOldest});
  InThread receiving([&] {
    std::uint64_t received = 0;
    int last = -1;
    bool ordered = true;
    while (last != kValues - 1) {
      const std::optional<TestType> value = channel.Receive();
      if (!value.has_value()) break;
      ordered = ordered && NumberOf(*value) > last;
      last = NumberOf(*value);
      // After every second value, the channel is left alone for longer.
      if (++received % 2 == 0) std::this_thread::yield();
    }
    return std::pair(received, ordered && last == kValues - 1);
  });
  std::atomic<bool> sent = false;
  InThread looking([&] {
    bool right = true;
    while (!sent) {
      const auto stats = stuck.Stats();
      // A value may be counted as delivered that is not there yet, or that has
      // not been counted as replacing another.
      right = right && stats.has_value() &&
              stats->delivered - stats->evicted - stats->queued <= 1 &&
              never.size() <= 2 && channel.size() <= 4;
      std::this_thread::yield();
    }
    return right;
  });
  for (int i = 0; i < kValues; ++i) feed.Send(Make<TestType>(i));
  sent = true;
  CHECK(looking.Get());
  const auto [received, ordered] = receiving.Get();
  CHECK(ordered);
  CHECK(received + subscription.Stats()->evicted == kValues);
  CHECK(stuck.Stats()->evicted == kValues - 2);
  CHECK(NumberOf(*never.TryReceive()) == kValues - 2);
}
