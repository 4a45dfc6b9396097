#include <fanfare/detail/intrusive_list.h>
#include <fanfare/detail/intrusive_list.h>
