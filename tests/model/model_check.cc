// SPDX-License-Identifier: MIT
//
// Explores the schedules of small scenarios: first all of those with no
// preemption, then all with one, and so on as long as it is not far to the
// wanted number; from there on, random ones.

#include "scenario.h"
// The platform comes first.

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../support/sanitizers.h"
#include "arena.h"
#include "chooser.h"
#include "scheduler.h"

namespace model { namespace {

constexpr const char* kUsage =
    R"(usage: model_check [NAME...] [--schedules N] [--seed S] [--bound K]
                   [--replay CHOICES] [--list]
  NAME         a scenario, or with a * at its end all whose names begin so;
               all there are without one
  --schedules  how many to try of each, at least (20000)
  --bound      tries all with so many preemptions, whatever their number
  --seed       where the random schedules begin (1)
  --replay     prints the steps of the one schedule that a failure told
)";

struct Options {
  std::vector<std::string> names;
  std::uint64_t schedules = 20000;
  std::uint64_t seed = 1;
  std::size_t bound = 0;
  std::string replay;
  bool list = false;
};

struct Report {
  std::uint64_t exhaustive = 0;  // how many there are within the bound
  std::size_t bound = 0;
  bool complete = false;  // and there are no others
  std::uint64_t random = 0;
};

// All schedules with `bound` preemptions at most, as long as they are not more
// than `most`; 0: they are.
std::uint64_t Exhaust(const Scenario& scenario, std::size_t bound,
                      std::uint64_t most, bool& complete) {
  Exhaustive chooser(bound);
  std::uint64_t count = 0;
  do {
    if (count++ == most) return 0;
    Scheduler::Run(scenario.name, scenario.run, chooser, false);
  } while (chooser.Next());
  complete = chooser.complete();
  return count;
}

Report Explore(const Scenario& scenario, const Options& options) {
  Report report;
  // Each bound has so many times the schedules of the one before, or less.
  std::uint64_t growth = 1;
  for (std::size_t bound = 0; !report.complete; ++bound) {
    const bool wanted = bound <= options.bound;
    const std::uint64_t expected = report.exhaustive * growth;
    if (!wanted && expected > 2 * options.schedules) break;
    const std::uint64_t count =
        Exhaust(scenario, bound,
                wanted ? static_cast<std::uint64_t>(-1) : 4 * options.schedules,
                report.complete);
    if (count == 0) break;
    if (bound > 0) growth = count / report.exhaustive + 1;
    report.exhaustive = count;
    report.bound = bound;
  }
  if (report.complete) return report;
  Chance chooser(options.seed);
  for (; report.exhaustive + report.random < options.schedules;
       ++report.random) {
    chooser.Next();
    Scheduler::Run(scenario.name, scenario.run, chooser, false);
  }
  return report;
}

// A crash is a failure with a schedule like any other.
[[maybe_unused]] void OnSignal(int) { Scheduler::Fail("a crash"); }

void CatchSignals() {
#if !FANFARE_TESTS_ASAN
  static char stack[std::size_t{64} << 10];
  stack_t alternative{};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    sigaction(signal, &action, nullptr);
  }
#endif
}

bool IsWanted(const Scenario& scenario, const Options& options) {
  const std::string_view mine = scenario.name;
  for (const std::string_view name : options.names) {
    const bool many = name.ends_with('*');
    if (many ? mine.starts_with(name.substr(0, name.size() - 1))
             : mine == name) {
      return true;
    }
  }
  return options.names.empty();
}

bool Read(std::span<char*> arguments, Options& options) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string argument = arguments[i];
    if (!argument.starts_with("--")) {
      options.names.push_back(argument);
      continue;
    }
    if (argument == "--list") {
      options.list = true;
      continue;
    }
    if (++i == arguments.size()) return false;
    const std::string value = arguments[i];
    if (argument == "--replay") {
      options.replay = value;
      continue;
    }
    const std::uint64_t number = std::strtoull(value.c_str(), nullptr, 10);
    if (argument == "--schedules") {
      options.schedules = number;
    } else if (argument == "--seed") {
      options.seed = number;
    } else if (argument == "--bound") {
      options.bound = static_cast<std::size_t>(number);
    } else {
      return false;
    }
  }
  return true;
}

void Check(const Scenario& scenario, const Options& options) {
  if (options.list) {
    std::printf("%s\n", scenario.name);
    return;
  }
  if (!options.replay.empty()) {
    Replay chooser(options.replay);
    Scheduler::Run(scenario.name, scenario.run, chooser, true);
    std::printf("%s: nothing is wrong\n", scenario.name);
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  const Report report = Explore(scenario, options);
  const std::chrono::duration<double> taken =
      std::chrono::steady_clock::now() - start;
  const std::string bound =
      report.complete ? "any" : std::to_string(report.bound);
  std::printf("%-24s%10llu%12s%10llu%9.1f s  %s\n", scenario.name,
              static_cast<unsigned long long>(report.exhaustive), bound.c_str(),
              static_cast<unsigned long long>(report.random), taken.count(),
              scenario.proves);
  std::fflush(stdout);
}

int Main(std::span<char*> arguments) {
  Options options;
  if (!Read(arguments, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  CatchSignals();
  if (!options.list && options.replay.empty()) {
    std::printf("%-24s%10s%12s%10s%11s  %s\n", "scenario", "all with",
                "preemptions", "random", "time", "no schedule breaks that");
  }
  std::size_t count = 0;
  for (const auto scenarios :
       {ChannelScenarios(), SelectScenarios(), SpanScenarios(), FeedScenarios(),
        LoanScenarios(), ProducerScenarios(), CompoundScenarios(),
        ListenScenarios(), PolicyScenarios()}) {
    for (const Scenario& scenario : scenarios) {
      if (!IsWanted(scenario, options)) continue;
      Check(scenario, options);
      ++count;
    }
  }
  if (count == 0) std::fputs("no scenario has such a name\n", stderr);
  return count == 0 ? 2 : 0;
}

}}  // namespace model

int main(int count, char** arguments) {
  return model::Main(
      std::span(arguments, static_cast<std::size_t>(count)).subspan(1));
}
