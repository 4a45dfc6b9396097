// SPDX-License-Identifier: MIT
//
// How random histories come about in simulated threads and are judged: what the
// linearizability tests of channels and of feeds have in common.
//
// A History has `threads`, each a vector of Calls: those of kThreads threads
// that are examined, and behind them those of a helper, which goes on when all
// others wait. A Call has an `interval` and a `verb`, of which one is
// kStandstill. Text(history) says what happened.
#ifndef FANFARE_TESTS_SUPPORT_HISTORIES_H_
#define FANFARE_TESTS_SUPPORT_HISTORIES_H_

#include "simulated_platform.h"
// The platform comes first.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>
#include <vector>

#include "catch.h"
#include "linearizability.h"
#include "sanitizers.h"
#include "tried.h"

// Lets `world` perform what the history plans; the helper's calls that were not
// needed are taken out.
template <std::size_t kThreads, typename History, typename World>
void PerformInterleaved(std::uint64_t seed, History& history, World& world) {
  std::size_t running = kThreads;
  std::vector<std::function<void()>> bodies;
  for (std::size_t t = 0; t < kThreads; ++t) {
    bodies.emplace_back([&, t] {
      for (auto& call : history.threads[t]) world.Perform(call);
      --running;
    });
  }
  auto& helper = history.threads[kThreads];
  bodies.emplace_back([&] {
    using Verb = decltype(helper.front().verb);
    std::size_t made = 0;
    for (; made < helper.size(); ++made) {
      world.Perform(helper[made]);
      if (helper[made].verb == Verb::kStandstill && running == 0) break;
    }
    if (running > 0) {
      std::fprintf(stderr, "somebody never returns; FANFARE_SEED=%llu\n%s",
                   static_cast<unsigned long long>(seed),
                   Text(history).c_str());
      std::abort();
    }
    helper.resize(made);
  });
  Simulation::Interleave(seed, std::move(bodies));
}

// Fails if a history is not explained, or if the threads seldom met.
template <std::size_t kThreads, typename Perform, typename IsExplained>
void CheckHistories(std::uint64_t count, Perform perform,
                    IsExplained is_explained) {
  // A sanitizer makes each switch of threads slow.
  constexpr bool kSanitized = FANFARE_TESTS_ASAN || FANFARE_TESTS_TSAN;
  const Seeds seeds(kSanitized ? count / 5 : count);
  Share share;
  for (std::uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    CAPTURE(seed);
    const auto history = perform(seed);
    if (!is_explained(history)) {
      FAIL("No order of effects explains this; FANFARE_SEED="
           << seed << " repeats it.\n"
           << Text(history));
    }
    std::vector<std::vector<Interval>> threads(kThreads);
    for (std::size_t t = 0; t < kThreads; ++t) {
      for (const auto& call : history.threads[t]) {
        threads[t].push_back(call.interval);
      }
    }
    share.Add(threads);
  }
  tried_calls += share.calls;
  // Threads that come one after the other would show nothing.
  CAPTURE(share.calls, share.overlapping);
  if (seeds.last > seeds.first) CHECK(2 * share.overlapping >= share.calls);
}

#endif  // FANFARE_TESTS_SUPPORT_HISTORIES_H_
