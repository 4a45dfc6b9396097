// SPDX-License-Identifier: MIT
//
// Callbacks of another library as a subscription: a type with Unsubscribe() and
// Err() converts to a Subscription, which can then be joined, tracked and
// waited for as any other.

#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include <fanfare/fanfare.h>

namespace {

// Stands for a class of the other library: it calls functions that are
// connected to it.
class Button {
 public:
  int Connect(std::function<void(int)> callback) {
    const std::lock_guard lock(mutex_);
    callbacks_.emplace(++last_id_, std::move(callback));
    return last_id_;
  }
  // Waits until the callback has returned, and does nothing the second time.
  void Disconnect(int id) {
    const std::lock_guard lock(mutex_);
    callbacks_.erase(id);
  }
  void Press(int times) {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, callback] : callbacks_) callback(times);
  }

 private:
  std::mutex mutex_;
  std::map<int, std::function<void(int)>> callbacks_;
  int last_id_ = 0;
};

// The subscription of a channel to a button. Both functions may be called from
// any thread, and Unsubscribe() more than once.
struct ButtonSource {
  void Unsubscribe() const {
    button->Disconnect(id);
    ended.Close();
  }
  fanfare::Receiver<std::exception_ptr> Err() const { return ended; }

  Button* button;
  int id;
  fanfare::Channel<std::exception_ptr> ended{1};  // Room for one error.
};

fanfare::Subscription Subscribe(Button& button, fanfare::Sender<int> sink) {
  // TrySend: a callback runs in a thread of the library, under its mutex, and
  // must not block. A press for which there is no room is missed.
  return ButtonSource{
      &button, button.Connect([sink](int times) { sink.TrySend(times); })};
}

}  // namespace

int main() {
  Button button;
  const fanfare::Channel<int> presses(8);
  const fanfare::Subscription subscription = Subscribe(button, presses);

  button.Press(1);
  button.Press(2);
  subscription.Unsubscribe();
  button.Press(3);

  fanfare::SelectLoop(
      fanfare::OnReceive(presses,
                         [](int times) { std::printf("%d\n", times); }),
      fanfare::OnEnd(subscription));
  std::puts("end");
}
