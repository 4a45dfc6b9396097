// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_DELIVERY_H_
#define FANFARE_DETAIL_FEED_DELIVERY_H_

// Delivery is how one Send delivers its value, in its turn: like a Select that
// completes all of its cases.
//
// It iterates once over the members that are active when its turn comes, and
// offers the value to the channel of each. Channels that are not ready keep
// their offers (pending_offers.h).
//
// For values that are copied as bytes, the locks of most channels that are
// ready are biased to the feed, so that the Send takes no lock for them
// (biased_lock.h).

#include <cstddef>
#include <mutex>
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
  //
  // This takes the turn before it calls a function: the exchange would wait
  // until the registers that the function saves are stored.
  template <typename V, typename... Limits>
  FANFARE_ALWAYS_INLINE static std::size_t Send(FeedCore& feed, V& value,
                                                Waits waits,
                                                const Limits&... limits) {
    return feed.turnstile.TryEnter()
               ? SendInTurn(feed, value, waits, limits...)
               : SendQueued(feed, value, waits, limits...);
  }

 private:
  using Entry = DenseSet::Entry;

  // Takes the shortest way if there is one channel, which is biased to this
  // feed and has room, and no more to do: that one saves but one register.
  template <typename V, typename... Limits>
  FANFARE_NOINLINE static std::size_t SendInTurn(FeedCore& feed, V& value,
                                                 Waits waits,
                                                 const Limits&... limits) {
    if constexpr (kCopiedAsBytes<T> && !kIsNumbered<T>) {
      const DenseSet& members = feed.members.active();
      if (members.size() == 1 && feed.extras() == nullptr) {
        auto& only = static_cast<ChannelCore<T>&>(*members.begin()->channel);
        if (only.IsReadyInTurn(feed.turnstile) && !feed.turnstile.closed())
            [[likely]] {
          feed.CountValue();
          only.StoreInTurn(value);
          feed.Leave();
          return 1;
        }
      }
    }
    return SendToAll(feed, value, waits, limits...);
  }

  // The general way: to any number of channels, ready or not.
  template <typename V, typename... Limits>
  FANFARE_NOINLINE static std::size_t SendToAll(FeedCore& feed, V& value,
                                                Waits waits,
                                                const Limits&... limits) {
    // Destroyed in the opposite order: `sent` without the turn.
    SentValue<T> sent;
    const FeedCore::Turn turn(feed, std::adopt_lock);  // leaves it at the end
    if (feed.turnstile.closed()) return 0;
    const std::size_t count = feed.members.active().size();
    std::size_t taken = 0;
    const Returning<V> returning{sent, value, taken};
    T& offered = Begin(feed, value, sent, count);
    const bool wait = waits == Waits::kForAll;
    std::size_t missed = 0;
    const Entry* const entry =
        OfferWhileReady(feed, offered, count, wait, missed);
    if (entry == nullptr) [[likely]]  // that was all
      return taken = count - missed;
    OfferRest(entry, missed, feed, offered, wait, taken, limits...);
    return taken;
  }

  // Gives an rvalue back if no channel has taken it.
  template <typename V>
  struct Returning {
    ~Returning() {
      if constexpr (!kCopiedAsBytes<T> && !std::is_const_v<V>) {
        if (taken == 0) sent.Return(value);
      }
    }
    SentValue<T>& sent;
    V& value;
    const std::size_t& taken;
  };

  // A Send that does not find the turnstile free.
  struct Queued : QueuedSend {
    explicit Queued(Waits what) noexcept
        : QueuedSend(what,
                     kCopiedAsBytes<T> ? &Delivery::CombineQueued : nullptr) {}

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
    const FeedCore::Turn turn(feed, std::adopt_lock);
    const Returning<V> returning{send.sent, value, send.taken};
    if (!send.was_combined) OfferQueued(feed, send, value);
    if (!send.pending.empty()) {
      SlowChannels::Await(feed, send.pending, ChannelCore<T>::kMoves,
                          send.taken, deadline, stop);
    }
    return send.taken;
  }
  static void CombineQueued(FeedCore& feed, QueuedSend& queued) noexcept {
    if constexpr (kCopiedAsBytes<T>) {
      auto& send = static_cast<Queued&>(queued);
      OfferQueued(feed, send, *static_cast<const T*>(send.value));
    }
  }

  // The remaining functions are for the thread that has the turn.

  FANFARE_COLD static void WillTakeLong(FeedCore& feed) noexcept {
    feed.turnstile.MarkSlowExit();
  }

  template <typename V>
  static void OfferQueued(FeedCore& feed, Queued& send, V& value) {
    T& offered = Begin(feed, value, send.sent, feed.members.active().size());
    send.pending = Offer(feed.members.active().begin(), 0, feed, offered,
                         send.waits == Waits::kForAll, send.taken);
  }

  // Begins the delivery of a value to `count` members: returns what to offer.
  // Where a receiver could change the caller's object before the last channel
  // has its value, that is an object in `sent`, else the caller's. Also numbers
  // the value if T is Numbered, counts it, and keeps a copy if the feed has a
  // history.
  template <typename V>
  FANFARE_ALWAYS_INLINE static T& Begin(FeedCore& feed, V& value,
                                        SentValue<T>& sent, std::size_t count) {
    if constexpr (kIsNumbered<T>) {
      // The object is the library's own, and not const.
      const_cast<T&>(value).number = feed.sent() + 1;
    }
    // A copy is user code.
    if (!kCopiedAsBytes<T> && (std::is_const_v<V> || count > 1)) {
      feed.turnstile.MarkSlowExit();
    }
    T& offered = sent.Take(value, count);
    feed.CountValue(std::addressof(offered));
    return offered;
  }

  // What is left to do after OfferWhileReady().
  template <typename... Limits>
  FANFARE_COLD static void OfferRest(const Entry* entry, std::size_t missed,
                                     FeedCore& feed, T& offered, bool wait,
                                     std::size_t& taken,
                                     const Limits&... limits) {
    const PendingOffers pending =
        Offer(entry, missed, feed, offered, wait, taken);
    if (!pending.empty())
      SlowChannels::Await(feed, pending, ChannelCore<T>::kMoves, taken,
                          limits...);
  }

  // The ordinary case: offers the value to the `count` members, one after the
  // other, up to the first that needs more. Returns the entry of that member,
  // with which Offer() goes on, or null if there is none. Adds to `missed` the
  // number of channels that the value missed. Handles up to kMaxBiased members,
  // or one if user code copies T (the last one needs no copy); if there are
  // more, returns the first entry at once. (A function of its own, short enough
  // to be inlined.)
  FANFARE_ALWAYS_INLINE static const Entry* OfferWhileReady(
      FeedCore& feed, T& value, std::size_t count, bool wait,
      std::size_t& missed) noexcept {
    const Entry* entry = feed.members.active().begin();
    if (count > (kCopiedAsBytes<T> ? kFew : 1)) [[unlikely]] {
      if (!kCopiedAsBytes<T> || count > kMaxBiased) return entry;
      WillTakeLong(feed);
    }
    const Entry* const end = entry + count;
    if constexpr (kCopiedAsBytes<T>) {
      // While channels are biased and have room, this loop stays in registers.
      // (For one channel, SendInTurn() has tried that.)
      for (; count > 1 && entry != end; ++entry) {
        auto& channel = static_cast<ChannelCore<T>&>(*entry->channel);
        if (!channel.IsReadyInTurn(feed.turnstile)) break;
        channel.StoreInTurn(value);
      }
    }
    for (; entry != end; ++entry) {
      auto& channel = static_cast<ChannelCore<T>&>(*entry->channel);
      Member& m = *entry->member;
      const Outcome outcome = OfferTo(feed, channel, m.offer(), value, true);
      if (outcome == Outcome::kDone) [[likely]]
        continue;
      if (wait || outcome != Outcome::kPending || m.acting_policy() != nullptr)
        return entry;
      m.Miss();
      ++missed;
    }
    return nullptr;
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
    if (members.size() > kFew) WillTakeLong(feed);
    bool may_bias = members.size() <= kMaxBiased;
    if (!may_bias) feed.RevokeBiases();
    try {
      while (entry != end) {
        auto outcome = Outcome::kDone;
        if constexpr (!kCopiedAsBytes<T> && sizeof(T) <= kLargestOnStack) {
          outcome = CopyWhileReady(entry, end, value, entry);
        }
        auto& channel = static_cast<ChannelCore<T>&>(*entry->channel);
        Member& m = *entry->member;
        T& offered = ValueFor(m, value, ++entry == end);
        if (outcome == Outcome::kDone) {  // nothing was offered to it yet
          // Bytes are replaced once the channel was found full; for other
          // values that would take one lock more.
          if (!kCopiedAsBytes<T> && m.replaces_at_once() &&
              Replace(feed, channel, m, offered, may_bias)) {
            continue;
          }
          outcome = OfferTo(feed, channel, m.offer(), offered, may_bias);
          if (outcome == Outcome::kDone) [[likely]] {
            if (!kCopiedAsBytes<T>) m.DestroyCopy();
            continue;
          }
        }
        if (outcome == Outcome::kPending) {
          if (kCopiedAsBytes<T> && m.replaces_at_once()) {
            if (Replace(feed, channel, m, offered, may_bias)) continue;
          } else if (!wait && m.acting_policy() == nullptr) {
            m.Miss();
            ++not_taken;
            continue;
          }
        }
        m.offer().value = std::addressof(offered);
        bool biases = may_bias;  // so that `may_bias` stays in a register
        const auto fate = SlowChannels::Settle(feed, m, outcome, wait, biases,
                                               channel.kMoves);
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

  // For values that are copied by user code: gives copies to the channels of
  // the members from `first` on, up to the last member, which needs no copy,
  // one that replaces at once, or the first of which the channel is not ready.
  // Sets `entry` to that member, or behind the one for which a copy has thrown.
  // If the member's channel is not ready, returns why; the member keeps the
  // copy. (The memory of the others is not written to.) Else returns kDone. (A
  // function of its own, short enough for the loop to be in registers.)
  FANFARE_NOINLINE static Outcome CopyWhileReady(const Entry* first,
                                                 const Entry* end,
                                                 const T& value,
                                                 const Entry*& entry) {
    for (; end - first > 1 && !first->member->replaces_at_once(); ++first) {
      auto& channel = static_cast<ChannelCore<T>&>(*first->channel);
      entry = first + 1;
      T copy(value);
      const Outcome outcome = channel.TryStore(first->member->offer(), copy);
      if (outcome == Outcome::kDone) [[likely]]
        continue;
      static_cast<FeedSubscription<T>&>(*first->member)
          .KeepCopy(std::move(copy));
      entry = first;
      return outcome;
    }
    entry = first;
    return Outcome::kDone;
  }

  // No channel is biased for values that are copied by user code.
  FANFARE_ALWAYS_INLINE static Outcome OfferTo(FeedCore& feed,
                                               ChannelCore<T>& channel,
                                               Operation& offer, T& value,
                                               bool may_bias) noexcept {
    if constexpr (kCopiedAsBytes<T>) {
      return channel.TryStoreInTurn(feed.turnstile, may_bias, offer, value);
    } else {
      return channel.TryStore(offer, value);
    }
  }

  // For a member that replaces at once: gives the value to its channel, and
  // takes the oldest one out if there is no room. Returns false, and leaves the
  // value, if the channel is closed or biased elsewhere. If values are copied
  // late, the channel was found full before.
  FANFARE_ALWAYS_INLINE static bool Replace(FeedCore& feed,
                                            ChannelCore<T>& channel, Member& m,
                                            T& value, bool may_bias) noexcept {
    Policy& policy = *m.policy();
    Biases biases = Biases::kNone;
    if constexpr (kCopiedAsBytes<T>) {
      if (channel.Overwrite(feed.turnstile, value)) {
        policy.evicted.Add();
        return true;
      }
      biases = may_bias ? Biases::kMake : Biases::kKeep;
    }
    m.offer().value = std::addressof(value);
    return policy.actions->replace(feed, m, policy, biases);
  }

  // Returns what a subscriber's channel should take. That is the value itself
  // if it is copied late or moved to the last channel. Otherwise it is the
  // member's copy, made by the sender's thread and outside all locks.
  static T& ValueFor(Member& member, T& value, bool last) {
    if constexpr (kCopiedAsBytes<T>) {
      return value;
    } else {
      if (last) return value;
      auto& subscription = static_cast<FeedSubscription<T>&>(member);
      return member.offer().owns_value ? subscription.copy()
                                       : subscription.KeepCopy(value);
    }
  }

  // In bytes.
  static constexpr std::size_t kLargestOnStack = 1024;
  // Up to this many offers are made fast enough for other threads to poll.
  static constexpr std::size_t kFew = 64;
  // A Send to up to this many channels that are biased to the feed is short
  // enough to be waited for.
  static constexpr std::size_t kMaxBiased = 1024;
};

}  // namespace detail

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_DETAIL_FEED_DELIVERY_H_
