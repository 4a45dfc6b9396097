#include <fanfare/detail/deadline.h>
#include <fanfare/detail/deadline.h>
