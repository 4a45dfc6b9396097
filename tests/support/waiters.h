// SPDX-License-Identifier: MIT
//
// "While a send is blocked": waits until one is.
#ifndef FANFARE_TESTS_SUPPORT_WAITERS_H_
#define FANFARE_TESTS_SUPPORT_WAITERS_H_

#include <cstddef>

#include "await.h"

// Blocks until exactly `count` sends wait in the channel.
template <typename Handle>
void AwaitSenders(const Handle& channel, std::size_t count) {
  AwaitThat([&] { return channel.waiting_senders() == count; });
}

// Blocks until exactly `count` receives wait in the channel.
template <typename Handle>
void AwaitReceivers(const Handle& channel, std::size_t count) {
  AwaitThat([&] { return channel.waiting_receivers() == count; });
}

#endif  // FANFARE_TESTS_SUPPORT_WAITERS_H_
