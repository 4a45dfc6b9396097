// SPDX-License-Identifier: MIT
//
// What debug builds check (F8). Each misuse is done by a child process, which
// must abort and say why. What the compiler refuses is in compile_fail/.

// Whatever the build is: an assertion that fails is what is tested.
#undef NDEBUG

#include <cstddef>

#if defined(__unix__)
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/values.h"

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

// What a child process that calls `misuse` says on its standard error, if it
// aborts; else how it ended. Called while no other thread runs.
std::string DiesOf(const std::function<void()>& misuse) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child < 0) return "no child";
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);  // Catch2 has a handler
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    misuse();
    _exit(0);
  }
  close(ends[1]);
  std::string said;
  char text[256];
  for (ssize_t size; (size = read(ends[0], text, sizeof(text))) > 0;) {
    said.append(text, static_cast<std::size_t>(size));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) return said;
  return "it went on: " + said;
}

bool Has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// Calls `call` on a feed whose destructor waits for a Send.
std::string WhileDestroyed(const std::function<void(Feed<Hooked>&)>& call) {
  return DiesOf([&] {
    const Channel<Hooked> channel(4);
    auto feed = std::make_unique<Feed<Hooked>>();
    Feed<Hooked>& used = *feed;
    const Subscription sub = used.Subscribe(channel);
    const auto err = sub.Err();
    const Channel<int> copying;
    Hooked::Hook hook = [&] {
      copying.Send(1);
      static_cast<void>(err.Receive());  // closed by the destructor
      call(used);
    };
    std::jthread sending([&] {
      const Hooked value(1, &hook);
      used.Send(value);
    });
    static_cast<void>(copying.Receive());
    feed.reset();
  });
}

}  // namespace

TEST_CASE("F8: a death test sees what does not die") {
  CHECK(DiesOf([] {}) == "it went on: ");
  CHECK(Has(DiesOf([] { _exit(3); }), "it went on"));
}

TEST_CASE("F8: a call that starts while the feed is destroyed") {
  CHECK(Has(
      WhileDestroyed([](Feed<Hooked>& feed) { feed.Send(Hooked(2, nullptr)); }),
      "fanfare: Send on a Feed being destroyed"));
  CHECK(Has(WhileDestroyed(
                [](Feed<Hooked>& feed) { feed.TrySend(Hooked(2, nullptr)); }),
            "fanfare: Send on a Feed being destroyed"));
  CHECK(Has(WhileDestroyed([](Feed<Hooked>& feed) {
              static_cast<void>(feed.Subscribe(Channel<Hooked>(1)));
            }),
            "fanfare: Subscribe on a Feed being destroyed"));
  CHECK(Has(WhileDestroyed([](Feed<Hooked>& feed) { feed.Close(); }),
            "fanfare: Close on a Feed being destroyed"));
  CHECK(Has(WhileDestroyed([](Feed<Hooked>& feed) {
              static_cast<void>(feed.subscriber_count());
            }),
            "fanfare: a count of a Feed being destroyed"));
  CHECK(Has(WhileDestroyed([](Feed<Hooked>& feed) {
              static_cast<void>(feed.waiting_senders());
            }),
            "fanfare: a count of a Feed being destroyed"));
  CHECK(Has(WhileDestroyed(
                [](Feed<Hooked>& feed) { static_cast<void>(feed.Report()); }),
            "fanfare: a report of a Feed being destroyed"));
}

TEST_CASE("F8: what other subscriptions do while their feed is destroyed") {
  // Unsubscribe and Err are no calls on the feed.
  CHECK(WhileDestroyed([](Feed<Hooked>&) { _exit(0); }) == "it went on: ");
}

// Optimized, the null that a destructor leaves behind is not written.
#if !defined(__OPTIMIZE__)
TEST_CASE("F8 P2: a call after the destructor") {
  const auto call = [](auto act) {
    return DiesOf([&] {
      alignas(Feed<int>) std::byte memory[sizeof(Feed<int>)];
      auto* const feed = new (memory) Feed<int>();
      std::destroy_at(feed);
      act(*feed);
    });
  };
  constexpr const char* kText = "fanfare: a call on a Feed that was destroyed";
  CHECK(Has(call([](auto& feed) { feed.Send(1); }), kText));
  CHECK(Has(call([](auto& feed) { feed.Close(); }), kText));
  CHECK(Has(call([](auto& feed) {
              static_cast<void>(feed.Subscribe(Channel<int>()));
            }),
            kText));
  CHECK(Has(DiesOf([] {
              alignas(SubscriptionScope)
                  std::byte memory[sizeof(SubscriptionScope)];
              auto* const scope = new (memory) SubscriptionScope();
              std::destroy_at(scope);
              scope->Close();
            }),
            "fanfare: a call on a SubscriptionScope that was destroyed"));
}
#endif

#endif  // defined(__unix__)
