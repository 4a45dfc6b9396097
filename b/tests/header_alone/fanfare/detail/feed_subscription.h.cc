#include <fanfare/detail/feed_subscription.h>
#include <fanfare/detail/feed_subscription.h>
