#include <fanfare/detail/scope_core.h>
#include <fanfare/detail/scope_core.h>
