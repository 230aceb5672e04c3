"""Models from textbooks, with counts that are known or that an independent search gives."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable

import pytest

from support.specs import clause, counts, run, steps, verdicts


def brute(initial: Hashable, successors: Callable[[Hashable], Iterable[Hashable]]) -> tuple[int, int, int]:
    """States, transitions and depth of a transition system given as a Python function."""
    seen, queue, transitions, depth = {initial: 0}, deque([initial]), 0, 0
    while queue:
        state = queue.popleft()
        for after in successors(state):
            transitions += 1
            if after not in seen:
                seen[after] = seen[state] + 1
                depth = max(depth, seen[after])
                queue.append(after)
    return len(seen), transitions, depth


# ---------------------------------------------------------------- mutual exclusion

PETERSON = """
index me 2
var flag[me]: bool = false
var turn: me = 0
var inside: nat = 0
operation enter(i: me) {
  atomic { flag[i] = true }
  atomic { turn = 1 - i }
  atomic { await not flag[1 - i] or turn = i; inside += 1 }
  atomic { inside -= 1 }
  atomic { flag[i] = false }
}
process p[i: me] { loop { enter i } }
"""


def peterson(state: Hashable) -> Iterable[Hashable]:
    assert isinstance(state, tuple)
    pc, flag, turn = state
    for i in (0, 1):

        def moved(flag: tuple[int, ...] = flag, turn: int = turn, i: int = i) -> Hashable:
            return tuple((pc[j] + 1) % 5 if j == i else pc[j] for j in (0, 1)), flag, turn

        match pc[i]:
            case 0:
                yield moved(flag=tuple(1 if j == i else flag[j] for j in (0, 1)))
            case 1:
                yield moved(turn=1 - i)
            case 2:
                if not flag[1 - i] or turn == i:
                    yield moved()
            case 3:
                yield moved()
            case 4:
                yield moved(flag=tuple(0 if j == i else flag[j] for j in (0, 1)))


def test_peterson_counts() -> None:
    """Peterson's algorithm has as many states as a search written by hand finds."""
    wanted = brute(((0, 0), (0, 0), 0), peterson)
    assert counts(PETERSON + "never both: inside = 2") == wanted


def test_peterson_excludes() -> None:
    """Peterson's algorithm excludes, both get in, and nobody waits for ever."""
    result = run(PETERSON + "never both: inside = 2\nsometimes one: inside = 1")
    assert verdicts(result) == {"both": "holds", "one": "reached", "deadlock": "holds"}


def test_peterson_without_turn() -> None:
    """Without the turn both wait for each other: the classical deadlock, after two steps."""
    result = run(PETERSON.replace(" or turn = i", "") + "never both: inside = 2")
    assert verdicts(result)["both"] == "holds"
    deadlock = clause(result, "deadlock")
    assert deadlock.verdict == "violated"
    assert deadlock.trace is not None
    assert sum(len(s.sections) for s in deadlock.trace.steps) == 4


def test_test_and_set_without_atomicity() -> None:
    """Testing and setting in two sections lets both in: both test, both set. No shorter execution does."""
    result = run(
        """
        var busy: bool = false
        var inside: nat = 0
        operation enter() {
          atomic { await not busy }
          atomic { busy = true; inside += 1 }
        }
        process p, q { enter }
        never both: inside = 2
        """
    )
    found = clause(result, "both")
    assert found.trace is not None
    assert found.trace.interleaved
    assert sum(len(s.sections) for s in found.trace.steps) == 4


# ---------------------------------------------------------------- philosophers

PHILOSOPHERS = """
index seat {n}
mutex fork of seat
var meals: nat = 0
operation eat(i: seat) {{
  hold fork[i] {{ hold fork[(i + 1) % {n}] {{ }} }}
}}
process p[i: seat] {{ loop {{ eat i }} }}
always true
"""


@pytest.mark.parametrize("n", [2, 3, 5])
def test_philosophers_counts(n: int) -> None:
    """Each philosopher holds its left fork or nothing (taking the right one, eating and putting both back is one section): 2^n states.

    A transition takes a free fork (n 2^(n-1) of them), or eats where the neighbour holds nothing (n 2^(n-2)).
    """
    assert counts(PHILOSOPHERS.format(n=n)) == (2**n, n * 2 ** (n - 1) + n * 2 ** (n - 2), n)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_philosophers_deadlock(n: int) -> None:
    """The shortest deadlock takes one step of each, and the report says who waits for whom."""
    deadlock = clause(run(PHILOSOPHERS.format(n=n)), "deadlock")
    assert deadlock.verdict == "violated"
    assert deadlock.trace is not None
    assert len(deadlock.trace.steps) == n
    assert deadlock.message == "; ".join(
        f"`p{i}` waits for `fork[{(i + 1) % n}]`, held by `p{(i + 1) % n}`" for i in range(n)
    )


def test_a_left_handed_philosopher() -> None:
    """If one takes the forks in the other order nobody starves the table."""
    text = PHILOSOPHERS.format(n=3).replace(
        "hold fork[i] { hold fork[(i + 1) % 3] { } }",
        "let a = min(i, (i + 1) % 3); let b = max(i, (i + 1) % 3); hold fork[a] { hold fork[b] { } }",
    )
    assert verdicts(run(text))["deadlock"] == "holds"


# ---------------------------------------------------------------- bounded buffer

BUFFER = """
const size_of_buffer = {n}
var items: nat = 0
operation put() {{ atomic {{ await items < size_of_buffer; items += 1 }} }}
operation get() {{ atomic {{ await items > 0; items -= 1 }} }}
process producer {{ repeat {puts} {{ put }} }}
process consumer {{ repeat {gets} {{ get }} }}
always bounded: items <= size_of_buffer
finally empty: items = {left}
"""


