static void setup(void)
{
	struct counters now = read_counters();

	if (now.total != now.free || now.rsvd || now.surp)
		tst_brk(TCONF, "the pool of huge pages is in use");
	if (!begin())
		tst_brk(TBROK | TERRNO, "cannot begin");
}

static void cleanup(void)
{
	if (!shared)
		return;
	kill_all();
	put_away();
	rmdir(shared->dir);
}

static void run(void)
{
	for (int n = 0; n < STEPS; n++) {
		const struct step *s = &steps[n];
		int result = ask(n);
		struct counters now = settled();

		tst_res(result == s->result && same(now, s->after) ? TPASS : TFAIL,
			"%s: %s, total %lu, free %lu, rsvd %lu, surp %lu", s->text, result_name(result), now.total, now.free,
			now.rsvd, now.surp);
		look(&now, n == STEPS - 1);
		if (result == HANGS)
			tst_brk(TFAIL, "a call does not return");
	}
	judge();
}

static struct tst_test test = {
	.test_all = run,
	.setup = setup,
	.cleanup = cleanup,
	.needs_root = 1,
	.forks_child = 1,
	.save_restore = (const struct tst_path_val[]) {
		{"/proc/sys/vm/nr_hugepages", "0", TST_SR_TCONF},
		{"/proc/sys/vm/nr_overcommit_hugepages", "0", TST_SR_TCONF},
		{}
	},
};
