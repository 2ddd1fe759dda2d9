/* SPDX-License-Identifier: GPL-2.0-only */
/* Generic netlink: one request at a time, and its answers. */
#ifndef IRQHOP_GENL_H
#define IRQHOP_GENL_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#define GENL_EXTACK_LEN	256

/*
 * A message about one VM grows with its vCPUs: 48 KB for the 512 that there
 * can be at most. A dump's other messages are smaller.
 */
#define GENL_ANSWER_LEN	65536
#define GENL_REQUEST_LEN 512

/**
 * struct genl - a socket
 * @sock: libmnl's
 * @seq: of the last request
 * @extack: what the kernel said about the last request, or ""
 * @request: the request
 * @answer: where a part of the answer goes
 */
struct genl {
	struct mnl_socket *sock;
	uint32_t seq;
	char extack[GENL_EXTACK_LEN];
	char request[GENL_REQUEST_LEN] __aligned(NLMSG_ALIGNTO);
	char answer[GENL_ANSWER_LEN] __aligned(NLMSG_ALIGNTO);
};

/* All return 0 or a negative errno. */
int genl_open(struct genl *genl);
void genl_close(struct genl *genl);

/* Starts a request; attributes are put after what it returns. */
struct nlmsghdr *genl_request(struct genl *genl, uint16_t family, uint8_t cmd,
			      uint8_t version, uint16_t flags);

/*
 * Sends @request, hands each message of the answer to @answer and waits for
 * the end. -EINTR: a dump that what it showed changed under; ask again.
 */
int genl_talk(struct genl *genl, const struct nlmsghdr *request,
	      int (*answer)(const struct nlmsghdr *nlh, void *data),
	      void *data);

/**
 * struct genl_family - a family
 * @id: its number
 * @version: its version
 * @group: number of the multicast group that was asked for, 0: none
 */
struct genl_family {
	uint16_t id;
	uint32_t version;
	uint32_t group;
};

/* -ENOENT if there is none called @name. */
int genl_family(struct genl *genl, const char *name, const char *group,
		struct genl_family *family);

/*
 * A multicast group. After it has been joined the socket is for
 * genl_listen() alone: notifications cannot be told from answers.
 */
int genl_join(struct genl *genl, uint32_t group);
/* For poll(2). */
int genl_fd(const struct genl *genl);
/*
 * Hands one datagram's notifications to @notified, until that returns an
 * error. Waits if there is none. -ENOBUFS: some were lost.
 */
int genl_listen(struct genl *genl,
		int (*notified)(const struct nlmsghdr *nlh, void *data),
		void *data);

#endif
