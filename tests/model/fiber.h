// SPDX-License-Identifier: MIT
//
// A stack of its own to run on, within one thread of the machine.
#ifndef FANFARE_TESTS_MODEL_FIBER_H_
#define FANFARE_TESTS_MODEL_FIBER_H_

// Its check of longjmp knows one stack only.
#undef _FORTIFY_SOURCE

#include <setjmp.h>
#include <ucontext.h>

#include <cxxabi.h>
#include <cstddef>
#include <cstring>

#include "../support/sanitizers.h"

#if FANFARE_TESTS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(_LIBCPP_VERSION)
// libc++abi has it, and does not declare it.
namespace __cxxabiv1 {
struct __cxa_eh_globals;
extern "C" __cxa_eh_globals* __cxa_get_globals();
}  // namespace __cxxabiv1
#endif

namespace model {

class Fiber {
 public:
  // For the stack that the program has anyway.
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Makes it run `entry`, which never returns, when it is switched to.
  void Prepare(void (*entry)(), char* stack, std::size_t size) {
    stack_ = stack;
    size_ = size;
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = size;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }

  // Goes on where `to` was left, and returns when somebody switches back.
  // Exceptions in flight stay with their fiber.
  static void Switch(Fiber& from, Fiber& to) {
    ExceptionState kept;
    auto* const globals = abi::__cxa_get_globals();
    std::memcpy(&kept, globals, sizeof kept);
#if FANFARE_TESTS_ASAN
    __sanitizer_start_switch_fiber(&from.fake_stack_, to.stack_, to.size_);
    swapcontext(&from.context_, &to.context_);
    Arrived(&from);
#else
    Jump(from, to);
#endif
    std::memcpy(globals, &kept, sizeof kept);
  }

  // The first that `entry` calls; `from` is what it was switched from.
  static void Started(Fiber& from) {
    const ExceptionState none{};
    std::memcpy(abi::__cxa_get_globals(), &none, sizeof none);
#if FANFARE_TESTS_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &from.stack_, &from.size_);
#else
    static_cast<void>(from);
#endif
  }

 private:
  // The start of what the ABI calls __cxa_eh_globals.
  struct ExceptionState {
    void* caught;
    unsigned uncaught;
  };

#if FANFARE_TESTS_ASAN
  static void Arrived(Fiber* self) {
    __sanitizer_finish_switch_fiber(self->fake_stack_, nullptr, nullptr);
  }
  void* fake_stack_ = nullptr;
#else
  // swapcontext would make a system call each time.
  [[gnu::noinline]] static void Jump(Fiber& from, Fiber& to) {
    if (_setjmp(from.jump_) != 0) return;
    if (to.started_) _longjmp(to.jump_, 1);
    to.started_ = true;
    from.started_ = true;
    setcontext(&to.context_);
  }
  jmp_buf jump_;
  bool started_ = false;
#endif

  ucontext_t context_{};
  const void* stack_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace model

#endif  // FANFARE_TESTS_MODEL_FIBER_H_
