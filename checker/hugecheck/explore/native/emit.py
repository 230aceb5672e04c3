"""The whole C text for a system: its program, its clauses, and what its threads are to do.

Everything that depends on a specification is a number here; names appear in comments only, reduced to letters and digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hugecheck import __version__
from hugecheck.diagnostics import Span
from hugecheck.explore.native.expressions import Site
from hugecheck.explore.native.packing import Field, Packing, make_packing
from hugecheck.explore.native.ranges import Ranges
from hugecheck.explore.native.renaming import emit_symmetry
from hugecheck.explore.native.statements import OK, Statements
from hugecheck.explore.native.symmetry import Symmetry
from hugecheck.explore.native.writer import Writer, comment
from hugecheck.explore.python import Property
from hugecheck.explore.search import all_calls
from hugecheck.explore.system import System
from hugecheck.ir import program as ir
from hugecheck.ir.rewrite import resolve
from hugecheck.language.scenario import AnyOf, CallStep, Check, Invocation, Jump, Thread


@dataclass(frozen=True, slots=True)
class Emitted:
    """The text, and what is needed to read the answers of the compiled engine."""

    text: str
    packing: Packing
    sites: Sequence[Site]
    fields: Sequence[Field]
    spans: Sequence[Span]
    calls: Sequence[Invocation]


def emit(system: System, ranges: Ranges, symmetry: Symmetry, *, halfway: bool = False) -> Emitted:
    """Generate the engine for a system. `halfway`: operations that run as a whole may be blocked half-way. Raises `Unsupported`."""
    return _Emission(system, ranges, symmetry, halfway=halfway).emit()


class _Emission:
    def __init__(self, system: System, ranges: Ranges, symmetry: Symmetry, *, halfway: bool) -> None:
        self.system = system
        self.symmetry = symmetry
        self.program = system.machine.program
        self.out = Writer()
        count = len(system.threads)
        self.resting = 0 if halfway else count if system.merged else 1 if system.setup is not None else 0
        self.packing = make_packing(
            self.program, system.layout, ranges, system.threads, symmetry.free, resting=self.resting
        )
        self.statements = Statements(self.program, system.layout, self.packing, ranges, self.out)
        self.operations = {name: number for number, name in enumerate(self.program.operations)}
        self.calls = all_calls(system)
        self.spans = list(dict.fromkeys(call.span for call in self.calls))

    def emit(self) -> Emitted:
        out = self.out
        out.line(f"/* made by hugecheck {__version__} from a specification; see explore/native/emit.py */")
        out.line(comment(self.system.scenario.title))
        self._sizes()
        out.line('#include "moves.h"')
        out.line("")
        self.statements.program_functions()
        self._operations()
        self._clauses()
        self._threads()
        emit_symmetry(self.statements, self.symmetry)
        out.line('#include "checkpoint.h"')
        text = "\n".join(out.lines) + "\n"
        return Emitted(text, self.packing, self.statements.x.sites, self.statements.x.fields, self.spans, self.calls)

    # ------------------------------------------------------------ sizes

    def _sizes(self) -> None:
        system, clauses = self.system, self.system.scenario.clauses
        moves = sum(
            max((len(i.calls) if isinstance(i, AnyOf) else 1 for i in t.instructions), default=1)
            for t in system.threads
        )
        numbers = {
            "WORDS": self.packing.stored,
            "WORK_WORDS": self.packing.work,
            "THREADS": len(system.threads),
            "SETUP": system.setup if system.setup is not None else -1,
            "MERGED": int(system.merged),
            "MAX_MOVES": max(moves, 1),
            "MAX_ARGUMENTS": max((len(c.params) for c in self.program.operations.values()), default=0) or 1,
            "CLAUSES": len(clauses),
            "RESULT_CLAUSE": next((n for n, c in enumerate(clauses) if c.kind == "result"), -1),
            "DEADLOCK_CLAUSE": next((n for n, c in enumerate(clauses) if c.kind == "deadlock"), -1),
            "FINAL_CLAUSES": sum(c.kind == "finally" for c in clauses),
            "CALL_SPANS": max(len(self.spans), 1),
            "STORED_FRAMES": len(system.threads) - self.resting,
            "HAS_ACTOR": int(system.ready is not None),
        }
        for name, number in numbers.items():
            self.out.line(f"#define {name} {number}" if number >= 0 else f"#define {name} ({number})")

    # ------------------------------------------------------------ operations

    def _operations(self) -> None:
        out, operations = self.out, self.program.operations
        for number, code in enumerate(operations.values()):
            out.line(comment(code.name))
            self.statements.start(code, f"start{number}")
            params = tuple(p.local for p in code.params)
            defaults = {
                k: self.statements.property(Property(f"default {number} {k}", params[:k], p.default)).name
                for k, p in enumerate(code.params)
                if p.default is not None
            }
            conditions = [
                self.statements.property(Property(f"when {number} {k}", params, when.condition)).name
                for k, when in enumerate(code.conditions)
            ]
            with out.block(
                f"static UNUSED int arguments{number}(const word *w, struct context *x, value *a, word absent)"
            ):
                for k, name in defaults.items():
                    with out.block(f"if (absent >> {k} & 1)"):
                        self._ask(name, params[:k], f"a[{k}]")
                out.line("(void)w, (void)x, (void)a, (void)absent;")
                out.line(f"return {OK};")
            with out.block(
                f"static UNUSED int applies{number}(const word *w, struct context *x, value *a, word absent, value *out)"
            ):
                if conditions:
                    out.line(f"if (absent && arguments{number}(w, x, a, absent) == FAILED) return FAILED;")
                for name in conditions:
                    self._ask(name, params, "*out")
                    out.line(f"if (!*out) return {OK};")
                out.line("(void)w, (void)x, (void)a, (void)absent;")
                out.line("*out = 1;")
                out.line(f"return {OK};")
        for head, call in (
            (
                "int operation_arguments(int operation, const word *w, struct context *x, value *a, word absent)",
                "arguments{}(w, x, a, absent)",
            ),
            (
                "int operation_applies(int operation, const word *w, struct context *x, value *a, word absent, value *out)",
                "applies{}(w, x, a, absent, out)",
            ),
            (
                "int operation_start(int operation, word *w, int t, const value *a, struct context *x)",
                "start{}(w, t, a, x)",
            ),
        ):
            self._switch(f"static {head}", "operation", [(n, call.format(n)) for n in range(len(operations))])

    def _ask(self, name: str, params: Sequence[ir.Local], target: str) -> None:
        """Compute a property into `target`, or leave with FAILED."""
        given = "".join(f", ({self.statements.x.kind(p.type)})a[{n}]" for n, p in enumerate(params))
        self.out.line(f"if ({name}(w, x{given}, &{target}) == FAILED) return FAILED;")

    def _switch(self, head: str, what: str, cases: Sequence[tuple[int, str]]) -> None:
        with self.out.block(head):
            self.out.line(f"switch ({what}) {{")
            for number, call in cases:
                self.out.line(f"case {number}: return {call};")
            self.out.line("default: return fail(x, TOO_LARGE, 0, 0);")
            self.out.line("}")
        self.out.line("")

    # ------------------------------------------------------------ clauses

    def _clauses(self) -> None:
        out, system = self.out, self.system
        clauses = system.scenario.clauses
        names = {
            n: self.statements.property(
                Property(f"clause {c.name}", (), resolve(c.condition, self.program.switches))
            ).name
            for n, c in enumerate(clauses)
            if c.condition is not None
        }
        self._switch(
            "static int clause_value(int clause, const word *w, struct context *x, value *out)",
            "clause",
            [(n, f"{name}(w, x, out)") for n, name in names.items()],
        )
        out.line("/* The open clauses that this state decides; `all`: those for quiescent states too. */")
        with out.block(
            "static int judge(const word *w, int all, const unsigned char *open, int *decided, struct context *x, struct fault *fault)"
        ):
            out.line("int n = 0;")
            out.line("value out;")
            for number, clause in enumerate(clauses):
                if clause.kind not in ("always", "never", "sometimes"):
                    continue
                guard = f"open[{number}] && all" if clause.quiescent else f"open[{number}]"
                with out.block(f"if ({guard})"):
                    with out.block(f"if (UNLIKELY({names[number]}(w, x, &out) == FAILED))", "} else {"):
                        out.line("if (!faulted(x, fault)) return -1;")
                    out.line(f"    if (UNLIKELY({'!' if clause.kind == 'always' else ''}out)) decided[n++] = {number};")
                    out.line("}")
            out.line("(void)w, (void)all, (void)open, (void)decided, (void)x, (void)out, (void)fault;")
            out.line("return n;")
        with out.block("static int quiescent(const word *w)"):
            with out.block("for (int t = 0; t < STORED_FRAMES; t++)"):
                out.line("if (control(w, t)) return 0;")
            out.line("return 1;")
        finals = [str(n) for n, c in enumerate(clauses) if c.kind == "finally"]
        out.line(f"static const int finals[] = {{{', '.join(finals) or '0'}}};")
        out.line("")
        head = "static int actor_ready(const word *w, struct context *x, value actor, value *out)"
        actor = system.scenario.module.actor
        if actor is not None:
            name = self.statements.property(
                Property("actor", (actor.variable,), resolve(actor.condition, self.program.switches))
            ).name
            with out.block(head):
                out.line(f"return {name}(w, x, actor, out);")
        else:
            with out.block(head):
                out.line("(void)w, (void)x, (void)actor;")
                out.line("*out = 1;")
                out.line(f"return {OK};")

    # ------------------------------------------------------------ threads

    def _threads(self) -> None:
        out, system = self.out, self.system
        for name, field in (("position", self.packing.position), ("taken", self.packing.taken)):
            self._thread_field(name, field)
        arguments: dict[tuple[int, ...], str] = {}
        flags: list[int] = []
        offsets: dict[frozenset[int], int] = {}
        rows = []
        width = max((len(c.params) for c in self.program.operations.values()), default=0) or 1
        for call in self.calls:
            given = tuple(a if a is not None else 0 for a in call.arguments) + (0,) * (width - len(call.arguments))
            if given not in arguments:
                arguments[given] = f"given{len(arguments)}"
                values = ", ".join(f"(value){a % (1 << 64)}u" if a >= 0 else f"-{-a}" for a in given)
                out.line(f"static const value {arguments[given]}[] = {{{values}}};")
            if call.results is not None and call.results not in offsets:
                offsets[call.results] = len(flags)
                flags += [int(r in call.results) for r in range(len(self.program.module.results))]
            absent = sum(1 << k for k, a in enumerate(call.arguments) if a is None)
            results = offsets[call.results] if call.results is not None else -1
            rows.append(
                f"{{{self.operations[call.operation]}, {self.spans.index(call.span)}, {results}, {absent}u, {arguments[given]}}}"
            )
        out.line(f"static const struct call calls[] = {{{', '.join(rows) or '{0}'}}};")
        out.line(f"static const unsigned char results[] = {{{', '.join(map(str, flags)) or '0'}}};")
        first = 0
        for number, thread in enumerate(system.threads):
            first = self._instructions(number, thread, first)
        count = len(system.threads)
        out.line(
            f"static const struct instruction *const programs[] = {{{', '.join(f'thread{n}' for n in range(count))}}};"
        )
        out.line(f"static const int lengths[] = {{{', '.join(str(len(t.instructions)) for t in system.threads)}}};")
        out.line(
            f"static const value actors[] = {{{', '.join(str(t.actor if t.actor is not None else -1) for t in system.threads)}}};"
        )
        out.line("")

    def _thread_field(self, name: str, field: Field) -> None:
        out = self.out
        for head in (f"static value {name}(const word *w, int t)", f"static void set_{name}(word *w, int t, value n)"):
            with out.block(head):
                if field.per_word:
                    word, shift = f"w[{field.word} + t / {field.per_word}]", f"(t % {field.per_word} * {field.bits})"
                else:
                    word, shift = f"w[{field.word}]", f"({field.shift} + t * {field.bits})"
                mask = f"(word){(1 << field.bits) - 1:#x}"
                if "set_" not in head:
                    out.line(f"return {f'(value)({word} >> {shift} & {mask})' if field.bits else '0'};")
                elif field.bits:
                    out.line(f"{word} = ({word} & ~({mask} << {shift})) | (word)n << {shift};")
                else:
                    out.line("(void)w, (void)t, (void)n;")

    def _instructions(self, number: int, thread: Thread, first: int) -> int:
        """The table of a thread; the number of calls up to its end."""
        rows = []
        for position, instruction in enumerate(thread.instructions):
            after = _settled(thread, position + 1)
            match instruction:
                case CallStep():
                    rows.append(f"{{CALL_STEP, {first}, 1, 1, -1, {after}}}")
                    first += 1
                case AnyOf(count, calls, _):
                    rows.append(f"{{ANY_OF, {first}, {len(calls)}, {count}, -1, {after}}}")
                    first += len(calls)
                case Check(clause, _):
                    rows.append(f"{{CHECK, 0, 0, 0, {clause}, {after}}}")
                case Jump():
                    rows.append("{0}")
        self.out.line(comment(thread.name))
        self.out.line(f"static const struct instruction thread{number}[] = {{{', '.join(rows) or '{0}'}}};")
        return first


def _settled(thread: Thread, position: int) -> int:
    """Where a thread goes that is to go to `position`: jumps are followed."""
    while position < len(thread.instructions):
        instruction = thread.instructions[position]
        if not isinstance(instruction, Jump):
            break
        position = instruction.target
    return position
