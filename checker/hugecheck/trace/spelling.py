"""A step as it is typed in a scenario, and as the fields of spec/trace-format.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hugecheck.ir import program as ir
from hugecheck.ir.types import BOOL, EnumType, IndexType, OptionalType, SetType, Type, inner

Elements = Mapping[str, tuple[str, ...]]


class Spelling:
    """Spells the values of a model with the names of a scenario or recording."""

    def __init__(self, module: ir.Module, elements: Elements) -> None:
        self.module = module
        self.elements = elements

    def value(self, value: int, type_: Type) -> object:
        """A value as JSON: names for elements and members, lists for sets, None for `none`."""
        if isinstance(type_, OptionalType) and value == -1:
            return None
        of = inner(type_)
        if isinstance(of, IndexType) and self.module.indexes[of.name].kind == "named":
            names = self.elements.get(of.name, ())
            return names[value] if value < len(names) else f"{of.name}{value}"
        if isinstance(of, EnumType):
            return self.module.enums[of.name][value]
        if isinstance(of, SetType):
            members = [m for m in range(value.bit_length()) if value >> m & 1]
            return [self.value(m, of.element) if of.element is not None else m for m in members]
        return bool(value) if of == BOOL else int(value)

    def fields(self, operation: str, arguments: Sequence[int]) -> dict[str, object]:
        """The step's fields besides `op`, in the order of the parameters; what is `none` or false is left out."""
        out: dict[str, object] = {}
        for parameter, value in zip(self.module.operations[operation].params, arguments, strict=True):
            shown = self.value(value, parameter.local.type)
            if shown is not None and shown is not False:
                out[_name(parameter)] = shown
        return out

    def actor(self, operation: str, arguments: Sequence[int]) -> str | None:
        """The name of the process that makes the call, if the operation has one."""
        for parameter, value in zip(self.module.operations[operation].params, arguments, strict=True):
            if parameter.kind == "by":
                return str(self.value(value, parameter.local.type))
        return None

    def text(self, operation: str, arguments: Sequence[int]) -> str:
        """The step as a scenario's author would type it."""
        declared = self.module.operations[operation]
        params = {_name(p): p for p in declared.params}
        values = {_name(p): v for p, v in zip(declared.params, arguments, strict=True)}
        best = ""
        for pattern in declared.patterns:
            text = self._spell(pattern, params, values)
            if text is not None and len(text) > len(best):
                best = text
        if best:
            return best
        shown = [self._word(values[n], params[n].local.type) for n, p in params.items() if p.kind != "by"]
        return " ".join([operation, *shown])

    def _spell(
        self, pattern: tuple[ir.PatternItem, ...], params: Mapping[str, ir.Parameter], values: Mapping[str, int]
    ) -> str | None:
        words: list[str] = []
        for item in pattern:
            shown = {
                n: self._word(values[n], params[n].local.type)
                for n in (item.first, item.second, item.third)
                if n in params
            }
            match item.kind:
                case "equals":
                    words.append("=")
                case "index":
                    words.append(f"{shown[item.first]}[{shown[item.second]}]")
                case "slice":
                    end = values[item.second] + values[item.third]
                    words.append(f"{shown[item.first]}[{shown[item.second]}..{end}]")
                case "option":
                    name = item.second or item.first
                    if shown[name] not in ("none", ""):
                        words.append(f"{item.first} {shown[name]}" if item.second else item.first)
                case _ if item.first in params and params[item.first].local.type == BOOL:
                    words += [item.first] if values[item.first] else []
                case _:
                    words.append(shown.get(item.first, item.first))
        text = " ".join(w for w in words if w)
        return None if "none" in words or any(w.startswith("none[") for w in words) else text

    def _word(self, value: int, type_: Type) -> str:
        shown = self.value(value, type_)
        if isinstance(shown, list):
            return " ".join(str(s) for s in shown)
        return "none" if shown is None else str(shown)


def _name(parameter: ir.Parameter) -> str:
    return parameter.local.name.rpartition(".")[0]
