#include <fanfare/channel.h>
#include <fanfare/channel.h>
