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
#include <utility>

#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/feed/member.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class DenseSet {
 public:
  struct Entry {
    ChannelEnds* channel;
    Member* member;
  };

  // Memory for members: an array without elements, as far as it knows.
  class Memory {
   public:
    Memory() = default;
    ~Memory() { delete[] entries_; }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    // Reserves memory for `total` members and some more, so that it is rarely
    // needed. Throws std::bad_alloc.
    void Reserve(std::size_t total) {
      const std::size_t most = total + total / 4 + 2;
      Entry* const entries = new Entry[most];
      delete[] std::exchange(entries_, entries);
      capacity_ = static_cast<std::uint32_t>(most);
    }
    void Swap(Memory& other) noexcept {
      std::swap(entries_, other.entries_);
      std::swap(capacity_, other.capacity_);
    }

   private:
    friend class DenseSet;

    Entry* entries_ = nullptr;
    std::uint32_t capacity_ = 0;
  };

  [[nodiscard]] bool HasRoom(std::size_t total) const noexcept {
    return total <= memory_.capacity_;
  }
  // Makes room for `total` members. If that needs more memory, moves into
  // `memory`, and leaves the old one there. Returns false if `memory` would be
  // too small as well.
  bool MakeRoom(std::size_t total, Memory& memory) noexcept {
    if (HasRoom(total)) return true;
    if (total > memory.capacity_) return false;
    for (std::uint32_t i = 0; i < size_; ++i) {
      memory.entries_[i] = memory_.entries_[i];
    }
    memory_.Swap(memory);
    return true;
  }

  // There must be room.
  void Add(Member& member) noexcept {
    assert(HasRoom(size() + 1));
    member.index = size_;
    memory_.entries_[size_++] = {&member.channel(), &member};
  }

  void Remove(Member& member) noexcept {
    Entry& gap = memory_.entries_[member.index];
    gap = memory_.entries_[--size_];
    gap.member->index = member.index;
  }

  // Takes all members of `others`. One of the two sets must have room for both.
  void TakeAll(DenseSet& others) noexcept {
    if (!HasRoom(size() + others.size())) {
      std::swap(size_, others.size_);
      memory_.Swap(others.memory_);
    }
    for (const Entry& entry : others) Add(*entry.member);
    others.size_ = 0;
  }

  // Gives its memory away. There must be no members.
  void TakeMemory(Memory& memory) noexcept {
    assert(size() == 0);
    memory_.Swap(memory);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const Entry* begin() const noexcept { return memory_.entries_; }
  [[nodiscard]] const Entry* end() const noexcept { return begin() + size_; }

 private:
  [[no_unique_address]] Memory memory_;  // size_ fits into its padding
  std::uint32_t size_ = 0;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_DENSE_SET_H_
