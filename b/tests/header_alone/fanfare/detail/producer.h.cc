#include <fanfare/detail/producer.h>
#include <fanfare/detail/producer.h>
