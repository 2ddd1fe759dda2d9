// SPDX-License-Identifier: GPL-2.0-only
/*
 * A made-up module and host beneath the real tool, for test/run.py. What
 * they are like is said by the environment:
 *
 * FAKE_ROOT	below which /proc, /sys and /dev are
 * FAKE_UNAME	"MACHINE RELEASE": what the host is and runs
 * FAKE_NOCAP	the caller is not privileged
 * FAKE_ABSENT	the module is not loaded
 * FAKE_GONE_AT	after so many requests the module is gone
 * FAKE_ABI	the ABI version that it tells
 * FAKE_FAMILY	its family's version
 * FAKE_CAPS	its caps
 * FAKE_OLD	it is of the first release: no halted rule, nothing about turns
 * FAKE_MUTE	it has no multicast group
 * FAKE_ENABLED	"PID:POLICY ...": the VMs that are enabled
 * FAKE_MOVES	a file with a number: moves so far; each VM_GET adds 100
 * FAKE_DRIFT	"INTID:WHAT:VCPU[:N] ...": what is wrong with LPIs, in the
 *		first N looks or in all; WHAT is home, target, ehome, etarget
 * FAKE_CHECK	what VM_CHECK says
 * FAKE_FAIL	"CMD:ERRNO:TEXT": requests that fail, and what is said then
 * FAKE_INTR	the first dump is inconsistent
 * FAKE_PIDFD	pidfd_getfd() fails with this errno
 * FAKE_LOG	a file to which each request that changes something is added
 * FAKE_SLEEP	sleeping takes no time, but is logged
 * FAKE_NOTICES	a file with notifications: "enabled PID POLICY",
 *		"disabled PID REASON NOT_HOME MESSAGE", "lost", "other",
 *		"bad" or "unloaded"
 *
 * and of the kernel's trace instances (fake-trace.c)
 *
 * FAKE_TRACE	a file with what a trace_pipe has
 * FAKE_EVENTS	0: the kernel has no events of the module
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <linux/irqhop.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../genl.h"
#include "../host.h"
#include "fake.h"
#include "wrap.h"

#define FAMILY		0x1f
#define GROUP		0x21
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
static unsigned int requests, looks;
static bool joined_events, joined_control;
static FILE *notices;
static int notices_fd = -1;

__attr((constructor)) static void root_set(void)
{
	host_root = getenv("FAKE_ROOT") ?: "";
}

int __wrap_uname(struct utsname *uts)
{
	const char *text = getenv("FAKE_UNAME");
	int err = __real_uname(uts);

	if (!err && text &&
	    sscanf(text, "%64s %64s", uts->machine, uts->release) != 2)
		abort();
	return err;
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
	if (getenv("FAKE_PIDFD")) {
		errno = atoi(getenv("FAKE_PIDFD"));
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
	int value = *(int *)buf;

	(void)nl;
	if (len != sizeof(value))
		abort();
	if (type == NETLINK_EXT_ACK)
		ext_ack = value;
	if (type == NETLINK_ADD_MEMBERSHIP) {
		joined_events |= value == GROUP;
		joined_control |= value == GENL_ID_CTRL;
	}
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
		  (req->nlmsg_flags & NLM_F_DUMP) ? NLM_F_MULTI : 0, new_part);
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	head->cmd = asked->cmd;
	head->version = IRQHOP_GENL_VERSION;
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

unsigned int fake_number(const char *variable, unsigned int unset)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : unset;
}

bool fake_old(void)
{
	return getenv("FAKE_OLD");
}

static bool absent(void)
{
	return getenv("FAKE_ABSENT") ||
	       requests > fake_number("FAKE_GONE_AT", 1000);
}

static void group_put(struct nlmsghdr *nlh)
{
	struct nlattr *groups, *group;

	groups = mnl_attr_nest_start(nlh, CTRL_ATTR_MCAST_GROUPS);
	group = mnl_attr_nest_start(nlh, 1);
	mnl_attr_put_u32(nlh, CTRL_ATTR_MCAST_GRP_ID, 0x20);
	mnl_attr_put_strz(nlh, CTRL_ATTR_MCAST_GRP_NAME, "other");
	mnl_attr_nest_end(nlh, group);
	group = mnl_attr_nest_start(nlh, 2);
	mnl_attr_put_u32(nlh, CTRL_ATTR_MCAST_GRP_ID, GROUP);
	mnl_attr_put_strz(nlh, CTRL_ATTR_MCAST_GRP_NAME, IRQHOP_GENL_GROUP);
	mnl_attr_nest_end(nlh, group);
	mnl_attr_nest_end(nlh, groups);
}

static void family_get(const struct nlmsghdr *req)
{
	const char *name = attr_text(req, CTRL_ATTR_FAMILY_NAME);
	struct nlmsghdr *nlh;

	if (absent() || !name || strcmp(name, IRQHOP_GENL_NAME)) {
		put_error(req, -ENOENT, NULL);
		return;
	}
	nlh = put_genl(req, true);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, FAMILY);
	mnl_attr_put_u32(nlh, CTRL_ATTR_VERSION,
			 fake_number("FAKE_FAMILY", IRQHOP_GENL_VERSION));
	if (!getenv("FAKE_MUTE"))
		group_put(nlh);
	done(nlh);
	put_error(req, 0, NULL);
}

static void info_get(const struct nlmsghdr *req)
{
	struct nlmsghdr *nlh = put_genl(req, true);

	mnl_attr_put_strz(nlh, IRQHOP_A_MODULE_VERSION, "9.9.9");
	mnl_attr_put_u32(nlh, IRQHOP_A_ABI_VERSION,
			 fake_number("FAKE_ABI", IRQHOP_GENL_VERSION));
	mnl_attr_put_strz(nlh, IRQHOP_A_POLICY, "recent");
	mnl_attr_put_strz(nlh, IRQHOP_A_POLICY, "home");
	mnl_attr_put_strz(nlh, IRQHOP_A_RETURN, "eager");
	mnl_attr_put_strz(nlh, IRQHOP_A_RETURN, "lazy");
	if (!fake_old()) {
		mnl_attr_put_strz(nlh, IRQHOP_A_HALTED, "wake");
		mnl_attr_put_strz(nlh, IRQHOP_A_HALTED, "hop");
	}
	mnl_attr_put_u32(nlh, IRQHOP_A_MAX_HOPS, 20000);
	mnl_attr_put_u32(nlh, IRQHOP_A_CAPS,
			 fake_number("FAKE_CAPS",
				     IRQHOP_CAP_DIRECT | IRQHOP_CAP_INJECTED));
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

/* What an old module does not count. */
static void turns_put(struct nlmsghdr *nlh, uint64_t moves)
{
	mnl_attr_put_u64(nlh, IRQHOP_STAT_SUMMONS, 12);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_SUMMONS_HELD, 13);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_DONATIONS, 14);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_DONATED, 2500000000);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_TURNS, moves + 8);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_IRQS_OFF_SUM,
			 1000000 + moves * 30000);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_IRQS_OFF_MAX, 45000);
}

