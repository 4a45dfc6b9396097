// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_DELIVERY_H_
#define FANFARE_DETAIL_FEED_DELIVERY_H_

// Delivery is how one Send delivers its value, in its turn: like a Select that
// completes all of its cases.
//
// It iterates once over the members that are active when its turn comes, and
// offers the value to the channel of each. Channels that are not ready keep
// their offers (pending_offers.h). The locks of most of the others are biased
// to the feed, so that the Send takes no lock for them (biased_lock.h).

#include <cstddef>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/feed_core.h>
#include <fanfare/detail/feed/feed_subscription.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/feed/sent_value.h>
#include <fanfare/detail/feed/slow_channels.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI {

template <typename T>
struct Numbered;

namespace detail {

template <typename T>
inline constexpr bool kIsNumbered = false;
template <typename T>
inline constexpr bool kIsNumbered<Numbered<T>> = true;

template <typename T>
class Delivery {
 public:
  // V is const T if the caller's object must stay as it is, else T. The
  // `limits` of the wait are nothing, a deadline, or a deadline and a stop
  // token. Returns how many channels took the value.
  template <typename V, typename... Limits>
  static std::size_t Send(FeedCore& feed, V& value, Waits waits,
                          const Limits&... limits) {
    if (!feed.turnstile.TryEnter()) {
      return SendQueued(feed, value, waits, limits...);
    }
    SentValue<T> sent;  // destroyed without the turn
    const FeedCore::Turn turn(feed);
    if (feed.turnstile.closed()) return 0;
    return Deliver<true>(feed, value, sent, waits, limits...);
  }

 private:
  using Entry = DenseSet::Entry;

  static constexpr bool kCopiesLate = std::is_trivially_copyable_v<T>;

  // Gives an rvalue back if no channel has taken it.
  struct Returning {
    ~Returning() {
      if (taken == 0) sent.Return(value);
    }
    SentValue<T>& sent;
    T& value;
    const std::size_t& taken;
  };

  // A Send that does not find the turnstile free.
  struct Queued : QueuedSend {
    explicit Queued(Waits what) noexcept
        : QueuedSend(what, kCopiesLate ? &Delivery::CombineQueued : nullptr) {}

    SentValue<T> sent;
  };
  template <typename V>
  FANFARE_COLD static std::size_t SendQueued(
      FeedCore& feed, V& value, Waits waits,
      const Deadline& deadline = Deadline::Never(),
      const std::stop_token& stop = {}) {
    Queued send(waits);
    send.value = const_cast<T*>(std::addressof(value));
    if (!feed.AwaitTurn(send, deadline, stop)) return send.taken;
    const FeedCore::Turn turn(feed);
    if (!send.was_combined) {
      return Deliver<false>(feed, value, send.sent, waits, deadline, stop);
    }
    SlowChannels::Await(feed, send.pending, ChannelVerbs::kOf<T>, send.taken,
                        deadline, stop);
    return send.taken;
  }
  static void CombineQueued(FeedCore& feed, QueuedSend& queued) noexcept {
    if constexpr (kCopiesLate) {
      auto& send = static_cast<Queued&>(queued);
      SetNumber(feed, *static_cast<T*>(send.value));
      T& offered = send.sent.Take(*static_cast<const T*>(send.value),
                                  feed.members.active().size());
      feed.CountValue(std::addressof(offered));
      send.pending = Offer(feed.members.active().begin(), 0, feed, offered,
                           send.waits == Waits::kForAll, send.taken);
    }
  }

  // The remaining functions are for the thread that has the turn.

  // Gives the value its number. The object is the library's own, and not const.
  static void SetNumber(const FeedCore& feed, const T& value) noexcept {
    if constexpr (kIsNumbered<T>) {
      const_cast<T&>(value).number = feed.sent() + 1;
    }
  }

