// SPDX-License-Identifier: MIT
//
// A listener, in a thread and in tasks of an executor, against whoever sends to
// it and ends it.

#include "scenario.h"
// The platform comes first.

#include <array>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

#include <fanfare/feed.h>
#include <fanfare/listen.h>
#include <fanfare/subscription.h>

namespace model {
namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Listen;
using fanfare::Subscription;

using Task = std::function<void()>;

// An executor, and what its thread does.
class Tasks {
 public:
  void operator()(Task task) {
    Expect(++posted_ == 1, "two tasks are posted at once");
    tasks_.Send(std::move(task));
  }
  // Destroys each task before the next one comes.
  void Run() {
    while (const std::optional<Task> task = tasks_.Receive()) {
      --posted_;
      (*task)();
    }
  }
  void DropAll() const {
    while (tasks_.Receive()) {
    }
  }
  void Close() const { tasks_.Close(); }

 private:
  Channel<Task> tasks_{3};
  int posted_ = 0;
};

// Counts its calls, and looks whether two run at once.
class Handler {
 public:
  void operator()(int) {
    Expect(!running_, "two calls run at once");
    running_ = true;
    entered_.TrySend(1);
    running_ = false;
    ++calls_;
  }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  bool running_ = false;
  int calls_ = 0;
  Channel<int> entered_{1};  // something to be interrupted at
};

// Counts its calls for the end, and looks whether one comes too late.
class AtEnd {
 public:
  auto Function() {
    return [this](const std::exception_ptr&) {
      Expect(!forbidden_, "the end handler is called after Unsubscribe");
      running_ = true;
      entered_.TrySend(1);
      running_ = false;
      ++calls_;
    };
  }
  // From now on it must not be called.
  void Forbid() {
    Expect(!running_, "the end handler runs after Unsubscribe");
    forbidden_ = true;
  }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  bool forbidden_ = false;
  bool running_ = false;
  int calls_ = 0;
  Channel<int> entered_{1};  // something to be interrupted at
};

void ListenerInAThread() {
  Feed<int> feed;
  Handler handler;
  const Subscription subscription =
      Listen(feed, std::ref(handler), {.capacity = 1});
  Scheduler::Interleave(
      {[&] {
         feed.Send(1);
         feed.Send(2);
       },
       [&] {
         subscription.Unsubscribe();
         Expect(subscription.ended(), "Unsubscribe returned before the end");
         const int calls = handler.calls();
         Expect(feed.Send(3) == 0, "it is still subscribed");
         Expect(handler.calls() == calls, "a call after Unsubscribe");
       }});
}

void ListenerInAThreadOfAClosedFeed() {
  Feed<int> feed;
  Handler handler;
  std::size_t sent = 0;
  const Subscription subscription =
      Listen(feed, std::ref(handler), {.capacity = 1});
  Scheduler::Interleave({[&] { sent += feed.Send(1); },
                         [&] {
                           feed.Close();
                           Expect(!subscription.Err().Receive(),
                                  "an error of nobody's");
                         }});
  Expect(handler.calls() == static_cast<int>(sent), "a value is lost");
}

// The handler sends on the feed that it listens to, beside another Send. If the
// two would wait for each other, the handler's throws.
void ListenerThatSends() {
  Feed<int> feed;
  int calls = 0;
  const Subscription subscription = Listen(feed,
                                           [&](int value) {
                                             ++calls;
                                             if (value < 3) feed.SendReady(3);
                                           },
                                           {.capacity = 0});
  std::size_t sent = 0;
  int done = 0;
  const auto send = [&](int value) {
    sent += feed.Send(value);
    if (++done == 2) feed.Close();
  };
  Scheduler::Interleave({[&] { send(1); }, [&] { send(2); }});
  const bool reported = subscription.Err().Receive().has_value();
  Expect(sent > 0 && calls > 0, "no value was delivered");
  Expect(reported || calls >= static_cast<int>(sent), "a value is lost");
}

// The same, and the listener is ended meanwhile.
void ListenerThatSendsAndIsUnsubscribed() {
  Feed<int> feed;
  const Subscription subscription =
      Listen(feed, [&](int) { feed.SendReady(3); }, {.capacity = 0});
  Scheduler::Interleave({[&] {
                           feed.Send(1);
                           feed.Send(2);
                         },
                         [&] {
                           subscription.Unsubscribe();
                           Expect(feed.Send(4) == 0, "it is still subscribed");
                         }});
}

template <std::size_t kCapacity>
void TasksOfOneThatIsUnsubscribed() {
  Feed<int> feed;
  Tasks tasks;
  Handler handler;
  std::optional<int> calls;
  const Subscription subscription =
      Listen(std::ref(tasks), feed, std::ref(handler), {.capacity = kCapacity});
  Scheduler::Interleave({[&] {
                           feed.Send(1);
                           feed.Send(2);
                         },
                         [&] { tasks.Run(); },
                         [&] {
                           subscription.Unsubscribe();
                           Expect(subscription.ended(),
                                  "Unsubscribe returned before the end");
                           calls = handler.calls();
                           tasks.Close();
                         }});
  Expect(handler.calls() == calls, "a call after Unsubscribe");
  Expect(feed.subscriber_count() == 0, "it is still subscribed");
}

void TasksOfAClosedFeed() {
  Feed<int> feed;
  Tasks tasks;
  Handler handler;
  std::size_t sent = 0;
  const Subscription subscription =
      Listen(std::ref(tasks), feed, std::ref(handler), {.capacity = 1});
  Scheduler::Interleave({[&] {
                           sent += feed.Send(1);
                           sent += feed.Send(2);
                         },
                         [&] { tasks.Run(); },
                         [&] {
                           feed.Close();
                           Expect(!subscription.Err().Receive(),
                                  "an error of nobody's");
                           tasks.Close();
                         }});
  Expect(handler.calls() == static_cast<int>(sent), "a value is lost");
}

// By the thread that has sent; the executor has two threads.
void TasksOfAFeedThatCloses() {
  Feed<int> feed;
  Tasks tasks;
  Handler handler;
  const Subscription subscription =
      Listen(std::ref(tasks), feed, std::ref(handler), {.capacity = 0});
  const auto run = [&] { tasks.Run(); };
  Scheduler::Interleave({[&] {
                           feed.Send(1);
                           feed.Send(2);
                           feed.Close();
                           Expect(!subscription.Err().Receive(),
                                  "an error of nobody's");
                           tasks.Close();
                         },
                         run, run});
  Expect(handler.calls() == 2, "a value is lost or doubled");
}

void TasksThatAreDropped() {
  Feed<int> feed;
  Tasks tasks;
  Handler handler;
  const Subscription subscription =
      Listen(std::ref(tasks), feed, std::ref(handler), {.capacity = 0});
  Scheduler::Interleave({[&] {
                           feed.Send(1);
                           feed.Send(2);
                         },
                         [&] { tasks.DropAll(); },
                         [&] {
                           Expect(subscription.Err().Receive().has_value(),
                                  "the error is lost");
                           Expect(!subscription.Err().Receive().has_value(),
                                  "Err() is not closed");
                           tasks.Close();
                         }});
  Expect(handler.calls() == 0, "a call without a task");
}

void ExecutorThatThrows() {
  Feed<int> feed;
  Tasks tasks;
  const Channel<int> leave;
  const auto executor = [&](Task task) {
    tasks(std::move(task));
    throw 1;
  };
  const Subscription subscription =
      Listen(executor, feed, [&](int) { static_cast<void>(leave.Receive()); },
             {.capacity = 1});
  Scheduler::Interleave({[&] { feed.Send(1); }, [&] { tasks.Run(); },
                         [&] {
                           leave.Close();
                           Expect(subscription.Err().Receive().has_value(),
                                  "the error is lost");
                           tasks.Close();
                         }});
  Expect(subscription.ended(), "it has not ended");
}

void TwoThatUnsubscribeTasks() {
  Feed<int> feed;
  Tasks tasks;
  Handler handler;
  std::optional<Subscription> subscription(
      Listen(std::ref(tasks), feed, std::ref(handler), {.capacity = 1}));
  feed.Send(1);
  tasks.Close();
  Scheduler::Interleave(
      {[&] { tasks.Run(); },
       [&] {
         subscription->Unsubscribe();
         Expect(subscription->ended(), "Unsubscribe returned before the end");
       },
       [&] {
         subscription->Unsubscribe();
         Expect(subscription->ended(), "Unsubscribe returned before the end");
       }});
}

// It is received only once the listener has handled the value.
void TasksDuringASendThatWaits() {
  Feed<int> feed;
  Tasks tasks;
  const Channel<int> handled(1);
  const Channel<int> full;
  std::size_t sent = 0;
  const Subscription subscription =
      Listen(std::ref(tasks), feed, [&](int value) { handled.Send(value); },
             {.capacity = 1});
  const Subscription other = feed.Subscribe(full);
  Scheduler::Interleave({[&] { sent = feed.Send(1); }, [&] { tasks.Run(); },
                         [&] {
                           Expect(handled.Receive() == 1, "a wrong value");
                           Expect(full.Receive() == 1, "a wrong value");
                           tasks.Close();
                         }});
  Expect(sent == 2, "a value is lost");
}

// Nothing but Unsubscribe ends it.
void EndHandlerOfOneThatIsUnsubscribed() {
  Feed<int> feed;
  AtEnd at_end;
  const Subscription subscription =
      Listen(feed, [](int) {}, {.capacity = 1, .on_end = at_end.Function()});
  Scheduler::Interleave(
      {[&] { feed.Send(1); }, [&] { subscription.Unsubscribe(); }});
  Expect(at_end.calls() == 0, "the end handler is called");
}

void TasksForAnEndHandlerOfOneThatIsUnsubscribed() {
  Feed<int> feed;
  Tasks tasks;
  AtEnd at_end;
  const Subscription subscription =
      Listen(std::ref(tasks), feed, [](int) {},
             {.capacity = 1, .on_end = at_end.Function()});
  Scheduler::Interleave({[&] { feed.Send(1); }, [&] { tasks.Run(); },
                         [&] {
                           subscription.Unsubscribe();
                           tasks.Close();
                         }});
  Expect(at_end.calls() == 0, "the end handler is called");
}

// The feed is closed when the listener is idle, or has a task.
void TasksOfAnEndThatIsUnsubscribed() {
  Feed<int> feed;
  Tasks tasks;
  AtEnd at_end;
  const Subscription subscription =
      Listen(std::ref(tasks), feed, [](int) {},
             {.capacity = 1, .on_end = at_end.Function()});
  Scheduler::Interleave({[&] {
                           feed.Send(1);
                           feed.Close();
                         },
                         [&] { tasks.Run(); },
                         [&] {
                           subscription.Unsubscribe();
                           Expect(subscription.ended(),
                                  "Unsubscribe returned before the end");
                           at_end.Forbid();
                           tasks.Close();
                         }});
  Expect(at_end.calls() <= 1, "the end handler is called twice");
}

// The executor has two threads.
void TasksOfAnEnd() {
  Feed<int> feed;
  Tasks tasks;
  Handler handler;
  AtEnd at_end;
  const Subscription subscription =
      Listen(std::ref(tasks), feed, std::ref(handler),
             {.capacity = 1, .on_end = at_end.Function()});
  const auto run = [&] { tasks.Run(); };
  Scheduler::Interleave(
      {[&] {
         feed.Send(1);
         feed.Close();
         Expect(!subscription.Err().Receive(), "an error of nobody's");
         Expect(handler.calls() == 1, "a value is lost");
         Expect(at_end.calls() == 1, "the end came without its handler");
         tasks.Close();
       },
       run, run});
  Expect(at_end.calls() == 1, "the end handler is called twice");
}

constexpr std::array kScenarios = {
    Scenario{"listen_stop", "a listener makes no call after Unsubscribe",
             ListenerInAThread},
    Scenario{"listen_close", "a listener of a closed feed loses no value",
             ListenerInAThreadOfAClosedFeed},
    Scenario{
        "listen_sends",
        "a handler and another thread that send do not wait for each other",
        ListenerThatSends},
    Scenario{"listen_sends_stop", "nor if the listener is ended meanwhile",
             ListenerThatSendsAndIsUnsubscribed},
    Scenario{"listen_tasks_stop", "no task makes a call after Unsubscribe",
             TasksOfOneThatIsUnsubscribed<1>},
    Scenario{"listen_tasks_stop_zero", "the same at capacity 0",
             TasksOfOneThatIsUnsubscribed<0>},
    Scenario{"listen_tasks_close", "tasks of a closed feed lose no value",
             TasksOfAClosedFeed},
    Scenario{"listen_tasks_two", "two threads never run calls at once",
             TasksOfAFeedThatCloses},
    Scenario{"listen_tasks_blocked",
             "a task is posted before its Send waits for another channel",
             TasksDuringASendThatWaits},
    Scenario{"listen_tasks_dropped",
             "a task that is destroyed ends the subscription",
             TasksThatAreDropped},
    Scenario{"listen_tasks_throw",
             "an executor that throws ends it, whether the task runs or not",
             ExecutorThatThrows},
    Scenario{"listen_tasks_twice", "two Unsubscribes both wait for the call",
             TwoThatUnsubscribeTasks},
    Scenario{"listen_end_stop", "Unsubscribe calls no end handler",
             EndHandlerOfOneThatIsUnsubscribed},
    Scenario{"listen_tasks_end_stop", "nor in a task",
             TasksForAnEndHandlerOfOneThatIsUnsubscribed},
    Scenario{"listen_tasks_end", "no end handler runs after Unsubscribe",
             TasksOfAnEndThatIsUnsubscribed},
    Scenario{"listen_tasks_end_once",
             "the end handler is called once, before the end is seen",
             TasksOfAnEnd},
};

}  // namespace

std::span<const Scenario> ListenScenarios() { return kScenarios; }

}  // namespace model
