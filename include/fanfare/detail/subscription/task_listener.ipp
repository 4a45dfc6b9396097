// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_TASK_LISTENER_IPP_
#define FANFARE_DETAIL_SUBSCRIPTION_TASK_LISTENER_IPP_

#include <stdexcept>

#include <fanfare/detail/base/intrusive_list.h>
#include <fanfare/detail/subscription/task_listener.h>
#include <fanfare/detail/wait/thread_waiter.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

void TaskListener::Start() noexcept {
  const Outcome outcome = QueueReceive();
  if (outcome == Outcome::kPending) return;
  received_ = outcome == Outcome::kDone;
  if (!received_ && !on_end_) return EndTask(nullptr);
  if (BeginPost()) PostTask();
}

void TaskListener::RequestUnsubscribe() noexcept {
  StoppableSubscription::RequestUnsubscribe();
  // At once, because a Send may wait for this listener while its handler
  // runs.
  source_->Unsubscribe();
  AskToEnd(nullptr);
}

void TaskListener::RunTask() {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kPosted) return;
    state_ = State::kRunning;
  }
  // Ends the subscription, even if the thread is unwound.
  struct AtEnd {
    ~AtEnd() {
      if (next == Next::kEnd) ends.EndTask(std::move(error));
    }
    TaskListener& ends;
    Next next;
    std::exception_ptr error;
  };
  const RunningScope inside(*this);
  AtEnd at_end{*this, Next::kEnd, nullptr};
  try {
    at_end.next = HandleValues();
  } catch (...) {
    at_end.error = CurrentException();
  }
  if (at_end.next == Next::kPost) PostTask();
  if (at_end.next == Next::kEnd && on_end_) CallAtEnd(at_end.error);
}

void TaskListener::CallAtEnd(std::exception_ptr& error) {
  EndSource();
  if (error == nullptr) error = source_->TakeError();
  {
    const std::lock_guard lock(mutex_);
    // RequestUnsubscribe() requests a stop before it closes the channel, and
    // sets asked_ afterwards.
    if (asked_.load(std::memory_order_relaxed) || stop_.stop_requested()) {
      return;
    }
    error_ = error;  // comes before what the executor throws from now on
  }
  error = CallOnEnd(on_end_, std::move(error));
}

TaskListener::Next TaskListener::HandleValues() {
  // So that other tasks of the executor come in between.
  constexpr int kMostInATask = 64;
  for (int handled = 0; handled < kMostInATask; ++handled) {
    if (asked_.load(std::memory_order_relaxed)) return Next::kEnd;
    if (!received_) {
      Outcome outcome = channel_.TryReceive(receive_, moves_);
      if (outcome == Outcome::kPending) outcome = QueueReceive();
      if (outcome == Outcome::kPending) return Next::kWait;
      if (outcome == Outcome::kClosed) return Next::kEnd;
    }
    received_ = false;
    Handle(stop_.get_token());
  }
  return BeginPost() ? Next::kPost : Next::kEnd;
}

Outcome TaskListener::QueueReceive() noexcept {
  received_early_ = false;
  Ref<TaskListener> waiting = Ref<TaskListener>::Share(this);
  const Outcome outcome = StartReceive(channel_, receive_, moves_);
  if (outcome != Outcome::kPending) return outcome;
  static_cast<void>(waiting.Release());  // OnReceived() adopts it
  {
    const std::lock_guard lock(mutex_);
    if (received_early_) return receive_.outcome;
    if (!asked_.load(std::memory_order_relaxed)) {
      state_ = State::kIdle;
      return Outcome::kPending;
    }
  }
  return Outcome::kClosed;  // End() calls off the receive
}

void TaskListener::OnReceived(Outcome outcome) noexcept {
  const auto waited = Ref<TaskListener>::Adopt(this);
  bool posts;
  {
    const std::lock_guard lock(mutex_);
    received_early_ = true;
    if (state_ != State::kIdle) return;
    received_ = outcome == Outcome::kDone;
    posts = received_ || (on_end_ && !stop_.stop_requested());
    state_ = posts ? State::kPosted : State::kEnding;
    if (posts) ++posting_;
  }
  if (posts) {
    PostTask();
  } else {
    End();
  }
}

bool TaskListener::BeginPost() noexcept {
  const std::lock_guard lock(mutex_);
  if (asked_.load(std::memory_order_relaxed)) return false;
  state_ = State::kPosted;
  ++posting_;
  return true;
}

void TaskListener::PostTask() noexcept {
  {
    const RunningScope inside(*this, RunningScope::Kind::kCallsBack);
    try {
      Submit(Task(*this));
    } catch (...) {
      AskToEnd(CurrentException());
    }
  }
  bool lost;
  bool last;
  {
    const std::lock_guard lock(mutex_);
    --posting_;
    lost = TakeLost();
    last = released_ && posting_ == 0;
  }
  if (lost) EndLost();
  if (last) Complete();
}

void TaskListener::DropTask() noexcept {
  bool lost;
  {
    const std::lock_guard lock(mutex_);
    --tasks_;
    lost = TakeLost();
  }
  if (lost) EndLost();
}

bool TaskListener::TakeLost() noexcept {
  if (state_ != State::kPosted || tasks_ > 0 || posting_ > 0) return false;
  state_ = State::kEnding;
  return true;
}

void TaskListener::EndLost() noexcept {
  try {
    throw std::runtime_error(
        "fanfare: the executor has destroyed a task that it had not run");
  } catch (...) {  // or there is no memory for it
    error_ = std::current_exception();
  }
  End();
}

void TaskListener::AskToEnd(std::exception_ptr error) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kEnding) return;
    asked_.store(true, std::memory_order_relaxed);
    if (error_ == nullptr) error_ = std::move(error);
    if (state_ == State::kRunning) return;
    state_ = State::kEnding;
  }
  End();
}

void TaskListener::EndSource() noexcept {
  // This closes the channel. A receive that is still queued is completed, and
  // from now on no other thread touches the target.
  source_->Unsubscribe();
  do {
    Discard();
  } while (channel_.TryReceive(receive_, moves_) == Outcome::kDone);
}

void TaskListener::EndTask(std::exception_ptr error) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (error_ == nullptr) error_ = std::move(error);
    state_ = State::kEnding;
  }
  End();
}

void TaskListener::End() noexcept {
  {
    const RunningScope inside(*this, RunningScope::Kind::kCallsBack);
    EndSource();
    if (error_ == nullptr) error_ = source_->TakeError();
    DestroyHandler();
    on_end_ = nullptr;
  }
  bool last;
  {
    const std::lock_guard lock(mutex_);
    released_ = true;
    last = posting_ == 0;
  }
  if (last) Complete();
}

void TaskListener::Complete() noexcept {
  {
    const RunningScope inside(*this, RunningScope::Kind::kCallsBack);
    DestroyExecutor();
  }
  if (stop_.stop_requested()) error_ = nullptr;
  Finish(std::move(error_));
  IntrusiveList<Operation> waited;
  {
    const std::lock_guard lock(mutex_);
    completed_ = true;
    waiting_.CloseAll(waited);
  }
  CompleteAll(waited);
}

void TaskListener::WaitUntilEnded() noexcept {
  Operation ended;
  WaitFor(
      ended, Deadline::Never(), {},
      [this](Operation& waiting) {
        const std::lock_guard lock(mutex_);
        if (completed_) return Outcome::kDone;
        waiting_.Append(waiting);
        return Outcome::kPending;
      },
      [](Operation&) {});
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_TASK_LISTENER_IPP_
