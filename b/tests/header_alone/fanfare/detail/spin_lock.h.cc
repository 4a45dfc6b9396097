#include <fanfare/detail/spin_lock.h>
#include <fanfare/detail/spin_lock.h>
