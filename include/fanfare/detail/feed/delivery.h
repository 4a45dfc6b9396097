// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_DELIVERY_H_
#define FANFARE_DETAIL_FEED_DELIVERY_H_

// How one value is offered to everybody, by the thread that has the turn: a
// select that completes all of its cases.
//
// It walks once over the subscriptions that were there when the turn came, and
// offers the value to the channel of each. Those that are not ready keep their
// offers (pending_offers.h); most of the others have lent the feed the lock
// that it would take for each (biased_lock.h).

#include <cstddef>
#include <stop_token>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/feed_subscription.h>
#include <fanfare/detail/feed/membership.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// What a Send waits for.
enum class Waits {
  kNever,   // nothing
  kTurn,    // its turn, but no channel
  kForAll,  // its turn, and each channel
};

template <typename T>
class FeedOffers : public FeedMembers<T> {
  using Base = FeedMembers<T>;
  using Member = FeedSubscription<T>;

 protected:
  using Base::End, Base::members_, Base::turnstile_;

  FeedOffers() = default;
  ~FeedOffers() = default;

  // Offers the value, which the last channel may move from, to all. Returns
  // those whose channels were not ready, and in `taken`, also where a copy
  // throws, how many have taken it. With `wait` false there are none that wait.
  PendingOffers<T> Offer(T& value, bool wait, std::size_t& taken) {
    PendingOffers<T> pending;
    std::size_t missed = 0;
    if (members_.size() > kFew) turnstile_.MarkSlowExit();
    bool may_bias = members_.size() <= kMaxBiased;
    if (!may_bias) RevokeBiases();
    auto entry = members_.begin();
    try {
      while (entry != members_.end()) {
        const auto [channel, m] = *entry;
        T& offered = OfferFor(*m, value, ++entry == members_.end());
        const Outcome outcome = TrySend(*channel, m->offer_, offered, may_bias);
        if (outcome == Outcome::kDone) [[likely]]
          continue;
        ++missed;
        // To end loans, and to wait, are followed by no new ones.
        may_bias = may_bias && outcome == Outcome::kPending && !wait;
        if (outcome == Outcome::kPending && wait) {
          if (pending.empty()) turnstile_.MarkSlowExit();
          pending.Add(*m, offered);
        } else {
          Refused(*m, outcome);
        }
      }
    } catch (...) {
      // A copy failed: what was delivered stands.
      taken = static_cast<std::size_t>(entry - members_.begin()) - 1 - missed;
      pending.DestroyCopy();
      throw;
    }
    taken = members_.size() - missed;
    if (!pending.empty()) RevokeBiases();
    return pending;
  }

  // Blocks until they have taken theirs; adds those that did to `taken`.
  FANFARE_COLD void Await(PendingOffers<T> pending, std::size_t& taken,
                          const Deadline& deadline = Deadline::Never(),
                          const std::stop_token& stop = {}) {
    pending.Await(
        deadline, stop,
        [this](Member& m, Outcome outcome) { Refused(m, outcome); }, taken);
  }

  // The channels that are lent to this feed are free again.
  FANFARE_COLD void RevokeBiases() noexcept {
    for (auto entry = members_.begin(); turnstile_.biased() > 0; ++entry) {
      entry->channel->Unbias(turnstile_);
    }
  }

 private:
  // Nothing is borrowed for values whose copies run code of the user's. After
  // loans had to be ended a walk may_bias no more, so that they are ended once.
  FANFARE_ALWAYS_INLINE Outcome TrySend(ChannelCore<T>& channel,
                                        Operation& offer, T& value,
                                        bool& may_bias) noexcept {
    if constexpr (Member::kCopiesLate) {
      const Outcome outcome =
          channel.TrySend(turnstile_, may_bias, offer, value);
      if (outcome != ChannelCore<T>::kBiasedElsewhere) [[likely]]
        return outcome;
      turnstile_.MarkSlowExit();
      RevokeBiases();
      may_bias = false;
    }
    return channel.TrySend(offer, value);
  }

  // An offer was not taken; kClosed: the member's owner closed the channel, or
  // somebody is about to end it.
  FANFARE_COLD void Refused(Member& member, Outcome outcome) noexcept {
    member.DestroyCopy();
    if (outcome == Outcome::kClosed) {
      turnstile_.MarkSlowExit();
      RevokeBiases();
      End(member);
    }
  }

  // What a subscriber's channel is to take: the value itself, where it is
  // copied late or moved to the last, or a copy made here and now, by the
  // sender's thread and outside all locks.
  T& OfferFor(Member& member, T& value, bool last) {
    if constexpr (Member::kCopiesLate) {
      return value;
    } else {
      if (last) return value;
      // A copy is the user's code, and may take its time.
      turnstile_.MarkSlowExit();
      return member.MakeCopy(value);
    }
  }

  // So many offers are soon made.
  static constexpr std::size_t kFew = 64;
  // To so many channels it is soon sent that are lent (biased_lock.h).
  static constexpr std::size_t kMaxBiased = 1024;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_DELIVERY_H_
