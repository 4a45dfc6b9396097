// SPDX-License-Identifier: MIT
//
// Boost.Signals2: a feed that calls functions, synchronously.

#include <boost/signals2/connection.hpp>
#include <boost/signals2/signal.hpp>

#include "../scenarios.h"
#include "../slot.h"
#include "../threads.h"

namespace {

struct Signals2 : bench::Threads {
  template <typename T>
  using Channel = bench::Slot<T>;

  template <typename T>
  class Feed {
   public:
    boost::signals2::scoped_connection Subscribe(Channel<T>& channel) {
      return signal_.connect(
          [&channel](const T& value) { channel.Send(value); });
    }
    void Send(const T& value) { signal_(value); }

   private:
    boost::signals2::signal<void(const T&)> signal_;
  };
};

}  // namespace

int main(int argc, char** argv) {
  bench::RegisterSend<Signals2>();
  bench::RegisterSubscribe<Signals2>();
  return bench::RunCases(argc, argv);
}
