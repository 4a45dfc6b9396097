// SPDX-License-Identifier: MIT
#ifndef FANFARE_SUBSCRIBE_OPTIONS_H_
#define FANFARE_SUBSCRIBE_OPTIONS_H_

// SubscribeOptions: what a feed does when this subscriber is slow, what the
// subscriber is called, and what it receives first.
//
//   // A display receives the latest value only.
//   Channel<Tick> latest(1);
//   Subscription display =
//       ticks.Subscribe(latest, {.overflow = Overflow::kDropOldest});
//
//   // A log loses nothing, unless it is stuck for five seconds.
//   Channel<Tick> log(1000);
//   Subscription logging =
//       ticks.Subscribe(log, {.name = "audit log",
//                             .overflow = Overflow::kEnd,
//                             .patience = 5s,
//                             .close_channel = true});

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fanfare/detail/base/duration.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/feed/policy.h>
#include <fanfare/detail/feed/slow_actions.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Determines what a Send does with its value when the channel of a
/// subscription stays full: the policy of the subscription.
///
/// A policy protects the senders from this subscriber. It does not protect this
/// subscriber from others: a Send that waits for another channel makes this one
/// wait for the next value. (O6)
enum class Overflow : std::uint8_t {
  /// Send() waits for room, as in Go. This is the default.
  kWait,
  /// The value is not delivered to this channel. Send() does not count it.
  kDropNewest,
  /// The oldest value in the channel makes room for the new one, which Send()
  /// counts as accepted. On a channel of capacity 1, the subscriber receives
  /// the latest value only.
  kDropOldest,
  /// The subscription ends, and Err() delivers a SlowSubscriber. Send() does
  /// not count the value.
  kEnd,
};

/// Identifies a line of the user's code: where a channel was subscribed.
class CallSite {
 public:
  /// Returns the place of the call that has this call as a default argument.
  [[nodiscard]] static constexpr CallSite Here(
      const char* file = __builtin_FILE(),
      std::uint32_t line = __builtin_LINE()) noexcept {
    return CallSite(file, line);
  }

  /// Returns the file's name as the compiler knows it.
  [[nodiscard]] constexpr const char* file_name() const noexcept {
    return file_;
  }
  /// Returns the number of the line.
  [[nodiscard]] constexpr std::uint32_t line() const noexcept { return line_; }

 private:
  constexpr CallSite(const char* file, std::uint32_t line) noexcept
      : file_(file), line_(line) {}

  const char* file_;
  std::uint32_t line_;
};

/// The options of Feed::Subscribe().
struct SubscribeOptions {
  /// The name of the subscription in reports and errors. If it is empty, the
  /// file and the line of the call of Subscribe() are used instead.
  std::string name = {};
  /// What a Send does when the channel stays full. (O3)
  Overflow overflow = Overflow::kWait;
  /// How long the channel may stay full without a receive before `overflow`
  /// acts. If it is zero, `overflow` acts at once. With Overflow::kWait, it
  /// must be zero.
  ///
  /// The time begins with the first Send that finds the channel full. Once it
  /// has run out, that Send and all later ones act at once, until the next
  /// receive. A value that Overflow::kDropOldest takes out does not count as
  /// received. (O1)
  ///
  /// A Send waits for the channel until its own limit is reached or the
  /// patience has run out, whichever comes first. At its own limit, `overflow`
  /// does not act: the channel misses the value. TrySend() and SendReady() do
  /// not wait. If the patience has not run out, the channel misses their value
  /// as well. (O4)
  std::chrono::nanoseconds patience = {};
  /// Whether the channel is closed when the subscription ends, for whatever
  /// reason. The values in the channel can still be received, and then a loop
  /// over the channel ends. (O7)
  bool close_channel = false;
  /// How many of the latest values to deliver first; at most the capacity of
  /// the channel. The feed delivers as many of them as it has kept
  /// (FeedOptions::replay) and the channel has room for. With kDropOldest and
  /// no patience, the oldest values in the channel make room. (V1)
  std::size_t replay = 0;
};

