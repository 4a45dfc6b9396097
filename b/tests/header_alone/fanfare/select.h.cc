#include <fanfare/select.h>
#include <fanfare/select.h>
