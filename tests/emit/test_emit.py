"""Reproducers: what they say, that they compile without a warning, and that they report the violation on the kernels that have it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support import guests
from support.cli import call
from support.specs import ROOT

MODELS = ROOT / "models"
TRACES = Path(__file__).parent / "traces.jsonl"
"""Recorded on 6.12: fork, exit, SIGBUS, SIGSEGV, copy-on-write, mounts, segments, mremap, mprotect, punch."""
COUNTEREXAMPLES = {
    "6.1": (
        ("gallery/min-size-surplus", "promised_without_page"),
        ("gallery/min-size-surplus-any", "promised_without_page"),
        ("seed/madv-dontneed", "promise_restored"),
        ("seed/subpool-put-touched", "at_once"),
        ("tutorial/03-kernels", "owner_has_it"),
    ),
    "6.12": (
        ("gallery/min-size-surplus", "promised_without_page"),
        ("seed/madv-dontneed", "promise_lost"),
    ),
}
"""Clauses that are violated on that kernel."""


def emitted(*arguments: str) -> str:
    outcome = call("emit", *arguments)
    assert outcome.status == 0, outcome.err
    return outcome.out


def ids() -> list[str]:
    return [json.loads(line)["id"] for line in TRACES.read_text().splitlines()]


def test_the_text() -> None:
    """libc names, a comment on each step, the table at the head, the clause at the end."""
    source = emitted("--c", str(MODELS / "gallery/min-size-surplus.hck"))
    assert source.startswith(
        "// SPDX-License-Identifier: GPL-2.0\n/*\n * min-size-surplus: never promised_without_page"
    )
    for part in (
        "/* mount m min_size 1 */",
        'mount_hugetlbfs("m", "pagesize=2M,min_size=2M")',
        "map_file(&map_x, ADDRESS(5), descriptor(shared->fd_f), 0, 1, MAP_SHARED)",
        'P_P0, "p0: write x[0]", step_6, 0, { 1, 0, 0, 1 }',
        "if (!seen && rsvd > free)",
        "KTAP version 1",
    ):
        assert part in source
    assert "fork_as" not in source


def test_the_same_input_gives_the_same_bytes() -> None:
    """Nothing of the time or the place gets in."""
    arguments = ("--c", str(TRACES), "--id", ids()[0])
    assert emitted(*arguments) == emitted(*arguments)


def test_refusals(tmp_path: Path) -> None:
    """Overlapping calls, several nodes, cgroups, no answers, an unknown name, and several traces at once."""
    file = tmp_path / "a.jsonl"
    zero = {"total": 0, "free": 0, "rsvd": 0, "surp": 0}
    good = {"op": "set_nr", "n": 0, "result": "ok", "after": zero}
    refused = [
        ({"id": "a", "nodes": 2, "steps": [good]}, "not-emittable"),
        ({"id": "a", "steps": []}, "not-emittable"),
        ({"id": "a", "steps": [{**good, "after": {}}]}, "not-emittable"),
        ({"id": "a", "steps": [{"op": "close", "file": "f", "result": "ok", "after": zero}]}, "not-emittable"),
        (
            {"id": "a", "steps": [{"op": "set_nr_node", "node": 0, "n": 1, "result": "ok", "after": zero}]},
            "not-emittable",
        ),
        ({"id": "a", "steps": [{"op": "nothing", "result": "ok", "after": zero}]}, "bad-trace"),
    ]
    for trace, id in refused:
        file.write_text(json.dumps(trace))
        outcome = call("emit", "--c", str(file))
        assert (outcome.status, outcome.err.partition("]")[0]) == (2, f"error[{id}"), outcome
    assert "error[not-sequential]" in call("emit", "--c", str(MODELS / "gallery/race-fault-vs-truncate.hck")).err
    assert "error[bad-option]" in call("emit", "--c", str(TRACES)).err


def test_a_name_that_is_no_identifier(tmp_path: Path) -> None:
    """Two names that would be the same in C stay two."""
    zero = {"total": 0, "free": 0, "rsvd": 0, "surp": 0}
    steps = [{"op": "memfd", "file": name, "result": "ok", "after": zero} for name in ("a-b", "a.b")]
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "x", "steps": steps}))
    source = emitted("--c", str(tmp_path / "a.jsonl"))
    assert "int fd_a_b;" in source
    assert "int fd_a_b_2;" in source
    guests.compiled(source, tmp_path)


def test_shell(tmp_path: Path) -> None:
    """A script that the shell accepts, with the whole program in it."""
    script = tmp_path / "a.sh"
    call("emit", "--sh", str(MODELS / "gallery/min-size-surplus.hck"), "-o", str(script))
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
    inside = script.read_text().partition("<<'END_OF_PROGRAM'\n")[2].partition("END_OF_PROGRAM\n")[0]
    assert inside == emitted("--c", str(MODELS / "gallery/min-size-surplus.hck"))


def test_ltp(tmp_path: Path) -> None:
    """Compiles against what it uses of LTP's library."""
    (tmp_path / "tst_test.h").write_text(
        "enum { TPASS, TFAIL, TBROK, TCONF, TERRNO = 256, TST_SR_TCONF = 1 };\n"
        "struct tst_path_val { const char *path, *val; unsigned int flags; };\n"
        "struct tst_test { void (*test_all)(void), (*setup)(void), (*cleanup)(void); int needs_root, forks_child;\n"
        "\tconst struct tst_path_val *save_restore; };\n"
        "#define tst_res(type, ...) ((void)(type), (void)printf(__VA_ARGS__))\n"
        "#define tst_brk(type, ...) (tst_res(type, __VA_ARGS__), exit(1))\n"
    )
    for arguments in (
        (str(MODELS / "gallery/min-size-surplus.hck"),),
        (str(TRACES), "--id", ids()[0]),
    ):
        source = emitted("--ltp", *arguments)
        guests.compiled(source + "\nint main(void) { test.setup(); }\n", tmp_path, "-I.")


