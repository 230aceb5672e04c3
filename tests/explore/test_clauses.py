"""What each kind of clause and step means."""

from __future__ import annotations

import pytest

from hugecheck.explore.search import Limits
from support.specs import clause, counts, run, steps, verdicts

COUNT = """
var n: nat = 0
enum E { FULL }
operation inc() { atomic { if n = 3 { fail FULL }; n += 1 } }
operation dec() when n > 0 "n is {n}" { atomic { n -= 1 } }
operation twice() { atomic { n += 1 }; atomic { n += 1 } }
"""


def verdict(text: str, *, merge: bool = True) -> dict[str, str]:
    return verdicts(run(COUNT + text, merge=merge))


@pytest.mark.parametrize(
    ("clause_text", "wanted"),
    [
        ("always c: n <= 2", "holds"),
        ("always c: n <= 1", "violated"),
        ("never c: n = 3", "holds"),
        ("never c: n = 2", "violated"),
        ("sometimes c: n = 2", "reached"),
        ("sometimes c: n = 3", "not reached"),
        ("finally c: n = 2", "holds"),
        ("finally c: n = 1", "violated"),
        ("always c: n != 1", "violated"),
        ("always c: n != 1 when quiescent", "holds"),
        ("never c: n = 1 when quiescent", "holds"),
        ("sometimes c: n = 1 when quiescent", "not reached"),
        ("sometimes c: n = 1", "reached"),
    ],
)
@pytest.mark.parametrize("merge", [True, False], ids=["merged", "sections"])
def test_kinds(clause_text: str, wanted: str, merge: bool) -> None:
    """`twice` passes through n = 1 within the operation and ends with 2: each clause sees the states that it is about, merged or not."""
    assert verdict(f"process p {{ twice }}\nalways true\n{clause_text}", merge=merge)["c"] == wanted


def test_finally_is_about_ends() -> None:
    """A process that never ends has no final state, so `finally` holds of it."""
    assert verdict("process p { loop { inc -> ok or FULL } }\nfinally c: n = 99")["c"] == "holds"


def test_results() -> None:
    """A step with another result than it names violates the clause `result`, and the message says which."""
    result = run(COUNT + "process p { repeat 3 { inc -> ok }; inc -> ok }")
    found = clause(result, "result")
    assert (found.verdict, found.message) == ("violated", "the result is FULL, not ok")
    assert steps(found)[-1] == "p: inc -> FULL"
    assert verdict("process p { repeat 3 { inc -> ok }; inc -> ok or FULL }") == {"result": "holds"}


def test_check_is_about_a_place() -> None:
    """`check` is evaluated where the process stands, and nowhere else."""
    text = "process p { check a: n = 0; inc; check b: n = 1; dec; check c: n = 1 }"
    assert verdict(text) == {"a": "holds", "b": "holds", "c": "violated"}


def test_any_counts() -> None:
    """After `any 3` of inc and dec, n is one of 0..3; a state is (steps taken, n): 1 + 1 + 2 + 2, as dec needs n > 0."""
    text = COUNT + "process p { any 3 of { inc; dec } }\nalways true"
    reachable = {(0, 0)}
    for taken in range(3):
        reachable |= {(taken + 1, n + c) for t, n in reachable if t == taken for c in (1, -1) if n + c >= 0}
    assert counts(text, merge=True)[0] == len(reachable) == 6


def test_any_ends_early() -> None:
    """When nothing of `any` applies, it is over."""
    assert verdict("process p { inc; any 5 of { dec }; inc }\nfinally c: n = 1")["c"] == "holds"


def test_values_of_any() -> None:
    """`{a, b}` stands for each value."""
    text = "var n: nat = 0\noperation put(v: nat) { atomic { n = v } }\nprocess p { any 1 of { put {2, 5..7} } }\n"
    result = run(
        text
        + "".join(f"sometimes s{v}: n = {v}\n" for v in (2, 5, 6))
        + "".join(f"never n{v}: n = {v}\n" for v in (1, 3, 4, 7))
    )
    assert set(verdicts(result).values()) == {"reached", "holds"}


def test_either_and_choose() -> None:
    """`either` takes any branch and `choose` any value that fits: 2 + 3 outcomes from one state."""
    text = """
    var n: nat = 0
    operation f() {
      atomic { either { n = 1 } or { n = 2 } or { choose k in 3..9 where k % 2 = 0; n = k } }
    }
    process p { f }
    always true
    """
    assert counts(text) == (1 + 5, 5, 1)


