"""Where threads can switch: spec/language.md section 3.6, one rule at a time.

With one process a chain of n sections has n transitions and n + 1 states, so the numbers say where it is cut.
"""

from __future__ import annotations

import pytest

from hugecheck.ir import sections
from support.specs import counts, module, program, run, verdicts

HEAD = """
index i 2
enum E { BAD }
mutex m
mutex k
mutex each of i
rwsem r
spinlock s
var x: nat = 0
var y: nat = 0 under s
fn flat() { atomic { x += 1 } }
fn cut() { atomic { x += 1 }; atomic { x += 1 } }
fn fails(n: nat) fails BAD { atomic { x += 1; if n = 1 { fail BAD } }; atomic { x += 1 } }
fn gives() -> nat { atomic { return x } }
fn locked() { hold m { atomic { x += 1 } } }
"""


def transitions(body: str) -> int:
    """The number of sections that an operation with this body is cut into."""
    states, number, depth = counts(f"{HEAD}operation f() {{ {body} }}\nprocess p {{ f }}\nalways true")
    assert (states, depth) == (number + 1, number), "not a chain"
    return number


ONE = "atomic { x += 1 }"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        # Just before each atomic block.
        ("", 1),
        ("let a = 1", 1),
        (ONE, 1),
        (f"{ONE}; {ONE}", 2),
        (f"{ONE}; {ONE}; {ONE}", 3),
        # The code after a section up to the next one belongs to the section before it.
        (f"{ONE}; let a = 1; let b = a", 1),
        (f"let a = 1; {ONE}; let b = 2; {ONE}", 2),
        # Inside an atomic block all is one section; nested blocks add their lock.
        (f"atomic {{ {ONE}; {ONE} }}", 1),
        ("atomic { x += 1; atomic s { y += 1 }; x += 1 }", 1),
        # Taking a lock with `hold` belongs to the section that follows it, and releasing it to the one before.
        ("hold m { }", 1),
        (f"hold m {{ {ONE} }}", 1),
        (f"hold m {{ {ONE}; {ONE} }}", 2),
        (f"hold m {{ let a = 1; {ONE} }}", 1),
        # Just before each `hold`.
        (f"{ONE}; hold m {{ {ONE} }}", 2),
        (f"hold m {{ hold k {{ {ONE} }} }}", 2),
        (f"hold m {{ }}; hold k {{ {ONE} }}", 2),
        (f"hold m {{ {ONE} }}; hold k {{ {ONE} }}", 2),
        (f"hold m {{ {ONE} }}; {ONE}", 2),
        # After a `hold` that guards nothing yet an `atomic` still belongs to it, unless it waits.
        ("hold m { atomic { await x = 0; x += 1 } }", 2),
        ("hold read r { atomic { x += 1 } }", 1),
        ("hold write r { atomic { x += 1 }; atomic { x += 1 } }", 2),
        # `try hold` takes the lock if it is free.
        (f"try hold m {{ {ONE} }} else {{ }}", 1),
        (f"try hold m {{ {ONE} }} else {{ }}; {ONE}", 2),
        (f"{ONE}; try hold m {{ {ONE} }} else {{ }}", 2),
        # Loops and branches.
        (f"for a in i {{ {ONE} }}", 2),
        (f"for a in 0..3 {{ {ONE}; {ONE} }}", 6),
        (f"for a in 0..0 {{ {ONE} }}; {ONE}", 1),
        (f"var a = 3; while a > 0 {{ a -= 1; {ONE} }}", 3),
        (f"for a in 0..5 {{ if a = 2 {{ break }}; {ONE} }}", 2),
        (f"for a in 0..4 {{ if a = 2 {{ continue }}; {ONE} }}", 3),
        (f"if true {{ {ONE} }} else {{ {ONE}; {ONE} }}; {ONE}", 2),
        (f"return; {ONE}", 1),
        # Calls: a flat function inside a section joins it, a function made of sections is cut where it stands.
        ("flat()", 1),
        ("cut()", 2),
        (f"{ONE}; cut(); {ONE}", 4),
        ("atomic { cut(); cut() }", 1),
        ("fails(1) else { }", 1),
        ("fails(0) else { }", 2),
        (f"fails(1) else {{ {ONE} }}; {ONE}", 3),
        ("atomic { fails(1) else { x += 1 } }", 1),
        (f"let a = gives(); {ONE}", 2),
        ("locked(); locked()", 2),
        (f"hold k {{ locked(); {ONE} }}", 3),
    ],
)
def test_cuts(body: str, wanted: int) -> None:
    """The body has so many sections."""
    assert transitions(body) == wanted


