"""The text form of a program (`hugecheck show --ir`): one small program that has a bit of everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hugecheck.ir.pprint import program_text
from support.specs import program

TEXT = """
index seat 2
enum E { FULL }
mutex door of seat
rwsem room
spinlock desk
ghost var seen: nat = 0
var free: 0 to 3 = 3 under desk
var taken: set of seat = {}
var last: seat or none = none
fn pay(n: nat) -> nat fails FULL {
  atomic desk "pay" { if free < n { fail FULL }; free -= n; return free }
}
fn twice(n: nat) fails FULL {
  let a = pay(n) else e { fail e }
  let b = pay(n) else { fail FULL }
}
operation sit(s: seat, n: nat = 1) when not s in taken "`{s}` is taken" {
  hold door[s] {
    hold read room {
      atomic "look" { last = first t in seat: t in taken; seen = size(taken) + (count t in seat: t = s) }
    }
    twice(n) else e { fail e }
    atomic "sit" {
      choose t in seat where t = s
      taken = taken union {t}
      for k in 0..n { if k > 2 { break } }
      either { assert s in taken "sits" } or { last = none }
    }
  }
}
process p { sit 0 1 }
always true
"""


def test_program_text(golden: Callable[[Path, str], None]) -> None:
    """The sections, what each does and what it needs, can be read."""
    golden(Path(__file__).parent / "program.txt", program_text(program(TEXT)))
