/* Reading the counters: the lines of /proc/meminfo and, where the trace has them, nodes, mounts and cgroups. */
#define _GNU_SOURCE
#include "agent.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

static int meminfo = -1;
static int node_meminfo[NODES];

static const char *const lines[] = { "HugePages_Total:", "HugePages_Free:", "HugePages_Rsvd:", "HugePages_Surp:" };

void counters_open(void)
{
	char path[TEXT];

	meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	for (int node = 0; node < NODES; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
		node_meminfo[node] = open(path, O_RDONLY | O_CLOEXEC);
	}
}

static void append(char **to, char *end, const char *text)
{
	size_t length = strlen(text);

	if (*to + length < end) {
		memcpy(*to, text, length + 1);
		*to += length;
	}
}

/* The number behind each label in `file`, as printed: a counter below zero is a large unsigned number. */
static void append_lines(char **to, char *end, int fd, int n, const int *which)
{
	static char file[8192];
	ssize_t size = pread(fd, file, sizeof(file) - 1, 0);
	char number[40];

	file[size < 0 ? 0 : size] = 0;
	for (int i = 0; i < n; i++) {
		const char *label = lines[which[i]];
		const char *at = strstr(file, label);

		snprintf(number, sizeof(number), " %lu", at ? strtoul(at + strlen(label), NULL, 10) : 0);
		append(to, end, number);
	}
}

static long pages_of(const char *cgroup, const char *which)
{
	char path[TEXT], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/cg/%s/hugetlb.2MB.%s", cgroup, which);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	return (long)(strtoull(text, NULL, 10) / PAGE);
}

static void reading(char *to, size_t size)
{
	static const int all[] = { 0, 1, 2, 3 }, of_node[] = { 0, 1, 3 };
	char *end = to + size;
	char item[TEXT];

	to[0] = 0;
	append_lines(&to, end, meminfo, 4, all);
	for (int i = 0; shown.n_nodes > 1 && i < shown.n_nodes; i++) {
		append(&to, end, " n");
		append_lines(&to, end, node_meminfo[i], 3, of_node);
	}
	for (int i = 0; i < shown.n_mounts; i++) {
		struct statfs fs;

		snprintf(item, sizeof(item), "/mnt/%s", shown.mounts[i]);
		if (statfs(item, &fs) < 0)
			continue;
		snprintf(item, sizeof(item), " m %s %ld %ld", shown.mounts[i], (long)fs.f_blocks, (long)fs.f_bfree);
		append(&to, end, item);
	}
	for (int i = 0; i < shown.n_cgroups; i++) {
		const char *name = shown.cgroups[i];

		snprintf(item, sizeof(item), " c %s %ld %ld", name, pages_of(name, "current"), pages_of(name, "rsvd.current"));
		append(&to, end, item);
	}
}

/* Two readings 20 ms apart that agree. False if two seconds were not enough; then the text is the last reading. */
bool counters_settled(char *text, size_t size)
{
	static char again[4096];
	const struct timespec pause = { 0, 20 * 1000000 };

	reading(text, size);
	for (int i = 0; i < 100; i++) {
		nanosleep(&pause, NULL);
		reading(again, size < sizeof(again) ? size : sizeof(again));
		if (!strcmp(text, again))
			return true;
		strcpy(text, again);
	}
	return false;
}
