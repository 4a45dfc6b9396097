#include <fanfare/resubscribe.h>
#include <fanfare/resubscribe.h>
