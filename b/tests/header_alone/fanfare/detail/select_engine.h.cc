#include <fanfare/detail/select_engine.h>
#include <fanfare/detail/select_engine.h>
