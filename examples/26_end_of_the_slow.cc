// SPDX-License-Identifier: MIT
//
// A subscriber that stays full for too long is ended. Its loop ends as well,
// and it learns why. The sender and the other subscribers go on.

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>

#include <fanfare/fanfare.h>

namespace {

// Prints why a subscription has ended.
void PrintEnd(std::exception_ptr error) {
  try {
    if (error) std::rethrow_exception(error);
    std::puts("ended without an error");
  } catch (const fanfare::SlowSubscriber& slow) {
    std::printf("ended: %s was too slow, with %zu values queued\n",
                std::string(slow.name()).c_str(), slow.queued());
  }
}

}  // namespace

int main() {
  fanfare::Feed<int> orders;
  const fanfare::Channel<int> ledger(8);
  const fanfare::Subscription booking = orders.Subscribe(ledger);

  // If this channel is full for 10 ms without a receive, the subscription ends.
  // The end closes the channel.
  const fanfare::Channel<int> audit(2);
  const fanfare::Subscription auditing =
      orders.Subscribe(audit, {.name = "audit",
                               .overflow = fanfare::Overflow::kEnd,
                               .patience = std::chrono::milliseconds(10),
                               .close_channel = true});

  for (int order = 1; order <= 4; ++order) {
    std::printf("order %d is taken by %zu\n", order, orders.Send(order));
  }

  // The consumer wakes up too late. What had been delivered is still there.
  for (const int order : audit) std::printf("audit: %d\n", order);
  fanfare::Select(fanfare::OnEnd(auditing, PrintEnd));
  std::printf("the ledger has %zu orders\n", ledger.size());
}
