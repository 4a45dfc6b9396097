// SPDX-License-Identifier: MIT
//
// The main function of every rival's program.
#ifndef FANFARE_BENCHMARKS_PROGRAM_H_
#define FANFARE_BENCHMARKS_PROGRAM_H_

#include <iostream>
#include <latch>
#include <memory>
#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>
#include <thread>

#include <benchmark/benchmark.h>

namespace bench {

// What Google Benchmark adds to the name of a case that takes its own time.
inline constexpr std::string_view kSuffix = "/manual_time";

// Passes lines on without that suffix, so that a case has the same name in all
// programs.
class WithoutSuffix : public std::streambuf {
 public:
  explicit WithoutSuffix(std::ostream& out) : out_(out) {}
  ~WithoutSuffix() override { Flush(); }
  WithoutSuffix(const WithoutSuffix&) = delete;
  WithoutSuffix& operator=(const WithoutSuffix&) = delete;

 protected:
  int_type overflow(int_type c) override {
    if (traits_type::eq_int_type(c, traits_type::eof())) return 0;
    line_.push_back(traits_type::to_char_type(c));
    if (line_.back() == '\n') Flush();
    return c;
  }

 private:
  void Flush() {
    for (auto at = line_.find(kSuffix); at != std::string::npos;
         at = line_.find(kSuffix, at)) {
      line_.erase(at, kSuffix.size());
    }
    out_ << line_ << std::flush;
    line_.clear();
  }

  std::ostream& out_;
  std::string line_;
};

// Runs the cases that are registered, as the arguments say.
inline int RunCases(int argc, char** argv) {
  // While a process has one thread, glibc leaves out the atomic operations of a
  // mutex. No program that needs a channel is like that.
  std::latch over(1);
  const std::jthread parked([&] { over.wait(); });
  struct Release {
    std::latch& over;
    ~Release() { over.count_down(); }
  };
  const Release release{over};

  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  std::string filter;
  for (const char c : benchmark::GetBenchmarkFilter()) {
    if (c == '$') filter.append("(").append(kSuffix).append(")?");
    filter.push_back(c);
  }
  if (filter.empty()) filter.push_back('.');
  WithoutSuffix buffer(std::cout);
  std::ostream out(&buffer);
  const std::unique_ptr<benchmark::BenchmarkReporter> reporter(
      benchmark::CreateDefaultDisplayReporter());
  reporter->SetOutputStream(&out);
  benchmark::RunSpecifiedBenchmarks(reporter.get(), filter);
  benchmark::Shutdown();
  return 0;
}

}  // namespace bench

#endif  // FANFARE_BENCHMARKS_PROGRAM_H_
