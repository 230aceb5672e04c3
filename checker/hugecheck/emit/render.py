"""The whole file of a reproducer: the trace's part between the parts of `harness/` that do not depend on it."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hugecheck.compare.claim import AT_THE_END, Claim
from hugecheck.diagnostics import fail
from hugecheck.emit.condition import bare, c_expression
from hugecheck.emit.program import Program

HARNESS = Path(__file__).parent / "harness"
_PART = re.compile(r"^/\*@ (\w+): ([\w ]*)\*/\n", re.MULTILINE)
_STEPS = "/*@@ steps @@*/\n"

INCLUDES = """#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
"""

DEFINES = """
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21 << 26)
#endif
#ifndef SHM_HUGETLB
#define SHM_HUGETLB 04000
#endif

#define PAGE (2L << 20)
/* Mappings do not touch each other: each has its place. */
#define ADDRESS(step) ((void *)(0x100000000000UL + (step) * (4UL << 30)))
"""


@dataclass(frozen=True, slots=True)
class Reproducer:
    """What is to be written. `ledger`: the trace as a table, for the comment at the head; `made`: what it was made from."""

    id: str
    made: str
    program: Program
    ledger: Sequence[str]
    claim: Claim | None


def as_c(one: Reproducer) -> str:
    """A C program with KTAP output."""
    return "".join([_head(one, _C_USE), INCLUDES, DEFINES, _common(one), "\n", _harness("main_ktap.c")])


def as_ltp(one: Reproducer) -> str:
    """A test case for the Linux Test Project."""
    includes = INCLUDES + '#include "tst_test.h"\n'
    return "".join([_head(one, _LTP_USE), includes, DEFINES, _common(one, ltp=True), "\n", _harness("main_ltp.c")])


def as_sh(one: Reproducer) -> str:
    """A shell script that brings the C program with it, compiles it and runs it."""
    head = "\n".join(f"# {line}".rstrip() for line in _about(one))
    return _SCRIPT.replace("@head@", head).replace("@program@", as_c(one)).replace("@id@", _word(one.id))


_C_USE = ("Build: cc -static -Wall -Wextra -o {id} {id}.c", "Run as root: ./{id}")
_LTP_USE = ("A test case for LTP: testcases/kernel/mem/hugetlb/{id}.c",)

_SCRIPT = """#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
@head@
#
# Run as root: sh @id@.sh    (needs a C compiler: $CC or cc)

[ "$(id -u)" = 0 ] || { echo "KTAP version 1"; echo "1..0 # SKIP needs root"; exit 4; }
command -v "${CC:-cc}" >/dev/null || { echo "KTAP version 1"; echo "1..0 # SKIP no C compiler"; exit 4; }
pool=$(cat /proc/sys/vm/nr_hugepages)
overcommit=$(cat /proc/sys/vm/nr_overcommit_hugepages)
work=$(mktemp -d) || exit 1
restore() {
	rm -rf "$work"
	echo "$overcommit" >/proc/sys/vm/nr_overcommit_hugepages
	echo "$pool" >/proc/sys/vm/nr_hugepages
}
trap restore EXIT
trap 'exit 130' INT TERM

