// SPDX-License-Identifier: MIT
//
// How much a program of tests has tried, for verify.py.
#ifndef FANFARE_TESTS_SUPPORT_TRIED_H_
#define FANFARE_TESTS_SUPPORT_TRIED_H_

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// Adds up; where the environment variable FANFARE_TELL_TRIED is set, the sum is
// printed when the program ends: "tried: 6000 schedules".
class Tried {
 public:
  explicit constexpr Tried(const char* what) : what_(what) {}
  Tried(const Tried&) = delete;
  Tried& operator=(const Tried&) = delete;
  ~Tried() {
    if (count_ == 0 || std::getenv("FANFARE_TELL_TRIED") == nullptr) return;
    std::printf("\ntried: %llu %s\n",
                static_cast<unsigned long long>(count_.load()), what_);
  }

  Tried& operator+=(std::uint64_t more) {
    count_ += more;
    return *this;
  }

 private:
  const char* what_;
  std::atomic<std::uint64_t> count_{0};
};

// Orders of events, of which chance decided each.
inline Tried tried_schedules("schedules");
// Calls of random histories.
inline Tried tried_calls("calls");
// Values that stress tests have sent and received.
inline Tried tried_values("values");
// Rounds of what comes and goes.
inline Tried tried_rounds("rounds");

#endif  // FANFARE_TESTS_SUPPORT_TRIED_H_
