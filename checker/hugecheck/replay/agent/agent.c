/*
 * The supervisor: init of the guest. It reads one line at a time from the second serial port and answers each with
 * one line; protocol.py on the host is the other end.
 *
 *   T <nodes> <timeout ms>   a trace begins: p0 is there             -> t ok
 *   S <op> <fields>          one step                                -> r <result> <counters>, or u: not settled
 *   E                        the teardown after the trace            -> e ok|stuck <counters>
 *
 * After a step that hung or died the rest of the trace is answered with `s` (skipped).
 *
 * As `agent host DIR` it is an ordinary process of root's, first in pid, mount and IPC namespaces of its own (host.py),
 * and talks on its standard streams. DIR becomes its root, so that it sees the same paths as in a guest.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#define PROTOCOL 1

static bool broken; /* a process hung or died inside a call: nothing after that means anything */
static FILE *from_host, *host;

static const char *result_name(int result)
{
	static char number[16];

	switch (result) {
	case OK: return "ok";
	case BUS: return "SIGBUS";
	case SEGV: return "SIGSEGV";
	case HANG: return "HANG";
	case DIED: return "OOPS";
	case BAD: return "BAD";
#define E(name) case name: return #name
	E(EPERM); E(ENOENT); E(EINTR); E(EIO); E(ENXIO); E(EBADF); E(EAGAIN); E(ENOMEM); E(EACCES); E(EFAULT); E(EBUSY);
	E(EEXIST); E(ENODEV); E(ENOTDIR); E(EISDIR); E(EINVAL); E(ENFILE); E(EMFILE); E(ETXTBSY); E(EFBIG); E(ENOSPC);
	E(EROFS); E(ERANGE); E(ENOSYS); E(EOPNOTSUPP); E(EOVERFLOW); E(EIDRM);
#undef E
	default:
		snprintf(number, sizeof(number), "E%d", result);
		return number;
	}
}

static void reply(const char *head, const char *result)
{
	static char text[4096];
	bool settled = counters_settled(text, sizeof(text));

	fprintf(host, "%s %s%s\n", settled ? head : "u", result, text);
}

static void serve(char *line)
{
	static char none[] = "-";
	char *word[WORDS], *rest = line;
	int result;

	for (int i = 0; i < WORDS; i++) {
		word[i] = strtok_r(rest, " \n", &rest);
		if (!word[i])
			word[i] = none;
		if (strlen(word[i]) >= NAME)
			word[i][NAME - 1] = 0;
	}
	switch (word[0][0]) {
	case 'T':
		fprintf(host, "t %s\n", result_name(world_begin(atoi(word[1]), atol(word[2]))));
		break;
	case 'S':
		if (broken) {
			fprintf(host, "s\n");
			break;
		}
		result = step(word + 1);
		broken = result == HANG || result == DIED;
		reply("r", result_name(result));
		break;
	case 'E':
		reply("e", teardown() ? "ok" : "stuck");
		break;
	default:
		fprintf(host, "? %s\n", line);
	}
	fflush(host);
}

static void prepare(void)
{
	static const char *const dirs[] = { "/proc", "/sys", "/dev", "/cg", "/mnt" };
	struct sched_param first = { .sched_priority = 50 };
	int fd;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		mkdir(dirs[i], 0755);
	mount("none", "/proc", "proc", 0, NULL);
	mount("none", "/sys", "sysfs", 0, NULL);
	mount("none", "/dev", "devtmpfs", 0, NULL);
	if (!mount("none", "/cg", "cgroup2", 0, NULL)) {
		fd = open("/cg/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
		if (write(fd, "+hugetlb", 8) < 0)
			perror("cgroup: no hugetlb controller");
		close(fd);
	}
	slots = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first);
}

/* No /dev, no cgroups, no real-time priority: what is not needed stays as it is. */
static bool prepare_host(const char *root)
{
	if (getpid() != 1 || mount("none", root, "tmpfs", 0, "size=1m") < 0 || chroot(root) < 0 || chdir("/") < 0)
		return false;
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/mnt", 0755);
	if (mount("none", "/proc", "proc", 0, NULL) < 0 || mount("none", "/sys", "sysfs", 0, NULL) < 0)
		return false;
	slots = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	from_host = stdin;
	host = stdout;
	return true;
}

static bool open_host(void)
{
	struct termios raw;
	int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return false;
	tcgetattr(fd, &raw);
	cfmakeraw(&raw);
	cfsetspeed(&raw, B115200);
	raw.c_cflag |= CLOCAL | CREAD;
	tcsetattr(fd, TCSANOW, &raw);
	from_host = fdopen(fd, "r");
	host = fdopen(fd, "w");
	return from_host && host;
}

static void leave(bool on_host)
{
	if (on_host)
		_exit(0);
	reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	static char line[512];
	struct utsname kernel;
	sigset_t child;
	bool on_host = argc == 3 && !strcmp(argv[1], "host");

	if (on_host && !prepare_host(argv[2])) {
		perror("hugecheck agent");
		return 1;
	}
	if (!on_host)
		prepare();
	counters_open();
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	if ((!on_host && !open_host()) || slot_start(0, "controller", controller_body) != OK) {
		perror("hugecheck agent");
		leave(on_host);
	}
	uname(&kernel);
	fprintf(host, "\nhello %d %s %s\n", PROTOCOL, kernel.release, kernel.version);
	fflush(host);
	while (fgets(line, sizeof(line), from_host))
		serve(line);
	leave(on_host);
	return 0;
}
