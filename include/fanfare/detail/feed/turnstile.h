// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_TURNSTILE_H_
#define FANFARE_DETAIL_FEED_TURNSTILE_H_

// The turn to use a feed's roll of subscriptions, and the channels that are
// lent to the feed (biased_lock.h): of one Send at a time, of who changes the
// roll, or of who ends a loan.
//
// Nothing in the way, it costs one exchange to take and a store to give back.
// Whoever finds it taken has the feed's lock, asks, and looks until it is
// either free or its holder has promised to look after things, with the lock
// held, before it gives the turn back; then it leaves word with the
// feed and goes. A holder promises as soon as it reads that it was asked, and
// before it waits, takes the feed's lock, runs code of the user's (but nothrow
// moves), or has made more than a few offers: so nobody looks for long. A
// promise that nobody has read it takes back at the end, and needs no lock.
//
// Who only wants a loan to end leaves word without the lock, and looks again.
//
// No fence is needed between the holder's store and its look whether it was
// asked: if it misses that, the one who asked finds the turn free.

#include <cstddef>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class Turnstile {
 public:
  // Takes it if nobody has it.
  bool TryEnter() noexcept {
    return taken_.exchange(1, std::memory_order_acquire) == 0;
  }
  // The same for who looks again and again.
  bool TryEnterIfFree() noexcept {
    return taken_.load(std::memory_order_relaxed) == 0 && TryEnter();
  }

  // For the holder, as the next one. Gives it back; false: there is something
  // to look after first, with the feed's lock held.
  bool TryLeave() noexcept {
    if (word_.load(std::memory_order_relaxed) != 0 && !UnmarkSlowExit())
        [[unlikely]] {
      MarkSlowExit();
      return false;
    }
    taken_.store(0, std::memory_order_release);
    return true;
  }
  // As TryLeave, for who took it to end a loan: whoever has asked waits until
  // it is free, and whoever wants another loan to end says so again.
  void LeaveAfterRevoke() noexcept {
    static_cast<void>(TakeRevokeRequest());
    taken_.store(0, std::memory_order_release);
  }
  void MarkSlowExit() noexcept {
    if ((word_.load(std::memory_order_relaxed) & kSlowExit) != 0) return;
    word_.fetch_or(kSlowExit, std::memory_order_relaxed);
  }

  // How many locks are lent to the holder (biased_lock.h), and whether somebody
  // has wanted one since it was last asked.
  [[nodiscard]] std::size_t biased() const noexcept { return biased_; }
  bool TakeRevokeRequest() noexcept {
    if (!revoke_requested()) return false;
    word_.fetch_and(~kRevokeRequested, std::memory_order_relaxed);
    return true;
  }
  void AddBiased() noexcept { ++biased_; }
  void RemoveBiased() noexcept { --biased_; }

  // For who has found it taken. May get lost, and is said at each look.
  void RequestRevoke() noexcept {
    if (revoke_requested()) return;
    word_.fetch_or(kRevokeRequested, std::memory_order_relaxed);
  }

  // What follows is called with the feed's lock held; closed() by the holder,
  // too.

  // Takes it (true), or makes sure that its holder will look (false).
  bool EnterOrDelegate() noexcept {
    if (TryEnter()) return true;
    SpinWait<Platform> taken;
    unsigned word = word_.fetch_or(kHasRequests, std::memory_order_relaxed);
    while ((word & kSlowExit) == 0) {
      if (TryEnterIfFree()) {
        ResetRequests();
        return true;
      }
      taken.Wait();
      word = word_.load(std::memory_order_relaxed);
    }
    return false;
  }

  // For the holder, which has looked. (Where it lets another one have the turn
  // instead, that one is bound by the promise.)
  void Leave() noexcept {
    ResetRequests();
    taken_.store(0, std::memory_order_release);
  }

  void Close() noexcept { word_.fetch_or(kClosed, std::memory_order_relaxed); }
  [[nodiscard]] bool closed() const noexcept {
    return (word_.load(std::memory_order_relaxed) & kClosed) != 0;
  }

 private:
  // The word, 0 where there is nothing to look after.
  static constexpr unsigned kHasRequests =
      1;                                    // set and reset with the lock held
  static constexpr unsigned kSlowExit = 2;  // by the holder, alone till asked
  static constexpr unsigned kClosed = 4;    // set with the lock held
  static constexpr unsigned kRevokeRequested = 8;  // by anybody

  [[nodiscard]] bool revoke_requested() const noexcept {
    return (word_.load(std::memory_order_relaxed) & kRevokeRequested) != 0;
  }

  // False: there is more than a promise. (Who relies on one has asked.)
  bool UnmarkSlowExit() noexcept {
    unsigned promised = kSlowExit;
    return word_.compare_exchange_strong(promised, 0,
                                         std::memory_order_relaxed);
  }

  void ResetRequests() noexcept {
    word_.store(closed() ? kClosed : 0, std::memory_order_relaxed);
  }

  Platform::Atomic<unsigned> taken_{0};  // 1: taken
  Platform::Atomic<unsigned> word_{0};
  std::size_t biased_ = 0;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_TURNSTILE_H_
