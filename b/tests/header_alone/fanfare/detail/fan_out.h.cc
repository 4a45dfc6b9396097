#include <fanfare/detail/fan_out.h>
#include <fanfare/detail/fan_out.h>
