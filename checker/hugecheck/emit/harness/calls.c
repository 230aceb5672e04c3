/* The calls of the steps. Only those that a reproducer uses go into it: each part names what it needs. */

/*@ touch: */
static sigjmp_buf touched;

static void on_fault(int signo)
{
	siglongjmp(touched, signo);
}

/* Touch one page. SIGBUS: there is no huge page for it; SIGSEGV: it is not mapped. */
static int touch(char *at, bool write)
{
	struct sigaction action = { .sa_handler = on_fault };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	switch (sigsetjmp(touched, 1)) {
	case 0:
		if (write)
			*(volatile char *)at = 1;
		else
			(void)*(volatile char *)at;
		return 0;
	case SIGBUS:
		return GOT_SIGBUS;
	default:
		return GOT_SIGSEGV;
	}
}

/*@ path: */
static const char *path(const char *mount, const char *file)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/%s/%s", shared->dir, mount, file);
	return text;
}

/*@ mount: path */
static int mount_hugetlbfs(const char *name, const char *options)
{
	mkdir(path(name, ""), 0700);
	return mount("none", path(name, ""), "hugetlbfs", 0, options) ? errno : 0;
}

/*@ unmount: path */
static int unmount(const char *name)
{
	if (umount2(path(name, ""), 0))
		return errno;
	rmdir(path(name, ""));
	return 0;
}

/*@ put: */
static int put(const char *file, long value)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	int result = 0;

	if (fd < 0)
		return errno;
	if (dprintf(fd, "%ld\n", value) < 0)
		result = errno;
	close(fd);
	return result;
}

/*@ keep: */
/* Remember a descriptor or segment where every process sees it. */
static int keep(int *where, int value)
{
	if (value < 0)
		return errno;
	*where = value;
	return 0;
}

/*@ map: */
static int map(struct area *area, void *at, int fd, long off, long pages, int flags)
{
	char *start;

	if (fd < 0)
		flags |= MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB;
	start = mmap(at, pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, off * PAGE);
	if (start == MAP_FAILED)
		return errno;
	area->start = start;
	area->length = pages * PAGE;
	return 0;
}

/*@ map_file: map */
/* As map(), of a file that this process opens for that moment only. */
static int map_file(struct area *area, void *at, const char *name, long off, long pages, int flags)
{
	int fd = open(name, O_RDWR | O_CLOEXEC);
	int result;

	if (fd < 0)
		return errno;
	result = map(area, at, fd, off, pages, flags);
	close(fd);
	return result;
}

/*@ descriptor: */
/* The name of a file that the first process has open. */
static const char *descriptor(int fd)
{
	static char text[64];

	snprintf(text, sizeof(text), "/proc/%d/fd/%d", shared->controller, fd);
	return text;
}

/*@ remap: */
static int remap(struct area *area, void *to, long pages)
{
	char *start;

	if (to)
		start = mremap(area->start, area->length, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	else
		start = mremap(area->start, area->length, pages * PAGE, MREMAP_MAYMOVE);
	if (start == MAP_FAILED)
		return errno;
	area->start = start;
	area->length = pages * PAGE;
	return 0;
}

/*@ attach: */
static int attach(struct area *area, void *at, int id, long pages)
{
	char *start = shmat(id, at, 0);

	if (start == (void *)-1)
		return errno;
	area->start = start;
	area->length = pages * PAGE;
	return 0;
}

/*@ fork: */
/* The child goes on in the same loop under its own name. */
static int fork_as(int child)
{
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0) {
		me = child;
		return IN_CHILD;
	}
	shared->pid[child] = pid;
	return 0;
}