@pytest.mark.parametrize(
    "leave",
    ["return", "fail BAD", "atomic { if x = 1 { return }; x += 1 }", "atomic { if x != 0 { fail BAD } }"],
)
@pytest.mark.parametrize("lock", ["hold m", "hold each[1]", "hold read r", "hold write r", "try hold m"])
def test_leaving_releases(lock: str, leave: str) -> None:
    """Leaving a `hold` block by `return` or `fail` releases the lock: another thread gets it, and nobody waits for ever."""
    other = " else { }" if lock.startswith("try") else ""
    again = lock.removeprefix("try ").replace("read", "write")
    text = f"""{HEAD}
    operation f() {{ {lock} {{ atomic {{ x += 1 }}; {leave} }}{other} }}
    operation g() {{ {again} {{ atomic {{ x += 10 }} }} }}
    process p {{ f }}
    process q {{ g }}
    finally both: x >= 10
    """
    assert verdicts(run(text)) == {"both": "holds", "deadlock": "holds"}


@pytest.mark.parametrize("leave", ["break", "continue"])
def test_leaving_a_loop_releases(leave: str) -> None:
    """`break` and `continue` out of a `hold` release it, once: the next turn takes it again."""
    text = f"""{HEAD}
    operation f() {{ for a in 0..3 {{ hold m {{ atomic {{ x += 1 }}; {leave} }} }}; hold m {{ atomic {{ x += 10 }} }} }}
    process p, q {{ f }}
    finally both: x = {22 if leave == "break" else 26}
    """
    assert verdicts(run(text)) == {"both": "holds", "deadlock": "holds"}


def test_errors_cross_calls() -> None:
    """A function that fails under a lock releases it on the way to its caller's `else`."""
    text = f"""{HEAD}
    fn inner() fails BAD {{ hold m {{ atomic {{ x += 1 }}; fail BAD }} }}
    operation f() {{ inner() else {{ hold m {{ atomic {{ x += 10 }} }} }} }}
    process p {{ f }}
    finally c: x = 11
    """
    assert verdicts(run(text))["c"] == "holds"


def test_mutual_exclusion() -> None:
    """What stands in a `hold` of a mutex is exclusive, of `hold read` is not, of `hold write` is."""
    body = "atomic { x += 1 }; atomic { x -= 1 }"
    for take, wanted in (
        ("hold m", "holds"),
        ("hold read r", "violated"),
        ("hold write r", "holds"),
        ("hold each[0]", "holds"),
    ):
        text = f"{HEAD}\noperation f() {{ {take} {{ {body} }} }}\nprocess p, q {{ f }}\nnever two: x = 2"
        assert verdicts(run(text))["two"] == wanted, take


def test_locks_of_an_index_are_many() -> None:
    """`each[0]` and `each[1]` are two locks."""
    body = "atomic { x += 1 }; atomic { x -= 1 }"
    text = f"{HEAD}\noperation f(a: i) {{ hold each[a] {{ {body} }} }}\nprocess p {{ f 0 }}\nprocess q {{ f 1 }}\nsometimes two: x = 2"
    assert verdicts(run(text))["two"] == "reached"


def test_readers_and_writer() -> None:
    """A writer waits for readers, and readers for a writer."""
    text = f"""{HEAD}
    operation rd() {{ hold read r {{ atomic {{ x += 1 }}; atomic {{ x -= 1 }} }} }}
    operation wr() {{ hold write r {{ atomic {{ x += 10 }}; atomic {{ x -= 10 }} }} }}
    process p, q {{ rd }}
    process w {{ wr }}
    never mixed: x > 10
    sometimes two: x = 2
    """
    assert verdicts(run(text)) == {"mixed": "holds", "two": "reached", "deadlock": "holds"}


