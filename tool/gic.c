// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gic.h"
#include "host.h"

#define RECORD_LEN	8192	/* the kernel's CONSOLE_EXT_LOG_MAX */

/* "PRIORITY,SEQUENCE,TIME,FLAGS[,...];TEXT" */
static void record_read(struct gic *gic, const char *record)
{
	char *end;
	unsigned long priority = strtoul(record, &end, 10);
	const char *text = strchr(record, ';');

	if (*end != ',' || !text)
		return;
	if (!strtoull(end + 1, NULL, 10))
		gic->log_whole = true;
	/* User space may write to the log; facility 0 is the kernel's. */
	if (priority >> 3)
		return;
	if (strstr(text, "ITS: Enabling GICv4 support"))
		gic->log_its = true;
	if (strstr(text, "GICv4 support enabled"))
		gic->log_kvm = true;
	if (strstr(text, "GICv4 support disabled"))
		gic->log_kvm_off = true;
	if (strstr(text, "GICv4.1 support "))
		gic->log_v4_1 = true;
}

/* A read() gives one record, and fails where some were overwritten. */
static void log_read(struct gic *gic, int fd)
{
	char buf[RECORD_LEN + 1], *line, *next;
	bool lost = false;
	ssize_t n;

	while ((n = read(fd, buf, RECORD_LEN)) > 0 ||
	       (n < 0 && (errno == EPIPE || errno == EINTR))) {
		if (n < 0) {
			lost |= errno == EPIPE;
			continue;
		}
		gic->log_read = true;
		buf[n] = '\0';
		for (line = strtok_r(buf, "\n", &next); line;
		     line = strtok_r(NULL, "\n", &next))
			record_read(gic, line);
	}
	if (lost)
		gic->log_whole = false;
}

static void interrupts_read(struct gic *gic)
{
	char *text = host_read(NULL, "/proc/interrupts");

	if (!text)
		return;
	gic->interrupts = true;
	gic->v3 = strstr(text, " GICv3 ");
	gic->doorbell = strstr(text, " GICv4-vpe ");
	gic->doorbell_v4_1 = strstr(text, " GICv4.1-vpe ");
	free(text);
}

void gic_read(struct gic *gic)
{
	int fd;

	*gic = (struct gic){ 0 };
	fd = host_open(O_RDONLY | O_NONBLOCK, "/dev/kmsg");
	if (fd >= 0) {
		log_read(gic, fd);
		close(fd);
	}
	interrupts_read(gic);
}
