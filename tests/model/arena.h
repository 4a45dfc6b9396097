// SPDX-License-Identifier: MIT
//
// The heap of one schedule. While it is open, operator new takes everything
// from here: at the same addresses each time, so that a schedule can be
// repeated, and never the same memory twice, so that whoever uses what was
// freed finds no new owner there but a pattern that is no object.
#ifndef FANFARE_TESTS_MODEL_ARENA_H_
#define FANFARE_TESTS_MODEL_ARENA_H_

#include <cstddef>

namespace model {

class Arena {
 public:
  // Forgets the last schedule.
  static void Open();
  static void Close();
  // How many pieces were not freed.
  [[nodiscard]] static std::size_t live();

  // What operator new and delete call.
  static void* Allocate(std::size_t size, std::size_t alignment);
  static void Free(void* memory);
};

}  // namespace model

#endif  // FANFARE_TESTS_MODEL_ARENA_H_
