/* No licence; and somebody else's header. */
#include "../tool/irqhop.h"