/* All moves but the dearest are in bucket 3; their median is 224 ns. */
static void stat_put(struct nlmsghdr *nlh, uint64_t moves)
{
	static uint64_t hist[IRQHOP_COST_BUCKETS];
	struct nlattr *nest = mnl_attr_nest_start(nlh, IRQHOP_A_STAT);

	hist[3] = moves - 1;
	hist[IRQHOP_COST_BUCKETS - 1] = 1;
	mnl_attr_put_u64(nlh, IRQHOP_STAT_HOPS, moves);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_RETURNS, 2);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_FAILED, 3);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_STRANDED, 4);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_IN_HANDLER, 5);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_HELD_BACK, 6);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_OVER_BOUND, 7);
	mnl_attr_put(nlh, IRQHOP_STAT_PAD, 0, NULL);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_PREEMPTIONS, 1ULL << 40);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_COST_MAX, 20000);
	mnl_attr_put_u64(nlh, IRQHOP_STAT_COST_SUM, moves * 200);
	mnl_attr_put(nlh, IRQHOP_STAT_COST_HIST, sizeof(hist), hist);
	if (!fake_old())
		turns_put(nlh, moves);
	mnl_attr_nest_end(nlh, nest);
}

/* vCPU i is in state i + 1. The first 100 moves take 10 s, 100 more 1 s. */
static void vcpu_put(struct nlmsghdr *nlh, uint32_t i, uint64_t moves)
{
	uint64_t time[IRQHOP_NR_VCPU_STATES] = {
		[IRQHOP_VCPU_STATE_UNKNOWN]	= 1000000000,
		[IRQHOP_VCPU_STATE_RUNNING]	= 5000000000 - i +
						  moves * 10000000,
		[IRQHOP_VCPU_STATE_PREEMPTED]	= 3000000000,
		[IRQHOP_VCPU_STATE_IN_HANDLER]	= i,
	};
	struct nlattr *nest = mnl_attr_nest_start(nlh, IRQHOP_A_VCPU);

	mnl_attr_put_u32(nlh, IRQHOP_VCPU_ID, i);
	mnl_attr_put_u32(nlh, IRQHOP_VCPU_STATE, i + 1);
	mnl_attr_put(nlh, IRQHOP_VCPU_TIME, sizeof(time), time);
	mnl_attr_nest_end(nlh, nest);
}

