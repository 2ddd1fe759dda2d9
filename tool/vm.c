// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "host.h"
#include "vm.h"

#define LINK_VM		"anon_inode:kvm-vm"
#define LINK_VCPU	"anon_inode:kvm-vcpu:"

static int vcpu_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int vcpu_add(struct vm *vm, uint32_t id)
{
	uint32_t *more;
	size_t i;

	for (i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpu[i] == id)
			return 0;
	more = realloc(vm->vcpu, (vm->nr_vcpus + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	more[vm->nr_vcpus++] = id;
	vm->vcpu = more;
	return 0;
}

/* A duplicate of the first descriptor is no other VM. */
static void vm_add(struct vm *vm, int fd)
{
	if (vm->fd < 0)
		vm->fd = fd;
	else if (syscall(SYS_kcmp, vm->pid, vm->pid, KCMP_FILE, vm->fd, fd))
		vm->several = true;
}

static int vm_read_fds(struct vm *vm, DIR *dir)
{
	struct dirent *entry;
	char link[64];
	int err = 0;

	while (!err && (entry = readdir(dir))) {
		if (host_readlink(link, sizeof(link), "/proc/%d/fd/%s",
				  vm->pid, entry->d_name))
			continue;
		if (!strcmp(link, LINK_VM))
			vm_add(vm, atoi(entry->d_name));
		else if (!strncmp(link, LINK_VCPU, strlen(LINK_VCPU)))
			err = vcpu_add(vm, atoi(link + strlen(LINK_VCPU)));
	}
	if (vm->nr_vcpus)
		qsort(vm->vcpu, vm->nr_vcpus, sizeof(*vm->vcpu), vcpu_compare);
	return err;
}

static void vm_read_name(struct vm *vm)
{
	size_t len;
	char *text = host_read(&len, "/proc/%d/cmdline", vm->pid);
	bool found = text && name_from_cmdline(text, len, vm->name);

	free(text);
	if (found)
		return;
	text = host_read(NULL, "/proc/%d/comm", vm->pid);
	snprintf(vm->name, sizeof(vm->name), "%.*s",
		 text ? (int)strcspn(text, "\n") : 1, text ?: "?");
	name_clean(vm->name);
	free(text);
}

int vm_read(struct vm *vm, pid_t pid)
{
	DIR *dir;
	int err;

	*vm = (struct vm){ .pid = pid, .pidfd = -1, .fd = -1 };
	dir = host_opendir("/proc/%d/fd", pid);
	if (!dir)
		return -errno;
	err = vm_read_fds(vm, dir);
	closedir(dir);
	if (err || vm->fd < 0) {
		vm_free(vm);
		return err;
	}
	vm_read_name(vm);
	return 1;
}

void vm_free(struct vm *vm)
{
	if (vm->pidfd >= 0)
		close(vm->pidfd);
	free(vm->vcpu);
	vm->pidfd = -1;
	vm->vcpu = NULL;
	vm->nr_vcpus = 0;
}

const char *vm_name(pid_t pid, char name[NAME_LEN])
{
	struct vm vm;

	if (vm_read(&vm, pid) != 1)
		return NULL;
	memcpy(name, vm.name, NAME_LEN);
	vm_free(&vm);
	return name;
}

static int vm_compare(const void *a, const void *b)
{
	return ((const struct vm *)a)->pid - ((const struct vm *)b)->pid;
}

static int vm_list_add(struct vm_list *list, pid_t pid)
{
	struct vm *more, vm;
	int ret = vm_read(&vm, pid);

	if (ret == -EACCES || ret == -EPERM)
		list->partial = true;
	if (ret == -ENOMEM)
		return ret;
	if (ret <= 0)
		return 0;
	more = realloc(list->vm, (list->nr + 1) * sizeof(*more));
	if (!more) {
		vm_free(&vm);
		return -ENOMEM;
	}
	more[list->nr++] = vm;
	list->vm = more;
	return 0;
}

int vm_list_read(struct vm_list *list)
{
	struct dirent *entry;
	DIR *dir;
	int err = 0;

	*list = (struct vm_list){ 0 };
	dir = host_opendir("/proc");
	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir)))
		if (atoi(entry->d_name) > 0)
			err = vm_list_add(list, atoi(entry->d_name));
	closedir(dir);
	if (err)
		vm_list_free(list);
	else if (list->nr)
		qsort(list->vm, list->nr, sizeof(*list->vm), vm_compare);
	return err;
}

void vm_list_free(struct vm_list *list)
{
	while (list->nr)
		vm_free(&list->vm[--list->nr]);
	free(list->vm);
	list->vm = NULL;
}

