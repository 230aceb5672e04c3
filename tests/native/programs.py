"""Random models with all that the native engine has to translate: threads, locks, choices, sets, arrays, records, pools, options, subroutines with
errors, failed checks, conditions and defaults of operations, expected results, and every kind of clause.

All of them are accepted by the checker; what they do at run time is anybody's guess.
"""

from __future__ import annotations

from random import Random

HEAD = """
index box {boxes}
index slot pool
enum E {{ BAD, WORSE }}
enum Colour {{ red, green, blue }}
mutex m
mutex n of box
rwsem r
spinlock sp
var x: 0 to 3 = 0
var y: int = {start}
var z: nat = 1
var a[box]: 0 to 3 = 0
var b[box, box]: int = 0
var s: set of box = {{}}
var hues: set of Colour = {{red}}
var o: box or none = none
var big: nat or none = none
var c: Colour = red
record Slot of slot {{ used: bool = false, size: 0 to 3 = 1, owner: box or none = none }}
"""


class Programs:
    """Writes one random model, driven by `random`."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names: list[str] = []
        self.fresh = 0
        self.loop = False
        self.callable: list[str] = []
        self.nesting = 0
        """of expressions: a pick writes all its options, so that few levels are many expressions"""

    def pick(self, *options: str) -> str:
        return options[self.random.randrange(len(options))]

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    # ------------------------------------------------------------ expressions

    def atom(self, shared: bool) -> str:
        known = ["0", "1", "2", *self.names, *self.names]
        if shared:
            known += [
                "x", "y", "z", "a[0]", "a[1]", "a[x % 2]", "b[1, 0]", "b[x % 2, 1]", "size(s)", "size(hues)",
                "(count i in box: a[i] = 1)", "(sum i in box: a[i])", "(sum i in 0..x: i)", "(count i in s: a[i] > 0)",
                "(if big = none then 0 else 1)", "(count i in slot: i.used)",
            ]  # fmt: skip
        return self.pick(*known)

    def number(self, shared: bool, depth: int = 1) -> str:
        if depth == 0 or self.nesting > 2 or self.chance(40):
            return self.atom(shared)
        self.nesting += 1
        a, b = self.number(shared, depth - 1), self.number(shared, depth - 1)
        text = self.pick(
            f"({a} + {b})", f"({a} - {b})", f"{a} * {b}", f"min({a}, {b})", f"max({a}, {b})", f"-{a}",
            f"({a} / max(1, {b}))", f"({a} + 5) % 3", f"(if {a} < {b} then {a} else {b})",
            f"(if {self.test(shared, 0)} then {a} else 2)",
            *(["u64(y) % 3", "(if u64(y) > 9 then 1 else 0)", "o", "big"] if shared and self.chance(20) else []),
        )  # fmt: skip
        self.nesting -= 1
        return text

    def small(self, shared: bool) -> str:
        """Mostly within 0..3."""
        return self.number(shared) if self.chance(15) else f"max(0, min(3, {self.number(shared)}))"

    def box(self, shared: bool) -> str:
        if self.chance(8):
            return self.atom(shared)
        return self.pick("0", "1", f"max(0, {self.number(shared)}) % 2")

    def set_(self) -> str:
        return self.pick(
            "s", "{}", "{0}", "{0, 1}", "{0..x}", f"(s union {{{self.box(True)}}})", "(s minus {0})", "(s inter {1})"
        )

    def test(self, shared: bool, depth: int = 1) -> str:
        self.nesting += 1
        one = f"{self.number(shared)} {self.pick('=', '!=', '<', '<=', '>', '>=')} {self.number(shared)}"
        if shared and self.nesting < 3 and self.chance(35):
            one = self.pick(
                "0 in s", "1 in s", f"{self.set_()} = {self.set_()}", "o = none", "o != none", "green in hues", "c = green",
                f"(exists i in box: a[i] = {self.number(True)})", f"(forall i in {self.set_()}: a[i] < {self.number(True)})",
                "(exists i in slot: i.used and i.size > 1)", f"(first i in box: a[i] > {self.number(True)}) = none",
                f"x in {{0..{self.number(True)}}}", "big = none", "(big != none and big > 1)", "(o != none implies o in s)",
            )  # fmt: skip
        self.nesting -= 1
        if depth == 0 or self.chance(55):
            return f"({one})"
        other = self.test(shared, depth - 1)
        return self.pick(f"(not {other})", f"({one} and {other})", f"({one} or {other})", f"({one} implies {other})")

    # ------------------------------------------------------------ statements

    def local(self) -> str:
        self.fresh += 1
        return f"l{self.fresh}"

    def inside(self, depth: int) -> str:
        """A statement within a section."""
        simple = ["x", "x", "y", "z", "a", "a", "b", "s", "hues", "o", "big", "c", "slot", "local", "assert"]
        kinds = [*simple, "if", "if", "for", "while", "choose", "choose", "either", "atomic", "call", "call", "leave"]
        match self.pick(*(kinds if depth > 0 else simple)):
            case "x":
                return f"x = {self.small(True)}"
            case "y":
                return f"y {self.pick('=', '+=', '-=')} {self.number(True)}"
            case "z":
                return f"z = max(0, {self.number(True)})" if self.chance(85) else f"z -= {self.number(True)}"
            case "a":
                return f"a[{self.box(True)}] = {self.small(True)}"
            case "b":
                return f"b[{self.box(True)}, {self.box(True)}] = {self.number(True)}"
            case "s":
                return f"s = {self.set_()}"
            case "hues":
                return f"hues = hues {self.pick('union', 'minus')} {{{self.pick('red', 'green', 'blue')}}}"
            case "o":
                return f"o = {self.pick('none', self.box(True), '(first i in box: a[i] > 0)')}"
            case "big":
                return f"big = {self.pick('none', f'max(0, {self.number(True)})')}"
            case "c":
                return f"c = {self.pick('red', 'green', 'blue')}"
            case "slot":
                name = self.local()
                use = self.pick(
                    f"{name}.used = true", f"{name}.size = {self.small(True)}", f"{name}.owner = {self.box(True)}",
                    f"reset {name}.*", f"{name}.used = true; {name}.size = 2",
                )  # fmt: skip
                where = self.pick("not i.used", "not i.used", "i.size = 1") if self.chance(30) else "true"
                return f"let {name} = new i in slot: {where}; {use}"
            case "assert":
                return f'assert {self.test(True)} "hm"' if self.chance(30) else "assert x < 4"
            case "if":
                return f"if {self.test(True)} {self.block(depth - 1, True)} else {self.block(depth - 1, True)}"
            case "for":
                over = self.pick("box", self.set_(), f"0..{self.small(True)}")
                where = f" where {self.test(True)}" if self.chance(40) else ""
                return f"for {self.local()} in {over}{where} {self.looped(depth - 1, True)}"
            case "while":
                name = self.local()
                return f"var {name} = 0; while {name} < 3 {{ {name} += 1; {self.looped(depth - 1, True)[1:]}"
            case "choose":
                return self.choose(True)
            case "either":
                return f"either {self.block(depth - 1, True)} or {self.block(depth - 1, True)}"
            case "atomic":
                return f"atomic {self.block(depth - 1, True)}"
            case "call":
                return self.call(True, depth)
            case "leave" if self.chance(35):
                return self.leave()
        name = self.local()
        text = f"let {name} = {self.number(True)}"
        self.names.append(name)
        return text

    def choose(self, shared: bool) -> str:
        name = self.local()
        over = self.pick("0..2", f"0..{self.small(shared)}", "box", *(["s", self.set_()] if shared else []))
        where = f" where {self.test(shared)}" if self.chance(50) else ""
        if not shared and over == "box":
            over = "0..2"
        self.names.append(name)
        return f"choose {name} in {over}{where}"

    def leave(self) -> str:
        return self.pick("return", "fail BAD", "fail WORSE", *(["break", "continue"] if self.loop else []))

    def call(self, section: bool, depth: int) -> str:
        names = [n for n in self.callable if not section or n.startswith("flat")]
        if not names:
            return "assert true"
        name = self.pick(*names)
        if name == "flat_value":
            kept = self.local()
            text = f"let {kept} = flat_value({self.number(section)})"
            self.names.append(kept)
            return text
        kept = self.local()
        if self.chance(50):
            return f"{name}({self.number(section)}) else {kept} {{ {self.pick(f'fail {kept}', 'return', 'fail BAD')} }}"
        return f"{name}({self.number(section)}) else {self.block(depth - 1, section)}"

    def outside(self, depth: int) -> str:
        """A statement between sections."""
        simple = ["atomic", "atomic", "named", "await"]
        kinds = [
            *simple,
            *simple,
            "hold",
            "hold",
            "try",
            "rwsem",
            "if",
            "for",
            "while",
            "either",
            "choose",
            "call",
            "local",
            "leave",
        ]
        match self.pick(*(kinds if depth > 0 else simple)):
            case "await":
                return f"atomic {{ await {self.test(True)}; {self.inside(0)} }}"
            case "named":
                return f'atomic sp "part" {self.block(max(0, depth - 1), True)}'
            case "hold":
                return f"hold {self.pick('m', 'n[0]', 'n[1]')} {self.block(depth - 1, False)}"
            case "try":
                return f"try hold {self.pick('m', 'n[1]')} {self.block(depth - 1, False)} else {self.block(depth - 1, False)}"
            case "rwsem":
                return f"hold {self.pick('read', 'write')} r {self.block(depth - 1, False)}"
            case "if":
                return f"if {self.test(False)} {self.block(depth - 1, False)} else {self.block(depth - 1, False)}"
            case "for":
                return f"for {self.local()} in {self.pick('box', '0..2', '{0, 1}')} {self.looped(depth - 1, False)}"
            case "while":
                name = self.local()
                return f"var {name} = 0; while {name} < 2 {{ {name} += 1; {self.looped(depth - 1, False)[1:]}"
            case "either":
                return f"either {self.block(depth - 1, False)} or {self.block(depth - 1, False)}"
            case "choose":
                return self.choose(False)
            case "call":
                return self.call(False, depth)
            case "local":
                name = self.local()
                text = f"let {name} = {self.number(False)}"
                self.names.append(name)
                return text
            case "leave" if self.chance(40):
                return self.leave()
        return f"atomic {self.block(max(0, depth - 1), True)}"

    def looped(self, depth: int, section: bool) -> str:
        before, self.loop = self.loop, True
        text = self.block(depth, section)
        self.loop = before
        return text

    def block(self, depth: int, section: bool) -> str:
        kept = list(self.names)
        body = [self.inside(depth) if section else self.outside(depth) for _ in range(1 + self.random.randrange(2))]
        self.names = kept
        return "{ " + "; ".join(body) + " }"

    # ------------------------------------------------------------ models

    def functions(self) -> list[str]:
        out = []
        for name, section in (("flat", True), ("flat_value", True), ("cut", False)):
            self.names, self.loop = ["p"], False
            if name == "flat_value":
                kept, self.callable = self.callable, []
                body = f"if {self.test(True)} {{ return {self.number(True)} }}; x = {self.small(True)}; return {self.number(True)}"
                self.callable = kept
                out.append(f"fn {name}(p: int) -> int holding sp {{ {body} }}\n".replace(" holding sp", ""))
            else:
                body = "; ".join(self.inside(1) if section else self.outside(1) for _ in range(2))
                text = f"atomic {{ {body} }}" if section else body
                out.append(f"fn {name}(p: int) fails BAD, WORSE {{ {text} }}\n")
            self.callable = [*self.callable, name]
        return [out[0], out[1].replace("{ if", "{ atomic { if", 1).rstrip()[:-1] + "} }\n", out[2]]

    def step(self, *, choices: bool = False) -> str:
        operation = self.random.randrange(3)
        value = "{0, 1}" if choices and self.chance(60) else str(self.random.randrange(3))
        result = self.pick("", "", " -> ok", " -> ok or BAD", " -> BAD")
        if operation == 2:
            return "third" + result
        return f"{'first_one' if operation == 0 else 'second'} {value}{result}"

    def steps(self, count: int, *, checks: bool = True) -> str:
        out = []
        for _ in range(count):
            if checks and self.chance(15):
                out.append(f"check {self.test(True)}")
            elif self.chance(25):
                out.append(
                    f"any {1 + self.random.randrange(2)} of {{ {self.step(choices=True)}; {self.step(choices=True)} }}"
                )
            else:
                out.append(self.step())
        return "; ".join(out)

    def model(self, *, alike: bool = False) -> str:
        """The text of a model with its scenario. `alike`: two threads do the same, and nothing tells boxes apart."""
        out = [HEAD.format(boxes=2 + self.random.randrange(2), start=self.pick("0", "1", "-1", "7"))]
        out += self.functions()
        for name in ("first_one", "second", "third"):
            self.names, self.loop = [] if name == "third" else ["q"], False
            body = "; ".join(self.outside(2) for _ in range(1 + self.random.randrange(2)))
            params = "" if name == "third" else "q: nat"
            when = f' when {self.test(True)} "not now"' if self.chance(25) else ""
            self.names = []
            out.append(f"operation {name}({params}){when}\n{{ {body} }}\n")
        if self.chance(30):
            out.append(f"setup {{ {self.steps(1)} }}\n")
        if alike or self.chance(30):
            out.append(f"process one, two {{ {self.steps(1 + self.random.randrange(2), checks=not alike)} }}\n")
        else:
            out.append(f"process one {{ {self.steps(1 + self.random.randrange(2))} }}\n")
        if self.chance(40):
            out.append(f"process three {{ {self.steps(1 + self.random.randrange(2))} }}\n")
        quiet = self.pick("", " when quiescent")
        for kind, percent in (("always", 70), ("never", 30), ("sometimes", 50), ("finally", 50)):
            if self.chance(percent):
                out.append(f"{kind} {kind}_it: {self.test(True)}{quiet if kind in ('always', 'never') else ''}\n")
        out.append("always fine: x <= 3\n")
        return "".join(out)
