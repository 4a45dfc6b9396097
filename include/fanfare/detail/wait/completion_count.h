// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_COMPLETION_COUNT_H_
#define FANFARE_DETAIL_WAIT_COMPLETION_COUNT_H_

// A CompletionCount waits for all of its operations instead of one of them: it
// counts. What waits is the derived class: a thread (completion_latch.h).

#include <cstddef>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/wait/operation.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class CompletionCount : public Waker {
 public:
  void Completed(Operation& operation) noexcept final {
    if (operation.outcome == Outcome::kClosed) {
      refused_.fetch_add(1, std::memory_order_relaxed);
    }
    // Before Expect(), none of them can know that it is the last.
    last_.store(&operation, std::memory_order_relaxed);
    // Release: what was done with the value happens before Send returns.
    if (outstanding_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      // Again, after other threads' stores; the waiter waits for the call.
      last_.store(&operation, std::memory_order_relaxed);
      AllCompleted();
    }
  }

  // Called once all operations have been started. Those that were completed
  // earlier have made the count negative, so it could not reach zero too early.
  // Returns true if all have been completed; AllCompleted() is not called then.
  bool Expect(std::ptrdiff_t operations) noexcept {
    return outstanding_.fetch_add(operations, std::memory_order_acq_rel) ==
           -operations;
  }

  // Tells the count that this many operations will not be completed any more.
  // Returns true if no others are outstanding; AllCompleted() is not called
  // then.
  bool Withdraw(std::ptrdiff_t operations) noexcept {
    return outstanding_.fetch_sub(operations, std::memory_order_acq_rel) ==
           operations;
  }

  // Returns the operation that was completed last, once all have been. (If
  // several were completed at the same time before Expect(), one of these.)
  [[nodiscard]] Operation* last() const noexcept {
    return last_.load(std::memory_order_relaxed);
  }

  // Returns how many operations were completed with kClosed.
  [[nodiscard]] std::size_t refused() const noexcept {
    return refused_.load(std::memory_order_relaxed);
  }

 protected:
  ~CompletionCount() = default;

 private:
  // Called by the thread that has completed the last operation, which does not
  // touch this object afterwards.
  virtual void AllCompleted() noexcept = 0;

  Platform::Atomic<std::ptrdiff_t> outstanding_{0};
  Platform::Atomic<std::size_t> refused_{0};
  Platform::Atomic<Operation*> last_{nullptr};
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_COMPLETION_COUNT_H_
