#include <fanfare/detail/select_cases.h>
#include <fanfare/detail/select_cases.h>