def test_choose_among_nothing() -> None:
    """With nothing to choose the section cannot happen; a single thread that waits so waits for ever."""
    result = run("var n: nat = 0\noperation f() { atomic { choose k in 0..n; n = k } }\nprocess p { f }\nalways true\n")
    broken = clause(result, "contract")
    assert "deadlock" in broken.message


def test_steps_of_several_processes() -> None:
    """`steps` acts for each process that is named before a step."""
    text = """
    index proc named
    actor proc when true as p
    var last: proc or none = none
    operation go(by proc: proc) { atomic { last = proc } }
    steps { a: go; check x: last = a; b: go; check y: last = b }
    """
    assert verdicts(run(text)) == {"x": "holds", "y": "holds"}


def test_actor_that_ends() -> None:
    """A process whose actor is gone takes no step, and that is an end and no deadlock."""
    text = """
    index proc named
    record P of proc { alive: bool = initially(self) }
    actor proc when p.alive as p
    var n: nat = 0
    operation go(by proc: proc) { atomic { n += 1 } }
    operation exit(by proc: proc) { atomic { proc.alive = false } }
    process a { go; exit; go }
    process b { exit }
    finally one: n = 1
    """
    found = verdicts(run(text))
    assert (found["one"], found["deadlock"]) == ("holds", "holds")
    assert "vacuous" in found.values()  # the second `go` can never be taken


def test_setup_comes_first() -> None:
    """The setup runs to its end before any process starts."""
    assert verdict("setup { inc; inc }\nprocess p { check a: n >= 2; inc }\nprocess q { check b: n >= 2 }") == {
        "a": "holds",
        "b": "holds",
        "deadlock": "holds",
    }


# ---------------------------------------------------------------- vacuity


def test_step_that_never_applies() -> None:
    """A step that is always skipped makes the run vacuous, with the author's reason filled in."""
    result = run(COUNT + "process p { dec; inc }\nalways true")
    vacuous = next(c for c in result.clauses if c.verdict == "vacuous")
    assert not vacuous.as_expected
    assert vacuous.message == "`dec` never applies: n is 0"


def test_step_that_nobody_reaches() -> None:
    """A step behind an endless loop is never taken."""
    result = run(COUNT + "process p { loop { inc }; dec }\nalways true")
    assert [c.message for c in result.clauses if c.verdict == "vacuous"] == ["no execution gets to `dec`"]


def test_step_that_sometimes_applies() -> None:
    """A step that is skipped on some executions and taken on others is not vacuous."""
    result = run(COUNT + "process p { dec }\nprocess q { inc }\nalways true")
    assert [c.verdict for c in result.clauses if c.verdict == "vacuous"] == []


# ---------------------------------------------------------------- errors of the model


@pytest.mark.parametrize(
    ("declaration", "body", "message"),
    [
        ("var n: 0 to 2 = 0", "n += 3", "range: 3 is not in `0 to 2`"),
        ("var n: nat = 0", "n -= 1", "range: -1 is not in `nat`"),
        ("var n: nat or none = none", "let x: nat = n", "none: the value is `none`"),
        ("var n: int = 0", "n = 1 / n", "division: division by zero"),
        ("var n: int = 0", "n = 1 % n", "division: remainder of a division by zero"),
        ("var n: int = 0", 'assert n = 1 "n is one"', "assert: n is one"),
        ("index i 2\nvar n: i = 0", "n = n + 2", "index: 2 is not an element of `i`"),
        ("index i 2\nvar n[i]: int = 0", "n[n[0] + 5] = 1", "index: 5 is not an element of `i`"),
        ("index i 2\nvar n: set of i = {}", "n = {size(n)..4}", "index: 3 is not an element of `i`"),
    ],
)
def test_model_errors(declaration: str, body: str, message: str) -> None:
    """What the types cannot exclude is found when it happens, as a broken contract with a trace."""
    found = clause(
        run(f"{declaration}\noperation f() {{ atomic {{ {body} }} }}\nprocess p {{ f }}\nalways true"), "contract"
    )
    assert (found.verdict, found.message) == ("violated", message)
    assert steps(found) == ["p: f -> broken"]


@pytest.mark.parametrize(
    "where",
    [
        "process p { f }\nalways c: n > 0",
        "process p { f }\nfinally c: n > 0",
        "process p { check c: n > 0 }",
        "process p { g }\nalways c: true",
        "process p { h }\nalways c: true",
    ],
    ids=["always", "finally", "check", "when", "default"],
)
def test_errors_in_conditions(where: str) -> None:
    """A clause, a check, a `when` or a default that meets `none` is a broken contract too, and what could not be judged is unknown."""
    text = """
    var n: nat or none = none
    operation f() { atomic { } }
    operation g() when n > 0 { atomic { } }
    operation h(x: nat = n) written h { atomic { n = x } }
    """
    result = run(text + where)
    assert clause(result, "contract").message == "none: the value is `none`"
    assert clause(result, "c").verdict == "unknown"


