// SPDX-License-Identifier: MIT
//
// A pipeline that stops in good order: the stop reaches the source alone. Each
// stage closes its output when its input has ended, so all that is under way
// arrives before the end does.

#include <cstdio>
#include <stop_token>
#include <thread>

#include <fanfare/fanfare.h>

namespace {

// Sends 1, 2, … until `stop` is requested.
void Produce(std::stop_token stop, fanfare::Sender<int> out) {
  // A send that need not wait succeeds after the stop as well. Without the
  // first condition, this loop would go on as long as there is room.
  for (int n = 1; !stop.stop_requested() && out.Send(n, stop);) ++n;
  out.Close();
}

// A stage: sends the square of each number on.
void Square(fanfare::Receiver<int> in, fanfare::Sender<int> out) {
  for (const int n : in) out.Send(n * n);
  out.Close();
}

}  // namespace

int main() {
  const fanfare::Channel<int> numbers(4);
  const fanfare::Channel<int> squares(4);
  std::jthread source(Produce, numbers);
  const std::jthread stage(Square, numbers, squares);

  for (int i = 0; i < 3; ++i) std::printf("%d\n", squares.Receive().value());
  source.request_stop();

  int count = 3;
  int last = 0;
  for (const int square : squares) {
    ++count;
    last = square;
  }
  std::puts(last == count * count ? "nothing was lost" : "a number is missing");
}
