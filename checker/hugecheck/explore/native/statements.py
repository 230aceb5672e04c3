"""Blocks, subroutines and properties of a program as C functions. The C twin of explore/python.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from hugecheck.explore.layout import Layout
from hugecheck.explore.native.expressions import Code, Expressions
from hugecheck.explore.native.packing import WORD, Packing
from hugecheck.explore.native.ranges import SET_BITS, VALUE, Range, Ranges, locals_of
from hugecheck.explore.native.wide import find_wide
from hugecheck.explore.native.writer import Writer, comment
from hugecheck.explore.python import Property, _assigned
from hugecheck.ir import program as ir
from hugecheck.ir.liveness import kept, results_of
from hugecheck.ir.sections import return_local
from hugecheck.ir.types import IntType, SetType, Type

OK = "GO_ON"
NUMBER: Type = IntType(0)


@dataclass(frozen=True, slots=True)
class Emitted:
    """A property as a C function of the state, the context, its parameters, and where the value goes."""

    name: str
    params: tuple[ir.Local, ...]


class Statements:
    """Emits the functions of a program into `out`."""

    def __init__(self, program: ir.Program, layout: Layout, packing: Packing, ranges: Ranges, out: Writer) -> None:
        self.program = program
        self.layout = layout
        self.packing = packing
        self.out = out
        growing = frozenset(i.name for i in program.module.indexes.values() if i.kind in ("pool", "counted"))
        self.x = Expressions(layout, packing, ranges, growing, find_wide(program), out)
        self.locals = locals_of(program)
        self.flat_names = {name: f"f{number}" for number, name in enumerate(program.flats)}
        self.flat_now: ir.FlatFunction | None = None
        self.current: ir.Block | None = None
        self.properties: dict[str, Emitted] = {}
        self.records: dict[str, list[ir.Variable]] = {}
        for variable in program.variables.values():
            if variable.record and variable.name in layout.base:
                self.records.setdefault(variable.record, []).append(variable)

    # ------------------------------------------------------------ functions

    def program_functions(self) -> None:
        """All subroutines and blocks, and `section`, which runs a thread from one point where it can be interrupted to the next."""
        for flat in self.program.flats.values():
            self.out.line(f"{self._flat_head(flat)};")
        for flat in self.program.flats.values():
            self._flat(flat)
        for block in self.program.blocks.values():
            self._block(block)
        self._frame_access()
        with self.out.block("static int section(word *w, int t, struct context *x)"), self.out.block("for (;;)"):
            self.out.line("int r;")
            self.out.line("switch (control(w, t)) {")
            for number in self.program.blocks:
                self.out.line(f"case {number}: r = b{number}(w, t, x); break;")
            self.out.line("default: return BLOCKED;")
            self.out.line("}")
            self.out.line("if (r != GO_ON) return r;")
            self.out.line("if (UNLIKELY(*x->stop)) return BLOCKED;")
        self.out.line("")

    def _frame_access(self) -> None:
        control = self.packing.control
        with self.out.block("static value control(const word *w, int t)"):
            self._frame_pointer(const=True)
            word, shift = self._at(control.word, control.shift)
            self.out.line(f"return {self.x.fetch(control, word, shift, NUMBER).text};")
        with self.out.block("static void clear_control(word *w, int t)"):
            self._frame_pointer()
            self._put_control(0)

    def _function(self, head: str, body: list[str], note: str = "") -> None:
        """Write a function whose locals are declared at its head."""
        if note:
            self.out.line(comment(note))
        with self.out.block(head):
            for name, kind in self.x.declared.items():
                self.out.line(f"{kind} {name} = 0;")
            self.out.lines.extend(body)
        self.out.line("")

    def _flat_head(self, flat: ir.FlatFunction) -> str:
        params = "".join(f", {self.x.local_kind(p)} a{n}" for n, p in enumerate(flat.params))
        result = f", {self._result_kind(flat)} *result" if flat.returns is not None else ""
        return f"static NOINLINE int {self.flat_names[flat.name]}(word *w, int t, struct context *x{params}, value *error{result})"

    def _result_kind(self, flat: ir.FlatFunction) -> str:
        assert flat.returns is not None
        return "wide" if flat.name in self.x.wide.flats else self.x.kind(flat.returns)

    def _flat(self, flat: ir.FlatFunction) -> None:
        self.current, self.flat_now = None, flat
        self.x.begin_function()
        self.out.depth += 1
        with self.out.captured() as body:
            for number, param in enumerate(flat.params):
                self.out.line(f"{self.x.name(param)} = a{number};")
            self._body(flat.body)
            self._flat_result(None, "0")
        self.out.depth -= 1
        self._function(self._flat_head(flat), body, flat.name)

    def _flat_result(self, value: Code | None, error: str) -> None:
        assert self.flat_now is not None
        self.out.line(f"*error = {error};")
        if self.flat_now.returns is not None:
            self.out.line(f"*result = {value.text if value is not None else 0};")
        self.out.line(f"return {OK};")

    def _block(self, block: ir.Block) -> None:
        self.current, self.flat_now = block, None
        self.x.begin_function()
        self.out.depth += 1
        with self.out.captured() as body:
            self._frame_pointer()
            for name in sorted(block.live):
                local = self._local(name)
                slot = self.packing.slots[name]
                word, shift = self._at(slot.word, slot.shift)
                self.out.line(f"{self.x.name(local)} = {self.x.fetch(slot, word, shift, local.type).text};")
            self._body(block.body)
        self.out.depth -= 1
        self._function(
            f"static NOINLINE int b{block.number}(word *w, int t, struct context *x)",
            body,
            f"{block.owner} / {block.name}",
        )

    def _local(self, name: str) -> ir.Local:
        found = self.locals.get(name)
        if found is None:
            found = self.locals[name] = ir.Local(name, NUMBER)
        return found

    def property(self, prop: Property) -> Emitted:
        """A function for the value of a property. FAILED when it has none in this state."""
        self.current, self.flat_now = None, None
        self.x.begin_function()
        name = self.out.fresh("p")
        self.out.depth += 1
        with self.out.captured() as body:
            for number, param in enumerate(prop.params):
                self.out.line(f"{self.x.name(param)} = a{number};")
            code = self.x.narrowed(self.x.expression(prop.value))
            self.out.line(f"*out = (value){code.text};")
            self.out.line(f"return {OK};")
        self.out.depth -= 1
        params = "".join(f", {self.x.kind(p.type)} a{n}" for n, p in enumerate(prop.params))
        self._function(
            f"static UNUSED int {name}(const word *w, struct context *x{params}, value *out)", body, prop.name
        )
        emitted = Emitted(name, prop.params)
        self.properties[prop.name] = emitted
        return emitted

    # ------------------------------------------------------------ frames

    def _frame_pointer(self, *, const: bool = False) -> None:
        """`f` is the first word of the thread's frame, `h` the bit at which it begins."""
        kind = "const word" if const else "word"
        if self.packing.frame_bits >= WORD:
            self.out.line(f"{kind} *const f = w + {self.packing.frames} + t * {self.packing.frame_bits // WORD};")
        else:
            per = WORD // self.packing.frame_bits
            self.out.line(f"{kind} *const f = w + {self.packing.frames} + (unsigned)t / {per};")
            self.out.line(f"const unsigned h = (unsigned)t % {per} * {self.packing.frame_bits};")

    def _at(self, word: int, shift: int) -> tuple[str, str]:
        if self.packing.frame_bits >= WORD:
            return f"f[{word}]", str(shift)
        return f"f[{word}]", f"(h + {shift})"

    def _put_control(self, block: int | str) -> None:
        control = self.packing.control
        word, shift = self._at(control.word, control.shift)
        code = Code(str(block), Range(block, block)) if isinstance(block, int) else Code(block, control.range)
        self.x.put(control, word, shift, code)

    def _put_local(self, name: str, code: Code) -> None:
        field = self.packing.slots[name]
        word, shift = self._at(field.word, field.shift)
        self.x.put(field, word, shift, code, self.packing.rooms[name].bits)

    def _save(self, live: frozenset[str], set_here: Iterable[str] = ()) -> None:
        """Keep the live locals in the frame and clear the slots of those that are no longer needed."""
        assert self.current is not None
        rooms = self.packing.rooms
        kept_rooms = {rooms[name].name for name in live}
        left = {
            rooms[name].name: rooms[name] for name in sorted(self.current.live) if rooms[name].name not in kept_rooms
        }
        for field in left.values():
            word, shift = self._at(field.word, field.shift)
            self.x.put(field, word, shift, Code("0", Range(0, 0)))
        for name in sorted(live):
            local = self._local(name)
            if name not in self.current.live or name in set_here or self._changed(name):
                self._put_local(name, Code(self.x.name(local), self.x.local_range(local), self.x.local_kind(local)))

    def _changed(self, name: str) -> bool:
        assert self.current is not None
        return name in _assigned(self.current.body)

    # ------------------------------------------------------------ statements

    def _body(self, body: Sequence[ir.Statement]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, statement: ir.Statement) -> None:
        x = self.x
        match statement:
            case ir.SetLocal(local, value):
                self._set(local, x.expression(value))
            case ir.Store(variable, indices, value):
                if variable in self.layout.base:
                    self._store(variable, indices, value)
            case ir.If(condition, then, otherwise):
                test = x.expression(condition)
                with self.out.block(f"if ({test.text})", "} else {" if otherwise else "}"):
                    self._body(then)
                if otherwise:
                    self.out.depth += 1
                    self._body(otherwise)
                    self.out.depth -= 1
                    self.out.line("}")
            case ir.While(condition, body):
                with self.out.block("for (;;)"):
                    self.out.line("if (UNLIKELY(*x->stop)) return BLOCKED;")
                    self.out.line(f"if (!{x.expression(condition).text}) break;")
                    self._body(body)
            case ir.For(local, domain, where, body):
                with x.loop(domain, local, declare=False):
                    if where is not None:
                        self.out.line(f"if (!{x.expression(where).text}) continue;")
                    self._body(body)
            case ir.Break():
                self.out.line("break;")
            case ir.Continue():
                self.out.line("continue;")
            case ir.Assert(kind, condition, reason, site):
                x.fail(f"!{x.expression(condition).text}", kind, reason, site, "0")
            case ir.Reset(index, element):
                self._reset(index, element)
            case ir.Choose(local, domain, where):
                self._choose(local, domain, where)
            case ir.Await(condition, _, _, _):
                self.out.line(f"if (!{x.expression(condition).text}) return BLOCKED;")
            case ir.Call():
                self._call(statement)
            case ir.Goto(block):
                self._save(self.program.blocks[block].live)
                self._jump(block)
            case ir.Enter(function, block, back):
                local = self._local(return_local(function).name)
                self.out.line(f"{x.name(local)} = {back};")
                self._save(self.program.blocks[block].live | kept(self.program, statement), {local.name})
                self._jump(block)
            case ir.Leave(function):
                back_name = x.name(self._local(return_local(function).name))
                self._save(results_of(self.program, function))
                self._put_control(back_name)
                self.out.line("return GO_ON;")
            case ir.Finish(result):
                code = x.expression(result)
                self._save(frozenset())
                self._put_control(0)
                self.out.line(f"return FINISHED + (int){code.text};")
            case ir.Return(value):
                assert self.flat_now is not None
                wide = self.flat_now.name in x.wide.flats
                given = x.expression(value) if value is not None else None
                if given is not None:
                    given = x.widened(given) if wide else x.narrowed(given)
                self._flat_result(given, "0")
            case ir.Fail(error):
                self._flat_result(None, x.expression(error).text)
            case ir.Atomic() | ir.Hold() | ir.Either():
                raise AssertionError(statement)
            case _ as never:
                assert_never(never)

    def _jump(self, block: int) -> None:
        self._put_control(block)
        self.out.line(f"return {'SUSPENDED' if self.program.blocks[block].yields else 'GO_ON'};")

    def _set(self, local: ir.Local, code: Code) -> None:
        fit = self.x.widened(code) if local.name in self.x.wide.locals else self.x.narrowed(code)
        self.out.line(f"{self.x.name(local)} = {fit.text};")

    def _store(self, variable: str, indices: tuple[ir.Expr, ...], value: ir.Expr) -> None:
        x = self.x
        code = x.expression(value)
        field = self.packing.variables[variable]
        word, shift = x.place(field, [x.expression(i) for i in indices])
        with self.out.block(""):
            if not shift.isdigit():
                shift = x.temporary("unsigned", f"(unsigned){shift}")
            x.put(field, word, shift, code)

    def _reset(self, index: str, element: ir.Expr) -> None:
        x = self.x
        if index not in self.records:
            return
        code = x.atom(x.expression(element))
        for variable in self.records[index]:
            field = self.packing.variables[variable.name]
            with x.bound(ir.Local("self", variable.type), code.text, code.range), self.out.block(""):
                initial = x.expression(variable.initial)
                word, shift = x.place(field, [code])
                if not shift.isdigit():
                    shift = x.temporary("unsigned", f"(unsigned){shift}")
                x.put(field, word, shift, initial)

    def _call(self, call: ir.Call) -> None:
        x = self.x
        function = self.program.flats[call.function]
        arguments = []
        for param, argument in zip(function.params, call.arguments, strict=True):
            code = x.expression(argument)
            arguments.append(x.widened(code) if param.name in x.wide.locals else x.narrowed(code))
        error, result = self.out.fresh("e"), self.out.fresh("r")
        self.out.line(f"value {error};")
        given = "".join(f", {a.text}" for a in arguments)
        if function.returns is not None:
            self.out.line(f"{self._result_kind(function)} {result};")
            given += f", &{error}, &{result}"
        else:
            given += f", &{error}"
        outcome = self.out.fresh("o")
        self.out.line(f"const int {outcome} = {self.flat_names[call.function]}(w, t, x{given});")
        self.out.line(f"if (UNLIKELY({outcome} != {OK})) return {outcome};")
        if call.error is not None and function.fails:
            self.out.line(f"{x.name(call.error)} = {error};")
        if call.target is not None:
            self.out.line(f"{x.name(call.target)} = {result if function.returns is not None else error};")

    def _choose(self, local: ir.Local, domain: ir.Domain, where: ir.Expr | None) -> None:
        """Count what there is to choose from, ask, and take it: from a set of candidates, or by going through the domain again."""
        x, out = self.x, self.out
        target = x.name(local)
        if isinstance(domain, ir.Members) and where is None:
            of = x.atom(x.expression(domain.of))
            self._pick_from_set(of.text, target)
            return
        small = isinstance(domain, ir.IndexDomain) and self.layout.sizes[domain.index] <= SET_BITS
        if small or isinstance(domain, ir.Members):
            found = out.fresh("s")
            out.line(f"word {found} = 0;")
            with x.loop(domain, local, declare=False):
                test = x.expression(where).text if where is not None else "1"
                out.line(f"if ({test}) {found} |= (word)1 << {target};")
            self._pick_from_set(found, target)
            return
        count = out.fresh("n")
        if isinstance(domain, ir.Interval) and where is None:
            low, high = x.atom(x.narrowed(x.expression(domain.low))), x.atom(x.narrowed(x.expression(domain.high)))
            out.line(f"if ({low.text} >= {high.text}) return BLOCKED;")
            out.line(f"const value {count} = pick(x, {high.text} - {low.text});")
            out.line(f"if (UNLIKELY({count} < 0)) return FAILED;")
            out.line(f"{target} = {low.text} + {count};")
            return
        out.line(f"value {count} = 0;")
        with x.loop(domain, local, declare=False):
            out.line(f"{count} += !!{x.expression(where).text if where is not None else '1'};")
        out.line(f"if ({count} == 0) return BLOCKED;")
        out.line(f"{count} = pick(x, {count});")
        out.line(f"if (UNLIKELY({count} < 0)) return FAILED;")
        with x.loop(domain, local, declare=False):
            out.line(f"if ({x.expression(where).text if where is not None else '1'} && {count}-- == 0) break;")

    def _pick_from_set(self, found: str, target: str) -> None:
        number = self.out.fresh("n")
        self.out.line(f"if ({found} == 0) return BLOCKED;")
        self.out.line(f"const value {number} = pick(x, size_of({found}));")
        self.out.line(f"if (UNLIKELY({number} < 0)) return FAILED;")
        self.out.line(f"{target} = element({found}, {number});")

    # ------------------------------------------------------------ operations

    def start(self, code: ir.OperationCode, name: str) -> None:
        """The function that puts a thread before the first section of an operation."""
        live = self.program.blocks[code.entry].live
        with self.out.block(f"static UNUSED int {name}(word *w, int t, const value *a, struct context *x)"):
            self._frame_pointer()
            for number, parameter in enumerate(code.params):
                if parameter.local.name in live:
                    kind = self.x.kind(parameter.local.type)
                    value = self.x.temporary(kind, f"({kind})a[{number}]")
                    range_ = (
                        self.packing.slots[parameter.local.name].range
                        if isinstance(parameter.local.type, SetType)
                        else VALUE
                    )
                    self._put_local(parameter.local.name, Code(value, range_, kind))
            self._put_control(code.entry)
            self.out.line("(void)a, (void)x;")
            self.out.line(f"return {OK};")
        self.out.line("")
