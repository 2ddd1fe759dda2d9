/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands. Each returns an exit status. */
#ifndef IRQHOP_CMD_H
#define IRQHOP_CMD_H

#include <stdbool.h>

#include "vm.h"

int cmd_check(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_enable(int argc, char **argv);
int cmd_disable(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_monitor(int argc, char **argv);

/* irqhop list VM */
int list_vm(const struct vm_list *vms, const char *name, bool json);

#endif