/// Is what Err() delivers for a subscription that Overflow::kEnd has ended.
/// (O7)
class SlowSubscriber : public std::runtime_error {
 public:
  /// Constructs the error of the subscription `name`. Its channel had been full
  /// for `waited`, with `queued` values in it.
  ///
  /// \throws std::bad_alloc
  SlowSubscriber(std::string_view name, std::chrono::nanoseconds waited,
                 std::size_t queued)
      : std::runtime_error(
            std::string(name)
                .append(": the subscriber was too slow (")
                .append(std::to_string(queued))
                .append(" values in its full channel, no receive for ")
                .append(std::to_string(
                    std::chrono::ceil<std::chrono::milliseconds>(waited)
                        .count()))
                .append(" ms)")),
        name_size_(name.size()),
        waited_(waited),
        queued_(queued) {}

  /// Returns the name of the subscription, as a part of what().
  [[nodiscard]] std::string_view name() const noexcept {
    return {what(), name_size_};
  }
  /// Returns how long the channel had been full without a receive; zero if the
  /// subscription has no patience.
  [[nodiscard]] std::chrono::nanoseconds waited() const noexcept {
    return waited_;
  }
  /// Returns how many values were in the channel.
  [[nodiscard]] std::size_t queued() const noexcept { return queued_; }

 private:
  std::size_t name_size_;
  std::chrono::nanoseconds waited_;
  std::size_t queued_;
};

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

namespace detail {

static_assert(static_cast<WhenFull>(Overflow::kWait) == WhenFull::kWait);
static_assert(static_cast<WhenFull>(Overflow::kDropNewest) == WhenFull::kSkip);
static_assert(static_cast<WhenFull>(Overflow::kDropOldest) ==
              WhenFull::kReplace);
static_assert(static_cast<WhenFull>(Overflow::kEnd) == WhenFull::kEnd);

// Returns the name of a subscription that was given none.
inline std::string NameOf(Place where) {
  return std::string(where.file_name())
      .append(":")
      .append(std::to_string(where.line));
}
inline std::string NameOf(const Policy& policy) {
  return policy.name.empty() ? NameOf(policy.where) : policy.name;
}

// Makes the policy of a subscription to a channel of `capacity`. Returns null
// if the options are the default. Throws std::invalid_argument.
inline std::unique_ptr<Policy> MakePolicy(SubscribeOptions&& options,
                                          std::size_t capacity,
                                          Policy::ReplaceVerb* replace) {
  using std::chrono::nanoseconds;
  if (options.patience < nanoseconds::zero()) {
    throw std::invalid_argument("fanfare: Subscribe with a negative patience");
  }
  if (options.overflow == Overflow::kWait &&
      options.patience != nanoseconds::zero()) {
    throw std::invalid_argument(
        "fanfare: Subscribe with a patience needs an overflow other than "
        "kWait");
  }
  if (options.overflow == Overflow::kDropOldest && capacity == 0) {
    throw std::invalid_argument(
        "fanfare: Subscribe with kDropOldest needs a channel with a buffer");
  }
  if (options.replay > capacity) {
    throw std::invalid_argument(
        "fanfare: Subscribe with a replay beyond the channel's capacity");
  }
  if (options.name.empty() && options.overflow == Overflow::kWait &&
      !options.close_channel && options.replay == 0) {
    return nullptr;
  }
  auto policy = std::make_unique<Policy>();
  policy->name = std::move(options.name);
  policy->when_full = static_cast<WhenFull>(options.overflow);
  policy->patience = Saturated<Policy::Clock::duration>(options.patience);
  policy->close_channel = options.close_channel;
  if (policy->when_full != WhenFull::kWait) policy->actions = &kSlowActions;
  policy->replay = options.replay;
  policy->replace = replace;
  policy->slow_error = [](const Policy& slow, std::size_t queued) noexcept {
    try {
      return std::make_exception_ptr(
          SlowSubscriber(NameOf(slow), slow.waited(), queued));
    } catch (...) {
      return std::current_exception();
    }
  };
  return policy;
}

}  // namespace detail

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SUBSCRIBE_OPTIONS_H_
