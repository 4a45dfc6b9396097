#include <fanfare/detail/operation.h>
#include <fanfare/detail/operation.h>
