// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_WAIT_COMPLETION_LATCH_H_
#define FANFARE_DETAIL_WAIT_COMPLETION_LATCH_H_

// A CompletionLatch lets a thread wait for all of its operations.

#include <stop_token>

#include <fanfare/detail/base/deadline.h>
#include <fanfare/detail/wait/completion_count.h>
#include <fanfare/detail/wait/parker.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class CompletionLatch final : public CompletionCount {
 public:
  // Blocks until all operations have been completed. Returns false if the
  // deadline or a stop came first. May be called again.
  bool Wait(const Deadline& deadline, const std::stop_token& stop) {
    const std::stop_callback on_stop(
        stop, [this]() noexcept { parker_.Signal(kStopped); });
    parker_.Wait(kAllCompleted | kStopped, deadline);
    return parker_.Signalled(kAllCompleted);
  }
  void WaitForAll() noexcept { parker_.Wait(kAllCompleted, Deadline::Never()); }

 private:
  static constexpr unsigned kAllCompleted = 1;
  static constexpr unsigned kStopped = 2;

  void AllCompleted() noexcept override { parker_.Signal(kAllCompleted); }

  Parker parker_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_WAIT_COMPLETION_LATCH_H_
