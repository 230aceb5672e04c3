/*
 * The guest agent: one supervisor (PID 1) that talks to the host and reads the counters, one controller that
 * owns every file, mount and pool write, and one worker for each process of the trace.
 *
 * Nobody but a worker ever maps a huge page, and the supervisor makes no system call that a step is about, so a
 * call that hangs or oopses takes a child with it and never the supervisor.
 */
#ifndef HUGECHECK_AGENT_H
#define HUGECHECK_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PAGE (2UL << 20)
#define SLOTS 64     /* slot 0 is the controller's */
#define FILES 64
#define MOUNTS 16
#define CGROUPS 16
#define MAPS 256     /* names a process has used */
#define NODES 8
#define NAME 24
#define TEXT 96

/*
 * Every mapping gets an address of its own, 4 GiB apart and 2 MiB past a multiple of 1 GiB. Below 1022 pages it
 * then covers no whole aligned 1 GiB range, and page tables are never shared between processes.
 */
#define MAP_BASE ((1UL << 40) + PAGE)
#define MAP_STRIDE (4UL << 30)
#define MAP_PAGES 1022L

/* What became of a request. Positive numbers are errno. */
#define OK 0
#define BUS (-1)
#define SEGV (-2)
#define HANG (-3)   /* the call has not returned */
#define DIED (-4)   /* the kernel killed the process inside the call */
#define BAD (-5)    /* the host asked for something that makes no sense */

#define WORDS 10    /* of a line from the host, the missing ones filled in as "-" */

enum op {
	OP_NONE,
	/* a worker's */
	OP_MMAP, OP_MUNMAP, OP_READ, OP_WRITE, OP_MADVISE, OP_MPROTECT, OP_MREMAP, OP_FORK, OP_EXIT, OP_SHMAT, OP_SHMDT,
	/* the controller's */
	OP_PUT, OP_MOUNT, OP_UMOUNT, OP_CREATE, OP_MEMFD, OP_CLOSE, OP_UNLINK, OP_TRUNCATE, OP_FALLOCATE, OP_SHMGET,
	OP_SHMRM, OP_MKDIR, OP_RMDIR,
};

/* One request to one process, and its answer. */
struct slot {
	int posted;   /* futex: the process has something to do */
	int done;     /* futex: the answer is there */
	int result;
	long value;   /* a descriptor, a segment, a pid */
	enum op op;
	long arg[4];
	char text[TEXT];
	char data[TEXT];
	/* below: the supervisor's own notes */
	pid_t pid;    /* 0: free */
	char name[NAME];
};

extern struct slot *slots; /* shared by every process of the agent */

/* slots.c: the supervisor's side */
int slot_start(int i, const char *name, void (*body)(int));
void slot_post(int i);
int slot_call(int i, long timeout_ms);
int slot_wait_exit(int i, long timeout_ms);
int slot_kill(int i, long timeout_ms);
int slot_find(const char *name);
int slot_free(void);

/* slots.c: the other side */
void slot_serve(int *self, int (*handle)(int *self, struct slot *request)) __attribute__((noreturn));

/* worker.c, controller.c */
void worker_body(int self);
void controller_body(int self);

/* counters.c: one reading of everything the trace format wants, as the text of a reply */
struct shown {
	const char (*mounts)[NAME];
	int n_mounts;
	const char (*cgroups)[NAME];
	int n_cgroups;
	int n_nodes;
};
extern struct shown shown;
void counters_open(void);
bool counters_settled(char *text, size_t size);

/* steps.c */
int world_begin(int n_nodes, long timeout);
int step(char **word);
bool teardown(void);

#endif
