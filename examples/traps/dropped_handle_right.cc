// SPDX-License-Identifier: MIT
//
// The way out of the trap: the handle is a member, so that the subscription
// lives for as long as the object that wants the values.

#include <cstddef>
#include <cstdio>

#include <fanfare/fanfare.h>

namespace {

class Log {
 public:
  explicit Log(fanfare::Feed<int>& feed)
      : subscription_(feed.Subscribe(numbers_)) {}

  std::size_t size() const { return numbers_.size(); }

 private:
  const fanfare::Channel<int> numbers_{8};
  fanfare::Subscription subscription_;  // RIGHT: last, so it ends first.
};

}  // namespace

int main() {
  fanfare::Feed<int> feed;
  const Log log(feed);
  std::printf("taken by %zu\n", feed.Send(1));
  std::printf("size of the log: %zu\n", log.size());
}
