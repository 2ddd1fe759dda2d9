// SPDX-License-Identifier: GPL-2.0-only
/*
 * A made-up module and host beneath the real tool, for test/run.sh. What
 * they are like is said by the environment:
 *
 * FAKE_ROOT	below which /proc, /sys and /dev are
 * FAKE_NOCAP	the caller is not privileged
 * FAKE_ABSENT	the module is not loaded
 * FAKE_ABI	its ABI version
 * FAKE_CAPS	its caps
 * FAKE_ENABLED	"PID:POLICY ...": the VMs that are enabled
 * FAKE_MOVES	a file with a number: moves so far; each VM_GET adds 100
 * FAKE_FAIL	"CMD:ERRNO:TEXT": requests that fail, and what is said then
 * FAKE_INTR	the first dump is inconsistent
 * FAKE_GONE	pidfd_getfd() fails with this errno
 * FAKE_LOG	a file to which each request that changes something is added
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <linux/irqhop.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../genl.h"
#include "../host.h"
#include "wrap.h"

#define FAMILY		0x1f
#define PORTID		4711
#define FD_PIDFD	200
#define FD_VM		300
#define LPIS		300

static pid_t fd_pid[1024];
/* The answer: at most this many datagrams. */
static char part[16][32768] __aligned(8);
static size_t part_len[16];
static int parts, read_parts;
static bool ext_ack, interrupted;

__attr((constructor)) static void root_set(void)
{
	host_root = getenv("FAKE_ROOT") ?: "";
}

static int fd_new(int least, pid_t pid)
{
	int null = open("/dev/null", O_RDWR);
	int fd = fcntl(null, F_DUPFD, least);

	close(null);
	fd_pid[fd] = pid;
	return fd;
}

static long fake_getfd(int pidfd)
{
	if (getenv("FAKE_GONE")) {
		errno = atoi(getenv("FAKE_GONE"));
		return -1;
	}
	return fd_new(FD_VM, fd_pid[pidfd]);
}

static long fake_capget(struct __user_cap_data_struct *data)
{
	memset(data, getenv("FAKE_NOCAP") ? 0 : 0xff, 2 * sizeof(*data));
	return 0;
}

long __wrap_syscall(long nr, ...)
{
	long arg[5];
	va_list ap;
	int i;

	va_start(ap, nr);
	for (i = 0; i < 5; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	switch (nr) {
	case SYS_pidfd_open:
		return fd_new(FD_PIDFD, arg[0]);
	case SYS_pidfd_getfd:
		return fake_getfd(arg[0]);
	case SYS_capget:
		return fake_capget((void *)arg[1]);
	case SYS_kcmp:
		/* Descriptor 60 is another VM, all others are duplicates. */
		return (int)arg[3] == 60 || (int)arg[4] == 60;
	}
	return __real_syscall(nr, arg[0], arg[1], arg[2], arg[3], arg[4]);
}

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
	(void)flags;
	return bus == NETLINK_GENERIC ? (void *)part : NULL;
}

int __wrap_mnl_socket_bind(struct mnl_socket *nl, unsigned int groups,
			   pid_t pid)
{
	(void)nl;
	return groups || pid ? -1 : 0;
}

int __wrap_mnl_socket_setsockopt(const struct mnl_socket *nl, int type,
				 void *buf, socklen_t len)
{
	(void)nl;
	if (type == NETLINK_EXT_ACK)
		ext_ack = len == sizeof(int) && *(int *)buf;
	return 0;
}

unsigned int __wrap_mnl_socket_get_portid(const struct mnl_socket *nl)
{
	(void)nl;
	return PORTID;
}

int __wrap_mnl_socket_close(struct mnl_socket *nl)
{
	(void)nl;
	return 0;
}

/* Puts a message at the end of the datagram, or of a new one. */
static struct nlmsghdr *put(const struct nlmsghdr *req, uint16_t type,
			    uint16_t flags, bool new_part)
{
	struct nlmsghdr *nlh;

	if (new_part)
		parts++;
	nlh = mnl_nlmsg_put_header(part[parts - 1] + part_len[parts - 1]);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = req->nlmsg_seq;
	nlh->nlmsg_pid = PORTID;
	return nlh;
}

