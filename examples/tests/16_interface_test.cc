// SPDX-License-Identifier: MIT
//
// The client of example 16 prints all that was reported before each end.

#include "check.h"

#define main ExampleMain
#include "../16_interface.cc"
#undef main

#include <algorithm>
#include <cstddef>
#include <string>

namespace {

using check::Captured;
using check::Check;

constexpr int kReports = 2000;

void CheckLines(const std::string& printed, int reports) {
  const auto lines = std::count(printed.begin(), printed.end(), '\n');
  Check(lines == reports + 1, std::to_string(lines) + " lines");
  Check(printed.ends_with("\nthe station has closed\n"),
        "the end is not the last line");
}

void TestReportsThatAreBufferedAtTheEndArePrinted(std::size_t capacity) {
  const fanfare::Channel<double> temperatures(capacity);
  const fanfare::Channel<int> winds(capacity);
  CheckLines(Captured([&] {
               std::jthread client;
               WeatherStation station;
               const auto temperature =
                   station.SubscribeTemperature(temperatures);
               const auto wind = station.SubscribeWind(winds);
               client = std::jthread(Listen, temperatures, winds,
                                     temperature.Err(), wind.Err());
               for (int i = 0; i < kReports; ++i) station.Report(i, i);
             }),
             2 * kReports);
}

void TestTheSubscriptionThatEndsLastIsHeardToItsEnd(std::size_t capacity) {
  const fanfare::Channel<double> temperatures(capacity);
  const fanfare::Channel<int> winds(capacity);
  CheckLines(Captured([&] {
               std::jthread client;
               WeatherStation station;
               const auto temperature =
                   station.SubscribeTemperature(temperatures);
               const auto wind = station.SubscribeWind(winds);
               client = std::jthread(Listen, temperatures, winds,
                                     temperature.Err(), wind.Err());
               temperature.Unsubscribe();
               for (int i = 0; i < kReports; ++i) station.Report(i, i);
             }),
             kReports);
}

}  // namespace

int main() {
  return check::Run(TestReportsThatAreBufferedAtTheEndArePrinted,
                    TestTheSubscriptionThatEndsLastIsHeardToItsEnd);
}
