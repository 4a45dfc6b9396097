// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_FEED_HISTORY_H_
#define FANFARE_DETAIL_FEED_FEED_HISTORY_H_

// A FeedHistory is the History of a feed of one type: a ring of the last
// values.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fanfare/detail/channel/biased_lock.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/feed_extras.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/feed/policy.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename T>
class FeedHistory final : public History {
 public:
  // Throws std::bad_alloc.
  explicit FeedHistory(std::size_t capacity) : ring_(capacity) {}

  void Record(const void* value) override {
    T copy(*static_cast<const T*>(value));
    ring_[next_].emplace(std::move(copy));
    next_ = (next_ + 1) % ring_.size();
    if (count_ < ring_.size()) ++count_;
  }

  void Replay(Member& member, BiasOwner& owner) override {
    auto& channel = static_cast<ChannelCore<T>&>(member.channel());
    Policy& policy = *member.policy();
    const bool replaces = member.replaces_at_once();
    const std::size_t room =
        channel.capacity() - (replaces ? 0 : channel.size());
    std::size_t count = std::min({policy.replay, count_, room});
    for (std::size_t i = next_ + ring_.size() - count; count > 0; --count) {
      T copy(std::as_const(*ring_[i++ % ring_.size()]));
      Outcome outcome = channel.TrySend(member.offer(), copy);
      if (outcome == Outcome::kPending && replaces) {
        bool evicted = false;
        member.offer().value = std::addressof(copy);
        outcome = policy.replace(channel, member.offer(), owner, Biases::kNone,
                                 evicted);
        if (evicted) policy.evicted.Add();
      }
      if (outcome != Outcome::kDone) return;
      policy.replayed.Add();
    }
  }

 private:
  std::vector<std::optional<T>> ring_;
  std::size_t next_ = 0;   // where the next value goes
  std::size_t count_ = 0;  // how many values there are
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_FEED_HISTORY_H_
