/*
 * The world of a trace: its files, mounts and cgroups by name, one function for each kind of step, and the teardown
 * that puts everything away again. Runs in the supervisor, which only ever asks others to make the calls.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum kind { FREE, NAMED, MEMFD, SEGMENT };

struct file {
	enum kind kind;
	char name[NAME];
	char mount[NAME];  /* NAMED */
	int fd;            /* in the controller, or the segment's id; -1: closed */
	long pages;        /* SEGMENT */
	bool linked;       /* NAMED: the name is there */
};

static struct file files[FILES];
static char mounts[MOUNTS][NAME];
static char cgroups[CGROUPS][NAME];
struct shown shown = { (const char (*)[NAME])mounts, 0, (const char (*)[NAME])cgroups, 0, 1 };
static long n_addresses, timeout_ms;

/* ---- the controller's calls ---- */

static int ask(enum op op, const char *text, const char *data, long a, long b, long c, long d)
{
	struct slot *s = &slots[0];

	s->op = op;
	snprintf(s->text, TEXT, "%s", text ? text : "");
	snprintf(s->data, TEXT, "%s", data ? data : "");
	s->arg[0] = a;
	s->arg[1] = b;
	s->arg[2] = c;
	s->arg[3] = d;
	return slot_call(0, timeout_ms);
}

static int put(const char *path, long value, long node)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return ask(OP_PUT, path, text, node, 0, 0, 0);
}

static int put_node(long node, long n)
{
	char path[TEXT];

	snprintf(path, TEXT, "/sys/devices/system/node/node%ld/hugepages/hugepages-2048kB/nr_hugepages", node);
	return put(path, n, -1);
}

static int put_cgroup(const char *cgroup, const char *which, long value)
{
	char path[TEXT];

	snprintf(path, TEXT, "/cg/%s/%s", cgroup, which);
	return put(path, value, -1);
}

/* ---- names ---- */

static struct file *file_find(const char *name)
{
	for (int i = 0; i < FILES; i++)
		if (files[i].kind && !strcmp(files[i].name, name))
			return &files[i];
	return NULL;
}

static struct file *file_add(enum kind kind, const char *name, int fd)
{
	struct file *f = file_find(name);

	for (int i = 0; !f && i < FILES; i++)
		if (!files[i].kind)
			f = &files[i];
	if (f) {
		memset(f, 0, sizeof(*f));
		f->kind = kind;
		f->fd = fd;
		strcpy(f->name, name);
	}
	return f;
}

static void file_path(const struct file *f, char *path)
{
	snprintf(path, TEXT, "/mnt/%s/%s", f->mount, f->name);
}

static void file_drop_if_gone(struct file *f)
{
	if (f->fd < 0 && !f->linked)
		f->kind = FREE;
}

/* Tables of names are kept sorted: the teardown and the replies go by name. */
static bool name_add(char (*table)[NAME], int *n, int max, const char *name)
{
	int i;

	if (*n == max)
		return false;
	for (i = *n; i > 0 && strcmp(table[i - 1], name) > 0; i--)
		strcpy(table[i], table[i - 1]);
	strcpy(table[i], name);
	(*n)++;
	return true;
}

static int name_find(char (*table)[NAME], int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(table[i], name))
			return i;
	return -1;
}

static void name_remove(char (*table)[NAME], int *n, int at)
{
	memmove(table[at], table[at + 1], (size_t)(*n - at - 1) * NAME);
	(*n)--;
}

static long new_address(void)
{
	return (long)(MAP_BASE + (unsigned long)n_addresses++ * MAP_STRIDE);
}

/* ---- steps: word[0] is the op, the fields follow ---- */