static void done(const struct nlmsghdr *nlh)
{
	part_len[parts - 1] += MNL_ALIGN(nlh->nlmsg_len);
}

static void put_error(const struct nlmsghdr *req, int err, const char *text)
{
	struct nlmsghdr *nlh = put(req, NLMSG_ERROR, NLM_F_CAPPED, true);
	struct nlmsgerr *error;

	error = mnl_nlmsg_put_extra_header(nlh, sizeof(*error));
	error->error = err;
	error->msg = *req;
	if (text && *text && ext_ack) {
		nlh->nlmsg_flags |= NLM_F_ACK_TLVS;
		mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, text);
	}
	done(nlh);
}

static void put_done(const struct nlmsghdr *req, int err, const char *text)
{
	struct nlmsghdr *nlh = put(req, NLMSG_DONE, NLM_F_MULTI, true);
	int *error = mnl_nlmsg_put_extra_header(nlh, sizeof(*error));

	*error = err;
	if (text && *text && ext_ack) {
		nlh->nlmsg_flags |= NLM_F_ACK_TLVS;
		mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, text);
	}
	done(nlh);
}

static struct nlmsghdr *put_genl(const struct nlmsghdr *req, bool new_part)
{
	const struct genlmsghdr *asked = mnl_nlmsg_get_payload(req);
	struct nlmsghdr *nlh;
	struct genlmsghdr *head;

	nlh = put(req, req->nlmsg_type,
		  req->nlmsg_flags & NLM_F_DUMP ? NLM_F_MULTI : 0, new_part);
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	head->cmd = asked->cmd;
	head->version = 1;
	return nlh;
}

static uint32_t attr_u32(const struct nlmsghdr *req, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, req, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == type)
			return mnl_attr_get_u32(attr);
	return 0;
}

static const char *attr_text(const struct nlmsghdr *req, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, req, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == type)
			return mnl_attr_get_str(attr);
	return NULL;
}

static void family_get(const struct nlmsghdr *req)
{
	const char *name = attr_text(req, CTRL_ATTR_FAMILY_NAME);
	struct nlmsghdr *nlh;

	if (getenv("FAKE_ABSENT") || !name || strcmp(name, IRQHOP_GENL_NAME)) {
		put_error(req, -ENOENT, NULL);
		return;
	}
	nlh = put_genl(req, true);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, FAMILY);
	mnl_attr_put_u32(nlh, CTRL_ATTR_VERSION, atoi(getenv("FAKE_ABI") ?:
						       "1"));
	done(nlh);
	put_error(req, 0, NULL);
}

static void info_get(const struct nlmsghdr *req)
{
	struct nlmsghdr *nlh = put_genl(req, true);

	mnl_attr_put_strz(nlh, IRQHOP_A_MODULE_VERSION, "9.9.9");
	mnl_attr_put_u32(nlh, IRQHOP_A_ABI_VERSION,
			 atoi(getenv("FAKE_ABI") ?: "1"));
	mnl_attr_put_strz(nlh, IRQHOP_A_POLICY, "recent");
	mnl_attr_put_strz(nlh, IRQHOP_A_POLICY, "home");
	mnl_attr_put_u32(nlh, IRQHOP_A_CAPS,
			 atoi(getenv("FAKE_CAPS") ?: "1"));
	done(nlh);
	put_error(req, 0, NULL);
}

/* The policy of @pid, NULL if it is not enabled. */
static const char *enabled(pid_t pid)
{
	static char policy[IRQHOP_POLICY_LEN];
	const char *one = getenv("FAKE_ENABLED");
	int other;

	for (; one && *one; one = strchr(one, ' ')) {
		one += strspn(one, " ");
		if (sscanf(one, "%d:%15s", &other, policy) == 2 &&
		    other == pid)
			return policy;
	}
	return NULL;
}