static struct vm *vm_list_pid(const struct vm_list *list, const char *arg)
{
	char *end;
	long pid = strtol(arg, &end, 10);
	size_t i;

	if (end == arg || *end)
		return NULL;
	for (i = 0; i < list->nr; i++)
		if (list->vm[i].pid == pid)
			return &list->vm[i];
	return NULL;
}

static int fail_no_vm(const struct vm_list *list, const char *arg)
{
	char *end;
	long pid = strtol(arg, &end, 10);
	bool process = end != arg && !*end && pid > 0 &&
		       host_exists("/proc/%ld", pid);

	if (list->partial)
		return fail(STATUS_NO_VM,
			    "no VM %s'%s'%s; not root: only your own processes were looked at",
			    process ? "seen in process " : "", arg,
			    process ? "" : " seen");
	if (process)
		return fail(STATUS_NO_VM,
			    "process '%s' has no VM; 'irqhop list' shows those that have",
			    arg);
	return fail(STATUS_NO_VM,
		    "no VM '%s' on this host; 'irqhop list' shows those there are",
		    arg);
}

static int fail_ambiguous(const struct vm_list *list, const char *arg)
{
	char pids[256] = "";
	size_t i, n = 0;

	for (i = 0; i < list->nr && n < sizeof(pids); i++)
		if (!strcmp(list->vm[i].name, arg))
			n += snprintf(pids + n, sizeof(pids) - n, " %d",
				      list->vm[i].pid);
	return fail(STATUS_NO_VM,
		    "several VMs are called '%s'; name one by its pid:%s",
		    arg, pids);
}

int vm_list_find(const struct vm_list *list, const char *arg, struct vm **vm)
{
	size_t i, found = 0;

	*vm = vm_list_pid(list, arg);
	if (*vm)
		return STATUS_OK;
	for (i = 0; i < list->nr; i++) {
		if (strcmp(list->vm[i].name, arg))
			continue;
		*vm = &list->vm[i];
		found++;
	}
	if (!found)
		return fail_no_vm(list, arg);
	return found == 1 ? STATUS_OK : fail_ambiguous(list, arg);
}

pid_t vm_tgid(pid_t pid)
{
	char *text = host_read(NULL, "/proc/%d/status", pid), *line;
	pid_t tgid = 0;

	line = text ? strstr(text, "\nTgid:") : NULL;
	if (line)
		tgid = atoi(line + strlen("\nTgid:"));
	free(text);
	return tgid > 0 ? tgid : pid;
}

/*
 * The pid may have become another's since it was read: look again at what
 * the pidfd stands for.
 */
int vm_hold(struct vm *vm)
{
	struct vm now;
	int ret;

	if (vm->pidfd >= 0)
		return 0;
	vm->pidfd = syscall(SYS_pidfd_open, vm->pid, 0);
	if (vm->pidfd < 0)
		return -errno;
	ret = vm_read(&now, vm->pid);
	if (ret < 0)
		return ret;
	if (!ret || strcmp(now.name, vm->name)) {
		vm_free(&now);
		return -ESRCH;
	}
	vm->fd = now.fd;
	vm->several = now.several;
	vm_free(&now);
	return vm->several ? -EMLINK : 0;
}

int vm_fd(const struct vm *vm)
{
	char link[64];
	int fd;

	fd = syscall(SYS_pidfd_getfd, vm->pidfd, vm->fd, 0);
	if (fd < 0)
		return -errno;
	if (!host_readlink(link, sizeof(link), "/proc/self/fd/%d", fd) &&
	    !strcmp(link, LINK_VM))
		return fd;
	close(fd);
	return -ESRCH;
}

int vm_fail(const struct vm *vm, int err)
{
	switch (-err) {
	case ESRCH:
	case EBADF:
	case ENOENT:
		return fail(STATUS_NO_VM, "VM %d (%s) has ended", vm->pid,
			    vm->name);
	case EMLINK:
		return fail(STATUS_FAILED,
			    "process %d (%s) holds several VMs; irqhop cannot tell them apart",
			    vm->pid, vm->name);
	case EPERM:
	case EACCES:
		return fail(STATUS_PERM,
			    "no permission to take the descriptor of VM %d (%s): needs root with CAP_SYS_PTRACE and a kernel.yama.ptrace_scope below 3",
			    vm->pid, vm->name);
	default:
		return fail(STATUS_FAILED, "cannot get at VM %d (%s): %s",
			    vm->pid, vm->name, strerror(-err));
	}
}
