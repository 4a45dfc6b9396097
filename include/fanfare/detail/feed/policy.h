// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_POLICY_H_
#define FANFARE_DETAIL_FEED_POLICY_H_

// A Policy holds the options of one subscription: its name, and what a Send
// does when its channel stays full. A subscription without options has none.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/channel/biased_lock.h>
#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/feed/tally.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class FeedCore;
class Member;
class SendWait;
struct Policy;

// Says what a Send does with its value once a full channel's patience has run
// out.
enum class WhenFull : std::uint8_t {
  kWait,     // waits for room: there is no patience
  kSkip,     // does not deliver the value
  kReplace,  // takes the oldest value out
  kEnd,      // ends the subscription
};

// The line of the user's code that subscribed.
struct Place {
  // Returns the file's name without its folders.
  [[nodiscard]] const char* file_name() const noexcept {
    const char* name = file;
    for (const char* c = file; *c != '\0'; ++c) {
      if (*c == '/' || *c == '\\') name = c + 1;
    }
    return name;
  }

  const char* file;
  std::uint32_t line;
};

// What becomes of an offer.
enum class Fate {
  kTaken,     // the channel has the value
  kNotTaken,  // it does not get it
  kWaits,     // the Send has to wait for it
};

// SlowActions are what a Send does because of options: of the subscription of a
// full channel, or of the feed.
struct SlowActions {
  // Called for an offer to a full channel. Lets its policy act if that has no
  // patience left, else returns kWaits. Sets `may_bias` to false if biases had
  // to be revoked.
  Fate (*on_full)(FeedCore& feed, Member& member, Policy& policy,
                  bool& may_bias) noexcept;
  // Gives the value to the channel of a member that replaces at once. Returns
  // false, and leaves the value, if the channel is closed or biased elsewhere.
  bool (*replace)(FeedCore& feed, Member& member, Policy& policy,
                  Biases biases) noexcept;
  // Returns when to call `on_wake`.
  Deadline (*next_deadline)(const SendWait& wait) noexcept;
  // Lets the policies act that have no patience left, and reports a stall.
  // Returns true if that completed the last offers. Throws what the user's
  // stall handler throws.
  bool (*on_wake)(SendWait& wait);
};

struct Policy {
  using Clock = Platform::Clock;
  // Calls ChannelCore::Replace(), and then destroys the value that was taken
  // out, without locks. Sets `evicted` if there was one.
  using ReplaceVerb = Outcome(ChannelEnds& channel, Operation& send,
                              BiasOwner& owner, Biases biases,
                              bool& evicted) noexcept;
  // Returns the error of a subscription that ends because it is too slow, with
  // `queued` values in its channel.
  using SlowError = std::exception_ptr(const Policy& policy,
                                       std::size_t queued) noexcept;

  [[nodiscard]] bool has_patience() const noexcept {
    return patience > Clock::duration::zero();
  }
  // Returns whether the patience has run out, now that the channel is full.
  // `received` changes when a value is received.
  bool RunsOut(std::uint64_t received) noexcept {
    const auto now = Clock::now();
    if (!full || received != seen) {
      full = true;
      seen = received;
      since = now;
    }
    return now - since >= patience;
  }
  // Returns when to call RunsOut() again.
  [[nodiscard]] Deadline RunsOutAt() const noexcept {
    return patience < Clock::time_point::max() - since
               ? Deadline::At(since + patience)
               : Deadline::Never();
  }
  // Returns for how long the channel has been full without a receive.
  [[nodiscard]] Clock::duration waited() const noexcept {
    return full ? Clock::now() - since : Clock::duration::zero();
  }

  // What a replacement uses comes first, close together.
  WhenFull when_full = WhenFull::kWait;
  bool close_channel = false;
  // For the holder of the turn: whether the Send in progress waits for the
  // channel, as far as it knows; and since when the channel is full, and what
  // was seen of its receiver then.
  bool waited_for = false;
  bool full = false;
  Clock::duration patience{};
  Count evicted;  // values that were taken out for later ones
  Count dropped;  // values that were not delivered because of this policy
  std::uint64_t seen = 0;
  Clock::time_point since{};

  const SlowActions* actions = nullptr;  // null: a Send only waits
  ReplaceVerb* replace = nullptr;
  SlowError* slow_error = nullptr;
  std::size_t replay = 0;
  Count replayed;  // values that were delivered from the feed's history
  std::string name;
  Place where{};
  Member* next = nullptr;  // for Membership
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_POLICY_H_
