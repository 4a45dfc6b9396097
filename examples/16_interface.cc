// SPDX-License-Identifier: MIT
//
// A server that hides its feed behind an interface: clients see a function that
// takes a Sender and returns a Subscription. The server tracks every
// subscription that it hands out, so that closing the server ends them all.

#include <cstdio>
#include <thread>
#include <utility>

#include <fanfare/fanfare.h>

namespace {

class Weather {
 public:
  virtual ~Weather() = default;

  // Sends every temperature, in degrees Celsius, to `sink`, until the client
  // unsubscribes or the source closes.
  virtual fanfare::Subscription Subscribe(fanfare::Sender<double> sink) = 0;
};

class Station final : public Weather {
 public:
  // On a closed scope, Track() unsubscribes and returns an empty Subscription.
  fanfare::Subscription Subscribe(fanfare::Sender<double> sink) override {
    return scope_.Track(temperature_.Subscribe(std::move(sink)));
  }

  // Blocks until the channel of every client has taken the temperature.
  void Report(double temperature) { temperature_.Send(temperature); }

  void Close() { scope_.Close(); }

 private:
  fanfare::Feed<double> temperature_;
  fanfare::SubscriptionScope scope_;
};

// Prints what is reported, until the subscription has ended.
void Print(fanfare::Receiver<double> temperatures,
           fanfare::Subscription subscription) {
  fanfare::SelectLoop(
      fanfare::OnReceive(temperatures,
                         [](double t) { std::printf("%.1f C\n", t); }),
      fanfare::OnEnd(subscription));
  std::puts("the station has closed");
}

}  // namespace

int main() {
  std::jthread client;  // Joined after the station has ended it.
  Station station;
  Weather& weather = station;

  const fanfare::Channel<double> temperatures;
  client = std::jthread(Print, temperatures, weather.Subscribe(temperatures));
  const fanfare::Channel<double> others(8);
  const fanfare::Subscription other = weather.Subscribe(others);

  station.Report(19.5);
  other.Unsubscribe();  // A client may leave earlier.
  station.Report(21.0);
  station.Close();
  client.join();  // So that this line is printed last.
  std::printf("the other client has %zu value\n", others.size());
}
