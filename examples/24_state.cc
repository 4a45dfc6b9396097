// SPDX-License-Identifier: MIT
//
// A configuration that changes: State<T> always has a value, and a subscriber
// gets it at once, however late it comes. Then it gets the changes.

#include <cstdio>
#include <memory>
#include <string>

#include <fanfare/fanfare.h>

namespace {

struct Config {
  std::string level;
  int workers = 0;
};

// All subscribers share one immutable object for each change.
using Changes = fanfare::Channel<std::shared_ptr<const Config>>;

void Apply(const char* name, const Changes& changes) {
  const std::shared_ptr<const Config> config = changes.Receive().value();
  std::printf("%s: level %s, %d workers\n", name, config->level.c_str(),
              config->workers);
}

}  // namespace

int main() {
  fanfare::State<Config> state(Config{"info", 4});

  const Changes server_changes(1);  // Room for the latest change.
  const fanfare::Subscription server = state.Subscribe(server_changes);
  Apply("server", server_changes);

  // The function gets a copy to change. No reader sees one half of a change.
  state.Update([](Config& config) { config.level = "debug"; });
  state.Update([](Config& config) { config.workers = 8; });
  // An Update whose function returns false changes nothing and sends nothing.
  state.Update([](Config& config) { return config.workers < 8; });

  // It comes late, and yet has a configuration at once.
  const Changes monitor_changes(1);
  const fanfare::Subscription monitor = state.Subscribe(monitor_changes);
  Apply("monitor", monitor_changes);
  Apply("server", server_changes);  // The latest of two changes.
  std::printf("%zu changes are pending\n", server_changes.size());

  std::printf("without a subscription: level %s\n", state.Get()->level.c_str());
}
