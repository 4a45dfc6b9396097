// SPDX-License-Identifier: MIT
#ifndef FANFARE_TESTS_CONSUMER_TWO_UNITS_H_
#define FANFARE_TESTS_CONSUMER_TWO_UNITS_H_

#include <fanfare/fanfare.h>

// In other.cc: doubles what it receives until the channel is closed, and sends
// it to every subscriber of the feed.
void DoubleAll(fanfare::Receiver<int> numbers, fanfare::Feed<int>& doubled);

#endif  // FANFARE_TESTS_CONSUMER_TWO_UNITS_H_