static int step_mount(char **word)
{
	char path[TEXT], options[TEXT], item[40];
	int result;

	snprintf(options, TEXT, "pagesize=2M");
	if (word[2][0] != '-') {
		snprintf(item, sizeof(item), ",size=%lu", strtoul(word[2], NULL, 10) * PAGE);
		strcat(options, item);
	}
	if (word[3][0] != '-') {
		snprintf(item, sizeof(item), ",min_size=%lu", strtoul(word[3], NULL, 10) * PAGE);
		strcat(options, item);
	}
	snprintf(path, TEXT, "/mnt/%s", word[1]);
	ask(OP_MKDIR, path, NULL, 0, 0, 0, 0);
	result = ask(OP_MOUNT, path, options, 0, 0, 0, 0);
	if (result == OK && !name_add(mounts, &shown.n_mounts, MOUNTS, word[1]))
		return BAD;
	return result;
}

static int do_umount(int at)
{
	char path[TEXT];
	int result;

	snprintf(path, TEXT, "/mnt/%s", mounts[at]);
	result = ask(OP_UMOUNT, path, NULL, 0, 0, 0, 0);
	if (result != OK)
		return result;
	for (int i = 0; i < FILES; i++)
		if (files[i].kind == NAMED && !strcmp(files[i].mount, mounts[at]))
			files[i].kind = FREE;
	name_remove(mounts, &shown.n_mounts, at);
	ask(OP_RMDIR, path, NULL, 0, 0, 0, 0);
	return OK;
}

static int step_umount(char **word)
{
	int at = name_find(mounts, shown.n_mounts, word[1]);

	return at < 0 ? BAD : do_umount(at);
}

static int step_create(char **word)
{
	struct file *f, new = { .kind = NAMED };
	char path[TEXT];
	int result;

	strcpy(new.name, word[1]);
	strcpy(new.mount, word[2]);
	file_path(&new, path);
	result = ask(OP_CREATE, path, NULL, 0, 0, 0, 0);
	if (result != OK)
		return result;
	f = file_add(NAMED, word[1], (int)slots[0].value);
	if (!f)
		return BAD;
	strcpy(f->mount, word[2]);
	f->linked = true;
	return OK;
}

static int step_memfd(char **word)
{
	int result = ask(OP_MEMFD, word[1], NULL, 0, 0, 0, 0);

	return result != OK ? result : file_add(MEMFD, word[1], (int)slots[0].value) ? OK : BAD;
}

static int step_shmget(char **word)
{
	long pages = atol(word[2]);
	int result = ask(OP_SHMGET, NULL, NULL, 0, 0, pages, 0);
	struct file *f;

	if (result != OK)
		return result;
	f = file_add(SEGMENT, word[1], (int)slots[0].value);
	if (!f)
		return BAD;
	f->pages = pages;
	return OK;
}

static int do_close(struct file *f)
{
	int result = ask(f->kind == SEGMENT ? OP_SHMRM : OP_CLOSE, NULL, NULL, f->fd, 0, 0, 0);

	if (result == OK) {
		f->fd = -1;
		file_drop_if_gone(f);
	}
	return result;
}