@pytest.mark.parametrize("release", COUNTEREXAMPLES)
def test_counterexamples_in_a_guest(release: str, tmp_path: Path) -> None:
    """Every step is as predicted, and the last line of KTAP says that the clause is violated."""
    image = guests.kernel(release)
    found = COUNTEREXAMPLES[release]
    programs = []
    for n, (spec, clause) in enumerate(found):
        source = emitted("--c", str(MODELS / f"{spec}.hck"), "--kernel", release, "--clause", clause)
        (tmp_path / f"{n}").mkdir()
        programs.append(guests.compiled(source, tmp_path / f"{n}"))
    for n, ((spec, clause), program) in enumerate(zip(found, programs, strict=True)):
        folder = tmp_path / f"guest{n}"
        folder.mkdir()
        (ran,) = guests.run_all([program], image, folder)  # what is left behind needs a new guest
        points = [line for line in ran.lines if line.startswith(("ok ", "not ok "))]
        assert ran.lines[:2] == ["KTAP version 1", f"1..{len(points)}"]
        assert [line for line in points[:-1] if line.startswith("not")] == [], spec
        assert points[-1].startswith(f"not ok {len(points)} - "), spec
        assert f" {clause}: " in points[-1]
        assert ran.status == 1


def test_every_call_in_a_guest(tmp_path: Path) -> None:
    """Recorded traces come out the same when their reproducers run, one after the other in one guest."""
    image = guests.kernel("6.12")
    programs = []
    for id in ids():
        (tmp_path / id).mkdir()
        programs.append(guests.compiled(emitted("--c", str(TRACES), "--id", id), tmp_path / id))
    for id, ran in zip(ids(), guests.run_all(programs, image, tmp_path), strict=True):
        assert (id, ran.status) == (id, 0), "\n".join(ran.lines)
