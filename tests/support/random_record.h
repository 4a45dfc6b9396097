// SPDX-License-Identifier: MIT
//
// What the threads of a random program write down about what they did, and what
// must hold of it.
//
// Each call has an interval of two stamps. Stamps are drawn relaxed, so that
// they order nothing that the library itself does not order. Every thread
// writes its own records; what several threads may write is an atomic.
#ifndef FANFARE_TESTS_SUPPORT_RANDOM_RECORD_H_
#define FANFARE_TESTS_SUPPORT_RANDOM_RECORD_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/subscribe_options.h>
#include <fanfare/subscriber_stats.h>

using Stamp = std::uint64_t;
inline constexpr Stamp kNever = ~Stamp{0};

inline Stamp Now() {
  static std::atomic<Stamp> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

// The earliest of the stamps that it was told.
class Earliest {
 public:
  void Tell(Stamp stamp) {
    Stamp known = stamp_.load(std::memory_order_relaxed);
    while (stamp < known && !stamp_.compare_exchange_weak(
                                known, stamp, std::memory_order_relaxed)) {
    }
  }
  [[nodiscard]] Stamp get() const {
    return stamp_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<Stamp> stamp_ = kNever;
};

// The end of a thing: before `begun` it was there, after `over` it was not.
struct End {
  Earliest begun;
  Earliest over;

  template <typename F>
  void During(F ending) {
    begun.Tell(Now());
    ending();
    over.Tell(Now());
  }
};

struct FeedRecord {
  std::size_t number = 0;
  std::size_t history = 0;  // how many values it keeps
  End end;                  // closed or destroyed
};

struct ChannelRecord {
  std::size_t number = 0;
  std::size_t capacity = 0;
  bool guest = false;  // feeds alone send to it
  bool exact = true;   // nothing is evicted or replayed there
  End end;             // closed
};

// A call that sends a value on a feed or on a channel.
struct Sent {
  std::uint32_t id = 0;
  const FeedRecord* feed = nullptr;
  const ChannelRecord* channel = nullptr;
  bool patient = false;  // had no stop, no deadline, and did wait
  bool lvalue = false;
  Stamp began = kNever;
  Stamp returned = kNever;
  std::size_t result = 0;  // how many took it
  std::atomic<std::size_t> copies = 0;
  // An lvalue's object, which is changed by one thread alone: the sender after
  // its Send, or a receiver that has the value.
  void* argument = nullptr;
  std::atomic<bool> argument_changed = false;
};

// A value that was received.
struct Receipt {
  std::uint32_t id;
  const ChannelRecord* channel;
  Stamp began;
  Stamp returned;
};

// A subscription of a channel to a feed.
struct Life {
  const FeedRecord* feed = nullptr;
  const ChannelRecord* channel = nullptr;
  Stamp began = kNever;  // Subscribe was called, and returned
  Stamp stood = kNever;
  End own;
  // Of whatever it is a part of; null: it is a part of none.
  const End* holding = nullptr;
  const End* scope = nullptr;
  fanfare::Overflow overflow = fanfare::Overflow::kWait;
  bool replays = false;

  // Whether its policy may keep a value from it, or end it.
  [[nodiscard]] bool may_miss() const {
    return overflow != fanfare::Overflow::kWait;
  }
  [[nodiscard]] bool may_end() const {
    return overflow == fanfare::Overflow::kEnd;
  }

  // Until when it surely got all values, and since when surely none.
  [[nodiscard]] Stamp ending() const {
    return std::min(First(&End::begun), channel->end.begun.get());
  }
  [[nodiscard]] Stamp ended() const {
    return std::min(First(&End::over), channel->end.over.get());
  }
  // Since when the feed surely does not know it any more.
  [[nodiscard]] Stamp left() const { return First(&End::over); }
  // Whether nothing but its channel's end can have ended it.
  [[nodiscard]] bool left_alone() const { return First(&End::begun) == kNever; }

 private:
  [[nodiscard]] Stamp First(Earliest End::*when) const {
    return std::min({(own.*when).get(), (holding->*when).get(),
                     (feed->end.*when).get(),
                     scope == nullptr ? kNever : (scope->*when).get()});
  }
};

// What a subscription said of itself when all had ended.
struct Numbers {
  const Life* life;
  fanfare::SubscriberStats stats;
};

// A directed graph that should have no cycle.
class OrderGraph {
 public:
  explicit OrderGraph(std::size_t nodes) : next_(nodes) {}

  void Edge(std::size_t from, std::size_t to) { next_[from].push_back(to); }

  struct Interval {
    std::size_t node;
    Stamp began;
    Stamp returned;
  };
  // Each node whose interval is over before another one begins precedes that.
  void AddIntervals(const std::vector<Interval>& intervals) {
    std::vector<std::pair<Stamp, std::pair<bool, std::size_t>>> events;
    for (const Interval& one : intervals) {
      events.push_back({one.began, {false, one.node}});
      events.push_back({one.returned, {true, one.node}});
    }
    std::sort(events.begin(), events.end());
    // A chain of moments, which the ends lead to and the beginnings come from.
    std::size_t moment = next_.size();
    next_.emplace_back();
    for (const auto& [stamp, event] : events) {
      const auto& [is_end, node] = event;
      next_.emplace_back();
      Edge(moment, moment + 1);
      ++moment;
      is_end ? Edge(node, moment) : Edge(moment, node);
    }
  }

  [[nodiscard]] bool HasCycle() const {
    std::vector<std::size_t> before(next_.size(), 0);
    for (const auto& all : next_) {
      for (const std::size_t to : all) ++before[to];
    }
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < next_.size(); ++i) {
      if (before[i] == 0) ready.push_back(i);
    }
    std::size_t done = 0;
    while (!ready.empty()) {
      const std::size_t node = ready.back();
      ready.pop_back();
      ++done;
      for (const std::size_t to : next_[node]) {
        if (--before[to] == 0) ready.push_back(to);
      }
    }
    return done != next_.size();
  }

 private:
  std::vector<std::vector<std::size_t>> next_;
};

// All that a program has written down. A log is what one thread received, in
// this order.
class Record {
 public:
  std::vector<const Sent*> sents;
  std::vector<const std::vector<Receipt>*> logs;
  std::vector<const Life*> lives;
  // Those of `lives` that had not ended when nothing went on any more, and were
  // left alone.
  std::vector<const Life*> alive_at_rest;
  std::vector<Numbers> numbers;

  // Judges it; returns what is wrong.
  std::vector<std::string> Judge() {
    Count();
    for (const Sent* sent : sents) JudgeSent(*sent);
    JudgeReceipts();
    JudgeFeeds();
    JudgeChannels();
    JudgeRest();
    JudgeNumbers();
    return std::move(wrong_);
  }

 private:
  void Wrong(const Sent& sent, const std::string& what) {
    std::string text = "value " + std::to_string(sent.id >> 16U) + ":" +
                       std::to_string(sent.id & 0xffffU);
    text += sent.feed != nullptr
                ? ", feed " + std::to_string(sent.feed->number)
                : ", channel " + std::to_string(sent.channel->number);
    text += ", taken by " + std::to_string(sent.result) + ": ";
    wrong_.push_back(text + what);
  }

  void Count() {
    for (const Sent* sent : sents) by_id_[sent->id] = sent;
    for (const auto* log : logs) {
      for (const Receipt& one : *log) ++received_[one.id][one.channel];
    }
    for (const Life* life : lives) {
      if (life->stood != kNever) by_feed_[life->feed].push_back(life);
    }
  }

  // From channels where nothing is evicted or replayed.
  std::size_t Received(const Sent& sent) const {
    const auto found = received_.find(sent.id);
    if (found == received_.end()) return 0;
    std::size_t sum = 0;
    for (const auto& [channel, count] : found->second) {
      if (channel->exact) sum += count;
    }
    return sum;
  }
  // How many others may have taken it.
  std::size_t Inexact(const Sent& sent) {
    std::size_t sum = 0;
    for (const Life* life : by_feed_[sent.feed]) {
      if (!life->channel->exact && MayHave(*life, sent)) ++sum;
    }
    return sum;
  }
  static bool MayHave(const Life& life, const Sent& sent) {
    return life.began < sent.returned && life.ended() > sent.began;
  }
  static bool MustHave(const Life& life, const Sent& sent) {
    return sent.patient && life.stood < sent.began &&
           life.ending() > sent.returned;
  }
  std::size_t Received(const Sent& sent, const ChannelRecord* channel) const {
    const auto found = received_.find(sent.id);
    if (found == received_.end()) return 0;
    const auto count = found->second.find(channel);
    return count == found->second.end() ? 0 : count->second;
  }

  // What was sent arrived, once for each that took it and nowhere else.
  void JudgeSent(const Sent& sent) {
    if (sent.returned == kNever) return Wrong(sent, "did not return");
    const std::size_t count = Received(sent);
    if (count > sent.result || sent.result - count > Inexact(sent)) {
      Wrong(sent, "received " + std::to_string(count) + " times");
    }
    std::size_t most = 0;
    if (sent.feed != nullptr) {
      most = JudgeAudience(sent);
    } else {
      most = sent.lvalue ? 1 : 0;
      if (count > 1 || Received(sent, sent.channel) != count) {
        Wrong(sent, "received from another channel, or twice");
      }
      if (sent.result != 0 && sent.channel->end.over.get() < sent.began) {
        Wrong(sent, "sent on a closed channel");
      }
      if (sent.result == 0 && sent.patient &&
          sent.channel->end.begun.get() > sent.returned) {
        Wrong(sent, "not sent on an open channel");
      }
    }
    const std::size_t copies = sent.copies.load();
    if (copies > most) {
      Wrong(sent, "copied " + std::to_string(copies) + " times for " +
                      std::to_string(most));
    }
  }

  // Each subscription that was there got it, and none that was not. Returns for
  // how many it may have been copied.
  std::size_t JudgeAudience(const Sent& sent) {
    std::map<const ChannelRecord*, std::pair<std::size_t, std::size_t>> bounds;
    std::size_t most = sent.feed->history > 0 ? 1 : 0;
    for (const Life* life : by_feed_[sent.feed]) {
      auto& [lower, upper] = bounds[life->channel];
      const bool replayed = life->replays && life->left() > sent.began;
      if (MayHave(*life, sent) || replayed) ++upper;
      if (life->began < sent.returned && life->left() > sent.began) ++most;
      if (replayed) ++most;
      if (!life->may_miss() && MustHave(*life, sent)) ++lower;
    }
    for (const auto& [channel, count] : bounds) {
      const std::size_t got = Received(sent, channel);
      const std::string where =
          " of channel " + std::to_string(channel->number) + " at capacity " +
          std::to_string(channel->capacity);
      if (got < count.first) {
        Wrong(sent, "a subscriber" + where + " missed it");
      }
      if (got > count.second) {
        Wrong(sent, "a subscription" + where +
                        " got it twice, or outside of its life");
      }
    }
    if (const auto found = received_.find(sent.id); found != received_.end()) {
      for (const auto& [channel, count] : found->second) {
        if (!bounds.contains(channel)) {
          Wrong(sent, "channel " + std::to_string(channel->number) +
                          " got it without a subscription");
        }
      }
    }
    return most;
  }

  void JudgeReceipts() {
    for (const auto* log : logs) {
      for (const Receipt& one : *log) {
        if (!by_id_.contains(one.id)) {
          wrong_.push_back("a value that was never sent");
        } else if (one.returned < by_id_.at(one.id)->began) {
          Wrong(*by_id_.at(one.id), "received before it was sent");
        }
      }
    }
  }

  // All subscribers of a feed see its values in one order, in which a Send that
  // returned comes before one that began later.
  void JudgeFeeds() {
    std::map<const FeedRecord*, std::vector<const Sent*>> feeds;
    for (const Sent* sent : sents) {
      if (sent->feed != nullptr) feeds[sent->feed].push_back(sent);
    }
    for (const auto& [feed, all] : feeds) {
      std::map<std::uint32_t, std::size_t> nodes;
      std::vector<OrderGraph::Interval> intervals;
      for (const Sent* sent : all) {
        intervals.push_back({nodes.size(), sent->began, sent->returned});
        nodes.emplace(sent->id, nodes.size());
      }
      OrderGraph graph(nodes.size());
      for (const auto* log : logs) {
        std::map<const ChannelRecord*, std::size_t> last;
        for (const Receipt& one : *log) {
          const auto node = nodes.find(one.id);
          if (node == nodes.end()) continue;
          const auto [before, is_first] =
              last.try_emplace(one.channel, node->second);
          if (before->second != node->second) {
            graph.Edge(before->second, node->second);
          }
          before->second = node->second;
        }
      }
      graph.AddIntervals(intervals);
      if (graph.HasCycle()) {
        wrong_.push_back("feed " + std::to_string(feed->number) +
                         ": no one order of all values");
      }
    }
  }

  // The values of a channel leave it in the order in which they came.
  void JudgeChannels() {
    struct Queue {
      std::vector<OrderGraph::Interval> sends;
      std::vector<OrderGraph::Interval> receives;
      std::vector<std::pair<std::size_t, std::size_t>> edges;
    };
    std::map<const ChannelRecord*, Queue> queues;
    for (const auto* log : logs) {
      std::set<const ChannelRecord*> seen;
      for (const Receipt& one : *log) {
        const auto sent = by_id_.find(one.id);
        if (sent == by_id_.end()) continue;
        Queue& queue = queues[one.channel];
        const std::size_t node = queue.sends.size();
        // The log's one before is the node before: logs are read in turn.
        if (!seen.insert(one.channel).second) {
          queue.edges.emplace_back(node - 1, node);
        }
        queue.sends.push_back(
            {node, sent->second->began, sent->second->returned});
        queue.receives.push_back({node, one.began, one.returned});
      }
    }
    for (const auto& [channel, queue] : queues) {
      OrderGraph graph(queue.sends.size());
      for (const auto& [from, to] : queue.edges) graph.Edge(from, to);
      graph.AddIntervals(queue.sends);
      graph.AddIntervals(queue.receives);
      if (graph.HasCycle()) {
        wrong_.push_back("channel " + std::to_string(channel->number) +
                         ": values overtook each other");
      }
    }
  }

  // A subscription whose channel was closed has ended once a Send has found
  // that out.
  void JudgeRest() {
    for (const Life* life : alive_at_rest) {
      if (life->may_miss()) continue;
      for (const Sent* sent : sents) {
        if (sent->feed == life->feed && sent->patient &&
            life->stood < sent->began && Received(*sent, life->channel) == 0) {
          Wrong(*sent, "a subscription of the closed channel " +
                           std::to_string(life->channel->number) +
                           " did not end");
          break;
        }
      }
    }
  }

  // What a subscription says of itself, against what was sent while it was
  // there; and what came from each guest's channel.
  void JudgeNumbers() {
    std::map<const ChannelRecord*, std::uint64_t> in, out;
    for (const auto* log : logs) {
      for (const Receipt& one : *log) ++out[one.channel];
    }
    for (const auto& [life, stats] : numbers) {
      const std::string where =
          "a subscription of channel " + std::to_string(life->channel->number) +
          " to feed " + std::to_string(life->feed->number) + ": ";
      if (stats.offered != stats.delivered + stats.dropped + stats.missed) {
        wrong_.push_back(where + "values are not accounted for");
      }
      const bool evicts = life->overflow == fanfare::Overflow::kDropOldest;
      if ((stats.dropped > 0 && (evicts || !life->may_miss())) ||
          (stats.evicted > 0 && !evicts)) {
        wrong_.push_back(where + "another policy acted");
      }
      std::uint64_t least = 0, most = 0;
      for (const Sent* sent : sents) {
        if (sent->feed != life->feed) continue;
        if (!life->may_end() && MustHave(*life, *sent)) ++least;
        if (MayHave(*life, *sent)) ++most;
      }
      if (stats.offered < least || stats.offered > most) {
        wrong_.push_back(where + std::to_string(stats.offered) +
                         " were offered, not " + std::to_string(least) +
                         " to " + std::to_string(most));
      }
      in[life->channel] += stats.replayed + stats.delivered - stats.evicted;
    }
    for (const auto& [channel, count] : in) {
      if (channel->guest && out[channel] != count) {
        wrong_.push_back("channel " + std::to_string(channel->number) + ": " +
                         std::to_string(out[channel]) + " were received, not " +
                         std::to_string(count));
      }
    }
  }

  std::map<std::uint32_t, const Sent*> by_id_;
  std::map<std::uint32_t, std::map<const ChannelRecord*, std::size_t>>
      received_;
  std::map<const FeedRecord*, std::vector<const Life*>> by_feed_;
  std::vector<std::string> wrong_;
};

#endif  // FANFARE_TESTS_SUPPORT_RANDOM_RECORD_H_
