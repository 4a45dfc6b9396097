// SPDX-License-Identifier: MIT
#ifndef FANFARE_LISTEN_H_
#define FANFARE_LISTEN_H_

// Listen: calls a function for each value of a feed, outside the Send() that
// delivers the value. It is a channel, a subscription and a thread, which end
// in the right order. Instead of a thread, it may use tasks of an executor.
//
//   Feed<int> ticks;
//   Subscription log = Listen(ticks, [](int tick) { std::cout << tick; });
//   ticks.Send(1);
//   ticks.Close();       // the listener handles what is queued, then ends
//   Select(OnEnd(log));  // waits for that; the destructor would discard it
//
// The same in tasks of an event loop that has a function `post`, and with a
// function for the end:
//
//   auto executor = [](auto task) { post(task); };
//   Subscription log = Listen(
//       executor, ticks, [](int tick) { std::cout << tick; },
//       {.capacity = 8,
//        .subscribe = {.name = "log"},
//        .on_end = [](std::exception_ptr) { leave_the_loop(); }});
//
// Thread safety: all member functions may be called concurrently. A single
// handle object follows the rules of std::shared_ptr: assigning to it or
// destroying it must not race with another use of the same object.
// (The handle is the Subscription that Listen() returns.)
//
// Differences from Go: there is no equivalent. A goroutine that ranges over the
// channel of a feed does not end with the feed.

#include <cstddef>
#include <exception>
#include <functional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <fanfare/channel.h>
#include <fanfare/detail/channel/access.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/select/cases.h>
#include <fanfare/detail/subscription/task_listener.h>
#include <fanfare/detail/subscription/thread_listener.h>
#include <fanfare/feed.h>
#include <fanfare/subscribe_options.h>
#include <fanfare/subscription.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Holds the options of Listen().
struct ListenOptions {
  /// How many values the listener may fall behind before it holds up a Send().
  /// With 0, a Send() waits until the value is taken for a call.
  std::size_t capacity = 64;
  /// The options of the subscription to the feed.
  ///
  /// An empty `name` stands for the file and the line of the call of Listen().
  /// `close_channel` is always taken as true. If `overflow` ends the
  /// subscription, the values that are queued are still handled before Err()
  /// delivers the SlowSubscriber. Stats() counts the values of the feed.
  SubscribeOptions subscribe = {};
  /// The end handler: a function that is called once, after the last call of
  /// the handler, when the subscription ends without having been unsubscribed.
  /// Unlike OnEnd(), it does not report an Unsubscribe(), or the destruction of
  /// the handle.
  ///
  /// That is when the feed was closed or destroyed, perhaps before Listen(),
  /// when a policy has ended the subscription, or when the handler has thrown.
  /// The argument is the exception that Err() is going to deliver, unless the
  /// subscription is unsubscribed meanwhile; or null. (L2)
  ///
  /// The function runs where the handler runs: in the thread of the listener,
  /// or in a task. For that, the end of an idle listener posts one more task:
  /// the thread that closes or destroys the feed calls the executor. On a
  /// closed feed, the function may be called before Listen() returns. If the
  /// executor throws, or destroys a task that it has not run, the function is
  /// not called. (L3)
  ///
  /// When the function is called, the feed delivers no more values, and none is
  /// queued; Subscription::ended() is still false. No Send() waits for this
  /// subscriber. The function may call Send() on the feed if the caller of
  /// Listen() guarantees that the feed still exists. If the function throws,
  /// Err() delivers that exception, unless there was one before. Err() is
  /// closed after the function has returned and everything captured is
  /// destroyed. (L2)
  ///
  /// When Unsubscribe() has returned, the function does not run any more, and
  /// will not be called. From inside the function, Unsubscribe() returns at
  /// once. (L2, U3)
  std::function<void(std::exception_ptr)> on_end = {};
};

/// Calls `handler` for each value of `feed`, one after the other, in a new
/// thread.
///
/// Never blocks. `handler` is called with a T, or with a T and a
/// std::stop_token if it takes both. Its result is ignored. A stop is requested
/// when the subscription is unsubscribed, so that a long call can return early.
/// (L1)
///
/// When the feed is closed or destroyed, the values that are queued are still
/// handled. Then the subscription ends: after the last call,
/// ListenOptions::on_end is called, and then Err() is closed. (L2)
///
/// Unsubscribe() releases a Send() that waits for this subscriber, waits for
/// the call that is running, and discards the values that are queued. From
/// inside `handler`, it returns at once, and no further call is made. (L2, U3)
///
/// If `handler` throws, the subscription ends, and Err() delivers the
/// exception. The values that are queued are discarded, and no Send() waits for
/// this subscriber any more. If the subscription was unsubscribed before, the
/// exception is dropped. (L2, U6)
///
/// On a closed feed, the subscription ends without a call of `handler`, and
/// `on_end` is called.
///
/// \throws std::invalid_argument as Subscribe() does, std::system_error if no
///     thread can be started, std::bad_alloc, and what copying `handler`
///     throws. `handler` has not been called then, and nothing is subscribed.
/// \warning Deadlock: while it is subscribed, `handler` must not call Send() on
///     the same feed. That Send() would wait for the handler's own channel once
///     the channel is full, or for its turn behind a Send() that waits for it.
///     It throws a std::logic_error instead, unless one of the two has a limit,
///     a policy acts, or the feed has a stall handler.
/// \par Complexity
/// Starts one thread. Each value costs a receive and a call, and allocates
/// nothing.
template <typename T, typename Handler>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
Listen(Feed<T>& feed, Handler&& handler, ListenOptions options = {},
       CallSite where = CallSite::Here());

