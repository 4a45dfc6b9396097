// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_TASK_LISTENER_H_
#define FANFARE_DETAIL_SUBSCRIPTION_TASK_LISTENER_H_

// A TaskListener is a subscription that handles the values of a channel in
// tasks of an executor. It blocks no thread.
//
// While the channel is empty, a receive is queued in it (kIdle). The thread
// that completes that receive posts a task (kPosted). The task runs (kRunning):
// it handles values until the channel is empty and a receive is queued again,
// or until it has handled as many as one task may. Then it posts the next one.
// If there is a function to call at the end, the end of an idle listener posts
// a task as well, which calls it.
//
// The thread that changes the state to kEnding ends the subscription. A task
// that is posted, but does not run yet, finds that and does nothing. So no
// thread waits for the executor, except for a call that runs.

#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/channel/receive_waiter.h>
#include <fanfare/detail/subscription/producer.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/wait_queue.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// The part that does not depend on types of the user.
class TaskListener : public StoppableSubscription, private ReceiveWaiter {
 public:
  // The function that an executor runs. Copies are the same task, which runs
  // once. If all copies are destroyed before, the subscription ends.
  class Task {
   public:
    explicit Task(TaskListener& listener) noexcept
        : Task(Ref<TaskListener>::Share(&listener)) {}
    Task(const Task& other) noexcept : Task(other.listener_) {}
    Task(Task&& other) noexcept : listener_(std::move(other.listener_)) {}
    Task& operator=(Task other) noexcept {
      std::swap(listener_, other.listener_);
      return *this;
    }
    ~Task() {
      if (listener_) listener_->DropTask();
    }

    void operator()() const {
      // The call may destroy the task.
      const Ref<TaskListener> listener = listener_;
      listener->RunTask();
    }

   private:
    explicit Task(Ref<TaskListener> listener) noexcept
        : listener_(std::move(listener)) {
      const std::lock_guard lock(listener_->mutex_);
      ++listener_->tasks_;
    }

    Ref<TaskListener> listener_;
  };

  // Must be called once, before the listener is used.
  FANFARE_DECL void Start() noexcept;

  FANFARE_DECL void RequestUnsubscribe() noexcept override;

  bool ReadStats(SubscriberStats& stats) const noexcept override {
    return source_->ReadStats(stats);
  }
  bool Consumes(const ChannelEnds& channel) const noexcept override {
    if (&channel != &channel_) return false;
    const std::lock_guard lock(mutex_);
    return state_ == State::kRunning;
  }

 protected:
  // `source` delivers to `channel`, which is closed after `source` ends, and
  // which the derived class keeps alive. A receive fills `target`, a
  // std::optional<T>. `on_end` may be empty. Throws std::bad_alloc.
  TaskListener(EndHandler on_end, Ref<SubscriptionState> source,
               ChannelEnds& channel, const ValueMoves& moves, void* target)
      : source_(std::move(source)),
        channel_(channel),
        moves_(moves),
        on_end_(std::move(on_end)) {
    receive_.value = target;
    SubscriptionState::Err();  // now, so that ending with an error needs no
                               // memory
  }

  // Takes the value out of the target, and calls the handler.
  virtual void Handle(const std::stop_token& stop) = 0;
  // Empties the target.
  virtual void Discard() noexcept = 0;
  virtual void DestroyHandler() noexcept = 0;
  // Passes the task to the executor.
  virtual void Submit(Task task) = 0;
  virtual void DestroyExecutor() noexcept = 0;

 private:
  enum class State {
    kRunning,  // a task runs; also before Start()
    kIdle,     // a receive is queued
    kPosted,   // a task is posted, or about to be
    kEnding,   // belongs to the thread that ends the subscription
  };

  enum class Next {
    kWait,  // the thread must not change the state any more
    kPost,
    kEnd,
  };

  // What a task does.
  FANFARE_DECL void RunTask();

  // Calls the function for the end, in the state kRunning, unless the listener
  // was asked to end. `error` is what a call of the handler has thrown, or
  // null, and becomes the error of the subscription.
  FANFARE_DECL void CallAtEnd(std::exception_ptr& error);