cat >"$work/@id@.c" <<'END_OF_PROGRAM'
@program@END_OF_PROGRAM
"${CC:-cc}" -O1 -o "$work/@id@" "$work/@id@.c" || exit 1
"$work/@id@"
"""


def _word(id: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", id) or "reproducer"


def _about(one: Reproducer) -> Iterator[str]:
    yield from textwrap.wrap(f"{one.id}: {one.claim}" if one.claim is not None else one.id, 110)
    yield ""
    yield from textwrap.wrap(one.made, 110)
    yield "It needs root and 2 MiB huge pages that nobody else uses; it puts the size of the pool back."
    yield ""
    yield from one.ledger


def _head(one: Reproducer, use: Sequence[str]) -> str:
    lines = [*_about(one), "", *(line.format(id=_word(one.id)) for line in use)]
    body = "\n".join(f" * {line}".rstrip() for line in lines).replace("*/", "* /")
    return f"// SPDX-License-Identifier: GPL-2.0\n/*\n{body}\n */\n"


def _harness(name: str) -> str:
    return (HARNESS / name).read_text(encoding="utf-8")


def _common(one: Reproducer, *, ltp: bool = False) -> str:
    before, after = _harness("common.c").split(_STEPS)
    program = one.program
    names = ["CONTROLLER", *(f"P_{re.sub('[^A-Za-z0-9]', '_', p).upper()}" for p in program.processes[1:])]
    if len(set(names)) < len(names):
        names = ["CONTROLLER", *(f"P_{n}" for n in range(1, len(names)))]
    out = [
        "\n/* The process of that number makes the call; the first one keeps all descriptors and maps nothing. */",
        f"enum {{ {', '.join(names)}, PROCESSES }};",
        "",
        "/* What the processes share: whose turn it is, how it ended, and what the first one opened. */",
        "static struct {",
        "\tint turn, done, result;",
        "\tpid_t controller, pid[PROCESSES];",
        "\tchar dir[32];",
        *(f"\tint {name};" for name in [*program.descriptors, *program.segments]),
        "} *shared;",
        "",
        before.rstrip(),
        "",
        *(f"static struct area {name};" for name in program.areas),
        "",
        _calls(program.helpers).rstrip(),
        "",
        *_functions(one.program, names),
        _table(one.program, names),
        _put_away(one.program),
        _claim(one, ltp),
    ]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(out))
    return text.rstrip() + "\n" + after


def _calls(helpers: set[str]) -> str:
    """The parts of `calls.c` that are used, with what they need, in the order of the file."""
    pieces = _PART.split(_harness("calls.c"))[1:]
    parts = {name: (needs.split(), code) for name, needs, code in zip(*[iter(pieces)] * 3, strict=True)}
    wanted = set(helpers)
    while more := {need for name in wanted for need in parts[name][0]} - wanted:
        wanted |= more
    return "".join(code for name, (_, code) in parts.items() if name in wanted)


def _functions(program: Program, names: Sequence[str]) -> Iterator[str]:
    for n, line in enumerate(program.lines, 1):
        if not line.expression:
            continue
        who = f"{program.processes[line.who]}: " if line.who else ""
        yield f"/* {who}{line.text} */"
        expression = line.expression
        if expression.startswith("fork_as("):
            expression = f"fork_as({names[int(expression[8:-1])]})"
        yield f"static int step_{n}(void)\n{{\n\treturn {expression};\n}}\n"


def _table(program: Program, names: Sequence[str]) -> str:
    rows = []
    for n, line in enumerate(program.lines, 1):
        make = f"step_{n}" if line.expression else "NULL"
        who = f"{program.processes[line.who]}: " if line.who else ""
        rows.append(
            f"\t{{ {names[line.who]}, {json.dumps(who + line.text)}, {make}, {line.result}, {{ {', '.join(line.after)} }} }},"
        )
    head = "/* who makes it, the step, its result, and total, free, rsvd and surp after it */\n"
    return (
        f"{head}static const struct step steps[] = {{\n"
        + "\n".join(rows)
        + "\n};\n\nenum { STEPS = sizeof(steps) / sizeof(*steps) };\n"
    )


def _put_away(program: Program) -> str:
    lines = [f"\tif (shared->{name} >= 0)\n\t\tclose(shared->{name});" for name in program.descriptors]
    lines += [f"\tif (shared->{name} >= 0)\n\t\tshmctl(shared->{name}, IPC_RMID, NULL);" for name in program.segments]
    for name in program.mounts:
        lines.append(f'\tif (!umount2(path("{name}", ""), MNT_DETACH))\n\t\trmdir(path("{name}", ""));')
    body = "".join(f"{line}\n" for line in lines)
    none = "".join(f"\tshared->{name} = -1;\n" for name in [*program.descriptors, *program.segments])
    return f"static void nothing_open(void)\n{{\n{none}}}\n\nstatic void put_away(void)\n{{\n{body}}}\n"


def _claim(one: Reproducer, ltp: bool) -> str:
    claim = one.claim
    condition = c_expression(claim.condition) if claim is not None and claim.condition is not None else None
    if claim is None or condition is None:
        look = "static void look(const struct counters *c, bool last)\n{\n\t(void)c;\n\t(void)last;\n}\n"
        return f"enum {{ CLAIMS = 0 }};\n\n{look}\nstatic bool judge(void)\n{{\n\treturn true;\n}}\n"
    used = [name for name in claim.counters if re.search(rf"\b{name}\b", condition)]
    variables = "".join(f"\t__int128 {name} = c->{name};\n" for name in used)
    wanted = bare(condition) if claim.bad else f"!{condition}" if condition.startswith("(") else f"!({condition})"
    when = "last && " if claim.kind in AT_THE_END else ""
    last = "" if when else "\t(void)last;\n"
    if when and not wanted.startswith("!"):
        wanted = f"({wanted})"
    good = "seen" if claim.kind == "sometimes" else "!seen"
    label = str(claim)
    if ltp:
        body = f'\ttst_res({good} ? TPASS : TFAIL, "%s", {json.dumps(label)});\n'
    else:
        body = f'\tprintf("%s %d - %s\\n", {good} ? "ok" : "not ok", STEPS + 1, {json.dumps(label)});\n'
        body += f'\tif (seen)\n\t\tprintf("# {_words(claim)}: after step %d\\n", seen);\n'
    return (
        f"/* {label} */\nenum {{ CLAIMS = 1 }};\nstatic int seen;\n\n"
        f"static void look(const struct counters *c, bool last)\n{{\n\tstatic int steps_done;\n{variables}{last}\n"
        f"\tsteps_done++;\n\tif (!seen && {when}{_grouped(wanted, when)})\n\t\tseen = steps_done;\n}}\n\n"
        f"static bool judge(void)\n{{\n{body}\treturn {good};\n}}\n"
    )


def _words(claim: Claim) -> str:
    return "reached" if claim.kind == "sometimes" else "violated"


def _grouped(wanted: str, when: str) -> str:
    return wanted if when or not re.search(r"&&|\|\|", wanted) else f"({wanted})"


def check_steps(one: Program, nodes: int, id: str) -> None:
    """Refuse what a reproducer cannot show."""
    if nodes != 1:
        fail("not-emittable", f"`{id}` is for {nodes} NUMA nodes, and a reproducer is for one")
    if not one.lines:
        fail("not-emittable", f"`{id}` has no steps")