# ---------------------------------------------------------------- blocked half-way

HALF = """
var n: nat = 0
operation f() {
  atomic { choose k in 1..3; n = k }
  atomic { await n = 1; n = 0 }
}
process p { f }
"""


def test_merged_operation_that_blocks() -> None:
    """With one thread an operation is one transition, but if a later section cannot happen its states are not lost, nor is the deadlock."""
    result = run(HALF + "never two: n = 2\nalways true")
    assert clause(result, "two").verdict == "violated"
    assert clause(result, "contract").message == "deadlock: the only thread waits for ever"


# ---------------------------------------------------------------- livelock


def test_livelock() -> None:
    """An operation that goes round in the same states for ever has the result HANG."""
    text = "var n: nat = 0\noperation f() { while true { atomic { n = 1 - n } } }\nprocess p { f -> ok }"
    assert clause(run(text), "result").message == "the result is HANG, not ok"


def test_long_loops_are_no_livelock() -> None:
    """A loop of 2000 sections that makes progress ends with its result."""
    text = "var n: nat = 0\noperation f() { for k in 0..2000 { atomic { n = k } } }\nprocess p { f -> ok }\nfinally c: n = 1999"
    assert verdicts(run(text)) == {"c": "holds", "result": "holds"}


# ---------------------------------------------------------------- pools

POOL = """
index thing pool
record Thing of thing { used: bool = false }
var made: nat = 0
operation make() { atomic { let x = new t in thing: not t.used; x.used = true; made += 1 } }
"""


def test_pool_grows() -> None:
    """A pool has as many elements as an execution asks for, and the verdict says how many."""
    result = run(POOL + "process p { repeat 5 { make } }\nfinally c: (count t in thing: t.used) = 5")
    assert clause(result, "c").verdict == "holds"
    assert result.sizes["thing"] >= 5


def test_bounded_pool() -> None:
    """A pool that the scenario bounds does not grow: nothing is claimed when it is too small."""
    result = run(POOL + "bounds thing 3\nprocess p { repeat 5 { make } }\nfinally c: made = 5")
    assert clause(result, "c").verdict == "unknown"
    assert result.explored.reason == "`thing 3` is too small: an execution needs 4"


def test_bounded_pool_that_suffices() -> None:
    """With a bound that suffices the verdict is the one without."""
    assert (
        clause(run(POOL + "bounds thing 5\nprocess p { repeat 5 { make } }\nfinally c: made = 5"), "c").verdict
        == "holds"
    )


# ---------------------------------------------------------------- limits

ENDLESS = "var n: nat = 0\noperation inc() { atomic { n += 1 } }\nprocess p { loop { inc } }\n"


def test_depth() -> None:
    """What holds to a depth is said to hold to that depth; what lies on it is found."""
    text = ENDLESS + "always a: n <= 10\nalways b: n <= 4\nsometimes c: n = 5\nsometimes d: n = 6\nfinally e: n = 0"
    assert verdicts(run(text, limits=Limits(depth=5))) == {
        "a": "holds to depth 5",
        "b": "violated",
        "c": "reached",
        "d": "unknown",
        "e": "unknown",
    }


def test_depth_that_suffices() -> None:
    """A depth that cuts nothing off is no limit."""
    result = run(COUNT + "process p { inc; inc }\nalways c: n <= 2", limits=Limits(depth=2))
    assert (clause(result, "c").verdict, result.explored.complete) == ("holds", True)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(states=50), "50 states reached"),
        (Limits(seconds=0.05), "0.05 seconds are over"),
        (Limits(memory=1), "1 MiB of memory are used"),
    ],
    ids=["states", "seconds", "memory"],
)
def test_limits(limits: Limits, reason: str) -> None:
    """A search that gives up says why, and claims nothing."""
    result = run(ENDLESS + "always c: n >= 0", limits=limits)
    assert (clause(result, "c").verdict, result.explored.reason) == ("unknown", reason)
    assert not result.explored.complete


def test_states_limit_counts() -> None:
    """The limit on states is about states that are kept."""
    assert run(ENDLESS + "always true", limits=Limits(states=50)).explored.states == 50
