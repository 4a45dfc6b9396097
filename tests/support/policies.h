// SPDX-License-Identifier: MIT
//
// What the tests of a subscription's options and of its numbers are made of.
#ifndef FANFARE_TESTS_SUPPORT_POLICIES_H_
#define FANFARE_TESTS_SUPPORT_POLICIES_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <fanfare/fanfare.h>

#include "feeds.h"
#include "subscriptions.h"

// The counts of a subscription, to be compared with those that a test expects:
//
//   CHECK(TallyOf(subscription) == Tally{.delivered = 3, .missed = 1});
//
// What was offered is not written down: it must be the sum of the first three.
struct Tally {
  std::uint64_t delivered = 0;
  std::uint64_t dropped = 0;
  std::uint64_t missed = 0;
  std::uint64_t evicted = 0;
  std::uint64_t replayed = 0;
  std::uint64_t unaccounted = 0;  // offered, less the sum

  friend bool operator==(const Tally&, const Tally&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Tally& tally) {
    return out << "delivered " << tally.delivered << " dropped "
               << tally.dropped << " missed " << tally.missed << " evicted "
               << tally.evicted << " replayed " << tally.replayed
               << " unaccounted " << tally.unaccounted;
  }
};

inline Tally TallyOf(const fanfare::SubscriberStats& stats) {
  return {stats.delivered,
          stats.dropped,
          stats.missed,
          stats.evicted,
          stats.replayed,
          stats.offered - stats.delivered - stats.dropped - stats.missed};
}
// A subscription without statistics has none that a test expects.
inline Tally TallyOf(const fanfare::Subscription& subscription) {
  const auto stats = subscription.Stats();
  return stats.has_value() ? TallyOf(*stats) : Tally{.unaccounted = 999'999};
}

// What a SlowSubscriber says.
struct Slow {
  std::string name;
  std::chrono::nanoseconds waited;
  std::size_t queued;
  std::string text;
};
// std::nullopt where `error` is something else, or nothing.
inline std::optional<Slow> AsSlow(const Error& error) {
  if (!error.has_value() || *error == nullptr) return std::nullopt;
  try {
    std::rethrow_exception(*error);
  } catch (const fanfare::SlowSubscriber& slow) {
    return Slow{std::string(slow.name()), slow.waited(), slow.queued(),
                slow.what()};
  } catch (...) {
    return std::nullopt;
  }
}

// Puts values into the channel until it is full, beginning with `first`.
template <typename T>
void Fill(const fanfare::Channel<T>& channel, int first) {
  while (channel.TrySend(Value<T>(first))) ++first;
}

// Takes what is in the channel.
template <typename T>
std::vector<T> Drain(const fanfare::Channel<T>& channel) {
  std::vector<T> values;
  while (auto value = channel.TryReceive()) values.push_back(*value);
  return values;
}

// The values `first`, …, `last`.
template <typename T>
std::vector<T> Values(int first, int last) {
  std::vector<T> values;
  for (int i = first; i <= last; ++i) values.push_back(Value<T>(i));
  return values;
}

// The report on the subscription with this name.
inline std::optional<fanfare::SubscriberReport> ReportOn(
    const std::vector<fanfare::SubscriberReport>& reports,
    const std::string& name) {
  for (const auto& report : reports) {
    if (report.name == name) return report;
  }
  return std::nullopt;
}

#endif  // FANFARE_TESTS_SUPPORT_POLICIES_H_
