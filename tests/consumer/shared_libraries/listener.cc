// SPDX-License-Identifier: MIT

#include <chrono>
#include <optional>
#include <utility>

#include "libraries.h"

namespace listener {

std::string Next(fanfare::Receiver<std::string> channel) {
  std::string result;
  fanfare::Select(fanfare::OnReceive(channel,
                                     [&](std::optional<std::string> text) {
                                       result =
                                           std::move(text).value_or("closed");
                                     }),
                  fanfare::OnTimeout(std::chrono::minutes(1), [] {}));
  return result;
}

void End(fanfare::Subscription& subscription) { subscription.Unsubscribe(); }

void EndAll(fanfare::SubscriptionScope& scope) { scope.Close(); }

}  // namespace listener
