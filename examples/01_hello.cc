// A slow subscriber does not hold up the sender.

#include <chrono>
#include <iostream>
#include <optional>
#include <stop_token>
#include <thread>

#include <fanfare/fanfare.h>

int main() {
  using namespace std::chrono_literals;
  fanfare::Feed<int> ticks;

  fanfare::Channel<int> log(100);  // may fall 100 ticks behind
  fanfare::Subscription logging = ticks.Subscribe(log);
  std::jthread logger([log](std::stop_token stop) {
    // Ends after a stop, once `log` is empty. ~jthread requests the stop.
    while (std::optional<int> tick = log.Receive(stop)) {
      std::cout << "tick " << *tick << '\n';
    }
  });

  fanfare::Channel<int> stuck;  // no thread receives from this one
  fanfare::Subscription sticking = ticks.Subscribe(stuck);

  ticks.SendFor(1, 10ms);  // `log` takes the value, `stuck` does not
  sticking.Unsubscribe();  // would also release a Send that is blocked
  ticks.Send(2);
}
