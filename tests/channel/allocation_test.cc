// SPDX-License-Identifier: MIT
//
// What must not allocate: clause C4 (Close) and the costs that the headers
// state for Send, Receive and Select. operator new counts, for each thread.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/select.h>

#include "support/aligned_memory.h"
#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/values.h"
#include "support/waiters.h"

namespace {

constinit thread_local long allocations = 0;

// Not inlined, or g++ sees malloc meet delete and warns.
[[gnu::noinline]] void* Allocate(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

[[gnu::noinline]] void* AllocateAligned(std::size_t size,
                                        std::align_val_t alignment) {
  ++allocations;
  void* memory = AlignedMemory(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

[[gnu::noinline]] void Free(void* memory) { std::free(memory); }

}  // namespace

void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return AllocateAligned(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return AllocateAligned(size, alignment);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return Allocate(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, std::size_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept {
  FreeAligned(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  FreeAligned(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  FreeAligned(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  FreeAligned(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  Free(memory);
}

namespace {

using fanfare::Channel;
using fanfare::kNoCase;
using fanfare::OnDefault;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnStop;
using fanfare::OnTimeout;
using fanfare::Receiver;
using fanfare::Select;
using fanfare::SelectCase;
using fanfare::Sender;
using namespace std::chrono_literals;

// How often the calling thread allocates while it runs `function`.
template <typename F>
long Allocations(F function) {
  const long before = allocations;
  function();
  return allocations - before;
}

TEST_CASE("C4: the count of allocations counts") {
  CHECK(Allocations([] { (void)Own(1); }) == 1);
  CHECK(Allocations([] { const std::vector<OverAligned> one(1); }) == 1);
  CHECK(Allocations([] {}) == 0);
}

TEST_CASE("C1: a channel allocates its memory when it is made, once for all") {
  CHECK(Allocations([] { const Channel<int> channel; }) == 1);
  CHECK(Allocations([] { const Channel<int> channel(64); }) == 1);
  CHECK(Allocations([] { const Channel<OverAligned> channel(64); }) == 1);
  const Channel<int> channel(64);
  CHECK(Allocations([&] {
          const Channel<int> copy = channel;
          Sender<int> sender = copy;
          const Receiver<int> receiver = std::move(copy);
          sender = {};
        }) == 0);
}

TEST_CASE("C4: nothing is allocated by a call that need not wait") {
  const std::size_t capacity = GENERATE(1U, 64U);
  const Channel<OverAligned> channel(capacity);
  std::stop_source source;
  CHECK(Allocations([&] {
          for (std::size_t round = 0; round < 3 * capacity; ++round) {
            channel.TrySend(OverAligned{1});
            (void)channel.TryReceive();
            channel.SendFor(OverAligned{1}, 0s);
            (void)channel.Receive();
            channel.Send(OverAligned{1}, std::stop_token());
            (void)channel.TryReceive();
          }
        }) == 0);
}

TEST_CASE("C4: nothing is allocated by a wait that is given up") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  std::stop_source source;
  source.request_stop();
  const std::stop_token stopped = source.get_token();
  CHECK(Allocations([&] {
          (void)channel.ReceiveFor(1us);
          (void)channel.Receive(stopped);
          (void)channel.ReceiveUntil(std::chrono::steady_clock::now() + 1us);
          (void)Receiver<int>().ReceiveFor(1us);
          while (channel.TrySend(1)) {
          }
          channel.SendFor(7, 1us);
          channel.Send(7, stopped);
          channel.SendUntil(7, std::chrono::system_clock::now() + 1us);
          Sender<int>().SendFor(1, 1us);
        }) == 0);
}

TEST_CASE("C4: nothing is allocated by a fresh thread's first blocked call") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Channel<int> full(capacity);
  while (full.TrySend(1)) {
  }
  std::stop_source source;
  {
    InThread receiving(
        [&] { return Allocations([&] { (void)channel.Receive(); }); });
    AwaitReceivers(channel, 1);
    CHECK(Allocations([&] { channel.Send(1); }) == 0);
    CHECK(receiving.Get() == 0);
  }
  {
    InThread receiving([&] {
      return Allocations([&] { (void)channel.Receive(source.get_token()); });
    });
    AwaitReceivers(channel, 1);
    CHECK(Allocations([&] { source.request_stop(); }) == 0);
    CHECK(receiving.Get() == 0);
  }
  {
    InThread sending([&] { return Allocations([&] { full.Send(1); }); });
    AwaitSenders(full, 1);
    CHECK(Allocations([&] { (void)full.Receive(); }) == 0);
    CHECK(sending.Get() == 0);
  }
  {
    InThread selecting([&] {
      return Allocations([&] {
        Select(OnReceive(channel, [](int) {}), OnSend(full, 1),
               OnStop(source.get_token()), OnTimeout(1h));
      });
    });
    CHECK(selecting.Get() == 0);
  }
}

TEST_CASE("C4: nothing is allocated by a blocked Select") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Channel<int> full(capacity);
  while (full.TrySend(1)) {
  }
  std::stop_source source;
  const auto check = [&](auto end) {
    InThread selecting([&] {
      return Allocations([&] {
        Select(OnReceive(channel, [](int) {}), OnSend(full, 1),
               OnStop(source.get_token()), OnTimeout(1h));
      });
    });
    AwaitReceivers(channel, 1);
    AwaitSenders(full, 1);
    end();
    CHECK(selecting.Get() == 0);
  };
  check([&] { channel.Send(1); });
  check([&] { (void)full.Receive(); });
  check([&] { source.request_stop(); });
}

TEST_CASE("C4: nothing is allocated by a Select that need not wait") {
  const Channel<std::optional<int>> channel(1);
  CHECK(Allocations([&] {
          for (int round = 0; round < 10; ++round) {
            Select(OnSend(channel, 1), OnTimeout(1h));
            Select(OnReceive(channel, [](std::optional<int>) {}), OnDefault());
            Select(OnReceive(channel, [](std::optional<int>) {}), OnDefault());
            Select(OnReceive(channel, [](std::optional<int>) {}),
                   OnTimeout(1us));
          }
        }) == 0);
}

TEST_CASE("C4: Close allocates nothing, whoever waits") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> empty(capacity);
  const Channel<int> full(capacity);
  while (full.TrySend(1)) {
  }
  const auto receive = [&] {
    return Allocations([&] { (void)empty.Receive(); });
  };
  const auto send = [&] { return Allocations([&] { full.Send(1); }); };
  InThread receiving1(receive), receiving2(receive);
  InThread sending1(send), sending2(send);
  AwaitReceivers(empty, 2);
  AwaitSenders(full, 2);
  CHECK(Allocations([&] {
          empty.Close();
          full.Close();
          empty.Close();
        }) == 0);
  CHECK(receiving1.Get() == 0);
  CHECK(receiving2.Get() == 0);
  CHECK(sending1.Get() == 0);
  CHECK(sending2.Get() == 0);
}

TEST_CASE("S7: Select over a span allocates once, its cases when made") {
  const Channel<int> channel(1);
  CHECK(Allocations([&] { SelectCase(OnReceive(channel, [](int) {})); }) == 1);
  std::array<SelectCase, 2> cases{OnReceive(channel, [](int) {}), OnDefault()};
  channel.TrySend(1);
  for (const std::size_t expected : {0U, 1U}) {
    std::size_t chosen = kNoCase;
    CHECK(Allocations([&] { chosen = Select(cases); }) == 1);
    CHECK(chosen == expected);
  }
}

}  // namespace
