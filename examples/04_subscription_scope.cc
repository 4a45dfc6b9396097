// SPDX-License-Identifier: MIT
//
// A server that owns its clients' subscriptions: whatever it hands out is
// tracked by a SubscriptionScope, and closing the scope ends them all. Clients
// may leave earlier by themselves, and may keep what they hold for longer than
// the server lives.

#include <cstdio>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include <fanfare/fanfare.h>

namespace {

class WeatherStation {
 public:
  // Sends every temperature, in degrees Celsius, to `sink` until the client
  // unsubscribes or the station closes.
  fanfare::Subscription SubscribeTemperature(fanfare::Sender<double> sink) {
    return scope_.Track(temperature_.Subscribe(std::move(sink)));
  }

  // The same for the wind, in kilometres per hour.
  fanfare::Subscription SubscribeWind(fanfare::Sender<int> sink) {
    return scope_.Track(wind_.Subscribe(std::move(sink)));
  }

  // Blocks until every client has taken what it is subscribed to.
  void Report(double temperature, int wind) {
    temperature_.Send(temperature);
    wind_.Send(wind);
  }

  void Close() { scope_.Close(); }

 private:
  fanfare::Feed<double> temperature_;
  fanfare::Feed<int> wind_;
  fanfare::SubscriptionScope scope_;
};

// Prints what the station reports until it goes off the air.
void Listen(fanfare::Receiver<double> temperatures,
            fanfare::Receiver<int> winds,
            fanfare::Receiver<std::exception_ptr> end) {
  bool on_air = true;
  while (on_air) {
    fanfare::Select(
        fanfare::OnReceive(temperatures,
                           [](double t) { std::printf("%.1f C\n", t); }),
        fanfare::OnReceive(winds, [](int w) { std::printf("%d km/h\n", w); }),
        fanfare::OnReceive(end, [&](std::optional<std::exception_ptr>) {
          std::puts("the station has closed");
          on_air = false;
        }));
  }
}

}  // namespace

int main() {
  fanfare::Channel<double> temperatures;
  fanfare::Channel<int> winds;

  // Declared before the station and so joined after it: whatever happens, the
  // client's thread is waited for only once the station has told it to end.
  std::jthread client;
  WeatherStation station;
  fanfare::Subscription temperature =
      station.SubscribeTemperature(temperatures);
  fanfare::Subscription wind = station.SubscribeWind(winds);

  client = std::jthread(Listen, temperatures, winds, temperature.Err());

  station.Report(19.5, 12);
  wind.Unsubscribe();  // From here on the wind is of no interest.
  station.Report(21.0, 80);

  // The rest ends here. A client that unsubscribes later does no harm, nor
  // would one that subscribes: its subscription would be an empty one.
  station.Close();
  temperature.Unsubscribe();
}
