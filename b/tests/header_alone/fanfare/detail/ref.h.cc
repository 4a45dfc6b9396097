#include <fanfare/detail/ref.h>
#include <fanfare/detail/ref.h>