static int step_file(char **word)
{
	struct file *f = file_find(word[1]);
	char path[TEXT];
	int result;

	if (!f)
		return BAD;
	if (!strcmp(word[0], "close") || !strcmp(word[0], "shmrm"))
		return do_close(f);
	if (!strcmp(word[0], "truncate"))
		return ask(OP_TRUNCATE, NULL, NULL, f->fd, 0, atol(word[2]), 0);
	if (!strcmp(word[0], "fallocate"))
		return ask(OP_FALLOCATE, NULL, NULL, f->fd, atol(word[2]), atol(word[3]), 0);
	if (!strcmp(word[0], "punch"))
		return ask(OP_FALLOCATE, NULL, NULL, f->fd, atol(word[2]), atol(word[3]),
			   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	if (strcmp(word[0], "unlink"))
		return BAD;
	file_path(f, path);
	result = ask(OP_UNLINK, path, NULL, 0, 0, 0, 0);
	if (result == OK) {
		f->linked = false;
		file_drop_if_gone(f);
	}
	return result;
}

static int step_mmap(struct slot *s, char **word)
{
	long offset = atol(word[4]), pages = atol(word[5]);
	int flags = word[6][0] == 's' ? MAP_SHARED : MAP_PRIVATE;
	struct file *f;

	if (pages > MAP_PAGES)
		return BAD;
	if (word[6][1] == 'n')
		flags |= MAP_NORESERVE;
	if (strcmp(word[3], "-")) {
		f = file_find(word[3]);
		if (!f || f->kind == SEGMENT)
			return BAD;
		if (f->fd >= 0)
			snprintf(s->data, TEXT, "/proc/%d/fd/%d", slots[0].pid, f->fd);
		else
			file_path(f, s->data);
	}
	s->op = OP_MMAP;
	s->arg[0] = new_address();
	s->arg[1] = offset;
	s->arg[2] = pages;
	s->arg[3] = flags;
	return slot_call((int)(s - slots), timeout_ms);
}

static int step_fork(struct slot *s, char **word)
{
	int child = slot_free();
	int result;

	if (child < 0 || slot_find(word[2]) >= 0)
		return BAD;
	memset(&slots[child], 0, sizeof(slots[child]));
	s->op = OP_FORK;
	s->arg[0] = child;
	result = slot_call((int)(s - slots), timeout_ms);
	if (result == OK) {
		slots[child].pid = (pid_t)s->value;
		strcpy(slots[child].name, word[2]);
	}
	return result;
}

static int step_exit(struct slot *s)
{
	int i = (int)(s - slots);

	s->op = OP_EXIT;
	slot_post(i);
	return slot_wait_exit(i, timeout_ms);
}

static int step_shmat(struct slot *s, char **word)
{
	struct file *f = file_find(word[3]);

	if (!f || f->kind != SEGMENT)
		return BAD;
	s->op = OP_SHMAT;
	s->arg[0] = new_address();
	s->arg[1] = f->fd;
	s->arg[2] = f->pages;
	return slot_call((int)(s - slots), timeout_ms);
}

/* The steps a process makes: word[1] is the process, word[2] mostly the mapping. */
static int step_process(char **word)
{
	static const struct { const char *name; enum op op; } plain[] = {
		{ "munmap", OP_MUNMAP }, { "read", OP_READ }, { "write", OP_WRITE }, { "madv_dontneed", OP_MADVISE },
		{ "mprotect", OP_MPROTECT }, { "mremap", OP_MREMAP }, { "shmdt", OP_SHMDT },
	};
	int i = slot_find(word[1]);
	struct slot *s;

	if (i < 0)
		return BAD;
	s = &slots[i];
	snprintf(s->text, TEXT, "%s", word[2]);
	s->data[0] = 0;
	if (!strcmp(word[0], "mmap"))
		return step_mmap(s, word);
	if (!strcmp(word[0], "fork"))
		return step_fork(s, word);
	if (!strcmp(word[0], "exit"))
		return step_exit(s);
	if (!strcmp(word[0], "shmat"))
		return step_shmat(s, word);
	s->arg[0] = atol(word[3]);
	s->arg[1] = atol(word[4]);
	for (size_t k = 0; k < sizeof(plain) / sizeof(*plain); k++) {
		if (strcmp(word[0], plain[k].name))
			continue;
		s->op = plain[k].op;
		if (s->op == OP_MPROTECT)
			s->arg[0] = PROT_READ | (strcmp(word[3], "rw") ? 0 : PROT_WRITE);
		if (s->op == OP_MREMAP)
			s->arg[1] = s->arg[1] ? new_address() : 0;
		return slot_call(i, timeout_ms);
	}
	return BAD;
}

static int step_cgroup(char **word)
{
	char path[TEXT];
	int result;

	if (name_find(cgroups, shown.n_cgroups, word[1]) < 0) {
		snprintf(path, TEXT, "/cg/%s", word[1]);
		result = ask(OP_MKDIR, path, NULL, 0, 0, 0, 0);
		if (result != OK)
			return result;
		if (!name_add(cgroups, &shown.n_cgroups, CGROUPS, word[1]))
			return BAD;
	}
	if (word[2][0] != '-') {
		result = put_cgroup(word[1], "hugetlb.2MB.max", atol(word[2]) * (long)PAGE);
		if (result != OK)
			return result;
	}
	return word[3][0] == '-' ? OK : put_cgroup(word[1], "hugetlb.2MB.rsvd.max", atol(word[3]) * (long)PAGE);
}

static int step_cgroup_move(char **word)
{
	int i = slot_find(word[2]);

	return i < 0 ? BAD : put_cgroup(word[1], "cgroup.procs", slots[i].pid);
}

static int step_set_nr(char **word)
{
	return put("/proc/sys/vm/nr_hugepages", atol(word[1]), -1);
}

static int step_set_nr_node(char **word)
{
	return put_node(atol(word[1]), atol(word[2]));
}

static int step_set_nr_mempolicy(char **word)
{
	return put("/proc/sys/vm/nr_hugepages_mempolicy", atol(word[2]), atol(word[1]));
}

static int step_set_overcommit(char **word)
{
	return put("/proc/sys/vm/nr_overcommit_hugepages", atol(word[1]), -1);
}

static const struct {
	const char *op;
	int (*run)(char **word);
} steps[] = {
	{ "set_nr", step_set_nr }, { "set_nr_node", step_set_nr_node }, { "set_nr_mempolicy", step_set_nr_mempolicy },
	{ "set_overcommit", step_set_overcommit }, { "mount", step_mount }, { "umount", step_umount },
	{ "create", step_create }, { "memfd", step_memfd }, { "close", step_file }, { "unlink", step_file },
	{ "truncate", step_file }, { "fallocate", step_file }, { "punch", step_file }, { "mmap", step_process },
	{ "munmap", step_process }, { "read", step_process }, { "write", step_process },
	{ "madv_dontneed", step_process }, { "mprotect", step_process }, { "mremap", step_process },
	{ "fork", step_process }, { "exit", step_process }, { "shmget", step_shmget }, { "shmat", step_process },
	{ "shmdt", step_process }, { "shmrm", step_file }, { "cgroup", step_cgroup },
	{ "cgroup_move", step_cgroup_move },
};

/* word[0] is the op, then its fields; all ten words are there. */
int step(char **word)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (!strcmp(steps[i].op, word[0]))
			return steps[i].run(word);
	return BAD;
}

