// SPDX-License-Identifier: MIT
//
// The scenarios W1 to W10, and W12 to W20. A program registers those that its
// rival can do:
//
//   int main(int argc, char** argv) {
//     bench::RegisterSend<Rival>();
//     bench::RegisterStreams<Rival>();
//     return bench::RunCases(argc, argv);
//   }
//
// What a rival is stands in audience.h.
#ifndef FANFARE_BENCHMARKS_SCENARIOS_H_
#define FANFARE_BENCHMARKS_SCENARIOS_H_

#include "audience.h"
#include "drop_oldest.h"
#include "idle.h"
#include "lag.h"
#include "latest.h"
#include "many_feeds.h"
#include "measure.h"
#include "one_thread.h"
#include "paced.h"
#include "price.h"
#include "program.h"
#include "replay.h"
#include "round_trip.h"
#include "send_path.h"
#include "stream.h"
#include "subscribe.h"

#endif  // FANFARE_BENCHMARKS_SCENARIOS_H_
