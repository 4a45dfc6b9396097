// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_CACHE_H_
#define FANFARE_DETAIL_BASE_CACHE_H_

// FetchToWrite() tells the processor's cache what will be written soon. Nothing
// here changes what a program does.

#include <cstddef>

#include <fanfare/detail/base/config.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

inline constexpr std::size_t kCacheLine = 64;

// Begins to fetch the cache lines of a T that will be written soon, at most the
// first KiB of it, and does not wait for them. (The write would wait, and a
// thread that then takes a lock waits for the write.)
template <typename T>
FANFARE_ALWAYS_INLINE void FetchToWrite(const T* place) noexcept {
  constexpr std::size_t kSize = sizeof(T) < 1024 ? sizeof(T) : 1024;
  [[maybe_unused]] const auto* const last =
      reinterpret_cast<const unsigned char*>(place) + kSize - 1;
  for (std::size_t back = 0; back < kSize; back += kCacheLine) {
#if defined(__x86_64__)
    // The builtin of g++ fetches for reading, unless it may assume a recent
    // processor. On older processors this instruction does nothing.
    asm volatile("prefetchw %0" : : "m"(*(last - back)));
#elif defined(__GNUC__)
    __builtin_prefetch(last - back, 1);
#endif
  }
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_CACHE_H_
