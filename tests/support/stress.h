// SPDX-License-Identifier: MIT
//
// What stress tests share: how long they run, and how they keep accounts.
#ifndef FANFARE_TESTS_SUPPORT_STRESS_H_
#define FANFARE_TESTS_SUPPORT_STRESS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "in_thread.h"
#include "tried.h"

// Runs out after a `parts`-th of what a test case may take: the seconds that
// the environment variable FANFARE_STRESS_SECONDS tells, or one.
class StressTimer {
 public:
  explicit StressTimer(int parts) {
    const char* const told = std::getenv("FANFARE_STRESS_SECONDS");
    const std::chrono::duration<double> seconds(
        told == nullptr ? 1.0 : std::strtod(told, nullptr));
    end_ = Clock::now() +
           std::chrono::duration_cast<Clock::duration>(seconds / parts);
  }
  [[nodiscard]] bool over() const { return Clock::now() >= end_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
};

// Small numbers that differ from call to call (a linear congruence).
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : state_(seed * 2654435761U + 1U) {}
  std::uint32_t operator()(std::uint32_t sides) {
    state_ = state_ * 1664525U + 1013904223U;
    return (state_ >> 16) % sides;
  }

 private:
  std::uint32_t state_;
};

// What some thread has sent or received: equal if the same values went through
// (but for values that happen to sum up alike).
struct Account {
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
  std::uint64_t squares = 0;
  int errors = 0;  // of order, of torn values, of values wrongly moved from

  [[nodiscard]] std::uint64_t values() const { return count; }

  void Add(std::uint64_t value) {
    ++count;
    sum += value;
    squares += value * value;
  }
  Account& operator+=(const Account& other) {
    count += other.count;
    sum += other.sum;
    squares += other.squares;
    errors += other.errors;
    return *this;
  }
  friend bool operator==(const Account&, const Account&) = default;
};

// Runs `function(i)` for all i below `count`, each in a thread.
template <typename F>
class Crowd {
 public:
  Crowd(std::size_t count, F function) {
    for (std::size_t i = 0; i < count; ++i) {
      threads_.push_back(
          std::make_unique<InThread<Member>>(Member{function, i}));
    }
  }

  // Waits for all and adds up what they returned.
  auto Sum() {
    auto sum = threads_.front()->Get();
    for (std::size_t i = 1; i < threads_.size(); ++i) sum += threads_[i]->Get();
    if constexpr (requires { sum.values(); }) tried_values += sum.values();
    return sum;
  }

 private:
  struct Member {
    auto operator()() { return function(i); }
    F function;
    std::size_t i;
  };
  std::vector<std::unique_ptr<InThread<Member>>> threads_;
};

#endif  // FANFARE_TESTS_SUPPORT_STRESS_H_
