// SPDX-License-Identifier: MIT
#ifndef FANFARE_FANFARE_H_
#define FANFARE_FANFARE_H_

// Includes all public headers of the library.

/// \namespace fanfare
/// All names of the library: feeds, channels, select and subscriptions.

#include <fanfare/channel.h>
#include <fanfare/feed.h>
#include <fanfare/join_subscriptions.h>
#include <fanfare/listen.h>
#include <fanfare/resubscribe.h>
#include <fanfare/select.h>
#include <fanfare/subscription.h>
#include <fanfare/subscription_scope.h>
#include <fanfare/version.h>

#endif  // FANFARE_FANFARE_H_
