// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_SOLE_THREAD_H_
#define FANFARE_DETAIL_CHANNEL_SOLE_THREAD_H_

// A SoleThread says which thread does something, as long as only one does. Only
// debug builds note it. A lock must be held for all calls.

#include <atomic>
#include <cstdint>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class SoleThread {
 public:
  // Notes that the calling thread does it.
  void Note() noexcept {
#ifndef NDEBUG
    const std::uint16_t caller = Caller();
    if (thread_ != caller) thread_ = thread_ == kNone ? caller : kSeveral;
#endif
  }
  // Returns whether the calling thread has done it, and no other has.
  [[nodiscard]] bool IsCaller() const noexcept {
    return thread_ != kNone && thread_ == Caller();
  }

 private:
  static constexpr std::uint16_t kNone = 0;
  static constexpr std::uint16_t kSeveral = 1;

  // Returns the number of the calling thread.
  static std::uint16_t Caller() noexcept {
    return Platform::Local<Number>().value;
  }
  struct FANFARE_SHARED Number {
    // The numbers repeat after 65,534 threads.
    std::uint16_t value = static_cast<std::uint16_t>(Next() % 0xFFFEU + 2U);

    // Not an atomic of the platform: a model checker need not know of it.
    FANFARE_SHARED static std::uint32_t Next() noexcept {
      static std::atomic<std::uint32_t> next{0};
      return next.fetch_add(1, std::memory_order_relaxed);
    }
  };

  std::uint16_t thread_ = kNone;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_SOLE_THREAD_H_
