// SPDX-License-Identifier: MIT
//
// The pipeline of example 10 ends after a stop although its consumer never
// waits, and loses nothing that was under way.

#include "check.h"

#define main ExampleMain
#include "../10_pipeline.cc"
#undef main

#include <cstddef>
#include <string>

namespace {

using check::Check;

void TestAllSquaresComeBeforeTheEnd(std::size_t capacity) {
  const fanfare::Channel<int> numbers(capacity);
  const fanfare::Channel<int> squares(capacity);
  std::jthread source(Produce, numbers);
  const std::jthread stage(Square, numbers, squares);
  int next = 1;
  for (const int square : squares) {
    Check(square == next * next, std::to_string(square));
    if (next == 1000) source.request_stop();
    ++next;
  }
  Check(next > 1000, std::to_string(next) + " squares");
  // Between the two channels, the stage holds one number at most.
  Check(static_cast<std::size_t>(next) <= 1000 + 2 * capacity + 5,
        std::to_string(next) + " squares");
}

void TestAStopThatCameBeforeProducesNothing(std::size_t capacity) {
  const fanfare::Channel<int> numbers(capacity);
  std::stop_source stop;
  stop.request_stop();
  Produce(stop.get_token(), numbers);
  Check(numbers.drained(), "the channel is open, or has a number");
}

}  // namespace

int main() {
  return check::Run(TestAllSquaresComeBeforeTheEnd,
                    TestAStopThatCameBeforeProducesNothing);
}
