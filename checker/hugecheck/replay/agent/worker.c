/* A process of the trace: it maps, touches, forks and exits, and catches the signal of a touch. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21 << 26)
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* The names of this process. A name that died keeps its row until it is given again. */
static struct map {
	char name[NAME];
	char *start;
	size_t length;
} maps[MAPS];

static sigjmp_buf escape;

static void caught(int signo)
{
	siglongjmp(escape, signo);
}

static struct map *row(const char *name, bool make)
{
	for (int i = 0; i < MAPS; i++) {
		if (!strcmp(maps[i].name, name))
			return &maps[i];
		if (!maps[i].name[0])
			return make ? &maps[i] : NULL;
	}
	return NULL;
}

static int keep(const char *name, void *start, size_t length)
{
	struct map *map = row(name, true);

	if (!map)
		return BAD;
	strcpy(map->name, name);
	map->start = start;
	map->length = length;
	return OK;
}

/* text: name of the map, data: path of the file or empty, arg: address, offset, pages, MAP_* bits */
static int do_mmap(struct slot *s)
{
	size_t length = (size_t)s->arg[2] * PAGE;
	int flags = (int)s->arg[3] | MAP_FIXED_NOREPLACE;
	int fd = -1, error = OK;
	void *start;

	if (s->data[0]) {
		fd = open(s->data, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return BAD;
	} else {
		flags |= MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB;
	}
	start = mmap((void *)s->arg[0], length, PROT_READ | PROT_WRITE, flags, fd, s->arg[1] * (off_t)PAGE);
	if (start == MAP_FAILED)
		error = errno;
	if (fd >= 0)
		close(fd);
	return error ? error : keep(s->text, start, length);
}

static int do_touch(char *at, bool write)
{
	volatile char *byte = at;

	switch (sigsetjmp(escape, 1)) {
	case 0:
		if (write)
			*byte = 1;
		else
			(void)*byte;
		return OK;
	case SIGBUS:
		return BUS;
	default:
		return SEGV;
	}
}

/* arg: pages, new address or 0 */
static int do_mremap(struct slot *s, struct map *map)
{
	size_t length = (size_t)s->arg[0] * PAGE;
	int flags = MREMAP_MAYMOVE | (s->arg[1] ? MREMAP_FIXED : 0);
	void *start = mremap(map->start, map->length, length, flags, (void *)s->arg[1]);

	if (start == MAP_FAILED)
		return errno;
	map->start = start;
	map->length = length;
	return OK;
}

/* arg: the child's slot. The child is the supervisor's, as its parent is, so that anybody may exit first. */
static int do_fork(int *self, struct slot *s)
{
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, NULL, NULL, 0);

	if (pid < 0)
		return errno;
	if (pid == 0)
		*self = (int)s->arg[0];
	s->value = pid;
	return OK;
}

/* arg: address, segment, pages */
static int do_shmat(struct slot *s)
{
	void *start = shmat((int)s->arg[1], (void *)s->arg[0], 0);

	return start == (void *)-1 ? errno : keep(s->text, start, (size_t)s->arg[2] * PAGE);
}

static int or_errno(int result)
{
	return result < 0 ? errno : OK;
}

static int handle(int *self, struct slot *s)
{
	struct map *map;

	switch (s->op) {
	case OP_MMAP:
		return do_mmap(s);
	case OP_SHMAT:
		return do_shmat(s);
	case OP_FORK:
		return do_fork(self, s);
	case OP_EXIT:
		_exit(0);
	default:
		break;
	}
	map = row(s->text, false);
	if (!map)
		return BAD;
	switch (s->op) {
	case OP_MUNMAP:
		return or_errno(munmap(map->start + s->arg[0] * (long)PAGE, (size_t)s->arg[1] * PAGE));
	case OP_READ:
	case OP_WRITE:
		return do_touch(map->start + s->arg[0] * (long)PAGE, s->op == OP_WRITE);
	case OP_MADVISE:
		return or_errno(madvise(map->start + s->arg[0] * (long)PAGE, (size_t)s->arg[1] * PAGE, MADV_DONTNEED));
	case OP_MPROTECT:
		return or_errno(mprotect(map->start, map->length, (int)s->arg[0]));
	case OP_MREMAP:
		return do_mremap(s, map);
	case OP_SHMDT:
		return or_errno(shmdt(map->start));
	default:
		return BAD;
	}
}

void worker_body(int self)
{
	struct sigaction action = { .sa_handler = caught };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	slot_serve(&self, handle);
}
