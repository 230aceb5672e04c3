"""Text to syntax tree. Errors say what was expected; `SYNTAX_ERRORS` pairs frequent mistakes with a sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lark import PostLex

from hugecheck.diagnostics import Source, Span, fail
from hugecheck.language import declared
from hugecheck.language.builder import Builder
from hugecheck.resources import cache_directory, data

MAX_LENGTH = 2_000_000
MAX_NESTING = 60
MAX_DEPTH = 200
_OPENING = {"LPAR", "LSQB"}
_CLOSING = {"RPAR", "RSQB"}
_GOES_ON_AFTER = {
    "COMMA",
    "OR",
    "AND",
    "IMPLIES",
    "NOT",
    "PLUS",
    "SUM_OP",
    "PRODUCT_OP",
    "COMPARE",
    "ASSIGN_OP",
    "EQ",
    "COLON",
    "THEN",
    "ELSE",
}


class Lines(PostLex):
    """Drops the end of a line inside brackets and where the last token asks for more (spec/language.md section 1)."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = 0
        previous = ""
        for token in stream:
            if token.type == "_NL" and (depth > 0 or previous in _GOES_ON_AFTER):
                continue
            if token.type in _OPENING:
                depth += 1
            elif token.type in _CLOSING:
                depth = max(0, depth - 1)
            previous = token.type
            yield token


# What was typed (the least text that shows it) and the sentence for it.
SYNTAX_ERRORS: dict[str, tuple[str, ...]] = {
    "a comparison uses one `=`": ("always x == 1\n", "operation f() { if a == b { } }\n"),
    "a declaration starts with a keyword such as `var`, `operation`, `process` or `always`": (
        "foo\n",
        "1\n",
        "{\n",
        "x = 3\n",
    ),
    "the value at the start is missing after `=`": ("var x: nat\n", "record R of m {\n x: nat\n}\n"),
    "a block in `{ }` is missing here": ("operation f()\nvar x: nat = 0\n", "process p\nalways x = 1\n"),
    "a `{` is never closed": ("process p {\n", "operation f() {\n if a {\n", "record R of x {\n"),
    "a number or a name is missing here": ("const a = \n", "always\n", "always x = \n", "bounds file\n"),
    "`any` is written `any 3 of { ... }`": ("process p { any { } }\n", "process p { any 3 { } }\n"),
    "a clause ends with its condition and `expect VERDICT`": ("always x = 1 expect\n", "always x = 1 y\n"),
}


@lru_cache(maxsize=1)
def _lark() -> Lark:
    text = (data("spec") / "grammar.lark").read_text()
    directory = cache_directory()
    cache: bool | str = str(directory / "grammar.lark.cache") if directory is not None else False
    return Lark(text, parser="lalr", postlex=Lines(), maybe_placeholders=True, propagate_positions=True, cache=cache)


def parse(source: Source) -> declared.File:
    """The syntax tree of one text, or `Failure` with the place, what was found and what was expected."""
    if len(source.text) > MAX_LENGTH:
        fail("too-large", f"`{source.name}` has more than {MAX_LENGTH:,} characters")
    _check_nesting(source)
    try:
        tree = _lark().parse(source.text + "\n")
    except UnexpectedInput as error:
        _syntax_error(source, error)
    builder = Builder(source)
    _check_depth(builder, tree)
    return builder.file(tree)


def _check_depth(builder: Builder, tree: Tree[Token]) -> None:
    """Refuse what the passes, which are recursive, could not walk: `1 + 1 + 1 + ...` and `else if` nest without brackets."""
    pending = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            fail(
                "too-large",
                f"this is nested more than {MAX_DEPTH} deep",
                builder.span(node),
                help="give a part of it a name: a `let`, a `def` or a function",
            )
        pending.extend((child, depth + 1) for child in node.children if isinstance(child, Tree))


def _check_nesting(source: Source) -> None:
    for depth, span in enumerate(_open_brackets(source, MAX_NESTING + 1), 1):
        if depth > MAX_NESTING:
            fail("too-large", f"brackets are nested more than {MAX_NESTING} deep", span)


def _open_brackets(source: Source, limit: int = 1_000_000) -> list[Span]:
    """The brackets that are still open at the end of the text, or where `limit` of them are open at once."""
    still_open: list[Span] = []
    for number, line in enumerate(source.text.split("\n"), 1):
        quoted = False
        for column, character in enumerate(line, 1):
            if character == '"':
                quoted = not quoted
            elif quoted:
                continue
            elif character == "#":
                break
            elif character in "([{":
                still_open.append(Span(source, number, column))
                if len(still_open) >= limit:
                    return still_open
            elif character in ")]}" and still_open:
                still_open.pop()
    return still_open


def _syntax_error(source: Source, error: UnexpectedInput) -> None:
    lines = source.text.split("\n")
    line = max(1, min(error.line if error.line and error.line > 0 else len(lines), len(lines)))
    column = max(1, error.column if error.column and error.column > 0 else len(lines[line - 1]) + 1)
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        found = "the end of the line" if error.token.type == "_NL" else f"`{error.token}`"
        length = 1 if error.token.type == "_NL" else len(error.token)
    elif isinstance(error, UnexpectedCharacters):
        word = source.text[error.pos_in_stream or 0 :].split("\n")[0].split(" ")[0][:20]
        found, length = f"`{word}`" if word else "the end of the line", max(1, len(word))
    else:
        found, length = "the end of the text", 1
    expected = sorted({_describe(t) for t in _accepted(error)})
    sentence = error.match_examples(_lark().parse, SYNTAX_ERRORS, use_accepts=True) or f"{found} is not expected here"
    never_closed = _open_brackets(source)
    notes = [("this is never closed", never_closed[-1])] if never_closed else []
    hint = "expected " + " or ".join(_some(expected)) if expected else ""
    span = Span(source, line, column, length)
    fail("syntax", sentence, span, "" if found in sentence else f"found {found}", notes=notes, help=hint)


def _accepted(error: UnexpectedInput) -> Iterable[str]:
    if isinstance(error, UnexpectedToken):
        return error.accepts or error.expected
    return error.allowed or () if isinstance(error, UnexpectedCharacters) else ()


_WORDS = {
    "_NL": "the end of the line",
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a text in quotes",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "EQ": "`=`",
    "COLON": "`:`",
    "COMMA": "`,`",
    "COMPARE": "a comparison",
    "SUM_OP": "an operator",
    "PRODUCT_OP": "an operator",
    "PLUS": "an operator",
    "DOT": "`.`",
    "MINUS": "`-`",
    "QUANTIFIER": "a quantifier",
    "ASSIGN_OP": "an assignment",
    "BOOL": "a truth value",
    "VERSION": "a kernel version",
    "CLAUSE": "a clause",
    "GHOST": "`ghost`",
    "LOCK_KIND": "a lock",
    "__ANON_0": "`->`",
    "__ANON_1": "`..`",
    "HASH": "a commit",
    "RW": "`read` or `write`",
    "TRY": "`try`",
    "INDEX_KIND": "`named`, `pool` or `counted`",
    "PARAM_KIND": "`by` or `new`",
    "$END": "the end of the text",
}


def _describe(terminal: str) -> str:
    return _WORDS.get(terminal, f"`{terminal.lower()}`")


def _some(words: list[str]) -> list[str]:
    return words if len(words) <= 6 else [*words[:6], "..."]
