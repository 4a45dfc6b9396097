// SPDX-License-Identifier: MIT
#ifndef FANFARE_FWD_H_
#define FANFARE_FWD_H_

// Declares the library's classes without defining them, for headers that only
// name them. It includes detail/base/config.h alone.
//
// A program must include this header and must not declare the classes itself.
// They are members of an inline namespace, which such a declaration would miss.

#include <fanfare/detail/base/config.h>

namespace fanfare { inline namespace FANFARE_ABI {

template <typename T>
class Channel;
template <typename T>
class Sender;
template <typename T>
class Receiver;
template <typename T>
class Feed;
template <typename T>
struct Numbered;
template <typename T>
class State;
class CallSite;
struct FeedOptions;
struct ListenOptions;
class SelectCase;
class SlowSubscriber;
struct SubscribeOptions;
struct SubscriberReport;
struct SubscriberStats;
class Subscription;
class SubscriptionScope;

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_FWD_H_
