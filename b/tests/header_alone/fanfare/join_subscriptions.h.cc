#include <fanfare/join_subscriptions.h>
#include <fanfare/join_subscriptions.h>