static void vm_put(const struct nlmsghdr *req, pid_t pid, const char *policy,
		   bool new_part)
{
	struct nlmsghdr *nlh = put_genl(req, new_part);
	uint64_t moves = moves_next();
	uint32_t i;

	mnl_attr_put_u32(nlh, IRQHOP_A_VM_PID, pid);
	mnl_attr_put_strz(nlh, IRQHOP_A_POLICY, policy);
	mnl_attr_put_strz(nlh, IRQHOP_A_RETURN, "lazy");
	if (!fake_old())
		mnl_attr_put_strz(nlh, IRQHOP_A_HALTED, "hop");
	mnl_attr_put_u32(nlh, IRQHOP_A_MAX_HOPS, 500);
	stat_put(nlh, moves);
	for (i = 0; i < 4; i++)
		vcpu_put(nlh, i, moves);
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

/* What @what of LPI @intid is said to be, if it is to be wrong. */
static uint32_t drifted(uint32_t intid, const char *what, uint32_t value)
{
	const char *one = getenv("FAKE_DRIFT");
	unsigned int other, vcpu, until;
	char which[16];
	int fields;

	for (; one && *one; one = strchr(one, ' ')) {
		one += strspn(one, " ");
		fields = sscanf(one, "%u:%15[a-z]:%u:%u", &other, which, &vcpu,
				&until);
		if (fields >= 3 && other == intid && !strcmp(which, what) &&
		    (fields == 3 || looks <= until))
			return vcpu;
	}
	return value;
}

#define NO_VCPU	99

static void vcpu_id_put(struct nlmsghdr *nlh, uint16_t attr, uint32_t intid,
			const char *what, uint32_t value)
{
	value = drifted(intid, what, value);
	if (value != NO_VCPU)
		mnl_attr_put_u32(nlh, attr, value);
}

/*
 * Not in order; every third injected, one of those with no home and nowhere;
 * if the VM is enabled, all others away and one stranded.
 */
static void lpi_put(struct nlmsghdr *nlh, uint32_t i, bool on)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, IRQHOP_A_IRQ);
	uint32_t home = i == 6 ? NO_VCPU : i % 4, intid = 8192 + LPIS - 1 - i;
	uint32_t target = on && home != NO_VCPU ? (i + 1) % 4 : home;
	bool direct = i % 3;

	mnl_attr_put_u32(nlh, IRQHOP_IRQ_INTID, intid);
	vcpu_id_put(nlh, IRQHOP_IRQ_HOME, intid, "home", home);
	vcpu_id_put(nlh, IRQHOP_IRQ_TARGET, intid, "target", target);
	if (direct)
		mnl_attr_put_u32(nlh, IRQHOP_IRQ_HOST_IRQ, 50 + i);
	if (on) {
		vcpu_id_put(nlh, IRQHOP_IRQ_ENGINE_HOME, intid, "ehome", home);
		vcpu_id_put(nlh, IRQHOP_IRQ_ENGINE_TARGET, intid, "etarget",
			    target);
	}
	mnl_attr_put_u32(nlh, IRQHOP_IRQ_FLAGS, direct ? IRQHOP_IRQ_F_DIRECT |
			 IRQHOP_IRQ_F_ENABLED |
			 (on && i == 7 ? IRQHOP_IRQ_F_STRANDED : 0) :
			 IRQHOP_IRQ_F_PENDING);
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
	looks++;
	for (k = 0; k < 3; k++) {
		nlh = put_genl(req, true);
		for (i = k * LPIS / 3; i < (k + 1) * LPIS / 3; i++)
			lpi_put(nlh, i, enabled(pid));
		done(nlh);
	}
	put_done(req, 0, NULL);
}

void fake_log(const char *fmt, ...)
{
	const char *path = getenv("FAKE_LOG");
	FILE *file = path ? fopen(path, "a") : NULL;
	va_list ap;

	if (!file)
		return;
	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	fclose(file);
}

static const char *attr_number(const struct nlmsghdr *req, uint16_t type)
{
	const struct nlattr *attr;
	static char text[16];

	mnl_attr_for_each(attr, req, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != type)
			continue;
		snprintf(text, sizeof(text), "%u", mnl_attr_get_u32(attr));
		return text;
	}
	return "-";
}

static void log_request(const char *what, const struct nlmsghdr *req,
			pid_t pid)
{
	fake_log("%s %d %s %s %s %s\n", what, pid,
		 attr_text(req, IRQHOP_A_POLICY) ?: "-",
		 attr_text(req, IRQHOP_A_RETURN) ?: "-",
		 attr_text(req, IRQHOP_A_HALTED) ?: "-",
		 attr_number(req, IRQHOP_A_MAX_HOPS));
}

