// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold: keep one thread of a process out of the kernel's doings.
 *
 *	hold TID SECONDS
 *
 * Seizes the thread and stops it, as a debugger would: a vCPU's thread leaves
 * KVM_RUN for it and sleeps on its way to user space, while the process's other
 * threads go on. It says "held" once the thread has stopped. The thread goes on
 * after so many seconds, or when this process ends, however that comes.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int status;
	pid_t tid;

	if (argc != 3)
		errx(2, "usage: hold TID SECONDS");
	tid = atoi(argv[1]);
	if (ptrace(PTRACE_SEIZE, tid, 0, 0))
		err(1, "seizing thread %s", argv[1]);
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0))
		err(1, "interrupting thread %s", argv[1]);
	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		errx(1, "thread %s did not stop", argv[1]);
	puts("held");
	fflush(stdout);
	sleep(atoi(argv[2]));
	return 0;
}
