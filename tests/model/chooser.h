// SPDX-License-Identifier: MIT
//
// Who decides, wherever a schedule can go on in several ways.
#ifndef FANFARE_TESTS_MODEL_CHOOSER_H_
#define FANFARE_TESTS_MODEL_CHOOSER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace model {

// More choices than any schedule that ends.
inline constexpr std::size_t kMostChoices = 20000;

class Chooser {
 public:
  Chooser() {
    // No memory is taken while a schedule runs: it would be the schedule's.
    others_.reserve(kMostChoices);
  }
  Chooser(const Chooser&) = delete;
  Chooser& operator=(const Chooser&) = delete;
  virtual ~Chooser() = default;

  // Picks one of `options`, two or more. `preempts`: all but the first take
  // the processor from a thread that could go on.
  std::size_t Pick(std::size_t options, bool preempts) {
    const std::size_t picked = Decide(options, preempts);
    if (picked != 0) {
      others_.emplace_back(index_, picked);
      if (preempts) ++preemptions_;
    }
    ++index_;
    return picked;
  }

  // Starts another schedule.
  void Restart() {
    others_.clear();
    index_ = 0;
    preemptions_ = 0;
  }

  // The schedule so far: which choices, by number, did not fall on the first
  // option. Replay takes it.
  [[nodiscard]] std::string Told() const {
    std::ostringstream told;
    const char* separator = "";
    for (const auto& [index, picked] : others_) {
      told << std::exchange(separator, ",") << index << ':' << picked;
    }
    return others_.empty() ? "none" : told.str();
  }

 protected:
  virtual std::size_t Decide(std::size_t options, bool preempts) = 0;
  [[nodiscard]] std::size_t index() const { return index_; }
  [[nodiscard]] std::size_t preemptions() const { return preemptions_; }

 private:
  std::vector<std::pair<std::size_t, std::size_t>> others_;
  std::size_t index_ = 0;
  std::size_t preemptions_ = 0;
};

// All schedules with `bound` preemptions at most, one after the other, depth
// first. Most bugs need few (Musuvathi and Qadeer, "Iterative Context Bounding
// for Systematic Testing of Multithreaded Programs", 2007).
class Exhaustive final : public Chooser {
 public:
  explicit Exhaustive(std::size_t bound) : bound_(bound) {
    path_.reserve(kMostChoices);
  }

  // Goes on to the next schedule; false: that was the last.
  bool Next() {
    Restart();
    depth_ = 0;
    while (!path_.empty()) {
      if (++path_.back().picked < path_.back().options) return true;
      path_.pop_back();
    }
    return false;
  }

  // Whether there are no schedules with more preemptions either.
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  struct Choice {
    std::size_t picked;
    std::size_t options;
  };

  std::size_t Decide(std::size_t options, bool preempts) override {
    if (preempts && preemptions() == bound_) {
      complete_ = false;
      return 0;
    }
    if (depth_ == path_.size()) path_.push_back({0, options});
    return path_[depth_++].picked;
  }

  const std::size_t bound_;
  std::vector<Choice> path_;
  std::size_t depth_ = 0;
  bool complete_ = true;
};

// Random schedules. Some preempt at every second point, some hardly ever.
class Chance final : public Chooser {
 public:
  explicit Chance(std::uint64_t seed) : seed_(seed) {}

  void Next() {
    Restart();
    // SplitMix64 spreads the seeds (Steele, Lea and Flood, 2014).
    state_ = seed_++ * 0x9E3779B97F4A7C15U;
    state_ = (state_ ^ (state_ >> 30)) * 0xBF58476D1CE4E5B9U;
    state_ = ((state_ ^ (state_ >> 27)) * 0x94D049BB133111EBU) | 1U;
    rarity_ = std::size_t{2} << Random(6);
  }

 private:
  std::size_t Decide(std::size_t options, bool preempts) override {
    if (!preempts) return Random(options);
    return Random(rarity_) == 0 ? 1 + Random(options - 1) : 0;
  }

  // xorshift64*, by Sebastiano Vigna.
  std::size_t Random(std::size_t count) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::size_t>((state_ * 0x2545F4914F6CDD1DU) >> 33) %
           count;
  }

  std::uint64_t seed_;
  std::uint64_t state_ = 1;
  std::size_t rarity_ = 2;
};

// One schedule once more.
class Replay final : public Chooser {
 public:
  explicit Replay(const std::string& told) {
    std::istringstream text(told);
    std::size_t index, picked;
    char mark;
    while (text >> index >> mark >> picked) {
      picks_[index] = picked;
      text >> mark;
    }
  }

 private:
  std::size_t Decide(std::size_t options, bool) override {
    const auto found = picks_.find(index());
    if (found == picks_.end() || found->second >= options) return 0;
    return found->second;
  }

  std::map<std::size_t, std::size_t> picks_;
};

}  // namespace model

#endif  // FANFARE_TESTS_MODEL_CHOOSER_H_
