"""The functions that make changes of places: used by runtime/symmetry.h to find the one state that stands for all that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hugecheck.explore.native.packing import WORD, Field
from hugecheck.explore.native.statements import Statements
from hugecheck.explore.native.symmetry import Symmetry

Renaming = Mapping[str, Mapping[int, int]]


def emit_symmetry(statements: Statements, symmetry: Symmetry) -> None:
    """Write the tables and functions; with no symmetry, only that there is none."""
    _Renaming(statements, symmetry).emit()


class _Renaming:
    def __init__(self, statements: Statements, symmetry: Symmetry) -> None:
        self.statements = statements
        self.symmetry = symmetry
        self.packing = statements.packing
        self.layout = statements.layout
        self.out = statements.out

    def emit(self) -> None:
        out, symmetry = self.out, self.symmetry
        images = symmetry.images
        members = [thread for alike in symmetry.classes for thread in alike]
        out.line(f"#define SYMMETRY {int(bool(images or members))}")
        out.line(f"#define IMAGES {len(images)}")
        out.line(f"#define CLASSES {len(symmetry.classes)}")
        out.line(f"#define FRAME_WORDS {max(1, self.packing.frame_bits // WORD)}")
        sizes = ", ".join(str(len(c)) for c in symmetry.classes) or "0"
        out.line(f"static const int class_sizes[] = {{{sizes}}};")
        out.line(f"static const int class_members[] = {{{', '.join(map(str, members)) or '0'}}};")
        self._frames()
        self._owners()
        for number, image in enumerate(images):
            self._image(number, image)
        with out.block("static UNUSED void rename_elements(int image, const word *in, word *w)"):
            out.line("switch (image) {")
            for number in range(len(images)):
                out.line(f"case {number}: image{number}(in, w); break;")
            out.line("}")
        out.line('#include "symmetry.h"')

    def _frames(self) -> None:
        """Reading and writing a thread's frame as a whole."""
        out, bits = self.out, self.packing.frame_bits
        if bits >= WORD:
            place, shift, mask = f"w[{self.packing.frames} + t * {bits // WORD} + i]", "0", "~(word)0"
        else:
            per = WORD // bits
            place, shift = f"w[{self.packing.frames} + (unsigned)t / {per}]", f"((unsigned)t % {per} * {bits})"
            mask = f"(word){(1 << bits) - 1:#x}"
        with out.block("static UNUSED word frame_word(const word *w, int t, int i)"):
            out.line(f"return {place} >> {shift} & {mask};")
        with out.block("static UNUSED void set_frame_word(word *w, int t, int i, word v)"):
            out.line(f"{place} = ({place} & ~({mask} << {shift})) | v << {shift};")

    def _owners(self) -> None:
        """Locks name the thread that holds them."""
        out = self.out
        locks = [f for name, f in self.packing.variables.items() if name.startswith("lock.")]
        with out.block("static UNUSED void rename_owners(word *w, const unsigned char *to)"):
            for field in locks:
                for element in range(field.count):
                    word, shift = field.place(element)
                    mask = f"(word){(1 << field.bits) - 1:#x}"
                    with out.block(f"if (w[{word}] >> {shift} & {mask})"):
                        old = out.fresh("k")
                        out.line(f"const word {old} = w[{word}] >> {shift} & {mask};")
                        out.line(
                            f"w[{word}] = (w[{word}] & ~({mask} << {shift})) | (word)(to[{old} - 1] + 1) << {shift};"
                        )
            out.line("(void)w, (void)to;")

    # ------------------------------------------------------------ one way to rename elements

    def _image(self, number: int, image: Renaming) -> None:
        out = self.out
        with out.block(f"static NOINLINE void image{number}(const word *in, word *w)"):
            out.line("memcpy(w, in, WORDS * sizeof(word));")
            for name, field in self.packing.variables.items():
                indices = self.statements.program.variables[name].indices
                if field.bits and (field.renamed[0] in image or any(i in image for i in indices)):
                    self._variable(field, indices, image)
            rooms = {room.name: room for room in self.packing.rooms.values() if room.renamed[0] in image and room.bits}
            if rooms:
                stored = range(self.layout.threads)
                for thread in stored:
                    word, shift = self.packing.frame(thread)
                    if word < self.packing.stored:
                        self._rooms(word, shift, rooms.values(), image)

    def _variable(self, field: Field, indices: tuple[str, ...], image: Renaming) -> None:
        mask = f"(word){(1 << field.bits) - 1:#x}"
        for element in range(field.count):
            target = self._moved(element, indices, image)
            if target == element and field.renamed[0] not in image:
                continue
            from_word, from_shift = field.place(element)
            word, shift = field.place(target)
            value = self._renamed(field, f"(in[{from_word}] >> {from_shift} & {mask})", image)
            self.out.line(f"w[{word}] = (w[{word}] & ~({mask} << {shift})) | {value} << {shift};")

    def _rooms(self, word: int, shift: int, rooms: Iterable[Field], image: Renaming) -> None:
        for room in rooms:
            at, by = word + room.word, shift + room.shift
            mask = f"(word){(1 << room.bits) - 1:#x}"
            value = self._renamed(room, f"(in[{at}] >> {by} & {mask})", image)
            self.out.line(f"w[{at}] = (w[{at}] & ~({mask} << {by})) | {value} << {by};")

    def _moved(self, element: int, indices: tuple[str, ...], image: Renaming) -> int:
        """Where an element of an array goes."""
        sizes = [self.layout.sizes[index] for index in indices]
        parts: list[int] = []
        for size in reversed(sizes):
            parts.append(element % size)
            element //= size
        target = 0
        for index, size, part in zip(indices, sizes, reversed(parts), strict=True):
            target = target * size + image.get(index, {}).get(part, part)
        return target

    def _renamed(self, field: Field, raw: str, image: Renaming) -> str:
        """What becomes of a stored value."""
        index, kind = field.renamed
        moved = image.get(index)
        if moved is None:
            return raw
        name = self.out.fresh("k")
        self.out.line(f"const word {name} = {raw};")
        if kind == "set":
            fixed = sum(1 << e for e in range(self.layout.sizes[index]) if e not in moved)
            parts = [f"{name} & {fixed:#x}u"] if fixed else []
            parts += [f"({name} >> {a} & 1) << {b}" for a, b in moved.items()]
            return f"({' | '.join(parts)})"
        low = -1 if field.name.startswith("slot ") else field.range.low
        table = [value - low for value in (moved.get(v, v) for v in range(low, low + (1 << field.bits)))]
        return f"((word)(const unsigned char[]){{{', '.join(map(str, table))}}}[{name}])"
