"""One trace against a guest that is played by the test."""

from __future__ import annotations

from pathlib import Path

from hugecheck.replay.guest import play
from hugecheck.replay.images import Image
from hugecheck.replay.record import fixed
from hugecheck.replay.trace import Step, of_steps
from hugecheck.replay.vm import GuestDiedError, GuestSilentError, Machine, Vm

STEPS: list[Step] = [{"op": "set_nr", "n": 1}, {"op": "memfd", "file": "f0"}]
ZERO = "e ok 0 0 0 0"


class Fake(Vm):
    """Answers from a list; an exception in it is raised."""

    def __init__(self, *answers: str | Exception, console: str = "") -> None:
        super().__init__(Machine(Image("6.1.192", "", Path("none"))), b"")
        self.greeting = "6.1.0 #1 Debian 6.1.192-2"
        self.answers = list(answers)
        self.console = console
        self.asked: list[str] = []

    def ask(self, line: str, seconds: float = 0) -> str:
        self.asked.append(line)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def new_console(self) -> list[str]:
        return self.console.splitlines()


def played(vm: Fake) -> tuple[dict[str, object], bool]:
    result = play(vm, "t", fixed(of_steps("t", STEPS)).player())
    return result.recorded.to_json(), result.clean


def test_a_trace() -> None:
    """Steps with their answers, in the exchange format."""
    vm = Fake("t ok", "r ok 1 1 0 0", "r ENOMEM 1 1 0 0", ZERO)
    after = {"total": 1, "free": 1, "rsvd": 0, "surp": 0}
    steps = [{**STEPS[0], "result": "ok", "after": after}, {**STEPS[1], "result": "ENOMEM", "after": after}]
    assert played(vm) == ({"id": "t", "kernel": "6.1.192", "nodes": 1, "page_kib": 2048, "steps": steps}, True)
    assert vm.asked == ["T 1 10000", "S set_nr 1", "S memfd f0", "E"]


def test_residue_is_recorded_and_spends_the_guest() -> None:
    """Whatever is not zero after the teardown."""
    trace, clean = played(Fake("t ok", "r ok 1 1 0 0", "r ok 1 1 0 0", "e ok 0 0 18446744073709551615 0"))
    assert trace["residue"] == {"total": 0, "free": 0, "rsvd": 18446744073709551615, "surp": 0}
    assert not clean


def test_a_hang_ends_the_trace() -> None:
    """With the counters read while it hangs, and no teardown."""
    vm = Fake("t ok", "r HANG 1 0 0 0")
    trace, clean = played(vm)
    assert trace["steps"] == [{**STEPS[0], "result": "HANG", "after": {"total": 1, "free": 0, "rsvd": 0, "surp": 0}}]
    assert "residue" not in trace
    assert not clean


def test_a_guest_that_falls_silent_hangs() -> None:
    """Nobody is left to read the counters."""
    trace, clean = played(Fake("t ok", GuestSilentError()))
    assert trace["steps"] == [{**STEPS[0], "result": "HANG"}]
    assert not clean


def test_a_panic_is_a_result() -> None:
    """The last lines of the console go with it."""
    console = "[ 1.0] Kernel panic - not syncing: Fatal exception\n[ 1.1] ---[ end Kernel panic"
    trace, clean = played(Fake("t ok", "r ok 1 1 0 0", GuestDiedError(), console=console))
    assert [step["result"] for step in trace["steps"]] == ["ok", "PANIC"]  # type: ignore[attr-defined]
    assert trace["console"] == console.splitlines()
    assert not clean


def test_a_warning_is_recorded_and_spends_the_guest() -> None:
    """The trace goes on, as the kernel does."""
    console = "[ 1.0] ------------[ cut here ]------------\n[ 1.0] WARNING: CPU: 0 PID: 1 at mm/hugetlb.c:1"
    trace, clean = played(Fake("t ok", "r ok 1 1 0 0", "r ok 1 1 0 0", ZERO, console=console))
    assert trace["console"] == console.splitlines()
    assert not clean


def test_other_lines_on_the_console_are_nothing() -> None:
    """The kernel says many things."""
    trace, clean = played(Fake("t ok", "r ok 1 1 0 0", "r ok 1 1 0 0", ZERO, console="[ 1.0] hugetlbfs: bad size"))
    assert "console" not in trace
    assert clean


def test_counters_that_do_not_rest_are_marked() -> None:
    """With the number of the step."""
    trace, _ = played(Fake("t ok", "r ok 1 1 0 0", "u ok 1 1 0 0", ZERO))
    assert trace["unsettled"] == [2]
