#include <fanfare/detail/turn.h>
#include <fanfare/detail/turn.h>
