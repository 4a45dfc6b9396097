// SPDX-License-Identifier: MIT
//
// Whether what threads saw could have been seen if their calls had taken
// effect one after the other, each at some moment between its begin and its
// end: linearizability (Herlihy and Wing, 1990).
//
// The search is that of Wing and Gong ("Testing and Verifying Concurrent
// Objects", 1993): it tries the orders that the intervals allow. As Lowe
// proposed ("Testing for Linearizability", 2017), it remembers what it has
// tried: which effects are behind it and what state they have led to.
#ifndef FANFARE_TESTS_SUPPORT_LINEARIZABILITY_H_
#define FANFARE_TESTS_SUPPORT_LINEARIZABILITY_H_

#include <algorithm>
#include <array>
#include <climits>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

// On a clock that never shows the same twice.
struct Interval {
  [[nodiscard]] bool Overlaps(const Interval& other) const {
    return begin < other.end && other.begin < end;
  }

  int begin = 0;
  int end = 0;
};

// Effects by their numbers.
using EffectSet = std::uint64_t;
constexpr EffectSet OneEffect(std::size_t i) { return EffectSet{1} << i; }
constexpr bool Has(EffectSet set, std::size_t i) {
  return (set & OneEffect(i)) != 0;
}

// Whether the effects, each at some moment of its interval, fit to the model,
// which has
//
//   a type State, ordered; State() is what it starts with
//   void ForEachStep(const State& state, EffectSet open, Step step) const
//
// where `open` are the effects that may be next. It calls step(next, effects)
// for every state that may follow, with those of `open` that lead to it: one;
// two that take effect together; none, where something happens by itself, which
// it cannot do for ever.
template <typename Model>
class Linearizer {
 public:
  Linearizer(const Model& model, std::vector<Interval> intervals)
      : model_(model), intervals_(std::move(intervals)) {
    constexpr std::size_t kMost = 63;
    if (intervals_.size() > kMost) throw std::length_error("a long history");
    all_ = OneEffect(intervals_.size()) - 1;
  }

  [[nodiscard]] bool Succeeds() { return From(0, State()); }

 private:
  using State = typename Model::State;

  bool From(EffectSet done, const State& state) {
    if (done == all_) return true;
    if (!tried_.emplace(done, state).second) return false;
    bool found = false;
    model_.ForEachStep(state, Open(done),
                       [&](const State& next, EffectSet effects) {
                         found = found || From(done | effects, next);
                       });
    return found;
  }

  // Those that began before the first of what is left had ended.
  [[nodiscard]] EffectSet Open(EffectSet done) const {
    int first_end = INT_MAX;
    for (std::size_t i = 0; i < intervals_.size(); ++i) {
      if (!Has(done, i)) first_end = std::min(first_end, intervals_[i].end);
    }
    EffectSet open = 0;
    for (std::size_t i = 0; i < intervals_.size(); ++i) {
      if (!Has(done, i) && intervals_[i].begin < first_end) {
        open |= OneEffect(i);
      }
    }
    return open;
  }

  const Model& model_;
  const std::vector<Interval> intervals_;
  EffectSet all_ = 0;
  std::set<std::pair<EffectSet, State>> tried_;
};

// A channel as one thread alone would see it, without its capacity.
struct ChannelState {
  static constexpr std::size_t kMostValues = 2;

  [[nodiscard]] int front() const { return values[0]; }
  [[nodiscard]] bool empty() const { return values[0] == 0; }
  [[nodiscard]] std::size_t size() const {
    return static_cast<std::size_t>(std::count_if(
        values.begin(), values.end(), [](int v) { return v != 0; }));
  }
  void Push(int value) { values[size()] = value; }
  void Pop() { values = {values[1], 0}; }
  friend auto operator<=>(const ChannelState&, const ChannelState&) = default;

  std::array<int, kMostValues> values{};  // the oldest first; then zeros
  bool closed = false;
};

// The seeds of a run: `count` of them, or as many as the environment variable
// FANFARE_HISTORIES says, from 1 or FANFARE_FIRST_SEED on; FANFARE_SEED says
// that it is that one alone.
struct Seeds {
  explicit Seeds(std::uint64_t count) {
    const bool one = Read("FANFARE_SEED", first);
    if (!one) {
      Read("FANFARE_FIRST_SEED", first);
      Read("FANFARE_HISTORIES", count);
    }
    last = one ? first : first + count - 1;
  }

  std::uint64_t first = 1;
  std::uint64_t last;

 private:
  static bool Read(const char* variable, std::uint64_t& number) {
    const char* const text = std::getenv(variable);
    if (text != nullptr) number = std::strtoull(text, nullptr, 10);
    return text != nullptr;
  }
};

// How many of the calls had another thread's beside them.
struct Share {
  // The intervals of the calls, by thread.
  void Add(const std::vector<std::vector<Interval>>& threads) {
    for (std::size_t t = 0; t < threads.size(); ++t) {
      for (const Interval& mine : threads[t]) {
        bool overlaps = false;
        for (std::size_t o = 0; o < threads.size(); ++o) {
          overlaps = overlaps ||
                     (o != t && std::any_of(threads[o].begin(),
                                            threads[o].end(), [&](auto& other) {
                                              return mine.Overlaps(other);
                                            }));
        }
        ++calls;
        overlapping += overlaps ? 1 : 0;
      }
    }
  }

  std::size_t calls = 0;
  std::size_t overlapping = 0;
};

#endif  // FANFARE_TESTS_SUPPORT_LINEARIZABILITY_H_
