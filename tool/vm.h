/* SPDX-License-Identifier: GPL-2.0-only */
/* The VMs of this host, found by the descriptors that processes hold. */
#ifndef IRQHOP_VM_H
#define IRQHOP_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "name.h"

/**
 * struct vm - a process that holds a VM
 * @pid: the process
 * @pidfd: keeps the pid from being another's; -1 until vm_hold()
 * @fd: its first descriptor of a VM
 * @several: it holds more than one VM, or it cannot be told
 * @name: QEMU's or kvmtool's name of the VM, otherwise the process's
 * @nr_vcpus: vCPUs that it holds descriptors of
 * @vcpu: their ids, ascending
 */
struct vm {
	pid_t pid;
	int pidfd;
	int fd;
	bool several;
	char name[NAME_LEN];
	size_t nr_vcpus;
	uint32_t *vcpu;
};

/**
 * struct vm_list - VMs, ascending by pid
 * @nr: number of them
 * @vm: the VMs
 * @partial: there are processes that could not be looked at
 */
struct vm_list {
	size_t nr;
	struct vm *vm;
	bool partial;
};

/* 1 if process @pid holds a VM, 0 if not, or a negative errno. */
int vm_read(struct vm *vm, pid_t pid);
void vm_free(struct vm *vm);

/* The name of the VM that process @pid holds; NULL if it is not seen to. */
const char *vm_name(pid_t pid, char name[NAME_LEN]);

/* 0 or a negative errno. */
int vm_list_read(struct vm_list *list);
void vm_list_free(struct vm_list *list);

/*
 * The VM that @arg names, a pid or a name. It prints what is wrong and
 * returns the exit status for it.
 */
int vm_list_find(const struct vm_list *list, const char *arg, struct vm **vm);

/* The process that thread @pid belongs to; @pid if it is gone. */
pid_t vm_tgid(pid_t pid);

/*
 * Makes sure that vm_fd() gives this VM or none at all. The VM itself is
 * not kept from ending. Both: 0 (a descriptor) or a negative errno.
 */
int vm_hold(struct vm *vm);
int vm_fd(const struct vm *vm);

/* Prints why one of the two failed; returns the exit status for it. */
int vm_fail(const struct vm *vm, int err);

#endif