@pytest.mark.parametrize(("n", "puts", "gets"), [(1, 3, 3), (2, 4, 4), (3, 5, 4)])
def test_bounded_buffer(n: int, puts: int, gets: int) -> None:
    """A state is (puts done, gets done) with 0 <= difference <= n; each further put or get is a transition."""
    pairs = {(p, g) for p in range(puts + 1) for g in range(gets + 1) if 0 <= p - g <= n}
    edges = sum((p + 1, g) in pairs for p, g in pairs) + sum((p, g + 1) in pairs for p, g in pairs)
    text = BUFFER.format(n=n, puts=puts, gets=gets, left=puts - gets)
    assert counts(text) == (len(pairs), edges, puts + gets)
    assert set(verdicts(run(text)).values()) == {"holds"}


def test_bounded_buffer_that_starves() -> None:
    """A consumer that wants more than is produced waits for ever."""
    deadlock = clause(run(BUFFER.format(n=1, puts=1, gets=2, left=0)), "deadlock")
    assert deadlock.verdict == "violated"
    assert "`consumer` waits in" in deadlock.message or "`consumer` cannot begin" in deadlock.message


# ---------------------------------------------------------------- two-phase commit

TWO_PHASE = """
enum Rm {{ working, prepared, committed, aborted }}
enum Tm {{ init, commit, abort }}
index rm {n}
var rm_state[rm]: Rm = working
var tm_state: Tm = init
var tm_prepared: set of rm = {{}}
var msg_prepared: set of rm = {{}}
var msg_commit: bool = false
var msg_abort: bool = false

operation tm_rcv_prepared(r: rm) when tm_state = init and r in msg_prepared {{
  atomic {{ tm_prepared = tm_prepared union {{r}} }}
}}
operation tm_commit() when tm_state = init and size(tm_prepared) = {n} {{
  atomic {{ tm_state = commit; msg_commit = true }}
}}
operation tm_abort() when tm_state = init {{ atomic {{ tm_state = abort; msg_abort = true }} }}
operation rm_prepare(r: rm) when rm_state[r] = working {{
  atomic {{ rm_state[r] = prepared; msg_prepared = msg_prepared union {{r}} }}
}}
operation rm_choose_to_abort(r: rm) when rm_state[r] = working {{ atomic {{ rm_state[r] = aborted }} }}
operation rm_rcv_commit(r: rm) when msg_commit {{ atomic {{ rm_state[r] = committed }} }}
operation rm_rcv_abort(r: rm) when msg_abort {{ atomic {{ rm_state[r] = aborted }} }}

steps {{
  loop {{
    any 1 of {{
      tm_rcv_prepared {{0..{n}}}
      tm_commit
      tm_abort
      rm_prepare {{0..{n}}}
      rm_choose_to_abort {{0..{n}}}
      rm_rcv_commit {{0..{n}}}
      rm_rcv_abort {{0..{n}}}
    }}
  }}
}}
always consistent: not ((exists r in rm: rm_state[r] = aborted) and (exists r in rm: rm_state[r] = committed))
sometimes all_commit: forall r in rm: rm_state[r] = committed
sometimes all_abort: forall r in rm: rm_state[r] = aborted
"""


@pytest.mark.parametrize(("n", "states"), [(3, 288), (5, 8832)])
def test_two_phase_commit(n: int, states: int) -> None:
    """The numbers that stateright's examples/2pc.rs asserts for three and five resource managers."""
    text = TWO_PHASE.format(n=n)
    assert counts(text, merge=True)[0] == states
    result = run(text)
    assert verdicts(result) == {"consistent": "holds", "all_commit": "reached", "all_abort": "reached"}


# ---------------------------------------------------------------- shortest counterexamples

JUGS = """
var big: 0 to 5 = 0
var small: 0 to 3 = 0
operation fill_big() { atomic { big = 5 } }
operation fill_small() { atomic { small = 3 } }
operation empty_big() { atomic { big = 0 } }
operation empty_small() { atomic { small = 0 } }
operation big_to_small() { atomic { let n = min(big, 3 - small); big -= n; small += n } }
operation small_to_big() { atomic { let n = min(small, 5 - big); small -= n; big += n } }
steps { loop { any 1 of { fill_big; fill_small; empty_big; empty_small; big_to_small; small_to_big } } }
never four: big = 4
"""


def jugs(state: Hashable) -> Iterable[Hashable]:
    assert isinstance(state, tuple)
    big, small = state
    to_small, to_big = min(big, 3 - small), min(small, 5 - big)
    yield from ((5, small), (big, 3), (0, small), (big, 0))
    yield from ((big - to_small, small + to_small), (big + to_big, small - to_big))


def test_die_hard() -> None:
    """Four gallons out of jugs of five and three need six steps (the puzzle of TLA+'s DieHard), and this is the only way in six."""
    found = clause(run(JUGS), "four")
    assert [s.split(": ")[1] for s in steps(found)] == [
        "fill_big -> ok",
        "big_to_small -> ok",
        "empty_small -> ok",
        "big_to_small -> ok",
        "fill_big -> ok",
        "big_to_small -> ok",
    ]


def test_die_hard_counts() -> None:
    """All 16 states of the puzzle are known: those in which a jug is full or empty."""
    states = brute((0, 0), jugs)
    assert states[0] == 16
    assert counts(JUGS.replace("never four: big = 4", "always true"), merge=True) == states
