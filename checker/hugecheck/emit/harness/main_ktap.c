static const char nr_hugepages[] = "/proc/sys/vm/nr_hugepages";
static const char nr_overcommit[] = "/proc/sys/vm/nr_overcommit_hugepages";

static void write_number(const char *file, unsigned long value)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		dprintf(fd, "%lu\n", value);
		close(fd);
	}
}

static unsigned long read_number(const char *file)
{
	char text[32] = "";
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	return strtoul(text, NULL, 10);
}

static unsigned long pool, overcommit;

static void end(int status)
{
	kill_all();
	put_away();
	rmdir(shared->dir);
	write_number(nr_overcommit, overcommit);
	write_number(nr_hugepages, pool);
	if (getpid() == 1) { /* the init of a small guest */
		sync();
		reboot(RB_POWER_OFF);
	}
	exit(status);
}

static void on_signal(int signo)
{
	if (me == CONTROLLER && getpid() == shared->controller)
		end(128 + signo);
	_exit(1);
}

static int skip(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	fflush(stdout);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 4;
}

static bool check(int n, int result, struct counters now)
{
	const struct step *s = &steps[n];
	bool good = result == s->result && same(now, s->after);

	printf("%s %d - %s\n", good ? "ok" : "not ok", n + 1, s->text);
	printf("# %s, total %lu, free %lu, rsvd %lu, surp %lu\n", result_name(result), now.total, now.free, now.rsvd,
	       now.surp);
	if (!good)
		printf("# expected %s, total %lu, free %lu, rsvd %lu, surp %lu\n", result_name(s->result), s->after.total,
		       s->after.free, s->after.rsvd, s->after.surp);
	fflush(stdout);
	return good;
}

int main(void)
{
	struct counters now;
	bool good = true;
	int result;

	if (getpid() == 1) {
		mkdir("/proc", 0555);
		mount("none", "/proc", "proc", 0, NULL);
	}
	printf("KTAP version 1\n");
	now = read_counters();
	if (geteuid() != 0)
		return skip("needs root");
	if (now.total != now.free || now.rsvd || now.surp)
		return skip("the pool of huge pages is in use");
	pool = read_number(nr_hugepages);
	overcommit = read_number(nr_overcommit);
	if (!begin())
		return skip("cannot begin");
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	write_number(nr_hugepages, 0);
	write_number(nr_overcommit, 0);
	printf("1..%d\n", STEPS + CLAIMS);
	fflush(stdout);
	for (int n = 0; n < STEPS; n++) {
		result = ask(n);
		now = settled();
		good &= check(n, result, now);
		look(&now, n == STEPS - 1);
		if (result == HANGS) {
			printf("Bail out! a call does not return\n");
			break;
		}
	}
	good &= judge();
	fflush(stdout);
	end(good ? 0 : 1);
	return 0;
}
