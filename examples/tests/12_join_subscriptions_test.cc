// SPDX-License-Identifier: MIT
//
// The printer of example 12 prints all that was sent before each end.

#include "check.h"

#define main ExampleMain
#include "../12_join_subscriptions.cc"
#undef main

#include <algorithm>
#include <cstddef>
#include <string>

namespace {

using check::Captured;
using check::Check;

constexpr int kReports = 2000;

struct Feeds {
  fanfare::Feed<double> temperature;
  fanfare::Feed<int> wind;
};

// Runs a printer while `produce` sends to its feeds; checks that it has
// printed that many reports.
template <typename Produce>
void CheckPrinter(std::size_t capacity, int reports, Produce produce) {
  const std::string printed = Captured([&] {
    const fanfare::Channel<double> temperatures(capacity);
    const fanfare::Channel<int> winds(capacity);
    std::jthread printer;
    Feeds feeds;
    printer = std::jthread(
        PrintBoth, temperatures, winds,
        fanfare::JoinSubscriptions(feeds.temperature.Subscribe(temperatures),
                                   feeds.wind.Subscribe(winds)));
    produce(feeds);
  });
  const auto lines = std::count(printed.begin(), printed.end(), '\n');
  Check(lines == reports + 1, std::to_string(lines) + " lines");
  Check(printed.ends_with("\nboth have ended\n"),
        "the end is not the last line");
}

void TestReportsThatAreBufferedAtTheEndArePrinted(std::size_t capacity) {
  CheckPrinter(capacity, 2 * kReports, [](Feeds& feeds) {
    for (int i = 0; i < kReports; ++i) {
      feeds.temperature.Send(i);
      feeds.wind.Send(i);
    }
  });
}

void TestTheSubscriptionThatEndsLastIsHeardToItsEnd(std::size_t capacity) {
  CheckPrinter(capacity, kReports, [](Feeds& feeds) {
    feeds.temperature.Close();
    for (int i = 0; i < kReports; ++i) feeds.wind.Send(i);
  });
}

}  // namespace

int main() {
  return check::Run(TestReportsThatAreBufferedAtTheEndArePrinted,
                    TestTheSubscriptionThatEndsLastIsHeardToItsEnd);
}