/// Calls `handler` for each value of `feed`, one after the other, in tasks of
/// `executor`.
///
/// Never blocks, and starts no thread. `executor(task)` must pass `task`, a
/// copyable `void()` function object, to whatever runs it. For instance, the
/// executor is `[&](auto task) { pool.Post(task); }`. What is said of
/// `handler`, the end, Unsubscribe() and exceptions at the other Listen()
/// applies here as well.
///
/// At most one task is posted at a time, and calls of `handler` never overlap.
/// A task handles up to 64 values. Its last step is then to post the next task,
/// so that other tasks of the executor come in between. While no value is
/// queued, no task is posted, except for the one that calls `on_end`. A task
/// never blocks on behalf of the library. (L3)
///
/// The thread that sends posts the task, before its Send() waits for other
/// subscribers. The executor must be callable from several threads at the same
/// time, and should not block. If it runs the task inside the call, the calls
/// are nested, one for every 64 values. (L3)
///
/// If the executor throws, the subscription ends, and Err() delivers the
/// exception. If the executor destroys a task that it has not run, the
/// subscription ends as well, and Err() delivers a std::runtime_error. (L3)
///
/// Unsubscribe() does not wait for a task that is posted, only for the call of
/// `handler`, `on_end` or `executor` that is running. When it has returned,
/// none of them is used any more. A task that runs later has no effect, and may
/// outlive the feed. Before that, or the end of the subscription, `executor`
/// must be usable: unsubscribe before an event loop is destroyed. (L2, L3)
///
/// With capacity 0, a Send() waits until a task takes the value. The first
/// value of an idle listener is taken at once.
///
/// \throws std::invalid_argument as Subscribe() does, std::bad_alloc, and what
///     copying `executor` or `handler` throws. Neither has been called then,
///     and nothing is subscribed.
/// \warning Deadlock: the rule of the other Listen() applies, and not to
///     `handler` alone. If all threads that could run the task wait in a Send()
///     on the same feed, none is left that receives: in a loop with one thread,
///     no callback may call that Send(). Moreover, `executor` must not call
///     Send() on the same feed. It must not run a task inside the call if
///     `handler` or `on_end` calls that Send() or destroys the feed, not even
///     after the end of the subscription. The Send() that posts the task may
///     still be in progress.
/// \par Complexity
/// Each value costs a receive and a call. The library allocates nothing for a
/// task.
template <typename Executor, typename T, typename Handler>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
Listen(Executor&& executor, Feed<T>& feed, Handler&& handler,
       ListenOptions options = {}, CallSite where = CallSite::Here());

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

namespace detail {

template <typename Handler, typename T>
inline constexpr bool kTakesValueAndStop =
    CalledWith<Handler&, T, std::stop_token>;
template <typename Handler, typename T>
inline constexpr bool kListens =
    kTakesValueAndStop<Handler, T> || CalledWith<Handler&, T>;

template <typename Handler, typename T>
void CallListener(Handler& handler, T&& value, const std::stop_token& stop) {
  if constexpr (kTakesValueAndStop<Handler, T>) {
    handler(std::move(value), std::stop_token(stop));
  } else if constexpr (CalledWith<Handler&, T>) {  // or Listen() says so
    handler(std::move(value));
  }
}

// Subscribes a new channel to `feed`, which is closed when the subscription
// ends. Makes a listener of type L from `args`, and starts it.
template <typename L, typename T, typename... Args>
Subscription StartListener(Feed<T>& feed, ListenOptions&& options,
                           CallSite where, Args&&... args) {
  const auto channel = ChannelCore<T>::Make(options.capacity);
  options.subscribe.close_channel = true;
  // If something below throws, this unsubscribes.
  Subscription source = feed.Subscribe(Access::Make<Sender<T>>(channel),
                                       std::move(options.subscribe), where);
  auto listener =
      Ref<L>::Make(std::forward<Args>(args)..., std::move(options.on_end),
                   channel, SubscriptionAccess::Share(source));
  listener->Start();
  static_cast<void>(SubscriptionAccess::Release(std::move(source)));
  return SubscriptionAccess::Make(std::move(listener));
}

}  // namespace detail

template <typename T, typename Handler>
Subscription Listen(Feed<T>& feed, Handler&& handler, ListenOptions options,
                    CallSite where) {
  using H = std::decay_t<Handler>;
  static_assert(detail::kListens<H, T>,
                "fanfare: the handler of Listen must take a T, or a T and a "
                "std::stop_token");
  return detail::StartListener<detail::ThreadListener<T, H>>(
      feed, std::move(options), where, std::forward<Handler>(handler));
}

template <typename Executor, typename T, typename Handler>
Subscription Listen(Executor&& executor, Feed<T>& feed, Handler&& handler,
                    ListenOptions options, CallSite where) {
  using E = std::decay_t<Executor>;
  using H = std::decay_t<Handler>;
  static_assert(detail::CalledWith<E&, detail::TaskListener::Task>,
                "fanfare: the executor of Listen must take a void() task");
  static_assert(detail::kListens<H, T>,
                "fanfare: the handler of Listen must take a T, or a T and a "
                "std::stop_token");
  return detail::StartListener<detail::ExecutorListener<T, E, H>>(
      feed, std::move(options), where, std::forward<Executor>(executor),
      std::forward<Handler>(handler));
}

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_LISTEN_H_
