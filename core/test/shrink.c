// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: the smallest stream of events that still fails (delta debugging:
 * chunks are left out, large ones first, as long as it fails without them).
 */
#include <stdlib.h>
#include <string.h>

#include "shrink.h"

/* Does it fail without these? Then they are gone. */
static bool leave_out(struct stream *s, u32 first, u32 nr,
		      bool (*fails)(const struct stream *s))
{
	const size_t size = sizeof(*s->event);
	const u32 rest = s->nr - first - nr;
	struct stream t = *s;
	bool yes;

	t.nr = s->nr - nr;
	t.event = malloc((t.nr + 1) * size);
	if (!t.event)
		abort();
	memcpy(t.event, s->event, first * size);
	memcpy(t.event + first, s->event + first + nr, rest * size);
	yes = fails(&t);
	if (yes) {
		memcpy(s->event, t.event, t.nr * size);
		s->nr = t.nr;
	}
	free(t.event);
	return yes;
}

void stream_shrink(struct stream *s, bool (*fails)(const struct stream *s))
{
	u32 chunk = s->nr / 2 + 1;
	u32 first, nr;
	bool less;

	for (;;) {
		less = false;
		first = 0;
		while (first < s->nr) {
			nr = s->nr - first < chunk ? s->nr - first : chunk;
			if (leave_out(s, first, nr, fails))
				less = true;
			else
				first += nr;
		}
		if (chunk > 1)
			chunk = (chunk + 1) / 2;
		else if (!less)
			return;
	}
}
