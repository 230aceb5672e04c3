"""lark's parse tree into the syntax tree: one method per grammar rule, no checks."""

from __future__ import annotations

from typing import Any

from lark import Token, Tree

from hugecheck.diagnostics import Source, Span, fail
from hugecheck.language import declared
from hugecheck.language import syntax as s

Node = Any  # a lark Tree, a Token, or None where an optional part is missing
MAX_DIGITS = 18


class Builder:
    """Turns the tree of one source into `declared.File`."""

    def __init__(self, source: Source) -> None:
        self.source = source

    # ------------------------------------------------------------ helpers

    def span(self, node: Node) -> Span:
        if isinstance(node, Token):
            return Span(self.source, node.line or 1, node.column or 1, max(1, len(node)))
        meta = node.meta
        if getattr(meta, "empty", True):
            return Span(self.source, 1, 1)
        length = meta.end_column - meta.column if meta.end_line == meta.line else 1
        return Span(self.source, meta.line, meta.column, max(1, length))

    def number(self, token: Token) -> int:
        if len(token) > MAX_DIGITS:
            fail("too-large", "a number has at most 18 digits", self.span(token))
        return int(token)

    def file(self, tree: Tree[Token]) -> declared.File:
        docstring, declarations = "", []
        for child in tree.children:
            if isinstance(child, Tree):
                if child.data == "docstring":
                    docstring = _text(child.children[0])
                else:
                    declarations.append(self.declaration(child))
        return declared.File(docstring, tuple(declarations))

    def declaration(self, tree: Node) -> declared.Declaration:
        method = getattr(self, "decl_" + tree.data)
        result: declared.Declaration = method(tree, [c for c in tree.children if not _is_newline(c)])
        return result

    # ------------------------------------------------------------ models

    def decl_use(self, tree: Node, c: list[Node]) -> declared.Use:
        path = c[0].type == "STRING"
        return declared.Use(_text(c[0]) if path else str(c[0]), path, self.span(c[0]))

    def decl_const(self, tree: Node, c: list[Node]) -> declared.ConstDecl:
        return declared.ConstDecl(str(c[0]), self.expr(c[1]), self.span(c[0]))

    def decl_enum(self, tree: Node, c: list[Node]) -> declared.EnumDecl:
        return declared.EnumDecl(str(c[0]), tuple(str(x) for x in c[1:] if x is not None), self.span(c[0]))

    def decl_index(self, tree: Node, c: list[Node]) -> declared.IndexDecl:
        how = c[1] if len(c) > 1 else None
        if how is None:
            return declared.IndexDecl(str(c[0]), "counted", 0, self.span(c[0]))
        if how.type == "NUMBER":
            return declared.IndexDecl(str(c[0]), "fixed", self.number(how), self.span(c[0]))
        return declared.IndexDecl(str(c[0]), str(how), 0, self.span(c[0]))

    def decl_actor(self, tree: Node, c: list[Node]) -> declared.ActorDecl:
        return declared.ActorDecl(str(c[0]), self.expr(c[1]), str(c[2]), self.span(c[0]))

    def decl_variable(self, tree: Node, c: list[Node]) -> declared.VariableDecl:
        ghost = isinstance(c[0], Token) and c[0].type == "GHOST"
        name, indices, type_, initial, lock = c[1:] if ghost else c
        names = tuple(str(x) for x in indices.children) if indices is not None else ()
        return declared.VariableDecl(
            str(name), names, self.type(type_), self.expr(initial), _optional(lock), ghost, self.span(name)
        )

    def decl_record(self, tree: Node, c: list[Node]) -> declared.RecordDecl:
        name, index, lock = c[:3]
        fields = []
        for field in c[3:]:
            parts = [x for x in field.children if not _is_newline(x)]
            ghost = parts[0].type == "GHOST"
            field_name, type_, initial = parts[1:] if ghost else parts
            fields.append(
                declared.VariableDecl(
                    str(field_name),
                    (str(index),),
                    self.type(type_),
                    self.expr(initial),
                    _optional(lock),
                    ghost,
                    self.span(field_name),
                )
            )
        return declared.RecordDecl(str(name), str(index), _optional(lock), tuple(fields), self.span(name))

    def decl_lock(self, tree: Node, c: list[Node]) -> declared.LockDecl:
        return declared.LockDecl(str(c[0]), str(c[1]), tuple(str(x) for x in c[2:] if x is not None), self.span(c[1]))

    def params(self, tree: Node) -> tuple[declared.Param, ...]:
        return tuple(self.param(p) for p in tree.children if p is not None)

    def param(self, tree: Node) -> declared.Param:
        c = list(tree.children)
        kind = str(c.pop(0)) if isinstance(c[0], Token) and c[0].type == "PARAM_KIND" else ""
        default = self.expr(c[2]) if c[2] is not None else None
        return declared.Param(kind, str(c[0]), self.type(c[1]), default, self.span(c[0]))

    def decl_def_(self, tree: Node, c: list[Node]) -> declared.DefDecl:
        return declared.DefDecl(str(c[0]), self.params(c[1]), self.type(c[2]), self.expr(c[3]), self.span(c[0]))

    def decl_function(self, tree: Node, c: list[Node]) -> declared.FunctionDecl:
        name, params, type_ = c[:3]
        c = [x for x in c if not _is_newline(x)]
        errors = tuple(str(x) for x in c[3:-1] if isinstance(x, Token))
        holding = tuple(self.held_lock(x) for x in c[3:-1] if isinstance(x, Tree))
        return declared.FunctionDecl(
            str(name),
            self.params(params),
            self.type(type_) if type_ is not None else None,
            errors,
            holding,
            self.block(c[-1]),
            self.span(name),
        )

    def decl_operation(self, tree: Node, c: list[Node]) -> declared.OperationDecl:
        patterns, conditions = [], []
        for child in c[2:-1]:
            if child is None:
                continue
            parts = [x for x in child.children if not _is_newline(x)]
            if child.data == "written":
                patterns.append(tuple(item for x in parts for item in self.pattern_items(x)))
            else:
                reason = _text(parts[1]) if len(parts) > 1 else ""
                conditions.append(declared.When(self.expr(parts[0]), reason, self.span(child)))
        return declared.OperationDecl(
            str(c[0]), self.params(c[1]), tuple(patterns), tuple(conditions), self.block(c[-1]), self.span(c[0])
        )

    def pattern_items(self, tree: Node) -> list[declared.PatternItem]:
        names = [str(x) for x in tree.children if x is not None] + ["", "", ""]
        kind, span = str(tree.data).removeprefix("pattern_"), self.span(tree)
        if kind == "word_option":
            return [
                declared.PatternItem("word", names[0], "", "", span),
                declared.PatternItem("option", names[1], names[2], "", span),
            ]
        return [declared.PatternItem(kind, names[0], names[1], names[2], span)]

    def decl_observe(self, tree: Node, c: list[Node]) -> declared.ObserveDecl:
        if len(c) > 1 and c[1] is not None:
            fail(
                "syntax",
                "a table of counters needs a name for its column",
                self.span(c[0]),
                help="write `observe GROUP[x: T] COLUMN = e`",
            )
        text = _text(c[3]) if len(c) > 3 else ""
        return declared.ObserveDecl(str(c[0]), "", "", "", None, self.expr(c[2]), text, self.span(c[0]))

    def decl_observe_table(self, tree: Node, c: list[Node]) -> declared.ObserveDecl:
        variable, index, where = c[1].children
        text = _text(c[4]) if len(c) > 4 else ""
        return declared.ObserveDecl(
            str(c[2]),
            str(c[0]),
            str(variable),
            str(index),
            self.expr(where) if where is not None else None,
            self.expr(c[3]),
            text,
            self.span(c[2]),
        )

    def decl_meaning(self, tree: Node, c: list[Node]) -> declared.MeaningDecl:
        return declared.MeaningDecl(self.expr(c[0]), _text(c[1]), self.span(tree))

    def decl_law(self, tree: Node, c: list[Node]) -> declared.LawDecl:
        return declared.LawDecl(str(c[0]), _text(c[1]), len(c) > 3, self.expr(c[-1]), self.span(c[0]))

    def decl_fact(self, tree: Node, c: list[Node]) -> declared.FactDecl:
        text = _text(c[2]) if isinstance(c[2], Token) and c[2].type == "STRING" else ""
        return declared.FactDecl(str(c[0]), str(c[1]), text, self.expr(c[-1]), self.span(c[1]))

    def decl_prove(self, tree: Node, c: list[Node]) -> declared.ProveDecl:
        parts = {str(x.data): x.children for x in c if isinstance(x, Tree)}
        using = parts.get("prove_using")
        assumed = parts.get("prove_assuming")
        verdict, *sections = parts.get("prove_expect", ["proved"])
        return declared.ProveDecl(
            str(c[0]),
            tuple(str(x) for x in parts.get("prove_with", ())),
            tuple(str(x) for x in using) if using is not None else None,
            self.expr(assumed[0]) if assumed is not None else None,
            str(verdict),
            tuple(str(x) for x in sections if x is not None),
            self.span(c[0]),
        )

    def decl_switch(self, tree: Node, c: list[Node]) -> declared.SwitchDecl:
        name, text, *rest = (x for x in c if x is not None)
        subject = next((_text(x) for x in rest if x.type == "STRING"), "")
        release = str(rest[-1]) if rest and rest[-1].type in ("VERSION",) else ""
        commit = str(rest[0]) if rest and rest[0].type in ("NAME", "NUMBER", "HASH") else ""
        return declared.SwitchDecl(str(name), _text(text), commit, subject, release, self.span(name))

    def decl_kernel_row(self, tree: Node, c: list[Node]) -> declared.KernelDecl:
        return declared.KernelDecl(str(c[0]), str(c[1]), tuple(str(x) for x in c[2:] if x is not None), self.span(c[0]))

    # ------------------------------------------------------------ types

    def type(self, tree: Node) -> s.TypeSyntax:
        atom = tree.children[0]
        text = self.source.text
        optional = text[atom.meta.end_pos : tree.meta.end_pos].split() == ["or", "none"]
        match atom.data:
            case "type_name":
                return s.TypeName("name", str(atom.children[0]), optional, self.span(tree))
            case "type_set":
                return s.TypeName("set", str(atom.children[0]), optional, self.span(tree))
            case "type_count":
                return s.TypeName("count", str(atom.children[0]), optional, self.span(tree))
            case _:
                return s.TypeRange(self.expr(atom.children[0]), self.expr(atom.children[1]), optional, self.span(tree))

    # ------------------------------------------------------------ statements

    def block(self, tree: Node) -> s.Block:
        return tuple(self.statement(c) for c in tree.children if isinstance(c, Tree))

    def statement(self, tree: Node) -> s.Statement:
        result: s.Statement = getattr(self, "stmt_" + tree.data)(tree, list(tree.children))
        return result

    def handler(self, tree: Node) -> s.Handler | None:
        if tree is None:
            return None
        variable, block = tree.children if len(tree.children) == 2 else (None, tree.children[0])
        return s.Handler(_optional(variable), self.block(block), self.span(tree))

    def stmt_let(self, tree: Node, c: list[Node]) -> s.Let:
        return self._let(tree, c, mutable=False)

    def stmt_var_local(self, tree: Node, c: list[Node]) -> s.Let:
        return self._let(tree, c, mutable=True)

    def _let(self, tree: Node, c: list[Node], *, mutable: bool) -> s.Let:
        name, type_, value, handler = c
        return s.Let(
            str(name),
            self.type(type_) if type_ is not None else None,
            self.expr(value),
            self.handler(handler),
            mutable,
            self.span(name),
        )

    def stmt_assign(self, tree: Node, c: list[Node]) -> s.Assign:
        return s.Assign(self.expr(c[0]), str(c[1]), self.expr(c[2]), self.handler(c[3]), self.span(c[0]))

    def stmt_call_stmt(self, tree: Node, c: list[Node]) -> s.CallStatement:
        arguments = tuple(self.expr(x) for x in c[1].children if x is not None)
        call = s.Call(str(c[0]), arguments, self.span(c[0]))
        return s.CallStatement(call, self.handler(c[2]), self.span(c[0]))

    def stmt_if_(self, tree: Node, c: list[Node]) -> s.If:
        otherwise: s.Block | None = None
        if c[2] is not None:
            otherwise = self.block(c[2]) if c[2].data == "block" else (self.statement(c[2]),)
        return s.If(self.expr(c[0]), self.block(c[1]), otherwise, self.span(tree))

    def stmt_while_(self, tree: Node, c: list[Node]) -> s.While:
        return s.While(self.expr(c[0]), self.block(c[1]), self.span(tree))

    def stmt_for_(self, tree: Node, c: list[Node]) -> s.For:
        where = self.expr(c[2]) if c[2] is not None else None
        return s.For(str(c[0]), self.domain(c[1]), where, self.block(c[3]), self.span(c[0]))

    def stmt_break_(self, tree: Node, c: list[Node]) -> s.Break:
        return s.Break(self.span(tree))

    def stmt_continue_(self, tree: Node, c: list[Node]) -> s.Continue:
        return s.Continue(self.span(tree))

    def stmt_return_(self, tree: Node, c: list[Node]) -> s.Return:
        return s.Return(self.expr(c[0]) if c[0] is not None else None, self.span(tree))

    def stmt_fail_(self, tree: Node, c: list[Node]) -> s.Fail:
        return s.Fail(str(c[0]), self.span(c[0]))

    def stmt_reset(self, tree: Node, c: list[Node]) -> s.Reset:
        return s.Reset(str(c[0]), self.span(c[0]))

    def stmt_assert_(self, tree: Node, c: list[Node]) -> s.Assert:
        return s.Assert("assert", self.expr(c[0]), _text(c[1]) if len(c) > 1 else "", self.span(tree))

    def stmt_requires(self, tree: Node, c: list[Node]) -> s.Assert:
        return s.Assert("requires", self.expr(c[0]), _text(c[1]) if len(c) > 1 else "", self.span(tree))

    def stmt_choose(self, tree: Node, c: list[Node]) -> s.Choose:
        where = self.expr(c[2]) if c[2] is not None else None
        return s.Choose(str(c[0]), self.domain(c[1]), where, self.span(c[0]))

    def stmt_either(self, tree: Node, c: list[Node]) -> s.Either:
        return s.Either(tuple(self.block(x) for x in c), self.span(tree))

    def stmt_inject(self, tree: Node, c: list[Node]) -> s.Inject:
        return s.Inject(_text(c[0]) if len(c) > 1 else "", self.block(c[-1]), self.span(tree))

    def stmt_await_(self, tree: Node, c: list[Node]) -> s.Await:
        return s.Await(self.expr(c[0]), self.span(tree))

    def stmt_atomic(self, tree: Node, c: list[Node]) -> s.Atomic:
        lock = self.lock_ref(c[0]) if c[0] is not None else None
        label = next((_text(x) for x in c[1:] if isinstance(x, Token)), "")
        return s.Atomic(lock, label, self.block(c[-1]), self.span(tree))

    def stmt_hold(self, tree: Node, c: list[Node]) -> s.Hold:
        attempt = any(isinstance(x, Token) and x.type == "TRY" for x in c)
        mode = next((str(x) for x in c if isinstance(x, Token) and x.type == "RW"), "")
        lock = next(x for x in c if isinstance(x, Tree) and x.data in ("lock_ref", "lock_array"))
        blocks = [x for x in c if isinstance(x, Tree) and x.data == "block"]
        otherwise = self.block(blocks[1]) if len(blocks) > 1 else None
        return s.Hold(mode, self.lock_ref(lock), attempt, self.block(blocks[0]), otherwise, self.span(tree))

    def held_lock(self, tree: Node) -> tuple[str, s.LockRef]:
        c = tree.children
        return (str(c[0]) if len(c) == 2 else "", self.lock_ref(c[-1]))

    def lock_ref(self, tree: Node) -> s.LockRef:
        c = tree.children
        if tree.data == "lock_array":
            return s.LockRef(str(c[0]), tuple(self.expr(x) for x in c[1:]), self.span(tree))
        if len(c) == 2:
            return s.LockRef(str(c[1]), (s.Name(str(c[0]), self.span(c[0])),), self.span(tree))
        return s.LockRef(str(c[0]), (), self.span(tree))

    # ------------------------------------------------------------ expressions

    def domain(self, tree: Node) -> s.Domain:
        low, high = tree.children
        return s.Domain(self.expr(low), self.expr(high) if high is not None else None)

    def expr(self, tree: Node) -> s.Expr:
        c = tree.children
        match tree.data:
            case "name":
                return s.Name(str(c[0]), self.span(tree))
            case "number":
                return s.Number(self.number(c[0]), self.span(tree))
            case "boolean":
                return s.Boolean(c[0] == "true", self.span(tree))
            case "none":
                return s.NoneValue(self.span(tree))
            case "member":
                return s.Member(self.expr(c[0]), str(c[1]), self.span(tree))
            case "element":
                return s.Element(str(c[0]), tuple(self.expr(x) for x in c[1:]), self.span(tree))
            case "call":
                return s.Call(str(c[0]), tuple(self.expr(x) for x in c[1].children if x is not None), self.span(tree))
            case "set_":
                items = next((x for x in c if isinstance(x, Tree)), None)
                return s.SetValue(self.set_items(items) if items is not None else (), self.span(tree))
            case "negative":
                return s.Unary("-", self.expr(c[0]), self.span(tree))
            case "not_op":
                return s.Unary("not", self.expr(c[0]), self.span(tree))
            case "and_op" | "or_op":
                return s.Binary(str(tree.data)[:-3], self.expr(c[0]), self.expr(c[1]), self.span(tree))
            case "implies_op":
                return s.Binary("implies", self.expr(c[0]), self.expr(c[1]), self.span(tree))
            case "binary_plus":
                return s.Binary("+", self.expr(c[0]), self.expr(c[1]), self.span(tree))
            case "binary" | "compare":
                return s.Binary(str(c[1]), self.expr(c[0]), self.expr(c[2]), self.span(tree))
            case "if_expr":
                return s.Conditional(self.expr(c[0]), self.expr(c[1]), self.expr(c[2]), self.span(tree))
            case "quantified":
                return s.Quantified(str(c[0]), str(c[1]), self.domain(c[2]), self.expr(c[3]), self.span(tree))
        raise AssertionError(tree.data)

    def set_items(self, tree: Node) -> tuple[s.SetItem, ...]:
        return tuple(
            s.SetItem(
                self.expr(item.children[0]), self.expr(item.children[1]) if item.children[1] is not None else None
            )
            for item in tree.children
        )

    # ------------------------------------------------------------ scenarios

    def decl_kernels(self, tree: Node, c: list[Node]) -> declared.KernelsDecl:
        return declared.KernelsDecl(tuple((_text(x.children[0]), self.span(x)) for x in c), self.span(tree))

    def decl_bounds(self, tree: Node, c: list[Node]) -> declared.BoundsDecl:
        return declared.BoundsDecl(
            tuple((str(c[i]), self.number(c[i + 1])) for i in range(0, len(c), 2)), self.span(tree)
        )

    def decl_failures(self, tree: Node, c: list[Node]) -> declared.FailuresDecl:
        return declared.FailuresDecl(self.number(c[0]), self.span(tree))

    def decl_setup(self, tree: Node, c: list[Node]) -> declared.SetupDecl:
        return declared.SetupDecl(self.steps(c[0]), self.span(tree))

    def decl_process(self, tree: Node, c: list[Node]) -> declared.ProcessDecl:
        names = tuple(str(x) for x in c[0].children)
        return declared.ProcessDecl(names, _optional(c[1]), _optional(c[2]), self.steps(c[3]), self.span(c[0]))

    def decl_steps_block(self, tree: Node, c: list[Node]) -> declared.StepsDecl:
        return declared.StepsDecl(self.steps(c[0]), self.span(tree))

    def steps(self, tree: Node) -> declared.Steps:
        return tuple(self.step(c) for c in tree.children if isinstance(c, Tree))

    def step(self, tree: Node) -> declared.StepSyntax:
        c = list(tree.children)
        match tree.data:
            case "check_":
                name = str(c[0]) if isinstance(c[0], Token) else ""
                return declared.CheckStep(name, self.expr(c[-1]), self.span(tree))
            case "any_":
                return declared.AnyStep(self.number(c[0]), self.steps(c[1]), self.span(tree))
            case "repeat_":
                zero, end = s.Number(0, self.span(c[0])), s.Number(self.number(c[0]), self.span(c[0]))
                return declared.RepeatStep(None, zero, end, self.steps(c[1]), self.span(tree))
            case "for_steps":
                return declared.RepeatStep(
                    str(c[0]), self.expr(c[1]), self.expr(c[2]), self.steps(c[3]), self.span(tree)
                )
            case "loop_":
                return declared.RepeatStep(None, None, None, self.steps(c[0]), self.span(tree))
        actor = None
        if isinstance(c[0], Tree) and c[0].data == "actor_prefix":
            actor = str(c.pop(0).children[0])
        operands = tuple(self.operand(x) for x in c if isinstance(x, Tree))
        results = tuple(str(x) for x in c if isinstance(x, Token))
        return declared.Step(actor, operands, results, self.span(tree))

    def operand(self, tree: Node) -> declared.Operand:
        c, span = tree.children, self.span(tree)
        match tree.data:
            case "operand_slice":
                return declared.Operand("slice", str(c[0]), self.expr(c[1]), self.expr(c[2]), (), span)
            case "operand_index":
                return declared.Operand("index", str(c[0]), self.expr(c[1]), None, (), span)
            case "operand_choice":
                return declared.Operand("choice", "", None, None, self.set_items(c[0]), span)
            case "operand_equals":
                return declared.Operand("equals", "", None, None, (), span)
            case "operand_name":
                return declared.Operand("name", str(c[0]), None, None, (), span)
            case "operand_number":
                return declared.Operand("number", "", s.Number(self.number(c[0]), span), None, (), span)
            case "operand_none":
                return declared.Operand("none", "", None, None, (), span)
            case _:
                return declared.Operand("expr", "", self.expr(c[0]), None, (), span)

    def decl_clause(self, tree: Node, c: list[Node]) -> declared.ClauseDecl:
        kind = str(c.pop(0))
        name = str(c.pop(0)) if isinstance(c[0], Token) else ""
        condition = self.expr(c.pop(0))
        quiescent = any(isinstance(x, Tree) and x.data == "quiescent" for x in c)
        expects = next((x for x in c if isinstance(x, Tree) and x.data == "expect"), None)
        items = self.expect_items(expects) if expects is not None else ()
        return declared.ClauseDecl(kind, name, condition, quiescent, items, self.span(tree))

    def expect_items(self, tree: Node) -> tuple[declared.ExpectItem, ...]:
        """`violated on 6.1, 6.6, holds on 6.12`: a kernel alone belongs to the verdict before it."""
        items: list[declared.ExpectItem] = []
        for part in tree.children:
            if part.data == "exact_kernel":
                if not items or not items[-1].kernels:
                    fail(
                        "syntax",
                        "a verdict such as `holds` or `violated` is missing before this kernel",
                        self.span(part),
                    )
                last = items.pop()
                items.append(declared.ExpectItem(last.verdict, (*last.kernels, _text(part.children[0])), last.span))
                continue
            words = " ".join(str(x) for x in part.children if isinstance(x, Token))
            kernels = tuple(_text(x.children[0]) for x in part.children if isinstance(x, Tree))
            items.append(declared.ExpectItem(words, kernels, self.span(part)))
        return tuple(items)


def _is_newline(node: Node) -> bool:
    return isinstance(node, Token) and node.type == "_NL"


def _text(token: Node) -> str:
    return str(token)[1:-1] if token.type == "STRING" else str(token)


def _optional(token: Token | None) -> str | None:
    return str(token) if token is not None else None
