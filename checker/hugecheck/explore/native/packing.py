"""Where every value stands in a packed state: words of 64 bits, no field across two of them.

The order is: variables, `position` and `taken` of every thread, then the frames (control point and locals) of the threads. The frames of threads that run
whole operations at once (the setup, or the only thread) are empty in every state at rest; they stand last and are not stored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from hugecheck.explore.layout import POSITION, TAKEN, Layout
from hugecheck.explore.native.ranges import Range, Ranges, Unsupported, locals_of
from hugecheck.explore.native.symmetry import index_of
from hugecheck.ir import program as ir
from hugecheck.ir.types import EnumType, IntType, SetType, Type
from hugecheck.language.scenario import AnyOf, Thread

WORD = 64


@dataclass(frozen=True, slots=True)
class Field:
    """`count` elements of `bits` bits; element 0 at bit `shift` of word `word`. `per_word`: elements in a word, 0 when all are in one.

    A value v is kept as v - range.low. `renamed`: the index type whose elements the values are ("value") or are sets of ("set"), if those may be
    renamed (see `symmetry`), else empty.
    """

    name: str
    range: Range
    bits: int
    word: int
    shift: int
    count: int
    per_word: int
    renamed: tuple[str, str] = ("", "")

    def place(self, element: int) -> tuple[int, int]:
        """Word and shift of an element."""
        if self.per_word:
            return self.word + element // self.per_word, element % self.per_word * self.bits
        return self.word, self.shift + element * self.bits


@dataclass(frozen=True, slots=True)
class Packing:
    """`frame_bits`: size of a thread's frame, a power of two below 64 or a multiple of 64; frames begin at word `frames`. `slots`: a field for each local,
    and in `rooms` for the room that it shares with others, both relative to a frame. `stored` words are kept, `work` words are needed while a transition runs."""

    variables: dict[str, Field]
    position: Field
    taken: Field
    control: Field
    slots: dict[str, Field]
    rooms: dict[str, Field]
    frames: int
    frame_bits: int
    stored: int
    work: int

    def frame(self, thread: int) -> tuple[int, int]:
        """Word and shift at which a thread's frame begins."""
        if self.frame_bits >= WORD:
            return self.frames + thread * (self.frame_bits // WORD), 0
        per = WORD // self.frame_bits
        return self.frames + thread // per, thread % per * self.frame_bits

    @property
    def bits(self) -> int:
        """Bits in use in a stored state (for the curious)."""
        shared = [*self.variables.values(), self.position, self.taken]
        return sum(f.bits * f.count for f in shared)


class _Words:
    """Finds room for fields, first fit."""

    def __init__(self) -> None:
        self.used: list[int] = []

    def take(self, bits: int) -> tuple[int, int]:
        for number, used in enumerate(self.used):
            if used + bits <= WORD:
                self.used[number] += bits
                return number, used
        self.used.append(bits)
        return len(self.used) - 1, 0

    def whole(self, words: int) -> int:
        self.used += [WORD] * words
        return len(self.used) - words


def make_packing(
    program: ir.Program,
    layout: Layout,
    ranges: Ranges,
    threads: Sequence[Thread],
    renamed: Collection[str],
    *,
    resting: int,
) -> Packing:
    """Lay everything out. The last `resting` threads never rest inside an operation; elements of the index
    types `renamed` may be renamed."""
    words = _Words()
    wanted: list[tuple[str, Range, int]] = []
    kinds: dict[str, tuple[str, str]] = {}
    for name in layout.base:
        variable = program.variables[name]
        count = 1
        for index in variable.indices:
            count *= layout.sizes[index]
        wanted.append((name, ranges.variable(variable), count))
        kinds[name] = renaming(variable.type, renamed)
    longest = max((len(t.instructions) for t in threads), default=0)
    most = max((i.count for t in threads for i in t.instructions if isinstance(i, AnyOf)), default=0)
    wanted.append((".position", Range(0, longest), len(threads)))
    wanted.append((".taken", Range(0, max(most - 1, 0)), len(threads)))
    fields: dict[str, Field] = {}
    for name, range_, count in sorted(wanted, key=lambda w: (-w[1].bits * w[2], w[0])):
        fields[name] = replace(_array(words, name, range_, count), renamed=kinds.get(name, ("", "")))
    control, slots, rooms, frame_bits = _frame(program, layout, ranges, renamed)
    start = len(words.used)
    moving = len(threads) - resting

    def frame_words(count: int) -> int:
        return count * (frame_bits // WORD) if frame_bits >= WORD else -(-count // (WORD // frame_bits))

    stored = max(1, start + frame_words(moving))
    work = max(stored, start + frame_words(len(threads)))
    position, taken = fields.pop(".position"), fields.pop(".taken")
    return Packing(fields, position, taken, control, slots, rooms, start, frame_bits, stored, work)


def _array(words: _Words, name: str, range_: Range, count: int) -> Field:
    bits = range_.bits
    if bits > WORD:
        raise Unsupported(f"`{name}` takes more than {WORD} bits")
    if bits * count <= WORD:
        word, shift = words.take(bits * count) if bits else (0, 0)
        return Field(name, range_, bits, word, shift, count, 0)
    rounded = 1 << (bits - 1).bit_length()
    per_word = WORD // rounded
    return Field(name, range_, rounded, words.whole(-(-count // per_word)), 0, count, per_word)


def renaming(type_: Type, renamed: Collection[str]) -> tuple[str, str]:
    """What `Field.renamed` is for values of a type."""
    name = index_of(type_)
    return (name, "set" if isinstance(type_, SetType) else "value") if name in renamed else ("", "")


def _frame(
    program: ir.Program, layout: Layout, ranges: Ranges, renamed: Collection[str]
) -> tuple[Field, dict[str, Field], dict[str, Field], int]:
    """The control point, a field for each local, the room that it has, the size of a frame.

    Locals that share a slot share a room, unless the one may be renamed and the other not. A forgotten local is 0 as it is stored; so an element that
    may be renamed is stored as its number + 1.
    """
    found = locals_of(program)
    by_name: dict[str, Range] = {}
    keys: dict[str, tuple[int, tuple[str, str]]] = {}
    needed: dict[tuple[int, tuple[str, str]], int] = {}
    for name, slot in layout.frame.slots.items():
        local = found.get(name) or ir.Local(name, _result_type(program, name))
        range_ = ranges.local(local)
        kind = renaming(local.type, renamed)
        if kind[1] == "value":
            range_ = Range(-1, range_.high)
        if range_.bits > WORD:
            raise Unsupported(f"the local `{name}` takes more than {WORD} bits")
        by_name[name], keys[name] = range_, (slot, kind)
        needed[slot, kind] = max(needed.get((slot, kind), 0), range_.bits)
    words = _Words()
    control_range = Range(0, max(program.blocks, default=0))
    word, shift = words.take(control_range.bits)
    control = Field("control", control_range, control_range.bits, word, shift, 1, 0)
    rooms = {}
    for key, bits in sorted(needed.items(), key=lambda item: (-item[1], item[0])):
        word, shift = words.take(bits) if bits else (0, 0)
        rooms[key] = Field(f"slot {key[0]}{key[1]}", Range(0, (1 << bits) - 1), bits, word, shift, 1, 0, key[1])
    slots = {}
    for name, key in keys.items():
        at = rooms[key]
        slots[name] = Field(name, by_name[name], by_name[name].bits, at.word, at.shift, 1, 0, at.renamed)
    total = words.used[0] if len(words.used) == 1 else WORD * len(words.used)
    frame_bits = 1 << (max(total, 8) - 1).bit_length() if total < WORD else -(-total // WORD) * WORD
    return control, slots, {name: rooms[key] for name, key in keys.items()}, frame_bits


def _result_type(program: ir.Program, name: str) -> Type:
    """The type of a local that only transfers between functions mention."""
    kind, _, function = name.partition("@")
    assert kind in ("result", "error", "return"), name
    if kind == "result":
        returns = program.module.functions[function].returns
        assert returns is not None
        return returns
    return EnumType("result") if kind == "error" else IntType(0)


def pack_initial(packing: Packing, layout: Layout, state: Sequence[int]) -> list[int]:
    """A state in which no operation is in progress, as words. Raises `OutOfRange` for a value without room."""
    words = [0] * packing.work

    def put(field: Field, element: int, value: int) -> None:
        if not field.range.low <= value <= field.range.high:
            raise OutOfRange(field, value)
        word, shift = field.place(element)
        words[word] |= (value - field.range.low) << shift

    for name, field in packing.variables.items():
        for element in range(field.count):
            put(field, element, int(state[layout.base[name] + element]))
    for thread in range(layout.threads):
        base = layout.frame_base(thread)
        put(packing.position, thread, state[base + POSITION])
        put(packing.taken, thread, state[base + TAKEN])
    return words[: packing.stored]


class OutOfRange(Exception):
    """A value does not fit its field."""

    def __init__(self, field: Field, value: int) -> None:
        self.field = field
        self.value = value
