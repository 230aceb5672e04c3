"""A condition over counters as a C expression. Numbers are `__int128` there, so that nothing wraps that does not wrap in the model."""

from __future__ import annotations

from hugecheck.ir import program as ir

_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
    "and": "&&",
    "or": "||",
}


def c_expression(expr: ir.Expr) -> str | None:
    """The expression in C, with counters as variables of their names; None if it uses something that has no such form."""
    match expr:
        case ir.Const(value, _):
            return str(int(value))
        case ir.Local(name, _):
            return name
        case ir.Convert(value, _, _):
            return c_expression(value)
        case ir.Conditional(condition, then, otherwise, _):
            parts = [c_expression(e) for e in (condition, then, otherwise)]
            return f"({parts[0]} ? {parts[1]} : {parts[2]})" if None not in parts else None
        case ir.Apply(operator, arguments, _):
            parts = [c_expression(e) for e in arguments]
            if None in parts:
                return None
            if operator in _INFIX:
                return f"({parts[0]} {_INFIX[operator]} {parts[1]})"
            match operator:
                case "implies":
                    return f"(!{parts[0]} || {parts[1]})"
                case "not":
                    return f"!{parts[0]}"
                case "neg":
                    return f"(-{parts[0]})"
                case "u64":
                    return f"(__int128)(unsigned long){parts[0]}"
    return None


def bare(text: str) -> str:
    """Without parentheses around the whole."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and at < len(text) - 1:
            return text
    return text[1:-1]
