// SPDX-License-Identifier: MIT
#ifndef FANFARE_SUBSCRIBER_REPORT_H_
#define FANFARE_SUBSCRIBER_REPORT_H_

// SubscriberReport: one subscription in the report of a feed.
//
//   for (const SubscriberReport& one : feed.Report()) {
//     if (one.stats.blocks) Warn(one.name, "holds up a Send");
//   }

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/detail/feed/feed_core.h>
#include <fanfare/subscribe_options.h>
#include <fanfare/subscriber_stats.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Describes one subscription in Feed::Report() and for a stall handler
/// (FeedOptions::on_stall). (N2, N4)
struct SubscriberReport {
  /// The name that SubscribeOptions gave, or else the file and the line of the
  /// call of Subscribe().
  std::string name;
  /// Where the channel was subscribed.
  CallSite where;
  /// What a Send does when the channel stays full.
  Overflow overflow;
  /// What became of the values.
  SubscriberStats stats;
  /// Whether the thread that makes the report is, as far as known, the only one
  /// that receives from the channel. In a stall handler, this is the thread
  /// that sends, so it waits for itself.
  ///
  /// Known are: the handlers of Listen() that the thread runs; all channels, if
  /// it is the only thread of the program (with glibc); and in debug builds
  /// (without NDEBUG) the channels from which no other has received so far.
  bool received_here = false;
};

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

namespace detail {

inline void ReadStats(const Member& member, SubscriberStats& stats) noexcept {
  const Policy* const policy = member.policy();
  const Tally& tally = member.tally;
  Tally::Reading now{};
  // No Send passes the channel meanwhile. One that fails to copy its value does
  // not come so far, and one may be about to count what it did not deliver. The
  // counts belong together if these two are the same before and after.
  const auto read = [&]() noexcept {
    const auto missed = [&] { return tally.missed.Get(); };
    const auto dropped = [&]() -> std::uint64_t {
      return policy != nullptr ? policy->dropped.Get() : 0;
    };
    do {
      stats.missed = missed();
      stats.dropped = dropped();
      now = tally.Read(member.feed().sent());
    } while (missed() != stats.missed || dropped() != stats.dropped);
    // The Send waits at least until the channel is let go.
    if (member.offer().queued) stats.blocking = member.feed().waited();
    if (policy == nullptr) return;
    // Read last: only the Send that was counted last may not have counted it.
    stats.evicted = policy->evicted.Get();
    stats.replayed = policy->replayed.Get();
  };
  const ChannelEnds::Snapshot in_channel =
      member.channel().Look(member.offer(), read);
  stats.blocked =
      std::chrono::nanoseconds(static_cast<std::int64_t>(tally.blocked.Get()));
  stats.offered = now.offered;
  stats.queued = in_channel.size;
  stats.capacity = member.channel().capacity();
  stats.blocks = now.counts && in_channel.queued;
  if (!stats.blocks) stats.blocking = {};
  // The last value is not decided, or was never offered.
  const bool undecided = in_channel.queued || in_channel.refused;
  if (now.counts && undecided && stats.offered > 0) --stats.offered;
  const std::uint64_t not_delivered = stats.dropped + stats.missed;
  if (stats.offered < not_delivered) stats.offered = not_delivered;
  stats.delivered = stats.offered - not_delivered;
}

inline SubscriberReport ReportOn(const Member& member, Place where) {
  const Policy* const policy = member.policy();
  SubscriberReport report{policy != nullptr ? NameOf(*policy) : NameOf(where),
                          CallSite::Here(where.file, where.line),
                          policy != nullptr
                              ? static_cast<Overflow>(policy->when_full)
                              : Overflow::kWait,
                          {},
                          member.channel().OnlyCallerHasReceived() ||
                              NoOtherThreadReceives(member.channel())};
  detail::ReadStats(member, report.stats);
  return report;
}

inline std::vector<SubscriberReport> Report(const FeedCore& feed) {
  struct Listed {
    Ref<const Member> member;
    Place where;
  };
  std::vector<Listed> listed;
  std::size_t count = 0;
  do {
    listed.reserve(count);
    count = feed.Visit(listed.capacity(), [&](const Member& member) {
      listed.push_back({Ref<const Member>::Share(&member), member.where()});
    });
  } while (count > listed.capacity());
  std::vector<SubscriberReport> reports;
  reports.reserve(listed.size());
  for (const Listed& one : listed) {
    reports.push_back(ReportOn(*one.member, one.where));
  }
  return reports;
}

// Returns the report as text, a line for the feed and one for each subscriber;
// those that a Send waits for come first.
inline std::string Describe(const FeedCore& feed) {
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  const auto time = [](std::chrono::nanoseconds t) {
    using Milliseconds = std::chrono::milliseconds;
    return std::to_string(std::chrono::duration_cast<Milliseconds>(t).count()) +
           " ms";
  };
  constexpr const char* kOverflows[] = {"waits", "drops newest", "drops oldest",
                                        "ends"};
  static_assert(static_cast<std::size_t>(Overflow::kEnd) + 1 ==
                std::size(kOverflows));
  const std::vector<SubscriberReport> reports = Report(feed);
  std::string blocking, others;
  std::uint64_t blocks = 0;
  for (const SubscriberReport& one : reports) {
    const SubscriberStats& stats = one.stats;
    std::string line = "\n  " + one.name + ": ";
    if (stats.blocks) {
      ++blocks;
      line += "BLOCKS a Send for " + time(stats.blocking) +
              (one.received_here ? " (this thread receives from it), " : ", ");
    }
    line +=
        number(stats.queued) + " of " + number(stats.capacity) + " queued, " +
        number(stats.delivered) + " of " + number(stats.offered) +
        " delivered, " + number(stats.dropped) + " dropped, " +
        number(stats.missed) + " missed, " + number(stats.evicted) +
        " evicted, blocked earlier Sends for " + time(stats.blocked) +
        ", when full: " + kOverflows[static_cast<std::size_t>(one.overflow)];
    (stats.blocks ? blocking : others) += line;
  }
  const FeedExtras* const extras = feed.extras();
  std::string text = extras != nullptr && !extras->name.empty()
                         ? "feed " + extras->name
                         : std::string("feed");
  text += ": " + number(reports.size()) + " subscribers, of which " +
          number(blocks) + " block a Send, and " +
          number(feed.waiting_senders()) + " more Sends wait for their turn";
  return text + blocking + others;
}

}  // namespace detail

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SUBSCRIBER_REPORT_H_
