// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_TALLY_H_
#define FANFARE_DETAIL_FEED_TALLY_H_

// A Tally counts what became of the values that a feed offered to one
// subscription.
//
// A delivery writes nothing. The feed counts its values, once a Send. A tally
// keeps the count at which its subscription entered, and counts only what was
// not delivered; the rest is derived. The holder of the turn writes, and any
// thread reads.

#include <cstdint>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// A count that one thread at a time writes, and any thread reads.
class Count {
 public:
  // Release: the feed's count, which was written before, is not read as an
  // older one by a thread that reads this one.
  FANFARE_ALWAYS_INLINE void Add(std::uint64_t more = 1) noexcept {
    count_.store(count_.load(std::memory_order_relaxed) + more,
                 std::memory_order_release);
  }
  [[nodiscard]] std::uint64_t Get() const noexcept {
    return count_.load(std::memory_order_acquire);
  }

 private:
  Platform::Atomic<std::uint64_t> count_{0};
};

class Tally {
 public:
  // The subscription is offered all values after the first `sent` of the feed.
  void Enter(std::uint64_t sent) noexcept {
    entered_.store(sent, std::memory_order_release);
  }
  // Nothing is offered any more. Until Enter(), nothing was. The last value
  // does not count if the subscription ended before it was `decided`.
  void Leave(std::uint64_t sent, bool decided) noexcept {
    std::uint64_t offered = Offered(sent);
    if (!decided && offered > 0) --offered;
    entered_.store(kFixed | offered, std::memory_order_release);
  }

  // Returns how many values of the feed's first `sent` were offered.
  [[nodiscard]] std::uint64_t Offered(std::uint64_t sent) const noexcept {
    return Read(sent).offered;
  }
  // Returns the same, and whether values may still be offered.
  struct Reading {
    std::uint64_t offered;
    bool counts;
  };
  [[nodiscard]] Reading Read(std::uint64_t sent) const noexcept {
    const std::uint64_t entered = entered_.load(std::memory_order_acquire);
    if ((entered & kFixed) != 0) return {entered & ~kFixed, false};
    return {sent > entered ? sent - entered : 0, true};
  }

  void CountBlocked(Platform::Clock::duration waited) noexcept {
    const std::chrono::nanoseconds time = waited;
    blocked.Add(static_cast<std::uint64_t>(time.count()));
  }

  Count missed;  // not delivered, because a Send did not wait any longer
  // Nanoseconds of the waits that ended with this subscription.
  Count blocked;

 private:
  static constexpr std::uint64_t kFixed = std::uint64_t{1} << 63;

  // The feed's count, or with kFixed the result of Offered().
  Platform::Atomic<std::uint64_t> entered_{kFixed};
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_TALLY_H_
