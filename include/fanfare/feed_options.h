// SPDX-License-Identifier: MIT
#ifndef FANFARE_FEED_OPTIONS_H_
#define FANFARE_FEED_OPTIONS_H_

// FeedOptions: a name for a feed, how many values it keeps for late
// subscribers, and a function that it calls when a Send waits for long.
//
//   Feed<Block> blocks(
//       {.name = "blocks",
//        .replay = 16,
//        .stall_after = 1s,
//        .on_stall = [](std::span<const SubscriberReport> slow) {
//          for (const SubscriberReport& one : slow) Warn(one.name);
//        }});

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/detail/base/duration.h>
#include <fanfare/detail/feed/feed_extras.h>
#include <fanfare/detail/feed/feed_history.h>
#include <fanfare/detail/feed/slow_actions.h>
#include <fanfare/feed.h>
#include <fanfare/subscriber_report.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// The options of a Feed.
struct FeedOptions {
  /// The name of the feed in Feed::DebugString().
  std::string name = {};
  /// How many of the latest values the feed keeps for late subscribers
  /// (SubscribeOptions::replay).
  ///
  /// The feed keeps the values of all Sends that had the turn, even those that
  /// no channel accepted. Each Send makes one more copy. If that copy throws,
  /// the value is neither kept nor delivered. (V1)
  std::size_t replay = 0;
  /// How long a Send waits for channels before it calls `on_stall`. The time
  /// must be positive.
  std::chrono::nanoseconds stall_after = std::chrono::nanoseconds::max();
  /// The stall handler: a Send that has waited for `stall_after` calls it with
  /// all subscriptions that the Send waits for.
  ///
  /// The Send calls it again while it waits: after another 2 times
  /// `stall_after`, then 4 times, and so on. The calls are made by the sender,
  /// outside all locks, while it has the turn; so they never overlap. The
  /// function may call Report(), and unsubscribe. If it throws, the Send
  /// withdraws its value as on a timeout, and throws that exception.
  /// \warning Deadlock: the function must not call Send() on the same feed.
  /// (N4)
  std::function<void(std::span<const SubscriberReport>)> on_stall = {};
};

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

namespace detail {

class FeedExtrasOf final : public FeedExtras {
 public:
  explicit FeedExtrasOf(FeedOptions&& options)
      : on_stall_(std::move(options.on_stall)) {
    if (options.stall_after <= std::chrono::nanoseconds::zero()) {
      throw std::invalid_argument(
          "fanfare: the stall_after of a Feed must be positive");
    }
    actions = &kSlowActions;
    name = std::move(options.name);
    if (on_stall_)
      stall_after = Saturated<Clock::duration>(options.stall_after);
  }

  void Release() noexcept override {
    FeedExtras::Release();
    on_stall_ = nullptr;
  }
  void OnStall(const FeedCore& feed) override {
    std::vector<SubscriberReport> slow = Report(feed);
    std::erase_if(slow, [](const auto& one) { return !one.stats.blocks; });
    if (!slow.empty()) on_stall_(slow);
  }

 private:
  std::function<void(std::span<const SubscriberReport>)> on_stall_;
};

template <typename T>
Ref<FeedCore> MakeFeed(FeedOptions&& options) {
  const std::size_t replay = options.replay;
  auto extras = std::make_unique<FeedExtrasOf>(std::move(options));
  if (replay > 0) extras->history = new FeedHistory<T>(replay);
  auto core = Ref<FeedCore>::Make(extras.get());
  extras.release();
  return core;
}

}  // namespace detail

template <typename T>
template <std::same_as<FeedOptions> Options>
Feed<T>::Feed(Options options)
    : core_(detail::MakeFeed<T>(std::move(options))) {
  Check();
}

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_FEED_OPTIONS_H_
