// SPDX-License-Identifier: MIT
//
// Several subscribers: each has a channel and a thread, and receives every
// value that is sent after it has subscribed, in the order of the sends. Send()
// returns how many channels took the value.

#include <cstdio>
#include <future>
#include <string>
#include <utility>

#include <fanfare/fanfare.h>

namespace {

// Subscribes to `words`, and collects them in another thread until the feed is
// closed.
std::future<std::string> Collect(fanfare::Feed<std::string>& words) {
  const fanfare::Channel<std::string> channel(4);
  // Subscribed here, not in the thread, so that no word is missed that is sent
  // after this function has returned.
  fanfare::Subscription subscription =
      words.Subscribe(channel, {.close_channel = true});
  auto collect = [channel, kept = std::move(subscription)] {
    std::string text;
    for (const std::string& word : channel) text += ' ' + word;
    return text;
  };
  return std::async(std::launch::async, std::move(collect));
}

}  // namespace

int main() {
  // The order matters: the feed is destroyed first, which ends the threads that
  // the destructors of the futures wait for.
  std::future<std::string> first;
  std::future<std::string> second;
  fanfare::Feed<std::string> words;

  std::printf("taken by %zu\n", words.Send("nothing"));
  first = Collect(words);
  std::printf("taken by %zu\n", words.Send("one"));
  second = Collect(words);
  std::printf("taken by %zu\n", words.Send("two"));
  std::printf("taken by %zu\n", words.Send("three"));

  words.Close();
  std::printf("first:%s\nsecond:%s\n", first.get().c_str(),
              second.get().c_str());
}
