// SPDX-License-Identifier: MIT
//
// The clients of example 16 get all that was reported before their ends.

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

void TestReportsThatAreBufferedAtTheEndArePrinted(std::size_t capacity) {
  constexpr int kReports = 2000;
  const fanfare::Channel<double> temperatures(capacity);
  const std::string printed = Captured([&] {
    std::jthread client;
    Station station;
    client = std::jthread(Print, temperatures, station.Subscribe(temperatures));
    for (int i = 0; i < kReports; ++i) station.Report(i);
  });
  const auto lines = std::count(printed.begin(), printed.end(), '\n');
  Check(lines == kReports + 1, std::to_string(lines) + " lines");
  Check(printed.ends_with("\nthe station has closed\n"),
        "the end is not the last line");
}

void TestASubscriptionMayOutliveTheStation(std::size_t capacity) {
  const fanfare::Channel<double> temperatures(capacity + 1);
  fanfare::Subscription subscription;
  {
    Station station;
    subscription = station.Subscribe(temperatures);
    station.Report(1);
    station.Close();
    Check(subscription.ended(), "the subscription has not ended");
    Check(!station.Subscribe(temperatures), "a closed station has a client");
    station.Report(2);
  }
  subscription.Unsubscribe();
  Check(temperatures.TryReceive() == 1, "the first report is missing");
  Check(!temperatures.TryReceive(), "a report came after the end");
}

}  // namespace

int main() {
  return check::Run(TestReportsThatAreBufferedAtTheEndArePrinted,
                    TestASubscriptionMayOutliveTheStation);
}
