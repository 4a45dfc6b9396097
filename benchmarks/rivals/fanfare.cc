// SPDX-License-Identifier: MIT
//
// fanfare itself.

#include <cstddef>
#include <cstdlib>
#include <optional>

#include <fanfare/fanfare.h>

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

   private:
    fanfare::Feed<T> feed_;
  };

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
  return bench::RunCases(argc, argv);
}