  // Delivers the value, in the ordinary case by code that is inlined here.
  template <bool kInlined, typename V, typename... Limits>
  FANFARE_ALWAYS_INLINE static std::size_t Deliver(FeedCore& feed, V& value,
                                                   SentValue<T>& sent,
                                                   Waits waits,
                                                   const Limits&... limits) {
    const std::size_t count = feed.members.active().size();
    std::size_t taken = 0;
    SetNumber(feed, value);
    if constexpr (std::is_const_v<V>) {
      // A copy is user code, and may take long.
      if (!kCopiesLate) feed.turnstile.MarkSlowExit();
      DeliverOwn<kInlined>(feed, sent.Take(value, count), waits, taken,
                           limits...);
    } else {
      const Returning returning{sent, value, taken};
      DeliverOwn<kInlined>(feed, sent.Take(value, count), waits, taken,
                           limits...);
    }
    return taken;
  }
  template <bool kInlined, typename... Limits>
  FANFARE_ALWAYS_INLINE static void DeliverOwn(FeedCore& feed, T& offered,
                                               Waits waits, std::size_t& taken,
                                               const Limits&... limits) {
    const bool wait = waits == Waits::kForAll;
    feed.CountValue(std::addressof(offered));
    std::size_t missed = 0;
    const Entry* entry = feed.members.active().begin();
    if constexpr (kInlined) entry = OfferToFew(feed, offered, wait, missed);
    if (entry == feed.members.active().end()) [[likely]] {
      taken = feed.members.active().size() - missed;
    } else {
      DeliverFrom(entry, missed, feed, offered, wait, taken, limits...);
    }
  }
  template <typename... Limits>
  FANFARE_COLD static void DeliverFrom(const Entry* entry, std::size_t missed,
                                       FeedCore& feed, T& offered, bool wait,
                                       std::size_t& taken,
                                       const Limits&... limits) {
    const PendingOffers pending =
        Offer(entry, missed, feed, offered, wait, taken);
    if (!pending.empty()) {
      SlowChannels::Await(feed, pending, ChannelVerbs::kOf<T>, taken,
                          limits...);
    }
  }

  // The ordinary case: offers the value to a few members in turn, up to the
  // first that needs more than that. Offer() goes on there. Returns the entry
  // of that member, or the end. Adds to `missed` the number of
  // channels that the value missed. (Apart from Offer(), so that it is short
  // enough to be inlined.)
  FANFARE_ALWAYS_INLINE static const Entry* OfferToFew(
      FeedCore& feed, T& value, bool wait, std::size_t& missed) noexcept {
    const DenseSet& members = feed.members.active();
    const Entry* entry = members.begin();
    // The last one takes the value itself.
    if (members.size() > (kCopiesLate ? kFew : 1)) return entry;
    for (const Entry* const end = members.end(); entry != end; ++entry) {
      auto& channel = static_cast<ChannelCore<T>&>(*entry->channel);
      Member& m = *entry->member;
      const Outcome outcome = TryStore(feed, channel, m.offer, value, true);
      if (outcome == Outcome::kDone) [[likely]]
        continue;
      if (wait || outcome != Outcome::kPending || m.acting_policy() != nullptr)
        break;
      m.Miss();
      ++missed;
    }
    return entry;
  }

