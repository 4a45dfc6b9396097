#include <fanfare/detail/platform.h>
#include <fanfare/detail/platform.h>
