// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_DENSE_SET_H_
#define FANFARE_DETAIL_FEED_DENSE_SET_H_

// A DenseSet holds the members of a feed in an array, each with its channel, so
// that a Send finds the next channel without reading a member. A member knows
// its place, and can be taken out in constant time: the last one takes its
// place.
//
// A change of a DenseSet neither allocates nor frees memory, because it happens
// under a lock. The caller brings memory from outside and takes the old memory
// away.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/feed/member.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class DenseSet {
 public:
  struct Entry {
    ChannelEnds* channel;
    Member* member;
  };
  using Memory = std::vector<Entry>;
  using Iterator = Memory::const_iterator;

  // Reserves memory for `total` members and some more, so that it is rarely
  // needed. Throws std::bad_alloc.
  static void Reserve(Memory& memory, std::size_t total) {
    memory.reserve(total + total / 4 + 2);
  }

  [[nodiscard]] bool HasRoom(std::size_t total) const noexcept {
    return total <= entries_.capacity();
  }
  // Makes room for `total` members. If that needs more memory, moves into
  // `memory`, and leaves the old one there. Returns false if `memory` would be
  // too small as well.
  bool MakeRoom(std::size_t total, Memory& memory) noexcept {
    if (HasRoom(total)) return true;
    if (total > memory.capacity()) return false;
    memory.assign(entries_.begin(), entries_.end());
    entries_.swap(memory);
    return true;
  }

  // There must be room.
  void Add(Member& member) noexcept {
    assert(HasRoom(size() + 1));
    member.index = static_cast<std::uint32_t>(size());
    entries_.push_back({&member.channel(), &member});
  }

  void Remove(Member& member) noexcept {
    Entry& gap = entries_[member.index];
    gap = entries_.back();
    gap.member->index = member.index;
    entries_.pop_back();
  }

  // Takes all members of `others`. One of the two sets must have room for both.
  void TakeAll(DenseSet& others) noexcept {
    const std::size_t before = size();
    if (HasRoom(before + others.size())) {
      entries_.insert(entries_.end(), others.begin(), others.end());
    } else {
      assert(others.HasRoom(before + others.size()));
      others.entries_.insert(others.begin(), begin(), end());
      entries_.swap(others.entries_);
    }
    others.entries_.clear();
    for (std::size_t place = before; place < size(); ++place) {
      entries_[place].member->index = static_cast<std::uint32_t>(place);
    }
  }

  // Gives its memory away. There must be no members.
  Memory TakeMemory() noexcept {
    assert(size() == 0);
    Memory memory;
    entries_.swap(memory);
    return memory;
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] Iterator begin() const noexcept { return entries_.begin(); }
  [[nodiscard]] Iterator end() const noexcept { return entries_.end(); }

 private:
  Memory entries_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_DENSE_SET_H_
