// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_INTRUSIVE_LIST_H_
#define FANFARE_DETAIL_INTRUSIVE_LIST_H_

// A doubly linked list of objects that carry their own links: adding and
// removing take constant time and allocate nothing. The list owns nothing and
// locks nothing.

#include <cstddef>

#include <fanfare/detail/platform.h>

namespace fanfare::inline FANFARE_ABI::detail {

template <typename T>
class IntrusiveList;

// What an element derives from; it is in one list at a time.
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
  [[nodiscard]] T* back() const noexcept { return back_; }
  [[nodiscard]] static T* Next(const T& element) noexcept {
    return static_cast<const ListNode<T>&>(element).next_;
  }

  // Counts them, one by one.
  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t size = 0;
    for (T* element = front_; element != nullptr; element = Next(*element)) {
      ++size;
    }
    return size;
  }

  void PushBack(T& element) noexcept {
    ListNode<T>& node = element;
    node.next_ = nullptr;
    node.previous_ = back_;
    NextOf(back_) = &element;
    back_ = &element;
  }

  void Remove(T& element) noexcept {
    ListNode<T>& node = element;
    NextOf(node.previous_) = node.next_;
    PreviousOf(node.next_) = node.previous_;
  }

  // The first element, taken out; null if there is none.
  T* PopFront() noexcept {
    T* element = front_;
    if (element != nullptr) Remove(*element);
    return element;
  }

 private:
  // The link that points forward from `element`, from the list's start if null.
  T*& NextOf(T* element) noexcept {
    return element == nullptr ? front_
                              : static_cast<ListNode<T>*>(element)->next_;
  }
  T*& PreviousOf(T* element) noexcept {
    return element == nullptr ? back_
                              : static_cast<ListNode<T>*>(element)->previous_;
  }

  T* front_ = nullptr;
  T* back_ = nullptr;
};

}  // namespace fanfare::inline FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_INTRUSIVE_LIST_H_
