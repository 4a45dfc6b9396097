// SPDX-License-Identifier: MIT

#include <stop_token>
#include <utility>

#include "libraries.h"

namespace transmitter {
namespace {

fanfare::Feed<std::string>& TheFeed() {
  static fanfare::Feed<std::string> feed;
  return feed;
}

}  // namespace

fanfare::Subscription Tune(fanfare::Sender<std::string> listener) {
  return TheFeed().Subscribe(std::move(listener));
}

std::size_t Broadcast(std::string text) {
  return TheFeed().Send(std::move(text));
}

fanfare::SelectCase Offer(fanfare::Sender<std::string> channel,
                          std::string text) {
  return fanfare::OnSend(channel, std::move(text));
}

fanfare::Subscription Run(std::function<void()> function) {
  return fanfare::NewSubscription(
      [function = std::move(function)](std::stop_token) { function(); });
}

}  // namespace transmitter
