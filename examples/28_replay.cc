// SPDX-License-Identifier: MIT
//
// Late subscribers that get the latest values first: the feed keeps some, and
// each subscriber says how many of them it wants. Then come the new ones,
// without a gap between, also while other threads send.

#include <cstddef>
#include <cstdio>
#include <string>

#include <fanfare/fanfare.h>

namespace {

using Messages = fanfare::Channel<std::string>;

// Enters the room, with up to `replay` messages from before.
fanfare::Subscription Enter(fanfare::Feed<std::string>& room,
                            const Messages& messages, std::size_t replay) {
  return room.Subscribe(messages, {.close_channel = true, .replay = replay});
}

void Print(const char* name, const Messages& messages) {
  std::printf("%s:", name);
  for (const std::string& message : messages) {
    std::printf(" %s", message.c_str());
  }
  std::puts("");
}

}  // namespace

int main() {
  fanfare::Feed<std::string> room(fanfare::FeedOptions{.replay = 3});
  for (const char* message : {"one", "two", "three", "four"}) {
    room.Send(message);
  }

  // The room for replayed values is that of the channel.
  const Messages ann(8);
  const Messages bob(8);
  const Messages eve(8);
  const fanfare::Subscription ann_enters = Enter(room, ann, 8);
  const fanfare::Subscription bob_enters = Enter(room, bob, 1);
  const fanfare::Subscription eve_enters = Enter(room, eve, 0);

  room.Send("five");
  room.Close();  // The channels are closed with the subscriptions.
  Print("ann", ann);
  Print("bob", bob);
  Print("eve", eve);
}
