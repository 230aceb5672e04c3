/* Requests to the other processes: shared memory, two futexes each, and a timeout on every wait. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct slot *slots;

static void futex_wait(int *word, int while_value, long timeout_ms)
{
	struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };

	syscall(SYS_futex, word, FUTEX_WAIT, while_value, timeout_ms < 0 ? NULL : &t, NULL, 0);
}

static void futex_set(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int get(int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* True once the process is gone; its memory is torn down before that. */
static bool reap(int i)
{
	if (slots[i].pid && waitpid(slots[i].pid, NULL, WNOHANG) == slots[i].pid) {
		slots[i].pid = 0;
		return true;
	}
	return slots[i].pid == 0;
}

int slot_start(int i, const char *name, void (*body)(int))
{
	pid_t pid;

	memset(&slots[i], 0, sizeof(slots[i]));
	strcpy(slots[i].name, name);
	pid = fork();
	if (pid == 0)
		body(i);
	if (pid < 0)
		return errno;
	slots[i].pid = pid;
	return OK;
}

void slot_post(int i)
{
	slots[i].done = 0;
	futex_set(&slots[i].posted, 1);
}

/* Post the request in slot i and wait for its answer. A death is found out at the latest 100 ms after it. */
int slot_call(int i, long timeout_ms)
{
	long end = now_ms() + timeout_ms;

	slot_post(i);
	while (!get(&slots[i].done)) {
		if (now_ms() >= end)
			return HANG;
		futex_wait(&slots[i].done, 0, 100);
		if (!get(&slots[i].done) && reap(i))
			return DIED;
	}
	return slots[i].result;
}

int slot_wait_exit(int i, long timeout_ms)
{
	long end = now_ms() + timeout_ms;
	struct timespec step = { 0, 50 * 1000000 };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (!reap(i)) {
		if (now_ms() >= end)
			return HANG;
		sigtimedwait(&child, NULL, &step);
	}
	return OK;
}

int slot_kill(int i, long timeout_ms)
{
	if (slots[i].pid)
		kill(slots[i].pid, SIGKILL);
	return slot_wait_exit(i, timeout_ms);
}

int slot_find(const char *name)
{
	for (int i = 1; i < SLOTS; i++)
		if (slots[i].pid && !strcmp(slots[i].name, name))
			return i;
	return -1;
}

int slot_free(void)
{
	for (int i = 1; i < SLOTS; i++)
		if (!slots[i].pid)
			return i;
	return -1;
}

/* Answer requests for ever. `self` is read anew each time: the child of a fork changes it to its own slot. */
void slot_serve(int *self, int (*handle)(int *self, struct slot *request))
{
	for (;;) {
		struct slot *slot = &slots[*self];
		int result;

		while (!get(&slot->posted))
			futex_wait(&slot->posted, 0, -1);
		slot->posted = 0;
		result = handle(self, slot);
		if (slot != &slots[*self])
			continue; /* the child of the fork: the answer is its parent's */
		slot->result = result;
		futex_set(&slot->done, 1);
	}
}