/* A world with nothing in it but p0. The pool is empty, and both its round-robin positions are at node 0. */
int world_begin(int n_nodes, long timeout)
{
	shown.n_nodes = n_nodes;
	timeout_ms = timeout;
	n_addresses = 0;
	if (n_nodes > 1) {
		put_node(0, 1);
		put_node(0, 0);
	}
	return slot_start(1, "p0", worker_body);
}

/* False if something would not go away. In the order that trace-format.md documents. */
bool teardown(void)
{
	bool gone = true;
	char path[TEXT];

	for (;;) {
		int next = -1;

		for (int i = 1; i < SLOTS; i++)
			if (slots[i].pid && (next < 0 || strcmp(slots[i].name, slots[next].name) < 0))
				next = i;
		if (next < 0)
			break;
		if (slot_kill(next, timeout_ms) != OK) {
			gone = false;
			slots[next].pid = 0;
		}
	}
	for (;;) {
		struct file *next = NULL;

		for (int i = 0; i < FILES; i++)
			if (files[i].kind && (!next || strcmp(files[i].name, next->name) < 0))
				next = &files[i];
		if (!next)
			break;
		if (next->fd >= 0)
			gone &= do_close(next) == OK;
		next->kind = FREE;
	}
	for (int at = 0; at < shown.n_mounts;)
		if (do_umount(at) != OK) {
			gone = false;
			at++;
		}
	gone &= put("/proc/sys/vm/nr_overcommit_hugepages", 0, -1) == OK;
	gone &= put("/proc/sys/vm/nr_hugepages", 0, -1) == OK;
	while (shown.n_cgroups) {
		snprintf(path, TEXT, "/cg/%s", cgroups[--shown.n_cgroups]);
		gone &= ask(OP_RMDIR, path, NULL, 0, 0, 0, 0) == OK;
	}
	return gone;
}
