#include <fanfare/fanfare.h>
#include <fanfare/fanfare.h>
