// SPDX-License-Identifier: MIT
//
// The report of a feed as Prometheus' text format, version 0.0.4.

#ifndef EXAMPLES_PROMETHEUS_H_
#define EXAMPLES_PROMETHEUS_H_

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <fanfare/subscriber_report.h>

namespace prometheus {

// Returns the value of a label between quotation marks, with escapes.
inline std::string Quoted(std::string_view label) {
  std::string text = "\"";
  for (const char c : label) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return text + '"';
}

// Returns the metrics of all subscribers of the feed that is called `feed`.
inline std::string Format(
    std::string_view feed,
    const std::vector<fanfare::SubscriberReport>& reports) {
  std::string text;
  const auto metric = [&](const std::string& name, const char* type,
                          auto value) {
    const std::string full = "fanfare_subscriber_" + name;
    text += "# TYPE " + full + ' ' + type + '\n';
    for (const fanfare::SubscriberReport& one : reports) {
      text += full + "{feed=" + Quoted(feed) +
              ",subscriber=" + Quoted(one.name) + "} " + value(one.stats) +
              '\n';
    }
  };
  const auto number = [&](const char* name, const char* type, auto member) {
    metric(name, type, [member](const fanfare::SubscriberStats& stats) {
      return std::to_string(stats.*member);
    });
  };
  using Stats = fanfare::SubscriberStats;
  number("offered_total", "counter", &Stats::offered);
  number("delivered_total", "counter", &Stats::delivered);
  number("dropped_total", "counter", &Stats::dropped);
  number("missed_total", "counter", &Stats::missed);
  number("evicted_total", "counter", &Stats::evicted);
  number("queued", "gauge", &Stats::queued);
  number("capacity", "gauge", &Stats::capacity);
  // For how long the Send in progress has waited for this subscriber.
  metric("blocking_seconds", "gauge", [](const Stats& stats) {
    const std::chrono::duration<double> seconds = stats.blocking;
    std::array<char, 32> digits;
    std::snprintf(digits.data(), digits.size(), "%.6f", seconds.count());
    return std::string(digits.data());
  });
  return text;
}

}  // namespace prometheus

#endif  // EXAMPLES_PROMETHEUS_H_
