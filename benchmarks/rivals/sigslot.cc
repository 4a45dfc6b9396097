// SPDX-License-Identifier: MIT
//
// sigslot: a feed that calls functions, synchronously.

#include <sigslot/signal.hpp>

#include "../scenarios.h"
#include "../slot.h"
#include "../threads.h"

namespace {

struct Sigslot : bench::Threads {
  template <typename T>
  using Channel = bench::Slot<T>;

  template <typename T>
  class Feed {
   public:
    sigslot::scoped_connection Subscribe(Channel<T>& channel) {
      return signal_.connect_scoped(
          [&channel](const T& value) { channel.Send(value); });
    }
    void Send(const T& value) { signal_(value); }

   private:
    sigslot::signal<const T&> signal_;
  };
};

}  // namespace

int main(int argc, char** argv) {
  bench::RegisterSend<Sigslot>();
  bench::RegisterSubscribe<Sigslot>();
  return bench::RunCases(argc, argv);
}
