// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_INTRUSIVE_LIST_H_
#define FANFARE_DETAIL_BASE_INTRUSIVE_LIST_H_

// An IntrusiveList is a doubly linked list of objects that carry their own
// links. Adding and removing take constant time and allocate nothing. The list
// owns nothing and locks nothing.

#include <cstddef>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename T>
class IntrusiveList;

// The base class of an element, which is in at most one list at a time.
template <typename T>
class ListNode {
 private:
  friend class IntrusiveList<T>;
  T* next_ = nullptr;
  T* previous_ = nullptr;
};

template <typename T>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  [[nodiscard]] bool empty() const noexcept { return front_ == nullptr; }
  [[nodiscard]] T* front() const noexcept { return front_; }
  [[nodiscard]] static T* Next(const T& element) noexcept {
    return static_cast<const ListNode<T>&>(element).next_;
  }

  // Takes time linear in the result.
  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t size = 0;
    for (T* element = front_; element != nullptr; element = Next(*element)) {
      ++size;
    }
    return size;
  }

  void PushBack(T& element) noexcept {
    Links(element).next_ = nullptr;
    if (empty()) {
      front_ = &element;
    } else {
      Links(element).previous_ = Last();
      Links(*Last()).next_ = &element;
    }
    Last() = &element;
  }

  void Remove(T& element) noexcept {
    T* const next = Links(element).next_;
    T* const previous = Links(element).previous_;
    (next == nullptr ? Last() : Links(*next).previous_) = previous;
    (&element == front_ ? front_ : Links(*previous).next_) = next;
  }

  // Takes out and returns the first element, or returns null.
  T* PopFront() noexcept {
    T* element = front_;
    if (element != nullptr) Remove(*element);
    return element;
  }

 private:
  static ListNode<T>& Links(T& element) noexcept { return element; }

  // The last element. The first element points to it with the link that in
  // other elements points to their predecessor.
  T*& Last() noexcept { return Links(*front_).previous_; }

  T* front_ = nullptr;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_INTRUSIVE_LIST_H_
