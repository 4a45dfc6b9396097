// SPDX-License-Identifier: MIT
//
// What operator new of an over-aligned type stands on: Windows has its own.
#ifndef FANFARE_TESTS_SUPPORT_ALIGNED_MEMORY_H_
#define FANFARE_TESTS_SUPPORT_ALIGNED_MEMORY_H_

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(_WIN32)
#include <malloc.h>
#endif

// Null: there is none left.
[[nodiscard]] inline void* AlignedMemory(std::size_t size,
                                         std::align_val_t alignment) noexcept {
  const auto unit = static_cast<std::size_t>(alignment);
#if defined(_WIN32)
  return _aligned_malloc(size == 0 ? 1 : size, unit);
#else
  return std::aligned_alloc(unit, (size + unit - 1) / unit * unit);
#endif
}

// Not inlined, or g++ sees new meet free and warns.
[[gnu::noinline]] inline void FreeAligned(void* memory) noexcept {
#if defined(_WIN32)
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}

#endif  // FANFARE_TESTS_SUPPORT_ALIGNED_MEMORY_H_
