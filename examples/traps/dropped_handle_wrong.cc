// SPDX-License-Identifier: MIT
//
// A trap: the handle of a subscription is destroyed at the end of a function,
// which unsubscribes.

#include <cstddef>
#include <cstdio>

#include <fanfare/fanfare.h>

namespace {

class Log {
 public:
  explicit Log(fanfare::Feed<int>& feed) {
    // WRONG: a local variable. The subscription ends with the constructor.
    const fanfare::Subscription subscription = feed.Subscribe(numbers_);
  }

  std::size_t size() const { return numbers_.size(); }

 private:
  const fanfare::Channel<int> numbers_{8};
};

}  // namespace

int main() {
  fanfare::Feed<int> feed;
  const Log log(feed);
  std::printf("taken by %zu\n", feed.Send(1));
  std::printf("size of the log: %zu\n", log.size());
}
