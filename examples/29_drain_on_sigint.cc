// SPDX-License-Identifier: MIT
//
// A pipeline of three stages that Ctrl-C ends without a loss: the signal stops
// the first stage alone. Each stage closes its output when its input has ended.
// lines/signals.h turns the signal into a stop token. For POSIX.

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stop_token>
#include <thread>

#include <fanfare/fanfare.h>

#include "lines/signals.h"

namespace {

using Numbers = fanfare::Channel<std::uint64_t>;

// Sends 1, 2, … up to `limit`, until the stop. Returns how many were sent.
std::uint64_t Read(std::stop_token stop, std::uint64_t limit,
                   const Numbers& out) {
  std::uint64_t sent = 0;
  while (sent < limit && !stop.stop_requested() && out.Send(sent + 1, stop)) {
    ++sent;
  }
  out.Close();
  return sent;
}

// This stage knows nothing of the stop. It ends when its input has ended.
void Convert(const Numbers& in, const Numbers& out) {
  for (const std::uint64_t number : in) out.Send(number * 2);
  out.Close();
}

void Store(const Numbers& in, std::uint64_t& sum) {
  std::puts("running");
  std::fflush(stdout);
  for (const std::uint64_t number : in) sum += number;
}

}  // namespace

// usage: 29_drain_on_sigint [how many numbers, instead of 1000]
int main(int argc, char** argv) {
  const lines::SignalWatcher signals;  // Before any other thread.
  const std::uint64_t limit =
      argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000;

  const Numbers read(16);
  const Numbers converted(16);
  std::uint64_t sum = 0;
  std::jthread convert([&] { Convert(read, converted); });
  std::jthread store([&] { Store(converted, sum); });
  const std::uint64_t sent = Read(signals.stop_token(), limit, read);
  convert.join();
  store.join();

  std::puts(signals.signal() == SIGINT ? "interrupted" : "all was read");
  std::puts(sum == sent * (sent + 1) ? "nothing was lost"
                                     : "a number is missing");
}
