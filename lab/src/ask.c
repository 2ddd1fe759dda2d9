// SPDX-License-Identifier: GPL-2.0-only
/*
 * ask: a client that says how long each of its requests took.
 *
 *	ask ADDRESS COUNT PAUSE memcached SIZE	gets of SIZE bytes
 *	ask ADDRESS COUNT PAUSE sockperf PORT	what sockperf's ping-pong sends
 *
 * Over one TCP connection, COUNT times, each after a pause of PAUSE us on
 * average since the one before was answered; from half of that to half as much
 * again, so that nothing falls into step with it. Debian's own clients for
 * memcached say no more than the sum, and sockperf's cannot make such pauses.
 * Prints "START LATENCY", in ns of CLOCK_MONOTONIC, a line for each.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MEMCACHED_PORT 11211
#define VALUE_MAX 65536

static char answer[VALUE_MAX + 128];

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void wait_about(unsigned long us)
{
	unsigned long ns = us * 500 + (us ? drand48() * us * 1000 : 0);
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	if (ns)
		nanosleep(&ts, NULL);
}

static int server(const char *address, unsigned int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, address, &addr.sin_addr) != 1)
		errx(2, "not an address: %s", address);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err(1, "%s port %u", address, port);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		err(1, "TCP_NODELAY");
	return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t done = write(fd, data, len);

		if (done <= 0)
			err(1, "write");
		data += done;
		len -= done;
	}
}

static size_t receive_some(int fd, size_t len)
{
	ssize_t got = read(fd, answer + len, sizeof(answer) - len);

	if (got <= 0)
		err(1, "read after %zu bytes", len);
	return len + got;
}

/* Until the answer ends like this; what is longer than expected is an error. */
static void receive_until(int fd, const char *end)
{
	size_t len = 0, tail = strlen(end);

	while (len < tail || memcmp(answer + len - tail, end, tail))
		len = receive_some(fd, len);
}

static void memcached_store(int fd, size_t size)
{
	static char request[VALUE_MAX + 64];
	int head = sprintf(request, "set key 0 0 %zu\r\n", size);

	memset(request + head, 'x', size);
	memcpy(request + head + size, "\r\n", 2);
	send_all(fd, request, head + size + 2);
	receive_until(fd, "STORED\r\n");
}

static void memcached_get(int fd)
{
	send_all(fd, "get key\r\n", 9);
	receive_until(fd, "END\r\n");
}

/* A number, the flags "from a client" and "to be answered", and the length. */
static void sockperf_ping(int fd)
{
	static const char message[14] = { [7] = 1, [9] = 3, [13] = 14 };
	size_t len = 0;

	send_all(fd, message, sizeof(message));
	while (len < sizeof(message))
		len = receive_some(fd, len);
}

int main(int argc, char **argv)
{
	void (*ask)(int fd) = sockperf_ping;
	unsigned long count, pause, last;
	int fd;

	if (argc != 6)
		errx(2, "usage: ask ADDRESS COUNT PAUSE memcached SIZE|sockperf PORT");
	count = strtoul(argv[2], NULL, 10);
	pause = strtoul(argv[3], NULL, 10);
	last = strtoul(argv[5], NULL, 10);
	if (!strcmp(argv[4], "memcached")) {
		if (last > VALUE_MAX)
			errx(2, "SIZE is at most %d", VALUE_MAX);
		fd = server(argv[1], MEMCACHED_PORT);
		memcached_store(fd, last);
		ask = memcached_get;
	} else if (!strcmp(argv[4], "sockperf")) {
		fd = server(argv[1], last);
	} else {
		errx(2, "ask whom? %s", argv[4]);
	}
	while (count--) {
		uint64_t start;

		wait_about(pause);
		start = now();
		ask(fd);
		printf("%llu %llu\n", (unsigned long long)start,
		       (unsigned long long)(now() - start));
	}
	return 0;
}
