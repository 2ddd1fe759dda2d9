/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions that tests put in place of others (ld --wrap). */
#ifndef IRQHOP_TEST_WRAP_H
#define IRQHOP_TEST_WRAP_H

#include <libmnl/libmnl.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <time.h>

struct module;

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags);
int __wrap_mnl_socket_bind(struct mnl_socket *nl, unsigned int groups,
			   pid_t pid);
int __wrap_mnl_socket_setsockopt(const struct mnl_socket *nl, int type,
				 void *buf, socklen_t len);
unsigned int __wrap_mnl_socket_get_portid(const struct mnl_socket *nl);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *req,
				 size_t len);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf,
				   size_t size);
int __wrap_mnl_socket_get_fd(const struct mnl_socket *nl);
int __wrap_mnl_socket_close(struct mnl_socket *nl);
long __wrap_syscall(long nr, ...);
long __real_syscall(long nr, ...);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __real_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __real_rmdir(const char *path);
int __wrap_uname(struct utsname *uts);
int __real_uname(struct utsname *uts);

int __wrap_module_open(struct module *module);
void __wrap_module_close(struct module *module);

#endif
