// SPDX-License-Identifier: MIT

#include "arena.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "../support/sanitizers.h"
#include "fiber.h"

namespace model {
namespace {

// What comes right before each piece.
struct Header {
  std::size_t size;
};

constexpr std::size_t kSize = std::size_t{1} << 20;
constexpr int kFreed = 0xDD;

alignas(64) char memory[kSize];
std::size_t used = 0;
std::size_t count = 0;
bool open = false;

#if FANFARE_TESTS_ASAN
void Poison(void* start, std::size_t size) {
  __asan_poison_memory_region(start, size);
}
void Unpoison(void* start, std::size_t size) {
  __asan_unpoison_memory_region(start, size);
}
#else
void Poison(void*, std::size_t) {}
void Unpoison(void*, std::size_t) {}
#endif

}  // namespace

void Arena::Open() {
  Poison(memory, kSize);
  used = 0;
  count = 0;
  open = true;
}

void Arena::Close() { open = false; }

std::size_t Arena::live() { return count; }

void* Arena::Allocate(std::size_t size, std::size_t alignment) {
  alignment = std::max(alignment, alignof(std::max_align_t));
  if (!open) {
    return std::aligned_alloc(alignment,
                              (size + alignment - 1) / alignment * alignment);
  }
  const std::size_t start =
      (used + sizeof(Header) + alignment - 1) / alignment * alignment;
  if (start + size > kSize) {
    std::fputs("model: the arena is full\n", stderr);
    std::abort();
  }
  used = start + size;
  ++count;
  char* const piece = memory + start;
  Unpoison(piece - sizeof(Header), sizeof(Header) + size);
  const Header header{size};
  std::memcpy(piece - sizeof(Header), &header, sizeof(Header));
  Poison(piece - sizeof(Header), sizeof(Header));
  return piece;
}

void Arena::Free(void* piece) {
  char* const start = static_cast<char*>(piece);
  if (start < memory || start >= memory + kSize) return std::free(piece);
  Header header;
  Unpoison(start - sizeof(Header), sizeof(Header));
  std::memcpy(&header, start - sizeof(Header), sizeof(Header));
  std::memset(start, kFreed, header.size);
  Poison(start - sizeof(Header), sizeof(Header) + header.size);
  --count;
}

}  // namespace model

void* operator new(std::size_t size) {
  return model::Arena::Allocate(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return model::Arena::Allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return model::Arena::Allocate(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* piece) noexcept { model::Arena::Free(piece); }
void operator delete(void* piece, std::size_t) noexcept {
  model::Arena::Free(piece);
}
void operator delete(void* piece, std::align_val_t) noexcept {
  model::Arena::Free(piece);
}
void operator delete(void* piece, std::size_t, std::align_val_t) noexcept {
  model::Arena::Free(piece);
}
void operator delete[](void* piece) noexcept { model::Arena::Free(piece); }
void operator delete[](void* piece, std::size_t) noexcept {
  model::Arena::Free(piece);
}
