/* The controller: every descriptor, mount, segment and pool write is its own. It maps nothing. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif
#ifndef SHM_HUGETLB
#define SHM_HUGETLB 04000
#endif

static int or_errno(int result)
{
	return result < 0 ? errno : OK;
}

static int keep(struct slot *s, int value)
{
	s->value = value;
	return or_errno(value);
}

/* text: a kernel file, data: what to write. arg: the node to bind the writer to, or -1. */
static int do_put(struct slot *s)
{
	unsigned long mask = s->arg[0] < 0 ? 0 : 1UL << s->arg[0];
	int fd = open(s->text, O_WRONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return BAD;
	if (mask && syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof(mask)) < 0) {
		close(fd);
		return BAD;
	}
	result = or_errno((int)write(fd, s->data, strlen(s->data)));
	if (mask)
		syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	close(fd);
	return result;
}

static int handle(int *self, struct slot *s)
{
	int fd = (int)s->arg[0];
	off_t at = s->arg[1] * (off_t)PAGE, length = s->arg[2] * (off_t)PAGE;

	(void)self;
	switch (s->op) {
	case OP_PUT:
		return do_put(s);
	case OP_MKDIR:
		return or_errno(mkdir(s->text, 0700));
	case OP_RMDIR:
		return or_errno(rmdir(s->text));
	case OP_MOUNT:
		return or_errno(mount("none", s->text, "hugetlbfs", 0, s->data));
	case OP_UMOUNT:
		return or_errno(umount2(s->text, 0));
	case OP_CREATE:
		return keep(s, open(s->text, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	case OP_MEMFD:
		return keep(s, (int)syscall(SYS_memfd_create, s->text, MFD_HUGETLB | MFD_HUGE_2MB));
	case OP_CLOSE:
		return or_errno(close(fd));
	case OP_UNLINK:
		return or_errno(unlink(s->text));
	case OP_TRUNCATE:
		return or_errno(ftruncate(fd, length));
	case OP_FALLOCATE:
		return or_errno(fallocate(fd, (int)s->arg[3], at, length));
	case OP_SHMGET:
		return keep(s, shmget(IPC_PRIVATE, (size_t)length, SHM_HUGETLB | IPC_CREAT | 0600));
	case OP_SHMRM:
		return or_errno(shmctl(fd, IPC_RMID, NULL));
	default:
		return BAD;
	}
}

void controller_body(int self)
{
	slot_serve(&self, handle);
}
