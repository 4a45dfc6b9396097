#include <fanfare/subscription.h>
#include <fanfare/subscription.h>
