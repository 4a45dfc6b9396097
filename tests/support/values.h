// SPDX-License-Identifier: MIT
//
// Types that a channel must be able to carry.
#ifndef FANFARE_TESTS_SUPPORT_VALUES_H_
#define FANFARE_TESTS_SUPPORT_VALUES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>

// Move-only; null once it was moved from.
using MoveOnly = std::unique_ptr<int>;

inline MoveOnly Own(int value) { return std::make_unique<int>(value); }

// Neither default-constructible nor assignable.
struct Bare {
  explicit Bare(int v) : value(v) {}
  Bare(Bare&&) noexcept = default;
  Bare(const Bare&) = delete;
  const int value;
};

// Needs more than what operator new gives by default.
struct alignas(256) OverAligned {
  int value = 0;

  [[nodiscard]] bool aligned() const {
    return reinterpret_cast<std::uintptr_t>(this) % alignof(OverAligned) == 0;
  }
};

// Where it is copied, converted to, or destroyed while it is live (it was not
// moved from), it calls `hook`, which may throw when it is called for a copy.
class Hooked {
 public:
  using Hook = std::function<void()>;

  Hooked(int value, const Hook* hook) : value_(value), hook_(hook) {}
  Hooked(const Hooked& other) : value_(other.value_), hook_(other.hook_) {
    Call();
  }
  Hooked(Hooked&& other) noexcept
      : value_(other.value_), hook_(std::exchange(other.hook_, nullptr)) {}
  Hooked& operator=(Hooked&&) = delete;
  ~Hooked() { Call(); }

  [[nodiscard]] int value() const { return value_; }
  [[nodiscard]] bool live() const { return hook_ != nullptr; }

 private:
  void Call() const {
    if (hook_ != nullptr && *hook_) (*hook_)();
  }

  int value_;
  const Hook* hook_;
};

// Counts how many of it there are that were not moved from.
class Counted {
 public:
  Counted(int value, int* live) : value_(value), live_(live) { ++*live_; }
  Counted(Counted&& other) noexcept
      : value_(other.value_), live_(std::exchange(other.live_, nullptr)) {}
  Counted(const Counted&) = delete;
  ~Counted() {
    if (live_ != nullptr) --*live_;
  }

  [[nodiscard]] int value() const { return value_; }

 private:
  int value_;
  int* live_;
};

// Its copies throw.
struct Uncopyable {
  Uncopyable() = default;
  Uncopyable(const Uncopyable&) { throw std::runtime_error("a copy"); }
  Uncopyable(Uncopyable&&) noexcept = default;
};

#endif  // FANFARE_TESTS_SUPPORT_VALUES_H_
