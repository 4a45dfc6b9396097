// One feed, two subscribers: both hear the same news.

#include <iostream>
#include <string>

#include <fanfare/fanfare.h>

int main() {
  fanfare::Feed<std::string> news;
  fanfare::Channel<std::string> ann(1), bob(1);
  auto ann_listens = news.Subscribe(ann);
  auto bob_listens = news.Subscribe(bob);

  std::cout << news.Send("Hello, fanfare!") << " subscribers\n";
  std::cout << "ann: " << *ann.Receive() << "\nbob: " << *bob.Receive() << '\n';
}
