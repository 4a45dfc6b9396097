// SPDX-License-Identifier: MIT
//
// A server that owns its clients' subscriptions: a SubscriptionScope tracks
// every one that it hands out, and closing the scope ends them all. A client
// may unsubscribe earlier, and may keep its Subscription for longer than the
// server lives.

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

  // Blocks until the channel of every client has taken what it is subscribed
  // to.
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

// Prints what the station reports until both subscriptions have ended, which
// their Err() channels tell. Right at any capacity.
void Listen(fanfare::Receiver<double> temperatures,
            fanfare::Receiver<int> winds,
            fanfare::Receiver<std::exception_ptr> temperature_end,
            fanfare::Receiver<std::exception_ptr> wind_end) {
  const auto print_temperature = [](double t) { std::printf("%.1f C\n", t); };
  const auto print_wind = [](int w) { std::printf("%d km/h\n", w); };

  // A closed channel is always ready. A nil receiver never is: each end is
  // noticed once.
  while (temperature_end || wind_end) {
    fanfare::Select(
        fanfare::OnReceive(temperatures, print_temperature),
        fanfare::OnReceive(winds, print_wind),
        fanfare::OnReceive(
            temperature_end,
            [&](std::optional<std::exception_ptr>) { temperature_end = {}; }),
        fanfare::OnReceive(wind_end, [&](std::optional<std::exception_ptr>) {
          wind_end = {};
        }));
  }
  // What was delivered before the end may still be in the channels.
  while (const auto t = temperatures.TryReceive()) print_temperature(*t);
  while (const auto w = winds.TryReceive()) print_wind(*w);
  std::puts("the station has closed");
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

  client =
      std::jthread(Listen, temperatures, winds, temperature.Err(), wind.Err());

  station.Report(19.5, 12);
  wind.Unsubscribe();  // From here on the wind is of no interest.
  station.Report(21.0, 80);

  // The rest ends here. To unsubscribe later does no harm, and subscribing to a
  // closed station returns an empty Subscription.
  station.Close();
  temperature.Unsubscribe();
}