  // Offers the value to the member of `entry` and to all later ones; the last
  // channel may move from it. Of the earlier members, `not_taken` did not take
  // it. Returns the offers to channels that were not ready. Sets `taken` to the
  // number of all channels that took the value, even if a copy throws. If
  // `wait` is false, no offers are left waiting.
  static PendingOffers Offer(const Entry* entry, std::size_t not_taken,
                             FeedCore& feed, T& value, bool wait,
                             std::size_t& taken) {
    const DenseSet& members = feed.members.active();
    const Entry* const end = members.end();
    PendingOffers pending;
    if (members.size() > kFew) feed.turnstile.MarkSlowExit();
    bool may_bias = members.size() <= kMaxBiased;
    if (!may_bias) feed.RevokeBiases();
    try {
      while (entry != end) {
        auto& channel = static_cast<ChannelCore<T>&>(*entry->channel);
        Member& m = *entry->member;
        T& offered = OfferFor(feed, m, value, ++entry == end);
        const Outcome outcome =
            TryStore(feed, channel, m.offer, offered, may_bias);
        if (outcome == Outcome::kDone) [[likely]]
          continue;
        if (outcome == Outcome::kPending) {
          Policy* const policy = m.acting_policy();
          if (policy != nullptr) {
            if (ReplaceAtOnce(feed, channel, m, *policy, offered)) continue;
          } else if (!wait) {
            m.Miss();
            ++not_taken;
            continue;
          }
        }
        m.offer.value = std::addressof(offered);
        bool biases = may_bias;  // so that `may_bias` stays in a register
        const auto fate = SlowChannels::Settle(feed, m, outcome, wait, biases,
                                               ChannelVerbs::kOf<T>);
        may_bias = biases;
        if (fate == Fate::kTaken) continue;
        ++not_taken;
        if (fate == Fate::kWaits) pending.Add(m);
      }
    } catch (...) {
      // A copy has thrown: earlier deliveries are not rolled back.
      --entry;
      taken = static_cast<std::size_t>(entry - members.begin()) - not_taken;
      for (; entry != end; ++entry) entry->member->tally.missed.Add();
      pending.Drop();
      throw;
    }
    taken = members.size() - not_taken;
    if (!pending.empty()) feed.RevokeBiases();
    return pending;
  }

  // No channel is biased for values that are copied by user code.
  FANFARE_ALWAYS_INLINE static Outcome TryStore(FeedCore& feed,
                                                ChannelCore<T>& channel,
                                                Operation& offer, T& value,
                                                bool may_bias) noexcept {
    if constexpr (kCopiesLate) {
      return channel.TryStore(feed.turnstile, may_bias, offer, value);
    } else {
      return channel.TryStore(offer, value);
    }
  }

  // Replaces the oldest value of a full channel, if the member's policy does so
  // at once. Returns whether it did. If not, nothing has happened.
  static bool ReplaceAtOnce(FeedCore& feed, ChannelCore<T>& channel,
                            Member& member, Policy& policy, T& value) noexcept {
    if (!policy.replaces_at_once()) return false;
    bool evicted = false;
    if constexpr (kCopiesLate) {
      if (!channel.ReplaceBiased(feed.turnstile, member.offer, value, evicted))
        return false;
    } else {
      const FeedCore::Hold hold(feed);
      feed.turnstile.MarkSlowExit();  // a value's destructor is user code
      member.offer.value = std::addressof(value);
      // No channel is biased for such values.
      const Outcome outcome = policy.replace(
          channel, member.offer, feed.turnstile, Biases::kNone, evicted);
      if (outcome != Outcome::kDone) return false;
    }
    if (evicted) policy.evicted.Add();
    return true;
  }

  // Returns what a subscriber's channel should take. That is the value itself
  // if it is copied late or moved to the last channel. Otherwise it is a copy,
  // made here by the sender's thread and outside all locks.
  static T& OfferFor(FeedCore& feed, Member& member, T& value, bool last) {
    if constexpr (kCopiesLate) {
      return value;
    } else {
      if (last) return value;
      // A copy is user code, and may take long.
      feed.turnstile.MarkSlowExit();
      return static_cast<FeedSubscription<T>&>(member).MakeCopy(value);
    }
  }

  // Up to this many offers are made fast enough for other threads to poll.
  static constexpr std::size_t kFew = 64;
  // A Send to up to this many channels that are biased to the feed is short
  // enough to be waited for.
  static constexpr std::size_t kMaxBiased = 1024;
};

}  // namespace detail

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_DETAIL_FEED_DELIVERY_H_
