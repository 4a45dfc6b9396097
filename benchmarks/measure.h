// SPDX-License-Identifier: MIT
//
// What all scenarios share: the values that are sent, how they are checked, and
// how a case is timed and reported.
#ifndef FANFARE_BENCHMARKS_MEASURE_H_
#define FANFARE_BENCHMARKS_MEASURE_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

namespace bench {

using Clock = std::chrono::steady_clock;

// Eight bytes that say which value of a stream they are.
class Event {
 public:
  Event() = default;
  explicit Event(std::uint64_t number) : number_(number) {}
  void Set(std::uint64_t number) { number_ = number; }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] bool Is(std::uint64_t number) const {
    return number_ == number;
  }

 private:
  std::uint64_t number_ = 0;
};
static_assert(sizeof(Event) == 8);

// The same in a kibibyte, so that a torn one is seen.
class Kilobyte {
 public:
  Kilobyte() = default;
  explicit Kilobyte(std::uint64_t number) { Set(number); }
  void Set(std::uint64_t number) { words_.front() = words_.back() = number; }
  [[nodiscard]] bool Is(std::uint64_t number) const {
    return words_.front() == number && words_.back() == number;
  }

 private:
  std::array<std::uint64_t, 128> words_{};
};
static_assert(sizeof(Kilobyte) == 1024);

// Ends the program with an error if a value is not the one that had to come. It
// does not wait for the others, since a lost value would never come.
inline void Expect(bool right) {
  if (right) [[likely]]
    return;
  std::fputs("FAILED: a value was lost, doubled, torn or out of order.\n",
             stderr);
  std::_Exit(1);
}

// Calls `run(count)`, which returns how long it took to do that `count` times,
// and reports the time per `parts`-th of one as the counter "ns".
template <typename Run>
void Measure(benchmark::State& state, double parts, Run run) {
  while (state.KeepRunningBatch(state.max_iterations)) {
    const auto count = static_cast<std::size_t>(state.max_iterations);
    const std::chrono::duration<double> time = run(count);
    state.SetIterationTime(time.count());
    state.counters["ns"] =
        time.count() * 1e9 / (static_cast<double>(count) * parts);
  }
}

// The sample that the given part of all samples does not exceed. Reorders them.
inline Clock::duration Percentile(std::span<Clock::duration> samples,
                                  double part) {
  const auto place =
      samples.begin() + static_cast<std::ptrdiff_t>(
                            static_cast<double>(samples.size() - 1) * part);
  std::nth_element(samples.begin(), place, samples.end());
  return *place;
}

// The 99th percentile of a hundred samples that follow each other, as the
// median of all hundreds. A machine that stops a thread for a millisecond
// delays all events of that time, and these few hundreds do not count. Reorders
// each hundred.
inline Clock::duration Usual99th(std::span<Clock::duration> samples) {
  const std::size_t hundred = std::min<std::size_t>(100, samples.size());
  std::vector<Clock::duration> all;
  for (; samples.size() >= hundred; samples = samples.subspan(hundred)) {
    all.push_back(Percentile(samples.first(hundred), 0.99));
  }
  return Percentile(all, 0.5);
}

// Reports as counters, in nanoseconds, "p50", "p99" and "p999": the median, the
// usual 99th and the 99.9th percentile of samples in the order of time.
inline void ReportLatency(benchmark::State& state,
                          std::vector<Clock::duration> samples) {
  if (samples.empty()) return;
  const auto report = [&](const char* name, Clock::duration time) {
    state.counters[name] =
        std::chrono::duration<double, std::nano>(time).count();
  };
  report("p99", Usual99th(samples));
  report("p50", Percentile(samples, 0.5));
  report("p999", Percentile(samples, 0.999));
}

// Adds a case to the program. The time that counts is what it reports itself.
template <typename Case>
benchmark::internal::Benchmark* Register(const char* name, Case run) {
  return benchmark::RegisterBenchmark(name, std::move(run))->UseManualTime();
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_MEASURE_H_
