// SPDX-License-Identifier: MIT
//
// fanfare itself. An earlier version of it lacks options and State: then there
// are no W17 to W19, and compare.py measures the rest.

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fanfare/fanfare.h>

#if __has_include(<fanfare/state.h>)
#define FANFARE_BENCHMARKS_OPTIONS 1
#endif

#include "../scenarios.h"
#include "../threads.h"

namespace {

struct Fanfare : bench::Threads {
  template <typename T>
  class Channel {
   public:
    explicit Channel(std::size_t capacity) : channel_(capacity) {}
    void Send(const T& value) const { channel_.Send(value); }
    T Receive() const {
      if (auto value = channel_.Receive()) return *value;
      std::abort();  // nobody has closed it
    }
    std::optional<T> TryReceive() const { return channel_.TryReceive(); }
    [[nodiscard]] std::size_t size() const { return channel_.size(); }
    [[nodiscard]] bool HasBlockedSender() const {
      return channel_.waiting_senders() > 0;
    }
    const fanfare::Channel<T>& get() const { return channel_; }

   private:
    fanfare::Channel<T> channel_;
  };

  template <typename T>
  class Feed {
   public:
    fanfare::Subscription Subscribe(const Channel<T>& channel) {
      return feed_.Subscribe(channel.get());
    }
    void Send(const T& value) { feed_.Send(value); }
    void SendBesideOthers(const T& value) { feed_.Send(value); }
    std::size_t TrySend(const T& value) { return feed_.TrySend(value); }

   private:
    fanfare::Feed<T> feed_;
  };

#ifdef FANFARE_BENCHMARKS_OPTIONS
  template <typename T>
  class LossyFeed {
   public:
    fanfare::Subscription Subscribe(const Channel<T>& channel) {
      return feed_.Subscribe(channel.get(),
                             {.overflow = fanfare::Overflow::kDropOldest});
    }
    void Send(const T& value) { feed_.Send(value); }

   private:
    fanfare::Feed<T> feed_;
  };

  template <typename T>
  class ReplayFeed {
   public:
    fanfare::Subscription Subscribe(const Channel<T>& channel) {
      return feed_.Subscribe(channel.get(), {.replay = bench::kReplay});
    }
    void Send(const T& value) { feed_.Send(value); }

   private:
    fanfare::Feed<T> feed_{fanfare::FeedOptions{.replay = bench::kReplay}};
  };

  template <typename T>
  class State {
   public:
    class Subscriber {
     public:
      explicit Subscriber(fanfare::State<T>& state)
          : subscription_(state.Subscribe(channel_)) {}
      T Next() {
        if (const auto value = channel_.Receive()) return **value;
        std::abort();  // no thread closes it
      }

     private:
      fanfare::Channel<std::shared_ptr<const T>> channel_{1};
      fanfare::Subscription subscription_;
    };

    explicit State(const T& value) : state_(value) {}
    void Set(const T& value) { state_.Set(value); }
    Subscriber Subscribe() { return Subscriber(state_); }

   private:
    fanfare::State<T> state_;
  };
#endif

  // A channel is a handle already.
  template <typename T>
  class Shared {
   public:
    const Channel<T>* operator->() const { return &channel_; }

   private:
    Channel<T> channel_{0};
  };
  template <typename T>
  static Shared<T> Share() {
    return {};
  }
};

}  // namespace

int main(int argc, char** argv) {
  bench::RegisterSend<Fanfare>();
  bench::RegisterDrain<Fanfare>();
  bench::RegisterStreams<Fanfare>();
  bench::RegisterRendezvous<Fanfare>();
  bench::RegisterRoundTrips<Fanfare>({0, 1});
  bench::RegisterAcknowledged<Fanfare>();
  bench::RegisterSubscribe<Fanfare>();
  bench::RegisterUnsubscribeBlocked<Fanfare>();
  bench::RegisterLag<Fanfare>();
  bench::RegisterLagOneByOne<Fanfare>();
  bench::RegisterIdle<Fanfare>();
  bench::RegisterMemory<Fanfare>();
  bench::RegisterBursts<Fanfare>();
  bench::RegisterPaced<Fanfare>();
  bench::RegisterReceiveOne<Fanfare>();
  bench::RegisterFeedsInTurn<Fanfare>();
  bench::RegisterFeedsAtOnce<Fanfare>();
#ifdef FANFARE_BENCHMARKS_OPTIONS
  bench::RegisterDropOldest<Fanfare>();
  bench::RegisterLatest<Fanfare>();
  bench::RegisterReplay<Fanfare>();
  bench::RegisterPriceOfOptions<Fanfare>();
#endif
  bench::RegisterPrice<Fanfare>();
  return bench::RunCases(argc, argv);
}
