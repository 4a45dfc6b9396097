// SPDX-License-Identifier: MIT
//
// What the scenarios are made of.
#ifndef FANFARE_TESTS_MODEL_SCENARIO_H_
#define FANFARE_TESTS_MODEL_SCENARIO_H_

#include "model_platform.h"
// The platform comes first.

#include <chrono>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <fanfare/channel.h>

namespace model {

struct Scenario {
  const char* name;
  const char* proves;
  // One schedule: makes what the threads share, lets them run, and looks at
  // what has come of it.
  void (*run)();
};

std::span<const Scenario> ChannelScenarios();
std::span<const Scenario> SelectScenarios();
std::span<const Scenario> SpanScenarios();
std::span<const Scenario> FeedScenarios();
std::span<const Scenario> LoanScenarios();
std::span<const Scenario> ProducerScenarios();
std::span<const Scenario> CompoundScenarios();
std::span<const Scenario> ListenScenarios();
std::span<const Scenario> PolicyScenarios();

inline void Expect(bool condition, const char* what) {
  if (!condition) Scheduler::Fail(what);
}

// A thread in which time passes.
inline Body TimePasses(Scheduler::Time by) {
  Scheduler::TimeWillMove();
  return [by] { Scheduler::MoveTime(by); };
}

template <typename T>
std::size_t CountLeft(const fanfare::Channel<T>& channel) {
  std::size_t left = 0;
  while (channel.TryReceive()) ++left;
  return left;
}

template <typename T>
void ExpectNobodyWaits(const fanfare::Channel<T>& channel) {
  Expect(channel.waiting_senders() == 0, "a send is left in the queue");
  Expect(channel.waiting_receivers() == 0, "a receive is left in the queue");
}

}  // namespace model

#endif  // FANFARE_TESTS_MODEL_SCENARIO_H_
