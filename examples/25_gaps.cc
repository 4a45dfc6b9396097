// SPDX-License-Identifier: MIT
//
// A subscriber that drops values when it is too slow, and sees how many. A feed
// of Numbered<T> numbers its values, so a gap in the numbers is what is
// missing.

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include <fanfare/fanfare.h>

namespace {

using Sample = fanfare::Numbered<double>;

// Prints the samples that are in `samples`, and the gaps between them. `last`
// is the number of the last sample before.
void PrintSamples(const fanfare::Receiver<Sample>& samples,
                  std::uint64_t& last) {
  while (const auto sample = samples.TryReceive()) {
    if (const std::uint64_t gap = sample->number - last - 1; gap > 0) {
      std::printf("(%" PRIu64 " samples are missing)\n", gap);
    }
    std::printf("sample %" PRIu64 ": %.1f\n", sample->number, sample->value);
    last = sample->number;
  }
}

}  // namespace

int main() {
  fanfare::Feed<Sample> feed;
  const fanfare::Channel<Sample> samples(3);
  // A sample for which there is no room is dropped. Send() does not wait.
  const fanfare::Subscription subscription =
      feed.Subscribe(samples, {.overflow = fanfare::Overflow::kDropNewest});

  std::uint64_t last = 0;
  double temperature = 20;
  const auto measure = [&](int times) {
    // Send() takes the value; the feed adds the number.
    for (; times > 0; --times) feed.Send(temperature += 0.5);
  };
  measure(2);
  PrintSamples(samples, last);
  measure(10);  // The consumer is busy meanwhile.
  PrintSamples(samples, last);
  measure(1);
  PrintSamples(samples, last);

  std::printf("dropped in all: %" PRIu64 "\n", subscription.Stats()->dropped);
}