  // Handles values until none is left, in the state kRunning. Returns what the
  // task has to do then.
  FANFARE_DECL Next HandleValues();

  // Receives a value, or queues a receive for one, which changes the state to
  // kIdle and returns kPending. Called in the state kRunning.
  FANFARE_DECL Outcome QueueReceive() noexcept;

  // Posts a task for what the receive in the queue has got.
  FANFARE_DECL void OnReceived(Outcome outcome) noexcept override;

  // Begins to post a task, in the state kRunning. Returns false if the listener
  // has to end.
  FANFARE_DECL bool BeginPost() noexcept;

  // Calls the executor, after BeginPost().
  FANFARE_DECL void PostTask() noexcept;

  // For the destructor of a task: the last copy may be lost.
  FANFARE_DECL void DropTask() noexcept;

  // Called with the mutex held. Returns whether the task that was posted does
  // not exist any more; the caller must then call EndLost().
  FANFARE_DECL bool TakeLost() noexcept;
  FANFARE_DECL void EndLost() noexcept;

  // Ends the subscription, or leaves that to the task that runs.
  FANFARE_DECL void AskToEnd(std::exception_ptr error) noexcept;

  // Ends the subscription to the feed, and discards what is queued. For the
  // thread that owns the state.
  FANFARE_DECL void EndSource() noexcept;

  // Ends the subscription, in the state kRunning.
  FANFARE_DECL void EndTask(std::exception_ptr error) noexcept;

  // For the thread that has changed the state to kEnding. Everything that was
  // captured is destroyed before the end can be seen.
  FANFARE_DECL void End() noexcept;
  // For the last thread that uses the executor.
  FANFARE_DECL void Complete() noexcept;

  // For any thread that unsubscribes.
  FANFARE_DECL void WaitUntilEnded() noexcept override;

  const Ref<SubscriptionState> source_;
  ChannelEnds& channel_;
  const ValueMoves& moves_;
  EndHandler on_end_;  // may be empty
  Operation receive_;
  // A value is in the target. Belongs to the thread that owns the state.
  bool received_ = false;
  // Relaxed: to be set while a value is handled, and read before the next one.
  // What depends on the order reads it with the mutex held.
  Platform::Atomic<bool> asked_{false};

  // Guards all that follows, and writes to asked_.
  mutable Platform::Lock mutex_;
  State state_ = State::kRunning;
  bool received_early_ = false;  // before the state was kIdle
  bool released_ = false;        // the handler is destroyed
  bool completed_ = false;
  int tasks_ = 0;    // that exist
  int posting_ = 0;  // calls of the executor that run
  std::exception_ptr error_;
  WaitQueue waiting_;  // for the end
};

// Says how the handler is called. Defined in listen.h.
template <typename Handler, typename T>
void CallListener(Handler& handler, T&& value, const std::stop_token& stop);

template <typename T, typename Executor, typename Handler>
class ExecutorListener final : public TaskListener {
 public:
  template <typename E, typename H>
  ExecutorListener(E&& executor, H&& handler, EndHandler on_end,
                   Ref<ChannelCore<T>> channel, Ref<SubscriptionState> source)
      : TaskListener(std::move(on_end), std::move(source), *channel,
                     ChannelCore<T>::kMoves, &target_),
        channel_(std::move(channel)),
        executor_(std::in_place, std::forward<E>(executor)),
        handler_(std::in_place, std::forward<H>(handler)) {}

 private:
  void Handle(const std::stop_token& stop) override {
    T value = *std::move(target_);
    target_.reset();
    detail::CallListener(*handler_, std::move(value), stop);
  }
  void Discard() noexcept override { target_.reset(); }
  void DestroyHandler() noexcept override { handler_.reset(); }
  void Submit(Task task) override { (*executor_)(std::move(task)); }
  void DestroyExecutor() noexcept override { executor_.reset(); }

  const Ref<ChannelCore<T>> channel_;
  std::optional<T> target_;
  std::optional<Executor> executor_;
  std::optional<Handler> handler_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#ifdef FANFARE_HEADER_ONLY
#include <fanfare/detail/subscription/task_listener.ipp>
#endif

#endif  // FANFARE_DETAIL_SUBSCRIPTION_TASK_LISTENER_H_
