#include <fanfare/subscription_scope.h>
#include <fanfare/subscription_scope.h>