static uint64_t moves_next(void)
{
	const char *path = getenv("FAKE_MOVES");
	unsigned long moves = 100;
	FILE *file;

	if (!path)
		return moves;
	file = fopen(path, "r+");
	if (!file || fscanf(file, "%lu", &moves) != 1)
		abort();
	moves += 100;
	rewind(file);
	fprintf(file, "%lu\n", moves);
	fclose(file);
	return moves;
}

/* All moves but the dearest are in bucket 3; their median is 224 ns. */
static void stat_put(struct nlmsghdr *nlh)
{
	static uint64_t hist[IRQHOP_COST_BUCKETS];
	uint64_t moves = moves_next();
	struct nlattr *nest = mnl_attr_nest_start(nlh, IRQHOP_A_STAT);

	hist[3] = moves - 1;
	hist[IRQHOP_COST_BUCKETS - 1] = 1;
	mnl_attr_put_u64(nlh, IRQHOP_STAT_HOPS, moves);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_RETURNS, 2);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_FAILED, 3);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_STRANDED, 4);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_IN_HANDLER, 5);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_HELD_BACK, 6);
	mnl_attr_put(nlh, IRQHOP_STAT_PAD, 0, NULL);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_PREEMPTIONS, 1ULL << 40);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_COST_MAX, 20000);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_COST_SUM, moves * 200);
	mnl_attr_put(nlh, IRQHOP_STAT_COST_HIST, sizeof(hist), hist);
	mnl_attr_nest_end(nlh, nest);
}

static void vm_put(const struct nlmsghdr *req, pid_t pid, const char *policy,
		   bool new_part)
{
	struct nlmsghdr *nlh = put_genl(req, new_part);
	struct nlattr *nest;
	uint32_t i;

	mnl_attr_put_u32(nlh, IRQHOP_A_VM_PID, pid);
	mnl_attr_put_strz(nlh, IRQHOP_A_POLICY, policy);
	stat_put(nlh);
	for (i = 0; i < 4; i++) {
		nest = mnl_attr_nest_start(nlh, IRQHOP_A_VCPU);
		mnl_attr_put_u32(nlh, IRQHOP_VCPU_ID, i);
		mnl_attr_put_u32(nlh, IRQHOP_VCPU_STATE, i + 1);
		mnl_attr_nest_end(nlh, nest);
	}
	if (getenv("FAKE_INTR") && !interrupted) {
		nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
		interrupted = true;
	}
	done(nlh);
}

static void vm_dump(const struct nlmsghdr *req)
{
	const char *one = getenv("FAKE_ENABLED");
	char policy[IRQHOP_POLICY_LEN];
	bool first = true;
	int pid;

	for (; one && *one; one = strchr(one, ' ')) {
		one += strspn(one, " ");
		if (sscanf(one, "%d:%15s", &pid, policy) != 2)
			continue;
		vm_put(req, pid, policy, first);
		first = false;
	}
	put_done(req, 0, NULL);
}

static void lpi_put(struct nlmsghdr *nlh, uint32_t i)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, IRQHOP_A_IRQ);

	/* Not in order; every third injected, one with no home. */
	mnl_attr_put_u32(nlh, IRQHOP_IRQ_INTID, 8192 + LPIS - 1 - i);
	if (i != 5)
		mnl_attr_put_u32(nlh, IRQHOP_IRQ_HOME, i % 4);
	if (i % 3) {
		mnl_attr_put_u32(nlh, IRQHOP_IRQ_TARGET, (i + 1) % 4);
		mnl_attr_put_u32(nlh, IRQHOP_IRQ_HOST_IRQ, 50 + i);
	}
	mnl_attr_put_u32(nlh, IRQHOP_IRQ_FLAGS, i % 3 ? IRQHOP_IRQ_F_DIRECT |
			 IRQHOP_IRQ_F_ENABLED : IRQHOP_IRQ_F_PENDING);
	mnl_attr_nest_end(nlh, nest);
}

