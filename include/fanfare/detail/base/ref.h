// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_REF_H_
#define FANFARE_DETAIL_BASE_REF_H_

// A Ref shares ownership of an object that contains its own reference count: a
// handle is one pointer, and an object can hand out references to itself.

#include <cstdint>
#include <utility>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// A RefCounted object starts with one reference, which Ref<T>::Adopt() takes.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  // Destroys an object without references. A class that does this in another
  // way declares a function of the same name.
  template <typename T>
  static void Destroy(T* object) noexcept {
    delete object;
  }

 protected:
  ~RefCounted() = default;

  // An object without references may be in a list: the link takes the place of
  // the count.
  void LinkTo(RefCounted* next) noexcept {
    references_.store(reinterpret_cast<std::uintptr_t>(next),
                      std::memory_order_relaxed);
  }
  [[nodiscard]] RefCounted* linked() const noexcept {
    return reinterpret_cast<RefCounted*>(
        references_.load(std::memory_order_relaxed));
  }

 private:
  template <typename T>
  friend class Ref;

  // Relaxed: the thread that adds a reference holds one, so the object cannot
  // be destroyed meanwhile.
  void AddReference() const noexcept {
    references_.fetch_add(1, std::memory_order_relaxed);
  }

  // Release and acquire: everything that any holder did happens before the
  // object is destroyed.
  bool DropReference() const noexcept {
    return references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  mutable Platform::Atomic<std::uintptr_t> references_{1};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  ~Ref() { reset(); }

  Ref(const Ref& other) noexcept : object_(other.object_) {
    if (object_ != nullptr) object_->AddReference();
  }
  Ref(Ref&& other) noexcept : object_(other.Release()) {}
  Ref& operator=(Ref other) noexcept {
    T* const before = object_;
    object_ = other.Release();
    other.object_ = before;
    return *this;
  }

  // Converts to a Ref to a base, for which T needs a virtual destructor.
  template <typename Derived>
  Ref(Ref<Derived> other) noexcept : object_(other.Release()) {}

  // Takes over a reference that was counted already.
  [[nodiscard]] static Ref Adopt(T* object) noexcept {
    Ref ref;
    ref.object_ = object;
    return ref;
  }

  // Counts one more reference to an object that is kept alive meanwhile.
  [[nodiscard]] static Ref Share(T* object) noexcept {
    object->AddReference();
    return Adopt(object);
  }

  template <typename... Args>
  [[nodiscard]] static Ref Make(Args&&... args) {
    return Adopt(new T(std::forward<Args>(args)...));
  }

  // Gives the counted reference away: the caller must adopt it sooner or later.
  // (Without std::exchange, and the assignment above without std::swap: for so
  // many types of Ref they would add a percent to every user's compile time.)
  [[nodiscard]] T* Release() noexcept {
    T* const object = object_;
    object_ = nullptr;
    return object;
  }

  void reset() noexcept {
    T* object = Release();
    if (object != nullptr && object->DropReference()) T::Destroy(object);
  }

  [[nodiscard]] T* get() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_REF_H_
