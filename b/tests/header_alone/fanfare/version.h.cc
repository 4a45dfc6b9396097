#include <fanfare/version.h>
#include <fanfare/version.h>