/* Over three messages; two would also be right, or one. */
static void irq_dump(const struct nlmsghdr *req, pid_t pid)
{
	struct nlmsghdr *nlh;
	uint32_t i, k;

	if (!pid) {
		put_error(req, -EBADF, "not a descriptor");
		return;
	}
	for (k = 0; k < 3; k++) {
		nlh = put_genl(req, true);
		for (i = k * LPIS / 3; i < (k + 1) * LPIS / 3; i++)
			lpi_put(nlh, i);
		done(nlh);
	}
	put_done(req, 0, NULL);
}

static void log_request(const char *what, pid_t pid, const char *policy)
{
	const char *path = getenv("FAKE_LOG");
	FILE *file = path ? fopen(path, "a") : NULL;

	if (!file)
		return;
	fprintf(file, "%s %d %s\n", what, pid, policy ?: "-");
	fclose(file);
}

static void vm_change(const struct nlmsghdr *req, bool enable, pid_t pid)
{
	const char *policy = attr_text(req, IRQHOP_A_POLICY);

	log_request(enable ? "enable" : "disable", pid, policy);
	if (enable && enabled(pid) && !policy)
		put_error(req, -EEXIST, NULL);
	else if (!enable && !enabled(pid))
		put_error(req, -ENOENT, NULL);
	else
		put_error(req, 0, NULL);
}

static bool fails(const struct nlmsghdr *req, uint8_t cmd)
{
	const char *fail = getenv("FAKE_FAIL");
	char text[128] = "";
	int which, err;

	if (!fail || sscanf(fail, "%d:%d:%127[^\n]", &which, &err, text) < 2 ||
	    which != cmd)
		return false;
	/* What a dump runs into is in its last message. */
	if (req->nlmsg_flags & NLM_F_DUMP)
		put_done(req, -err, text);
	else
		put_error(req, -err, text);
	return true;
}

static void answer(const struct nlmsghdr *req)
{
	const struct genlmsghdr *head = mnl_nlmsg_get_payload(req);
	bool dump = (req->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	pid_t pid = fd_pid[attr_u32(req, IRQHOP_A_VM_FD) % 1024];

	if (fails(req, head->cmd))
		return;
	switch (head->cmd) {
	case IRQHOP_CMD_INFO_GET:
		info_get(req);
		break;
	case IRQHOP_CMD_VM_ENABLE:
	case IRQHOP_CMD_VM_DISABLE:
		vm_change(req, head->cmd == IRQHOP_CMD_VM_ENABLE, pid);
		break;
	case IRQHOP_CMD_VM_GET:
		if (dump) {
			vm_dump(req);
		} else if (enabled(pid)) {
			vm_put(req, pid, enabled(pid), true);
			put_error(req, 0, NULL);
		} else {
			put_error(req, -ENOENT, NULL);
		}
		break;
	case IRQHOP_CMD_IRQ_GET:
		irq_dump(req, pid);
		break;
	default:
		put_error(req, -EOPNOTSUPP, NULL);
	}
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *req,
				 size_t len)
{
	const struct nlmsghdr *nlh = req;

	(void)nl;
	parts = 0;
	read_parts = 0;
	memset(part_len, 0, sizeof(part_len));
	if (nlh->nlmsg_len != len || !(nlh->nlmsg_flags & NLM_F_REQUEST))
		abort();
	if (nlh->nlmsg_type == GENL_ID_CTRL)
		family_get(nlh);
	else if (nlh->nlmsg_type == FAMILY)
		answer(nlh);
	else
		put_error(nlh, -ENOENT, NULL);
	return len;
}

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf,
				   size_t size)
{
	size_t len;

	(void)nl;
	/* The kernel would keep one waiting for ever. */
	if (read_parts == parts) {
		fprintf(stderr, "fake: nothing more to read\n");
		abort();
	}
	len = part_len[read_parts];
	if (len > size) {
		errno = ENOSPC;
		return -1;
	}
	memcpy(buf, part[read_parts++], len);
	return len;
}
