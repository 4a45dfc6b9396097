#include <fanfare/detail/channel_core.h>
#include <fanfare/detail/channel_core.h>
