#include <fanfare/feed.h>
#include <fanfare/feed.h>
