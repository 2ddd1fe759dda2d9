/* SPDX-License-Identifier: GPL-2.0-only */
/* The VMs that a command line names. */
#ifndef IRQHOP_PICK_H
#define IRQHOP_PICK_H

#include <argp.h>

#include "vm.h"

/**
 * struct pick - VMs that were picked
 * @all: every VM of this host
 * @name: VMs as the user named them
 * @nr_names: number of them
 * @host: the VMs of this host
 * @vm: those that were picked, each once
 * @nr: number of them
 */
struct pick {
	bool all;
	char **name;
	size_t nr_names;
	struct vm_list host;
	struct vm **vm;
	size_t nr;
};

/* "VM... | --all", to be a child of a command's parser; input: the pick. */
extern const struct argp pick_argp;

/*
 * All names are looked up; each bad one is said, and then none is picked.
 * Returns an exit status. pick_free() in any case.
 */
int pick_vms(struct pick *pick);
void pick_free(struct pick *pick);

/*
 * A descriptor of @vm in @fd. Returns an exit status; %STATUS_OK with @fd
 * below 0 is a VM that nobody named and that has ended.
 */
int pick_fd(const struct pick *pick, struct vm *vm, int *fd);

/* The VMs of this host. Returns an exit status. */
int pick_host(struct vm_list *host);

/*
 * The one VM that @name names, held, and a descriptor of it. Returns an exit
 * status; if that is not %STATUS_OK, there is no descriptor.
 */
int pick_one(const struct vm_list *host, const char *name, struct vm **vm,
	     int *fd);

#endif
