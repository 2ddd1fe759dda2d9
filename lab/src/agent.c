// SPDX-License-Identifier: GPL-2.0-only
/*
 * agent: run shell scripts that somebody sends, one after the other.
 *
 *	agent serve DEVICE		PID 1's helper in host and guest
 *	agent call SOCKET < SCRIPT	the other end, for the guest
 *
 * A request is "run LENGTH\n" and LENGTH bytes of script for /bin/sh. The
 * answer is "out LENGTH\n" and that much of the script's standard output and
 * error, any number of times, and at last "end STATUS\n". Both ends are alone
 * on their line, so a wrong byte is an error and not to be recovered from.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define SCRIPT_MAX (1 << 20)
#define TRIES 1000

static void write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t done = write(fd, data, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			err(1, "write");
		data += done;
		len -= done;
	}
}

/*
 * Return false where the other end has gone away. A guest's port reads as empty
 * as long as its kernel has not noticed that there is another end, and that may
 * be after the first of what was sent. So @tries: what has begun is waited for,
 * so many times 10 ms.
 */
static bool read_all(int fd, char *data, size_t len, unsigned int tries)
{
	while (len) {
		ssize_t done = read(fd, data, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (!done && tries) {
			tries--;
			usleep(10000);
			continue;
		}
		if (done <= 0)
			return false;
		data += done;
		len -= done;
	}
	return true;
}

static bool read_line(int fd, char *line, size_t size, unsigned int tries)
{
	size_t len = 0;

	while (len + 1 < size &&
	       read_all(fd, line + len, 1, len ? tries : 0)) {
		if (line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
		len++;
	}
	return false;
}

/*
 * The script lies in a memory file and not on the command line: a long one
 * fits, and it cannot be mistaken for an option.
 */
static int script_file(const char *script, size_t len)
{
	int fd = memfd_create("script", 0);

	if (fd < 0)
		err(1, "memfd_create");
	write_all(fd, script, len);
	return fd;
}

static int run_script(int device, const char *script, size_t len)
{
	int file = script_file(script, len);
	char out[65536], head[32], path[32];
	int pipes[2], status;
	ssize_t got;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		err(1, "pipe");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, 0);
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		execl("/bin/sh", "sh", path, NULL);
		err(127, "/bin/sh");
	}
	close(file);
	close(pipes[1]);
	while ((got = read(pipes[0], out, sizeof(out))) > 0) {
		int n = snprintf(head, sizeof(head), "out %zd\n", got);

		write_all(device, head, n);
		write_all(device, out, got);
	}
	close(pipes[0]);
	if (waitpid(pid, &status, 0) < 0)
		err(1, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void set_raw(int fd)
{
	struct termios tio;

	if (!isatty(fd))
		return;
	if (tcgetattr(fd, &tio))
		err(1, "tcgetattr");
	cfmakeraw(&tio);
	if (tcsetattr(fd, TCSANOW, &tio))
		err(1, "tcsetattr");
}

static int serve(const char *path)
{
	static char script[SCRIPT_MAX];
	char line[64], reply[32];
	size_t len;
	int device = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (device < 0)
		err(1, "%s", path);
	set_raw(device);
	for (;;) {
		/* A port whose other end is not there yet reads as empty. */
		if (!read_line(device, line, sizeof(line), TRIES)) {
			usleep(100000);
			continue;
		}
		if (sscanf(line, "run %zu", &len) != 1 || len > SCRIPT_MAX)
			errx(1, "%s: not a request: %s", path, line);
		if (!read_all(device, script, len, TRIES))
			errx(1, "%s: request cut short", path);
		len = snprintf(reply, sizeof(reply), "end %d\n",
			       run_script(device, script, len));
		write_all(device, reply, len);
	}
}

static int call(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static char data[SCRIPT_MAX];
	char line[64];
	size_t len = 0;
	ssize_t got;
	int status;

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (peer < 0 || connect(peer, (struct sockaddr *)&addr, sizeof(addr)))
		err(1, "%s", path);
	while ((got = read(0, data + len, sizeof(data) - len)) > 0)
		len += got;
	if (got < 0 || len == sizeof(data))
		errx(1, "the script cannot be read, or is too long");
	dprintf(peer, "run %zu\n", len);
	write_all(peer, data, len);
	while (read_line(peer, line, sizeof(line), 0)) {
		if (sscanf(line, "end %d", &status) == 1)
			return status;
		if (sscanf(line, "out %zu", &len) != 1 || len > sizeof(data))
			errx(1, "%s: not an answer: %s", path, line);
		if (!read_all(peer, data, len, 0))
			break;
		write_all(1, data, len);
	}
	errx(1, "%s: the other end went away", path);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "call"))
		return call(argv[2]);
	errx(2, "usage: agent serve DEVICE | agent call SOCKET < SCRIPT");
}
