#include <fanfare/detail/subscription_state.h>
#include <fanfare/detail/subscription_state.h>
