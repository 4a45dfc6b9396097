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
  const auto metric = [&](const std::string& name, const std::string& type,
                          const std::string& help, auto value) {
    const std::string full = "fanfare_subscriber_" + name;
    text += "# HELP " + full + ' ' + help + '\n';
    text += "# TYPE " + full + ' ' + type + '\n';
    for (const fanfare::SubscriberReport& one : reports) {
      text += full + "{feed=" + Quoted(feed) +
              ",subscriber=" + Quoted(one.name) + "} " + value(one.stats) +
              '\n';
    }
  };
  using Stats = fanfare::SubscriberStats;
  const auto number = [&](const char* name, const char* type, const char* help,
                          auto member) {
    metric(name, type, help, [member](const Stats& stats) {
      return std::to_string(stats.*member);
    });
  };
  const auto seconds = [&](const char* name, const char* type, const char* help,
                           auto member) {
    metric(name, type, help, [member](const Stats& stats) {
      const std::chrono::duration<double> time = stats.*member;
      std::array<char, 32> digits;
      std::snprintf(digits.data(), digits.size(), "%.6f", time.count());
      return std::string(digits.data());
    });
  };
  seconds("blocking_seconds", "gauge",
          "Above 0: for so long a Send has been waiting for this subscriber.",
          &Stats::blocking);
  seconds("blocked_seconds_total", "counter",
          "How long Sends waited for this subscriber before.", &Stats::blocked);
  number("offered_total", "counter", "Values sent.", &Stats::offered);
  number("delivered_total", "counter", "Values that its channel took.",
         &Stats::delivered);
  number("dropped_total", "counter", "Values dropped by its policy.",
         &Stats::dropped);
  number("missed_total", "counter", "Values that a Send took back.",
         &Stats::missed);
  number("evicted_total", "counter", "Values replaced by later ones.",
         &Stats::evicted);
  number("queued", "gauge", "Values in its channel.", &Stats::queued);
  number("capacity", "gauge", "Room of its channel.", &Stats::capacity);
  return text;
}

}  // namespace prometheus

#endif  // EXAMPLES_PROMETHEUS_H_
