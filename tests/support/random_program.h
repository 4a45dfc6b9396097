// SPDX-License-Identifier: MIT
//
// What a random program is made of: what is drawn of its seed, and what its
// threads share.
#ifndef FANFARE_TESTS_SUPPORT_RANDOM_PROGRAM_H_
#define FANFARE_TESTS_SUPPORT_RANDOM_PROGRAM_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "random_record.h"
#include "random_values.h"
#include "stress.h"

inline constexpr std::size_t kScopes = 2;

// What a program is, but for what its threads do.
struct Plan {
  explicit Plan(std::uint64_t seed) : dice(static_cast<std::uint32_t>(seed)) {
    crowded = dice(16) == 0;
    threads = 2 + dice(7);
    calls = crowded ? 15 : 40 + dice(80);
    channels = 1 + dice(5);
    feeds = 1 + dice(3);
    most_subscriptions = 1 + dice(5);
    patience = 4U << dice(6);
    closes_channels = dice(3) == 0;
    closes_scopes = dice(3) == 0;
    closes_feeds = dice(4) == 0;
    drops_feeds = dice(3) == 0;
    // Some kinds of calls come more often than others.
    for (auto& weight : weights) weight = 1 + dice(8);
    history = dice(3);
  }

  Dice dice;
  bool crowded;
  std::uint32_t threads;
  std::uint32_t calls;  // of each thread
  std::uint32_t channels;
  std::uint32_t feeds;
  std::uint32_t most_subscriptions;  // that a thread holds
  std::uint32_t patience;  // how many yields without progress are a standstill
  bool closes_channels;
  bool closes_scopes;
  bool closes_feeds;
  bool drops_feeds;
  std::uint32_t history;  // of the first feed
  std::array<std::uint32_t, 11> weights{};
};

template <typename T>
struct Place {
  fanfare::Channel<T> channel;
  ChannelRecord record;

  Place(std::size_t number, std::size_t capacity) : channel(capacity) {
    record.number = number;
    record.capacity = capacity;
  }
};

// A feed that tells when its end begins.
template <typename T>
struct OwnFeed {
  explicit OwnFeed(FeedRecord& its)
      : record(&its), feed(fanfare::FeedOptions{.replay = its.history}) {}
  ~OwnFeed() { record->end.begun.Tell(Now()); }
  OwnFeed(const OwnFeed&) = delete;
  OwnFeed& operator=(const OwnFeed&) = delete;

  FeedRecord* record;
  fanfare::Feed<T> feed;
};
template <typename T>
using SharedFeed = std::shared_ptr<OwnFeed<T>>;

// The channels of one type, which all threads use.
template <typename T>
struct World {
  std::deque<Place<T>> places;
  std::deque<Place<T>> crowd;
  std::deque<FeedRecord> feed_records;
};
using Worlds = std::tuple<World<Number>, World<Sentence>, World<Block>>;

// A subscription, and what it is made of.
struct Holding {
  fanfare::Subscription handle;
  fanfare::Receiver<std::exception_ptr> err;
  End end;
  std::deque<Life> lives;
  const End* scope = nullptr;
  bool plain = true;     // of one channel to one feed
  bool tracked = false;  // the handle is the wrapper of a scope
  bool shared = false;   // with other threads: the handle stays
  fanfare::Channel<std::exception_ptr> failure{
      1};  // what a join's producer waits for
  bool can_fail = false;
};

struct Scope {
  std::optional<fanfare::SubscriptionScope> scope{std::in_place};
  End end;
};

// What the threads share.
struct Shared {
  explicit Shared(Plan its) : plan(its), scopes(kScopes) {}

  Plan plan;
  Worlds worlds;
  std::deque<Scope> scopes;
  fanfare::Channel<Holding*> handed{16};
  std::deque<std::atomic<std::uint32_t>> progress;
};

// One thread's part of a world.
template <typename T>
struct Part {
  World<T>* world = nullptr;
  std::vector<SharedFeed<T>> feeds;
  std::deque<T> arguments;
  std::deque<Place<T>> guests;
  std::vector<std::pair<const Place<T>*, std::size_t>> left_over;
};

// All threads' sends, by id.
class Sends {
 public:
  // `most` of each thread.
  explicit Sends(const std::vector<std::size_t>& most)
      : counts_(most.size(), 0) {
    for (const std::size_t count : most) threads_.emplace_back(count);
  }

  Sent& New(std::size_t thread) {
    const std::size_t n = counts_[thread]++;
    if (n == threads_[thread].size()) std::abort();
    Sent& sent = threads_[thread][n];
    sent.id = static_cast<std::uint32_t>(thread << 16U | (n + 1));
    return sent;
  }
  // Null: there is no such one. Reads what was written before it was sent.
  Sent* Find(std::uint32_t id) {
    const std::size_t thread = id >> 16U;
    const std::size_t n = id & 0xffffU;
    if (thread >= threads_.size() || n == 0) return nullptr;
    if (n > threads_[thread].size()) return nullptr;
    Sent& sent = threads_[thread][n - 1];
    return sent.id == id ? &sent : nullptr;
  }
  [[nodiscard]] std::size_t count(std::size_t thread) const {
    return counts_[thread];
  }

 private:
  std::vector<std::vector<Sent>> threads_;
  std::vector<std::size_t> counts_;
};

#endif  // FANFARE_TESTS_SUPPORT_RANDOM_PROGRAM_H_
