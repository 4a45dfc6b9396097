// SPDX-License-Identifier: MIT
//
// Large values: a feed of std::shared_ptr<const T> hands one object to all
// subscribers instead of a copy to each. It is const, so they may read it at
// the same time.

#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

namespace {

using Image = std::vector<unsigned char>;
using SharedImage = std::shared_ptr<const Image>;

}  // namespace

int main() {
  fanfare::Feed<SharedImage> images;
  const fanfare::Channel<SharedImage> screen(1);
  const fanfare::Channel<SharedImage> disk(1);
  const fanfare::Subscription to_screen = images.Subscribe(screen);
  const fanfare::Subscription to_disk = images.Subscribe(disk);

  Image image(1'000'000);  // The sender changes it while it is not yet shared.
  image[0] = 7;
  images.Send(std::make_shared<const Image>(std::move(image)));

  const SharedImage shown = screen.Receive().value();
  const SharedImage saved = disk.Receive().value();
  std::puts(shown == saved ? "one object" : "two objects");
  std::printf("owners: %ld, first byte: %d\n", shown.use_count(), (*saved)[0]);
}
