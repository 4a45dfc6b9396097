// SPDX-License-Identifier: MIT
#ifndef FANFARE_FANFARE_H_
#define FANFARE_FANFARE_H_

// Includes all public headers of the library.

/// \namespace fanfare
/// All names of the library: feeds, channels, select and subscriptions.

#include <fanfare/channel.h>
#include <fanfare/feed.h>
#include <fanfare/feed_options.h>
#include <fanfare/join_subscriptions.h>
#include <fanfare/listen.h>
#include <fanfare/numbered.h>
#include <fanfare/resubscribe.h>
#include <fanfare/select.h>
#include <fanfare/state.h>
#include <fanfare/subscribe_options.h>
#include <fanfare/subscriber_report.h>
#include <fanfare/subscriber_stats.h>
#include <fanfare/subscription.h>
#include <fanfare/subscription_scope.h>
#include <fanfare/version.h>

#endif  // FANFARE_FANFARE_H_
