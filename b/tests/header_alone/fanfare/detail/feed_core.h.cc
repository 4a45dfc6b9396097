#include <fanfare/detail/feed_core.h>
#include <fanfare/detail/feed_core.h>
