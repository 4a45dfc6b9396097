// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_MEMBERSHIP_H_
#define FANFARE_DETAIL_FEED_MEMBERSHIP_H_

// Who is subscribed to a feed, and how they come and go beside its Sends.
//
// The roll is changed only by who has the lock and the turn, and so not while a
// Send walks. Who ends meanwhile is revoked in its channel, which from that
// moment refuses the feed's offers; who comes waits in a second roll. The Send
// does for them what is to be done before it gives the turn back (turnstile.h).

#include <cassert>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/feed/dense_set.h>
#include <fanfare/detail/feed/feed_subscription.h>
#include <fanfare/detail/feed/turnstile.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename T>
class FeedMembers : public RefCounted {
 public:
  using Member = FeedSubscription<T>;
  using Members = DenseSet<Member, ChannelCore<T>>;

  // Ends a subscription; when it returns, all of that has been done, whoever
  // did it. With `all`, of all one after the other, a copy that was not taken
  // stays with the Send that made it: its destructor may wait for the others.
  void End(Member& member, bool all = false) noexcept {
    // Both are let go of at the very end: what a destructor of T does, even to
    // Send, then finds no Send waiting for it.
    std::optional<T> taken_back;
    Ref<Member> removed;
    // From here on its channel takes nothing of this feed.
    if (member.channel_->RevokeSend(member.offer_)) {
      if (member.offer_.owns_value && !all) {
        taken_back.emplace(std::move(*static_cast<T*>(member.offer_.value)));
        member.DestroyCopy();
      }
      member.offer_.waker->Completed(Outcome::kClosed);
    }
    {
      const std::lock_guard lock(lock_);
      if (std::exchange(member.listed_, false)) {
        --count_;
        if (member.is_joining_ && closing_ == 0) {
          joining_.Remove(member);
          removed = Ref<Member>::Adopt(&member);
        } else if (TryBeginUpdate()) {
          members_.Remove(member);
          turnstile_.Leave();
          removed = Ref<Member>::Adopt(&member);
        } else {
          member.next_leaving_ = std::exchange(leaving_, &member);
        }
      }
    }
    member.Finish();
  }

  [[nodiscard]] std::size_t count() const noexcept {
    const std::lock_guard lock(lock_);
    assert(!destroying_ && "fanfare: a count of a Feed being destroyed");
    return count_;
  }

 protected:
  FeedMembers() = default;
  ~FeedMembers() = default;

  // False: the feed is closed.
  bool Add(Member& member) {
    // Whatever memory is wanted for the rolls is got, and the old one freed,
    // without the lock.
    typename Members::Memory memory;
    for (;;) {
      std::size_t all;
      {
        const std::lock_guard lock(lock_);
        assert(!destroying_ && "fanfare: Subscribe on a Feed being destroyed");
        if (turnstile_.closed()) return false;
        member.is_joining_ = !TryBeginUpdate();
        all = members_.size() + joining_.size() + 1;
        const bool entered = TryAdd(member, all, memory);
        if (!member.is_joining_) turnstile_.Leave();
        if (entered) return true;
      }
      Members::Reserve(memory, all);
    }
  }

  // For a feed that is destroyed; subscriptions may outlive it.
  void FreeMemory() noexcept {
    typename Members::Memory memories[2];
    const std::lock_guard lock(lock_);
    memories[0] = members_.TakeMemory();
    memories[1] = joining_.TakeMemory();
  }

  static void ReleaseRemoved(Member* gone) noexcept {
    while (gone != nullptr) {
      const auto owned = Ref<Member>::Adopt(gone);
      gone = gone->next_leaving_;
    }
  }

  // The rest is called with the lock held.

  // True: nobody walks over the roll, until turnstile_.Leave(). False: whoever
  // is the last to walk calls ApplyPending.
  bool TryBeginUpdate() noexcept {
    return closing_ == 0 && turnstile_.EnterOrDelegate();
  }

  // Takes in who came and takes out who ended, whom it puts in front of `gone`.
  void ApplyPending(Member*& gone) noexcept {
    for (const auto& entry : joining_) entry.member->is_joining_ = false;
    members_.TakeAll(joining_);
    while (Member* const m = leaving_) {
      members_.Remove(*m);
      leaving_ = std::exchange(m->next_leaving_, gone);
      gone = m;
    }
  }

  Turnstile turnstile_;
  Members members_;              // each with a counted reference
  mutable Platform::Lock lock_;  // guards all that follows
  Members joining_;
  std::size_t closing_ = 0;  // Closes that walk over the rolls
  bool destroying_ = false;

 private:
  // Enters a member into its roll, which may move into `memory` for that.
  // False: there is no room for `all`.
  bool TryAdd(Member& member, std::size_t all,
              typename Members::Memory& memory) {
    Members& set = member.is_joining_ ? joining_ : members_;
    // One of the two has room for all: ApplyPending cannot fail.
    const bool room = member.is_joining_ && members_.HasRoom(all)
                          ? joining_.MakeRoom(joining_.size() + 1, memory)
                          : set.MakeRoom(all, memory);
    if (!room) return false;
    set.Add(*Ref<Member>::Share(&member).Release());  // the roll's reference
    ++count_;
    return member.listed_ = true;
  }

  Member* leaving_ = nullptr;  // still in a roll, to be taken out
  std::size_t count_ = 0;      // without those
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_MEMBERSHIP_H_