static void vm_change(const struct nlmsghdr *req, uint8_t cmd, pid_t pid)
{
	bool on = enabled(pid);

	if (cmd == IRQHOP_CMD_VM_ENABLE) {
		log_request("enable", req, pid);
		put_error(req, on ? -EEXIST : 0, NULL);
		return;
	}
	log_request(cmd == IRQHOP_CMD_VM_SET ? "set" : "disable", req, pid);
	put_error(req, on ? 0 : -ENOENT, NULL);
}

static void vm_check(const struct nlmsghdr *req, pid_t pid)
{
	struct nlmsghdr *nlh;

	if (enabled(pid)) {
		nlh = put_genl(req, true);
		if (getenv("FAKE_CHECK"))
			mnl_attr_put_strz(nlh, IRQHOP_A_MESSAGE,
					  getenv("FAKE_CHECK"));
		done(nlh);
	}
	put_error(req, enabled(pid) ? 0 : -ENOENT, NULL);
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

	requests++;
	if (absent()) {
		put_error(req, -ENOENT, NULL);
		return;
	}
	if (fails(req, head->cmd))
		return;
	switch (head->cmd) {
	case IRQHOP_CMD_INFO_GET:
		info_get(req);
		break;
	case IRQHOP_CMD_VM_ENABLE:
	case IRQHOP_CMD_VM_DISABLE:
	case IRQHOP_CMD_VM_SET:
		vm_change(req, head->cmd, pid);
		break;
	case IRQHOP_CMD_VM_CHECK:
		vm_check(req, pid);
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

/* A byte in the pipe for each notification, so that poll() sees them. */
int __wrap_mnl_socket_get_fd(const struct mnl_socket *nl)
{
	int fd[2], c;

	(void)nl;
	notices = fopen(getenv("FAKE_NOTICES") ?: "/dev/null", "r");
	if (!notices || pipe(fd))
		abort();
	while ((c = getc(notices)) != EOF)
		if (c == '\n' && write(fd[1], "", 1) != 1)
			abort();
	rewind(notices);
	return notices_fd = fd[0];
}

static void notice_disabled(struct nlmsghdr *nlh, const char *line)
{
	unsigned int pid, reason, not_home;
	int end = 0;

	if (sscanf(line, "disabled %u %u %u %n", &pid, &reason, &not_home,
		   &end) != 3)
		abort();
	mnl_attr_put_u32(nlh, IRQHOP_A_VM_PID, pid);
	mnl_attr_put_u32(nlh, IRQHOP_A_REASON, reason);
	mnl_attr_put_u32(nlh, IRQHOP_A_NOT_HOME, not_home);
	if (line[end])
		mnl_attr_put_strz(nlh, IRQHOP_A_MESSAGE, line + end);
}

static void notice_put(struct nlmsghdr *nlh, const char *line)
{
	struct genlmsghdr *head;
	unsigned int pid;
	char policy[32];

	nlh->nlmsg_type = strcmp(line, "unloaded") ? FAMILY : GENL_ID_CTRL;
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	if (sscanf(line, "enabled %u %31s", &pid, policy) == 2) {
		head->cmd = IRQHOP_CMD_VM_ENABLED;
		mnl_attr_put_u32(nlh, IRQHOP_A_VM_PID, pid);
		mnl_attr_put_strz(nlh, IRQHOP_A_POLICY, policy);
	} else if (!strncmp(line, "disabled ", 9)) {
		head->cmd = IRQHOP_CMD_VM_DISABLED;
		notice_disabled(nlh, line);
	} else if (!strcmp(line, "bad")) {
		head->cmd = IRQHOP_CMD_VM_ENABLED;
		mnl_attr_put_u16(nlh, IRQHOP_A_VM_PID, 1);
	} else if (!strcmp(line, "unloaded")) {
		head->cmd = CTRL_CMD_DELFAMILY;
		mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, FAMILY);
	}
}

static ssize_t notice_next(void *buf)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	char line[256], byte;

	if (!joined_events || !joined_control ||
	    read(notices_fd, &byte, 1) != 1 ||
	    !fgets(line, sizeof(line), notices))
		abort();
	line[strcspn(line, "\n")] = '\0';
	if (!strcmp(line, "lost")) {
		errno = ENOBUFS;
		return -1;
	}
	notice_put(nlh, line);
	return nlh->nlmsg_len;
}

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf,
				   size_t size)
{
	size_t len;

	(void)nl;
	if (notices)
		return notice_next(buf);
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

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	if (!getenv("FAKE_SLEEP"))
		return __real_nanosleep(time, left);
	fake_log("sleep %g\n", time->tv_sec + time->tv_nsec / 1e9);
	return 0;
}
