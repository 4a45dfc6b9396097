#include <fanfare/detail/ring.h>
#include <fanfare/detail/ring.h>
