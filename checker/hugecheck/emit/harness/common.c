enum { GOT_SIGBUS = 1001, GOT_SIGSEGV, HANGS, IN_CHILD };

struct counters {
	unsigned long total, free, rsvd, surp;
};

/* A mapping of this process; a child inherits the variable with the mapping. */
struct area {
	char *start;
	size_t length;
};

struct step {
	int who;
	const char *text;
	int (*make)(void);
	int result;
	struct counters after;
};

static int me = CONTROLLER;

/*@@ steps @@*/

static const char *result_name(int result)
{
	switch (result) {
	case 0:
		return "ok";
	case GOT_SIGBUS:
		return "SIGBUS";
	case GOT_SIGSEGV:
		return "SIGSEGV";
	case HANGS:
		return "does not return";
	default:
		return strerror(result);
	}
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static unsigned long field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static struct counters read_counters(void)
{
	struct counters c = { 0 };
	char text[8192] = "";
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return c;
	if (read(fd, text, sizeof(text) - 1) > 0) {
		c.total = field(text, "HugePages_Total:");
		c.free = field(text, "HugePages_Free:");
		c.rsvd = field(text, "HugePages_Rsvd:");
		c.surp = field(text, "HugePages_Surp:");
	}
	close(fd);
	return c;
}

static bool same(struct counters a, struct counters b)
{
	return a.total == b.total && a.free == b.free && a.rsvd == b.rsvd && a.surp == b.surp;
}

/* Pages are freed by a worker of the kernel: wait until two readings agree. */
static struct counters settled(void)
{
	struct counters now = read_counters(), before;
	int tries = 100;

	do {
		before = now;
		pause_ms(20);
		now = read_counters();
	} while (!same(now, before) && --tries);
	return now;
}

/*
 * Every process but the first waits here for the number of a step, and makes it if it is its own. A child begins in the
 * middle, with the step that made it behind it.
 */
static void serve(void)
{
	int last = -1, next, result;

	for (;;) {
		next = __atomic_load_n(&shared->turn, __ATOMIC_SEQ_CST);
		if (next == last) {
			pause_ms(1);
			continue;
		}
		last = next;
		if (steps[next].who != me)
			continue;
		if (!steps[next].make)
			_exit(0);
		result = steps[next].make();
		if (result == IN_CHILD)
			continue;
		shared->result = result;
		__atomic_store_n(&shared->done, next, __ATOMIC_SEQ_CST);
	}
}

static int ask(int n)
{
	int who = steps[n].who;

	if (who == CONTROLLER)
		return steps[n].make();
	__atomic_store_n(&shared->turn, n, __ATOMIC_SEQ_CST);
	for (int ms = 0; ms < 10000; ms++) {
		if (!steps[n].make && kill(shared->pid[who], 0))
			return 0;
		if (__atomic_load_n(&shared->done, __ATOMIC_SEQ_CST) == n)
			return shared->result;
		pause_ms(1);
	}
	return HANGS;
}

static void kill_all(void)
{
	for (int i = 1; i < PROCESSES; i++) {
		if (!shared->pid[i])
			continue;
		kill(shared->pid[i], SIGKILL);
		for (int ms = 0; ms < 2000 && !kill(shared->pid[i], 0); ms++)
			pause_ms(1);
	}
}

/* The shared page, a directory for mounts, and the process p0. */
static bool begin(void)
{
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return false;
	shared->turn = shared->done = -1;
	shared->controller = getpid();
	nothing_open();
	mkdir("/tmp", 01777);
	strcpy(shared->dir, "/tmp/hugetlb-XXXXXX");
	if (!mkdtemp(shared->dir))
		return false;
	signal(SIGCHLD, SIG_IGN); /* nobody waits: a process is gone as soon as it ends */
	pid = fork();
	if (pid == 0) {
		me = 1;
		serve();
	}
	shared->pid[1] = pid;
	return pid > 0;
}
