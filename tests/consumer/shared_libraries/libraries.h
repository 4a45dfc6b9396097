// SPDX-License-Identifier: MIT
//
// Two libraries that share nothing but the types of fanfare.

#ifndef FANFARE_TESTS_CONSUMER_SHARED_LIBRARIES_LIBRARIES_H_
#define FANFARE_TESTS_CONSUMER_SHARED_LIBRARIES_LIBRARIES_H_

#include <cstddef>
#include <functional>
#include <string>

#include <fanfare/fanfare.h>

#define EXPORTED __attribute__((visibility("default")))

namespace transmitter {

// The feed lives in the library.
EXPORTED fanfare::Subscription Tune(fanfare::Sender<std::string> listener);
EXPORTED std::size_t Broadcast(std::string text);

// A run-time case that would send `text` on `channel`.
EXPORTED fanfare::SelectCase Offer(fanfare::Sender<std::string> channel,
                                   std::string text);

// A subscription whose producer, code of this library, calls a function.
EXPORTED fanfare::Subscription Run(std::function<void()> function);

}  // namespace transmitter

namespace listener {

// Waits in a Select of this library; empty when nothing comes within a minute.
EXPORTED std::string Next(fanfare::Receiver<std::string> channel);

EXPORTED void End(fanfare::Subscription& subscription);
EXPORTED void EndAll(fanfare::SubscriptionScope& scope);

}  // namespace listener

#endif  // FANFARE_TESTS_CONSUMER_SHARED_LIBRARIES_LIBRARIES_H_
