// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

void bad(const char *answer)
{
	int unused;
	char *p = malloc(sizeof(ANSWER));

	if (answer)
		free(p);
	free(p);
}
