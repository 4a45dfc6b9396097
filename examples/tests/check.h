// SPDX-License-Identifier: MIT
//
// What the tests of the examples share. Each test includes its example, with
// another name for its main(), and calls its functions at other capacities.

#ifndef EXAMPLES_TESTS_CHECK_H_
#define EXAMPLES_TESTS_CHECK_H_

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

// Only a main() may end without a return.
#pragma GCC diagnostic ignored "-Wreturn-type"

namespace check {

constexpr std::array<std::size_t, 3> kCapacities = {0, 1, 64};

inline void Check(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

// Calls `run` and returns what was printed to stdout meanwhile.
template <typename Run>
std::string Captured(Run run) {
  std::fflush(stdout);
  const int terminal = ::dup(STDOUT_FILENO);
  std::FILE* const file = std::tmpfile();
  Check(terminal >= 0 && file != nullptr, "cannot capture stdout");
  ::dup2(::fileno(file), STDOUT_FILENO);
  run();
  std::fflush(stdout);
  ::dup2(terminal, STDOUT_FILENO);
  ::close(terminal);

  std::rewind(file);
  std::string text;
  for (int c = std::getc(file); c != EOF; c = std::getc(file)) {
    text += static_cast<char>(c);
  }
  std::fclose(file);
  return text;
}

// Calls `tests` with each capacity. Returns what main() shall return.
template <typename... Tests>
int Run(Tests... tests) {
  std::size_t capacity = 0;
  try {
    for (std::size_t each : kCapacities) {
      capacity = each;
      (tests(capacity), ...);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "at capacity %zu: %s\n", capacity, error.what());
    return 1;
  }
}

}  // namespace check

#endif  // EXAMPLES_TESTS_CHECK_H_
