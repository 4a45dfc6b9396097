#include <fanfare/detail/parker.h>
#include <fanfare/detail/parker.h>
