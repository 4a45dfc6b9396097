// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_ROLL_H_
#define FANFARE_DETAIL_ROLL_H_

// The members of a feed, one beside the other, each with its channel: so that a
// Send finds the next channel without a look at what lies between. A member
// knows its place, and can be taken out in constant time; the last one takes
// its place then.

#include <cstddef>
#include <cstdint>
#include <vector>

#include <fanfare/version.h>

namespace fanfare::inline FANFARE_ABI::detail {

// Member has a `place_` for the roll that it is in, and a channel().
template <typename Member, typename Channel>
class Roll {
 public:
  struct Entry {
    Channel* channel;
    Member* member;
  };

  // Throws std::bad_alloc; nothing has changed then.
  void Add(Member& member) {
    MakeRoom(size() + 1);
    Put(member);
  }

  void Remove(Member& member) noexcept {
    Entry& gap = entries_[member.place_];
    gap = entries_.back();
    gap.member->place_ = member.place_;
    entries_.pop_back();
  }

  // Room for `total`, and for some more, so that it is seldom needed. Throws
  // std::bad_alloc.
  void MakeRoom(std::size_t total) {
    if (!HasRoom(total)) entries_.reserve(total + total / 4 + 2);
  }
  [[nodiscard]] bool HasRoom(std::size_t total) const noexcept {
    return total <= entries_.capacity();
  }

  // Takes all members of `others`, if one of the two has room for both.
  void TakeAll(Roll& others) noexcept {
    if (!HasRoom(size() + others.size())) entries_.swap(others.entries_);
    for (const Entry& entry : others.entries_) Put(*entry.member);
    others.entries_.clear();
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] auto begin() const noexcept { return entries_.begin(); }
  [[nodiscard]] auto end() const noexcept { return entries_.end(); }

 private:
  // There is room.
  void Put(Member& member) noexcept {
    member.place_ = static_cast<std::uint32_t>(size());
    entries_.push_back({&member.channel(), &member});
  }

  std::vector<Entry> entries_;
};

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_ROLL_H_
