// SPDX-License-Identifier: MIT
//
// A SubscriptionScope owns subscriptions that begin one after the other, and
// ends them together. Here a user enters rooms; all of them lead to one inbox.

#include <cstdio>
#include <string>

#include <fanfare/fanfare.h>

namespace {

using Room = fanfare::Feed<std::string>;

class User {
 public:
  // The handle that Track() returns is not needed here: the scope owns the
  // subscription, and the handle's destructor does not unsubscribe.
  void Enter(Room& room) { scope_.Track(room.Subscribe(inbox_)); }

  // Ends all subscriptions. When it returns, no more messages are delivered.
  void LeaveAll() { scope_.Close(); }

  void PrintInbox() const {
    while (const auto message = inbox_.TryReceive()) {
      std::puts(message->c_str());
    }
  }

 private:
  const fanfare::Channel<std::string> inbox_{16};
  // Last, and so destroyed first: the subscriptions end before the rest does.
  fanfare::SubscriptionScope scope_;
};

}  // namespace

int main() {
  Room kitchen;
  Room garden;
  User user;

  user.Enter(kitchen);
  kitchen.Send("kitchen: tea is ready");
  garden.Send("garden: the user is not here yet");
  user.Enter(garden);
  garden.Send("garden: it rains");
  user.PrintInbox();

  user.LeaveAll();
  std::printf("taken by %zu\n", kitchen.Send("kitchen: the tea gets cold"));
}
