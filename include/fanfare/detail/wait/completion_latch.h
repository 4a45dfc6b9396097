// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_COMPLETION_LATCH_H_
#define FANFARE_DETAIL_WAIT_COMPLETION_LATCH_H_

// A CompletionLatch lets a thread wait for all of its operations instead of one
// of them: it counts.

#include <cstddef>

#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/parker.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// Represents the thread in Send to the channels that keep its offers.
class CompletionLatch final : public Waker {
 public:
  void Completed(Operation& operation) noexcept override {
    if (operation.outcome == Outcome::kClosed) {
      refused_.fetch_add(1, std::memory_order_relaxed);
    }
    // Release: what was done with the value happens before Send returns.
    if (outstanding_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      last_ = &operation;  // the sender waits for the signal
      parker_.Signal(kAllCompleted);
    }
  }

  // For the sender, once it has offered the value everywhere. Offers that were
  // completed earlier have made the count negative, so it could not reach zero
  // too early. Returns true if all offers have been completed.
  bool Expect(std::ptrdiff_t offers) noexcept {
    return outstanding_.fetch_add(offers, std::memory_order_acq_rel) == -offers;
  }

  // Tells the latch that this many offers will not be completed any more.
  // Returns true if no other offers are outstanding.
  bool Withdraw(std::ptrdiff_t offers) noexcept {
    return outstanding_.fetch_sub(offers, std::memory_order_acq_rel) == offers;
  }

  // Blocks until all offers have been completed. Returns false if the deadline
  // or a stop came first. May be called again.
  bool Wait(const Deadline& deadline, const std::stop_token& stop) {
    const std::stop_callback on_stop(
        stop, [this]() noexcept { parker_.Signal(kStopped); });
    parker_.Wait(kAllCompleted | kStopped, deadline);
    return parker_.Signalled(kAllCompleted);
  }
  void WaitForAll() noexcept { parker_.Wait(kAllCompleted, Deadline::Never()); }

  // Returns the offer that was completed last, once Wait() or WaitForAll() has
  // returned.
  [[nodiscard]] const Operation* last() const noexcept { return last_; }

  // Returns how many offers were completed without a delivery.
  [[nodiscard]] std::size_t refused() const noexcept {
    return refused_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr unsigned kAllCompleted = 1;
  static constexpr unsigned kStopped = 2;

  Platform::Atomic<std::ptrdiff_t> outstanding_{0};
  Platform::Atomic<std::size_t> refused_{0};
  const Operation* last_ = nullptr;
  Parker parker_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_COMPLETION_LATCH_H_
