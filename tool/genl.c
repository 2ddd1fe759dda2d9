// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "genl.h"

#ifndef NETLINK_CAP_ACK
#define NETLINK_CAP_ACK	10
#endif
#ifndef NETLINK_EXT_ACK
#define NETLINK_EXT_ACK	11
#endif

struct talk {
	const struct nlmsghdr *request;
	int (*answer)(const struct nlmsghdr *nlh, void *data);
	void *data;
	bool interrupted;
	bool done;
	int err;
};

int genl_open(struct genl *genl)
{
	int on = 1, err;

	genl->extack[0] = '\0';
	genl->seq = time(NULL);
	genl->sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!genl->sock)
		return -errno;
	if (mnl_socket_bind(genl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		genl_close(genl);
		return err;
	}
	/* Without them messages only say less. */
	mnl_socket_setsockopt(genl->sock, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(genl->sock, NETLINK_EXT_ACK, &on, sizeof(on));
	return 0;
}

void genl_close(struct genl *genl)
{
	if (genl->sock)
		mnl_socket_close(genl->sock);
	genl->sock = NULL;
}

struct nlmsghdr *genl_request(struct genl *genl, uint16_t family, uint8_t cmd,
			      uint8_t version, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(genl->request);
	struct genlmsghdr *head;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++genl->seq;
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	head->cmd = cmd;
	head->version = version;
	return nlh;
}

/* The kernel's own words: attributes @offset bytes into the payload. */
static void extack_read(struct genl *genl, const struct nlmsghdr *nlh,
			size_t offset)
{
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    mnl_nlmsg_get_payload_len(nlh) < offset)
		return;
	mnl_attr_for_each(attr, nlh, offset) {
		if (mnl_attr_get_type(attr) != NLMSGERR_ATTR_MSG ||
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
			continue;
		snprintf(genl->extack, sizeof(genl->extack), "%s",
			 mnl_attr_get_str(attr));
	}
}

static int error_read(struct genl *genl, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*error);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*error))
		return -EBADMSG;
	/* The request comes back in whole unless it was capped. */
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += MNL_ALIGN(error->msg.nlmsg_len) - sizeof(error->msg);
	extack_read(genl, nlh, offset);
	return error->error;
}

static int done_read(struct genl *genl, const struct nlmsghdr *nlh)
{
	const int *error = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*error))
		return 0;
	extack_read(genl, nlh, MNL_ALIGN(sizeof(*error)));
	return *error < 0 ? *error : 0;
}

static void message_read(struct genl *genl, struct talk *talk,
			 const struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		talk->interrupted = true;

	switch (nlh->nlmsg_type) {
	case NLMSG_NOOP:
		break;
	case NLMSG_OVERRUN:
		talk->err = -ENOBUFS;
		break;
	case NLMSG_ERROR:
		talk->err = talk->err ?: error_read(genl, nlh);
		talk->done = true;
		break;
	case NLMSG_DONE:
		talk->err = talk->err ?: done_read(genl, nlh);
		talk->done = true;
		break;
	default:
		/* On an error go on reading, so that the socket is clean. */
		if (nlh->nlmsg_type != talk->request->nlmsg_type ||
		    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct genlmsghdr))
			talk->err = talk->err ?: -EBADMSG;
		else if (talk->answer && !talk->err)
			talk->err = talk->answer(nlh, talk->data);
	}
}

/* One datagram, which may hold several messages. */
static int part_read(struct genl *genl, struct talk *talk)
{
	const struct nlmsghdr *nlh = (const void *)genl->answer;
	unsigned int portid = mnl_socket_get_portid(genl->sock);
	ssize_t n;
	int len;

	do {
		n = mnl_socket_recvfrom(genl->sock, genl->answer,
					sizeof(genl->answer));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!n)
		return -EBADMSG;

	for (len = n; mnl_nlmsg_ok(nlh, len) && !talk->done;
	     nlh = mnl_nlmsg_next(nlh, &len))
		if (mnl_nlmsg_seq_ok(nlh, genl->seq) &&
		    mnl_nlmsg_portid_ok(nlh, portid))
			message_read(genl, talk, nlh);
	return 0;
}

int genl_talk(struct genl *genl, const struct nlmsghdr *request,
	      int (*answer)(const struct nlmsghdr *nlh, void *data),
	      void *data)
{
	struct talk talk = {
		.request = request,
		.answer = answer,
		.data = data,
	};
	int err;

	genl->extack[0] = '\0';
	if (mnl_socket_sendto(genl->sock, request, request->nlmsg_len) < 0)
		return -errno;
	while (!talk.done) {
		err = part_read(genl, &talk);
		if (err)
			return err;
	}
	if (!talk.err && talk.interrupted)
		return -EINTR;
	return talk.err;
}

struct lookup {
	struct genl_family *family;
	const char *group;
};

/* One nest for each group, with its name and its number. */
static void group_read(const struct nlattr *nest, struct lookup *lookup)
{
	const struct nlattr *attr;
	const char *name = NULL;
	uint32_t id = 0;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME &&
		    !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID &&
		    !mnl_attr_validate(attr, MNL_TYPE_U32))
			id = mnl_attr_get_u32(attr);
	}
	if (name && !strcmp(name, lookup->group))
		lookup->family->group = id;
}

static int family_read(const struct nlmsghdr *nlh, void *data)
{
	struct lookup *lookup = data;
	const struct nlattr *attr, *nest;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    !mnl_attr_validate(attr, MNL_TYPE_U16))
			lookup->family->id = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_VERSION &&
		    !mnl_attr_validate(attr, MNL_TYPE_U32))
			lookup->family->version = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(nest, attr)
				group_read(nest, lookup);
	}
	return 0;
}

int genl_family(struct genl *genl, const char *name, const char *group,
		struct genl_family *family)
{
	struct lookup lookup = { .family = family, .group = group };
	struct nlmsghdr *nlh;
	int err;

	*family = (struct genl_family){ 0 };
	nlh = genl_request(genl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1,
			   NLM_F_ACK);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	err = genl_talk(genl, nlh, family_read, &lookup);
	if (err)
		return err;
	return family->id ? 0 : -EBADMSG;
}

int genl_join(struct genl *genl, uint32_t group)
{
	if (mnl_socket_setsockopt(genl->sock, NETLINK_ADD_MEMBERSHIP, &group,
				  sizeof(group)) < 0)
		return -errno;
	return 0;
}

int genl_fd(const struct genl *genl)
{
	return mnl_socket_get_fd(genl->sock);
}

int genl_listen(struct genl *genl,
		int (*notified)(const struct nlmsghdr *nlh, void *data),
		void *data)
{
	const struct nlmsghdr *nlh = (const void *)genl->answer;
	ssize_t n;
	int len, err = 0;

	n = mnl_socket_recvfrom(genl->sock, genl->answer,
				sizeof(genl->answer));
	if (n < 0)
		return -errno;
	for (len = n; mnl_nlmsg_ok(nlh, len) && !err;
	     nlh = mnl_nlmsg_next(nlh, &len))
		if (mnl_nlmsg_get_payload_len(nlh) >=
		    sizeof(struct genlmsghdr))
			err = notified(nlh, data);
	return err;
}
