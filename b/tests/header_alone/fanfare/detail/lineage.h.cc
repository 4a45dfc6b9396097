#include <fanfare/detail/lineage.h>
#include <fanfare/detail/lineage.h>
