// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_MEMBERSHIP_H_
#define FANFARE_DETAIL_FEED_MEMBERSHIP_H_

// A Membership holds the subscriptions that a feed has, and lets them come and
// go during its Sends. It knows no values.
//
// The set of active members is changed only with both the turnstile's mutex and
// its turn, hence never while a Send iterates over it. A member that ends
// during a Send is revoked in its channel, which from then on refuses the
// feed's offers. A new member is put into a second set. The holder of the turn
// applies both changes before it leaves.

#include <cstddef>
#include <cstdint>
#include <utility>

#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/feed/dense_set.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class Membership {
 public:
  // For the holder of the turn.
  [[nodiscard]] const DenseSet& active() const noexcept { return active_; }

  // The remaining functions must be called with the turnstile's mutex held.

  // Returns how many members have not ended.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  // Returns how many members are in a set.
  [[nodiscard]] std::size_t total() const noexcept {
    return active_.size() + joining_.size();
  }

  // Adds a member to the active ones or, if another thread has the turn, to
  // those that join. The set may move into `memory` for that. Returns false if
  // there is no room for all members. `sent` is how many values the feed has
  // sent.
  bool TryAdd(Member& member, bool has_turn, std::uint64_t sent,
              DenseSet::Memory& memory) {
    const std::size_t all = total() + 1;
    member.joining = !has_turn;
    DenseSet& set = member.joining ? joining_ : active_;
    // One of the two sets has room for all, so ApplyPending() cannot fail.
    const bool room = member.joining && active_.HasRoom(all)
                          ? joining_.MakeRoom(joining_.size() + 1, memory)
                          : set.MakeRoom(all, memory);
    if (!room) return false;
    set.Add(*Ref<Member>::Share(&member).Release());  // the set's reference
    if (has_turn) member.tally.Enter(sent);
    ++count_;
    return member.listed = true;
  }

  // Returns false if the member has ended before. Otherwise the member no
  // longer counts, and one of the next three functions must follow.
  bool BeginRemove(Member& member) noexcept {
    if (!member.listed) return false;
    member.listed = false;
    --count_;
    return true;
  }
  // Takes the member out of its set, and returns the set's reference.
  [[nodiscard]] Ref<Member> RemoveJoining(Member& member) noexcept {
    joining_.Remove(member);
    return Ref<Member>::Adopt(&member);
  }
  // Like RemoveJoining(), for an active member. The caller must have the turn.
  [[nodiscard]] Ref<Member> RemoveActive(Member& member,
                                         std::uint64_t sent) noexcept {
    member.tally.Leave(sent, Decided(member));
    active_.Remove(member);
    return Ref<Member>::Adopt(&member);
  }
  // Leaves the removal to the holder of the turn.
  void RemoveLater(Member& member) noexcept {
    member.next_leaving() = std::exchange(leaving_, &member);
  }

  // Takes in the members that join, takes out those that leave, and puts the
  // latter in front of `gone`. Puts those that are to receive the feed's
  // history in front of `welcome`. The caller must have the turn.
  void ApplyPending(std::uint64_t sent, Member*& gone,
                    Member*& welcome) noexcept {
    for (const auto& entry : joining_) {
      Member& m = *entry.member;
      m.joining = false;
      m.tally.Enter(sent);
      if (m.replays() && m.listed) {
        m.next_pending = std::exchange(welcome, &m);
      }
    }
    active_.TakeAll(joining_);
    while (Member* const m = leaving_) {
      m->tally.Leave(sent, Decided(*m));
      active_.Remove(*m);
      leaving_ = m->next_leaving();
      m->next_pending = std::exchange(gone, m);
    }
  }

  // Several Closes may iterate over both sets, which do not change meanwhile.
  [[nodiscard]] const DenseSet& joining() const noexcept { return joining_; }
  void BeginClose() noexcept { ++closing_; }
  void EndClose() noexcept { --closing_; }
  [[nodiscard]] bool closing() const noexcept { return closing_ > 0; }

  // For a feed that is destroyed, which has no members any more; subscriptions
  // may outlive it. The caller must free both outside the mutex.
  void TakeMemory(DenseSet::Memory& active,
                  DenseSet::Memory& joining) noexcept {
    active_.TakeMemory(active);
    joining_.TakeMemory(joining);
  }

 private:
  // Returns false if the member's channel refused the last value.
  static bool Decided(const Member& member) noexcept {
    return member.offer().outcome != Outcome::kClosed;
  }

  DenseSet active_;            // each with a counted reference
  DenseSet joining_;           // likewise
  Member* leaving_ = nullptr;  // still in a set, to be taken out
  std::size_t count_ = 0;      // members that have not ended
  std::size_t closing_ = 0;
};

// Drops the references of removed members. The caller must hold neither the
// mutex nor the turn: this may destroy channels and their values, and the
// destructors of values may call Send().
inline void ReleaseRemoved(Member* gone) noexcept {
  while (gone != nullptr) {
    const auto owned = Ref<Member>::Adopt(gone);
    gone = gone->next_pending;
  }
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_MEMBERSHIP_H_
