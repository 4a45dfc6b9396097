#include <fanfare/detail/backoff.h>
#include <fanfare/detail/backoff.h>
