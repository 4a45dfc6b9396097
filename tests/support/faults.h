// SPDX-License-Identifier: MIT
//
// Memory that runs out, threads that cannot be had and user code that throws,
// each at a place that the test names by its number.
//
// Replaces operator new and, with glibc, pthread_create: to be included by one
// file of a program.
#ifndef FANFARE_TESTS_SUPPORT_FAULTS_H_
#define FANFARE_TESTS_SUPPORT_FAULTS_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <system_error>
#include <thread>

#include "aligned_memory.h"
#include "sanitizers.h"

// clang++ puts a sanitizer's own pthread_create into the program itself.
#if defined(__GLIBC__) && \
    !((FANFARE_TESTS_ASAN || FANFARE_TESTS_TSAN) && defined(__clang__))
#define FANFARE_TESTS_THREADS_FAIL 1
#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#else
#define FANFARE_TESTS_THREADS_FAIL 0
#endif

namespace faults {

// What fails.
enum class Kind {
  kMemory,    // operator new
  kThread,    // the start of a thread
  kUserCode,  // a copy, a conversion, a handler: whatever calls Point()
};

enum class Mode {
  kOnce,        // the n-th
  kFromThenOn,  // the n-th and all that come after it
};

// What user code throws.
struct Thrown {};

inline constinit std::atomic<long> allocated{0};  // and not freed
inline constinit std::atomic<Kind> kind{Kind::kMemory};
inline constinit std::atomic<Mode> mode{Mode::kOnce};
inline constinit std::atomic<bool> armed{false};
inline constinit std::atomic<long> number{0};  // the next one's, as of `armed`
inline constinit std::atomic<long> wanted{0};  // the one that fails

inline bool Strikes(Kind what) noexcept {
  if (!armed || kind != what) return false;
  const long mine = ++number;
  return mine == wanted || (mine > wanted && mode == Mode::kFromThenOn);
}

// Where user code may fail.
inline void Point() {
  if (Strikes(Kind::kUserCode)) throw Thrown();
}

// One round of a test, in which the n-th may fail.
class Fault {
 public:
  explicit Fault(long n) noexcept : n_(n) {}

  // Calls `act` with the fault armed, and whatever it throws is caught.
  template <typename F>
  void In(F act) {
    number = 0;
    wanted = n_;
    armed = true;
    try {
      act();
    } catch (const std::bad_alloc&) {
      thrown_ = true;
    } catch (const std::system_error&) {
      thrown_ = true;
    } catch (const Thrown&) {
      thrown_ = true;
    }
    armed = false;
    struck_ = number >= n_;
  }

  // Whether it happened, in whatever thread; whether `act` threw.
  [[nodiscard]] bool struck() const noexcept { return struck_; }
  [[nodiscard]] bool thrown() const noexcept { return thrown_; }

  // Keeps what is wrong first. (Catch2 would allocate.)
  void Check(bool good, const char* what) noexcept {
    if (!good && wrong_ == nullptr) wrong_ = what;
  }
  [[nodiscard]] const char* wrong() const noexcept { return wrong_; }

 private:
  const long n_;
  bool struck_ = false;
  bool thrown_ = false;
  const char* wrong_ = nullptr;
};

// What came of all rounds.
struct Report {
  long strikes = 0;               // how many rounds had a fault
  const char* wrong = "nothing";  // what was found wrong first, in round `at`
  long at = 0;
  long leaked = 0;
};

// Calls `round(fault)` with the first, the second, … failing, until a round in
// which none did, and counts what was allocated and not freed.
template <typename F>
Report ForEach(Kind what, Mode how, F round) {
  kind = what;
  mode = how;
  Report report;
  for (long n = 1;; ++n) {
    const long before = allocated;
    Fault fault(n);
    round(fault);
    // A thread that was let go of may be about to free what was its own.
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (allocated != before && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
    report.leaked = allocated - before;
    report.at = n;
    if (fault.wrong() != nullptr) report.wrong = fault.wrong();
    if (fault.wrong() != nullptr || report.leaked != 0) return report;
    if (!fault.struck()) return report;
    ++report.strikes;
  }
}

namespace detail {

// Not inlined, or g++ sees malloc meet delete and warns.
[[gnu::noinline]] inline void* Allocate(std::size_t size) noexcept {
  if (Strikes(Kind::kMemory)) return nullptr;
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory != nullptr) ++allocated;
  return memory;
}

[[gnu::noinline]] inline void* Allocate(std::size_t size,
                                        std::align_val_t alignment) noexcept {
  if (Strikes(Kind::kMemory)) return nullptr;
  void* const memory = AlignedMemory(size, alignment);
  if (memory != nullptr) ++allocated;
  return memory;
}

inline void* OrThrow(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

[[gnu::noinline]] inline void Free(void* memory) noexcept {
  if (memory != nullptr) --allocated;
  std::free(memory);
}

inline void Free(void* memory, std::align_val_t) noexcept {
  if (memory != nullptr) --allocated;
  FreeAligned(memory);
}

}  // namespace detail
}  // namespace faults

// All forms but the rarest: sanitizers replace each that is missing by theirs.
void* operator new(std::size_t size) {
  return faults::detail::OrThrow(faults::detail::Allocate(size));
}
void* operator new[](std::size_t size) {
  return faults::detail::OrThrow(faults::detail::Allocate(size));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return faults::detail::Allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return faults::detail::Allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return faults::detail::OrThrow(faults::detail::Allocate(size, alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return faults::detail::OrThrow(faults::detail::Allocate(size, alignment));
}
void operator delete(void* memory) noexcept { faults::detail::Free(memory); }
void operator delete[](void* memory) noexcept { faults::detail::Free(memory); }
void operator delete(void* memory, std::size_t) noexcept {
  faults::detail::Free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  faults::detail::Free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  faults::detail::Free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  faults::detail::Free(memory);
}
void operator delete(void* memory, std::align_val_t alignment) noexcept {
  faults::detail::Free(memory, alignment);
}
void operator delete[](void* memory, std::align_val_t alignment) noexcept {
  faults::detail::Free(memory, alignment);
}
void operator delete(void* memory, std::size_t,
                     std::align_val_t alignment) noexcept {
  faults::detail::Free(memory, alignment);
}
void operator delete[](void* memory, std::size_t,
                       std::align_val_t alignment) noexcept {
  faults::detail::Free(memory, alignment);
}

#if FANFARE_TESTS_THREADS_FAIL
// What std::thread calls, in glibc or, where there is one, in the sanitizer.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* how,
                              void* (*run)(void*), void* argument) noexcept {
  using Create =
      int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto next =
      reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (faults::Strikes(faults::Kind::kThread)) return EAGAIN;
  return next(thread, how, run, argument);
}
#endif

#endif  // FANFARE_TESTS_SUPPORT_FAULTS_H_
