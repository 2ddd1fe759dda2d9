/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands. Each returns an exit status. */
#ifndef IRQHOP_CMD_H
#define IRQHOP_CMD_H

int cmd_check(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_enable(int argc, char **argv);
int cmd_disable(int argc, char **argv);
int cmd_stat(int argc, char **argv);

#endif