def test_lost_update() -> None:
    """Two sections can be interleaved; one cannot."""
    two = "operation f() {{ var a = 0; atomic {{ a = x }}; atomic {{ x = a + 1 }} }}"
    one = "operation f() {{ atomic {{ let a = x; x = a + 1 }} }}"
    for body, wanted in ((two, "violated"), (one, "holds")):
        text = HEAD + body.format() + "\nprocess p, q { f }\nfinally both: x = 2"
        assert verdicts(run(text))["both"] == wanted


def test_two_independent_threads() -> None:
    """Two threads of 2 and 3 sections that do not matter to each other: a grid of 3 x 4 states and 2 x 4 + 3 x 3 transitions."""
    text = """
    var x: nat = 0
    var y: nat = 0
    operation f() { atomic { x += 1 }; atomic { x += 1 } }
    operation g() { atomic { y += 1 }; atomic { y += 1 }; atomic { y += 1 } }
    process p { f }
    process q { g }
    always true
    """
    assert counts(text) == (12, 2 * 4 + 3 * 3, 5)


# ---------------------------------------------------------------- what is kept while a thread is suspended


def test_dead_locals_are_forgotten() -> None:
    """A value that nobody reads again does not make two states of one: three choices, then one state."""
    text = """
    var x: nat = 0
    operation f() {
      atomic { choose a in 0..3; let b = a + 1 }
      atomic { x = 1 }
    }
    process p { f }
    always true
    """
    assert counts(text) == (3, 4, 2)


def test_live_locals_are_kept() -> None:
    """A value that is read again makes states differ: three of them, and three ends."""
    text = """
    var x: nat = 0
    operation f() {
      var b = 0
      atomic { choose a in 0..3; b = a + 1 }
      atomic { x = b }
    }
    process p { f }
    always true
    """
    assert counts(text) == (7, 6, 2)


def test_arguments_are_forgotten_after_the_operation() -> None:
    """When an operation is over its arguments are no part of the state."""
    text = "var x: nat = 0\noperation f(n: nat) { atomic { x = 1 }; atomic { assert n >= 0 } }\nprocess p { any 1 of { f {0..4} } }\nalways true"
    assert counts(text) == (6, 8, 2)


def test_locals_survive_calls() -> None:
    """The caller's locals are its own while a function made of sections runs, and each call starts afresh."""
    text = """
    var x: nat = 0
    fn add(n: nat) -> nat {
      var t = n
      atomic { x += n }
      atomic { t += x }
      return t
    }
    operation f() {
      let n = 5
      let t = 7
      let a = add(1)
      let b = add(2)
      atomic { assert a = 2 and b = 5 and n = 5 and t = 7 "kept"; x = 100 }
    }
    process p { f }
    finally c: x = 100
    """
    assert verdicts(run(text)) == {"c": "holds"}


# ---------------------------------------------------------------- switches


def test_switches_are_resolved() -> None:
    """Code that a kernel does not have is not in its program."""
    text = (
        'switch FAST "goes fast"\nvar x: nat = 0\noperation f() { atomic { x = 1 }; if has(FAST) { atomic { x = 2 } } }'
    )
    loaded = module(text)
    with_it = sections.build(loaded, frozenset({"FAST"}))
    without = sections.build(loaded, frozenset())
    assert sum(b.yields for b in with_it.blocks.values()) == 1
    assert sum(b.yields for b in without.blocks.values()) == 0


def test_only_what_is_used() -> None:
    """The program of a scenario has the operations that it uses."""
    built = program(
        "var x: nat = 0\noperation f() { atomic { x = 1 } }\noperation g() { atomic { x = 2 } }\nprocess p { f }\nalways true"
    )
    assert list(built.operations) == ["f"]


def test_operations_with_the_names_of_functions() -> None:
    """An operation and a function are told apart, also where each calls the other's namesake."""
    text = """
"Operations with the names of functions that the other calls."
var n: nat = 0
fn g() { atomic { n += 1 }; atomic { n += 1 } }
fn h() { atomic { n += 1 }; atomic { n += 1 } }
operation g() { let k = 2; h(); atomic { n += k } }
operation h() { let k = 2; g(); atomic { n += k } }
process p { g }
process q { h }
finally all: n = 8
"""
    assert verdicts(run(text)) == {"all": "holds", "deadlock": "holds"}
