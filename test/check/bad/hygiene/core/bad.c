// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include "../kmod/bad.h"

#if LINUX_VERSION_CODE
#endif
