// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_MEMBERSHIP_H_
#define FANFARE_DETAIL_FEED_MEMBERSHIP_H_

// Who is subscribed to a feed, and how they come and go beside its Sends.
//
// The roll is changed only by who has the lock and the turn, and so not while a
// Send walks. Who ends meanwhile is retired in its channel, which from that
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
  using Members = Roll<Member, ChannelCore<T>>;

  // Ends a subscription; when it returns, all of that has been done, whoever
  // did it. With `all`, of all one after the other, a copy that was not taken
  // stays with the Send that made it: its destructor may wait for the others.
  void End(Member& member, bool all = false) noexcept {
    // Both are let go of at the very end: what a destructor of T does, even to
    // Send, then finds no Send waiting for it.
    std::optional<T> taken_back;
    Ref<Member> removed;
    // From here on its channel takes nothing of this feed.
    if (member.channel_->RetireSend(member.offer_)) {
      if (member.offer_.consumed && !all) {
        taken_back.emplace(std::move(*static_cast<T*>(member.offer_.value)));
        member.Unload();
      }
      member.offer_.waker->Completed(Outcome::kClosed);
    }
    {
      const std::lock_guard lock(lock_);
      if (std::exchange(member.listed_, false)) {
        --count_;
        if (member.newcomer_ && closes_ == 0) {
          newcomers_.Remove(member);
          removed = Ref<Member>::Adopt(&member);
        } else if (BeginChange()) {
          members_.Remove(member);
          turn_.Free();
          removed = Ref<Member>::Adopt(&member);
        } else {
          member.next_ended_ = std::exchange(ended_, &member);
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
  bool Enter(Member& member) {
    // Whatever memory is wanted for the rolls is got, and the old one freed,
    // without the lock.
    typename Members::Memory memory;
    for (;;) {
      std::size_t all;
      {
        const std::lock_guard lock(lock_);
        assert(!destroying_ && "fanfare: Subscribe on a Feed being destroyed");
        if (turn_.closed()) return false;
        member.newcomer_ = !BeginChange();
        all = members_.size() + newcomers_.size() + 1;
        const bool entered = TryEnter(member, all, memory);
        if (!member.newcomer_) turn_.Free();
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
    memories[1] = newcomers_.TakeMemory();
  }

  static void LetGo(Member* gone) noexcept {
    while (gone != nullptr) {
      const auto owned = Ref<Member>::Adopt(gone);
      gone = gone->next_ended_;
    }
  }

  // The rest is called with the lock held.

  // True: nobody walks over the roll, until turn_.Free(). False: whoever is the
  // last to walk calls Change.
  bool BeginChange() noexcept { return closes_ == 0 && turn_.TakeOrAsk(); }

  // Takes in who came and takes out who ended, whom it puts in front of `gone`.
  void Change(Member*& gone) noexcept {
    for (const auto& entry : newcomers_) entry.member->newcomer_ = false;
    members_.TakeAll(newcomers_);
    while (Member* const m = ended_) {
      members_.Remove(*m);
      ended_ = std::exchange(m->next_ended_, gone);
      gone = m;
    }
  }

  Turn turn_;
  Members members_;              // each with a counted reference
  mutable Platform::Lock lock_;  // guards all that follows
  Members newcomers_;
  std::size_t closes_ = 0;  // Closes that walk over the rolls
  bool destroying_ = false;

 private:
  // Enters a member into its roll, which may move into `memory` for that.
  // False: there is no room for `all`.
  bool TryEnter(Member& member, std::size_t all,
                typename Members::Memory& memory) {
    Members& roll = member.newcomer_ ? newcomers_ : members_;
    // One of the two has room for all: Change cannot fail.
    const bool room = member.newcomer_ && members_.HasRoom(all)
                          ? newcomers_.MakeRoom(newcomers_.size() + 1, memory)
                          : roll.MakeRoom(all, memory);
    if (!room) return false;
    roll.Add(*Ref<Member>::Share(&member).Release());  // the roll's reference
    ++count_;
    return member.listed_ = true;
  }

  Member* ended_ = nullptr;  // still in a roll, to be taken out
  std::size_t count_ = 0;    // without those
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_MEMBERSHIP_H_
