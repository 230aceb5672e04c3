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


# What was typed (the least text that shows it) and the sentence for it. An example stands for every text on which the parser is in the same state
# and finds the same kind of token.
SYNTAX_ERRORS: dict[str, tuple[str, ...]] = {
    "a comparison uses one `=`": ("always x == 1\n", "operation f() { if a == b { } }\n", "operation f() { x == 1 }\n"),
    "a declaration starts with a keyword such as `var`, `operation`, `process` or `always`": (
        "foo\n",
        "1\n",
        "{\n",
        "x = 3\n",
        "const a = 1\nfoo\n",
        "const a = 1\n{\n",
        "const a = 1\n}\n",
    ),
    "the value at the start is missing after `=`": ("var x: nat\n", "record R of m {\n x: nat\n}\n"),
    "a block in `{ }` is missing here": (
        "operation f()\nvar x: nat = 0\n",
        "operation f() x = 1\n",
        "fn f()\nvar x: nat = 0\n",
        "process p\nalways x = 1\n",
        "setup\nalways x = 1\n",
    ),
    "a `{` is never closed": (
        "process p {\n",
        "process p {\nalways x = 1\n",
        "operation f() {\n if a {\n",
        "operation f() {\nprocess p { }\n",
        "operation f() {\nalways x = 1\n",
        "record R of x {\n",
    ),
    "a number or a name is missing here": ("const a = \n", "always\n", "always x = \n", "bounds file\n"),
    "`any` is written `any 3 of { ... }`": ("process p { any { } }\n", "process p { any 3 { } }\n"),
    "a clause ends with its condition and `expect VERDICT`": ("always x = 1 expect\n", "always x = 1 y\n"),
    "a statement ends with its line, or with `;`": (
        "operation f() { x = 1 y = 2 }\n",
        "operation f() { f() g() }\n",
        "operation f() { if a { } x = 1 }\n",
        "operation f() { let x = 1 let y = 2 }\n",
        "operation f() { return fail E }\n",
    ),
    "comparisons do not chain": ("always 1 < 2 < 3\n",),
    "a declaration ends with its line": (
        "process p { } }\n",
        "const a = 1 const\n",
        "mutex a mutex b\n",
        "use a use b\n",
    ),
}
# Characters that no token has, and what is written here instead.
_CHARACTERS = {
    "&": "conjunction is written `and`",
    "|": "disjunction is written `or`",
    "!": "negation is written `not`, and `!=` is one word",
    "'": "a text stands in double quotes, and ends on its line",
    '"': "a text stands in double quotes, and ends on its line",
    "\\": "a line goes on inside brackets, after a comma, and before or after an operator; no `\\\\` is needed",
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
    sentence = _sentence(source, error) or f"{found} is not expected here"
    expected = _described(frozenset(_accepted(error)))
    hint = "expected " + " or ".join(expected) if 0 < len(expected) <= 7 else ""
    fail(
        "syntax", sentence, Span(source, line, column, length), "" if found in sentence else f"found {found}", help=hint
    )


def _sentence(source: Source, error: UnexpectedInput) -> str:
    """The sentence of `SYNTAX_ERRORS` or `_CHARACTERS` for this mistake, or nothing."""
    if isinstance(error, UnexpectedCharacters):
        return _CHARACTERS.get(source.text[error.pos_in_stream or 0 :][:1], "")
    if isinstance(error, UnexpectedToken):
        exact, kind = _keys(error)
        return _examples().get(exact) or _examples().get(kind) or ""
    return ""


@lru_cache(maxsize=1)
def _examples() -> dict[tuple[object, ...], str]:
    """By state and token. (lark's `match_examples` compares the depth of the stack too, so it knows a mistake only in the first declaration.)"""
    table: dict[tuple[object, ...], str] = {}
    for sentence, examples in SYNTAX_ERRORS.items():
        for example in examples:
            try:
                _lark().parse(example)
            except UnexpectedToken as error:
                for key in _keys(error):
                    table.setdefault(key, sentence)
    return table


def _keys(error: UnexpectedToken) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """What makes two mistakes alike: exactly, and but for the text of the token. States of several rules are one, so what they accept counts too."""
    kind = (error.state.position, frozenset(error.accepts), error.token.type)
    return (*kind, str(error.token)), kind


def _accepted(error: UnexpectedInput) -> Iterable[str]:
    if isinstance(error, UnexpectedToken):
        return error.accepts or error.expected
    return error.allowed or () if isinstance(error, UnexpectedCharacters) else ()


# What is expected, in words: sets of tokens that mean one thing together, then single tokens.
_VALUE = {"NAME", "NUMBER", "LPAR", "LBRACE", "NONE", "BOOL", "MINUS", "NOT", "IF", "QUANTIFIER"}
_GROUPS: tuple[tuple[set[str], set[str], str], ...] = (
    (
        {"VAR", "OPERATION", "PROCESS"},
        {"$END", "_NL", "STRING", "GHOST", "CLAUSE", "LOCK_KIND", "FACT"},
        "a declaration",
    ),
    ({"LET", "ATOMIC", "WHILE"}, {"NAME", "NUMBER", "LPAR", "LBRACE", "NONE", "BOOL", "TRY", "_NL"}, "a statement"),
    ({"ANY", "REPEAT", "CHECK"}, {"NAME", "NUMBER", "LPAR", "LBRACE", "NONE", "EQ", "_NL"}, "a step"),
    ({"SET", "COUNT", "NAME"}, _VALUE | {"SET", "COUNT"}, "a type"),
    ({"NAME", "NUMBER", "LPAR", "MINUS"}, _VALUE, "a value"),
    (
        {"PLUS", "SUM_OP"},
        {"PLUS", "SUM_OP", "PRODUCT_OP", "COMPARE", "AND", "OR", "IMPLIES", "EQ", "DOT", "LPAR", "LSQB"},
        "an operator",
    ),
    ({"PLUS"}, {"PLUS", "PRODUCT_OP", "DOT", "LPAR", "LSQB", "SUM_OP"}, "an operator"),
)
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
    "STAR": "`*`",
    "MINUS": "`-`",
    "QUANTIFIER": "a quantifier",
    "ASSIGN_OP": "an assignment",
    "BOOL": "a truth value",
    "VERSION": "a kernel version",
    "CLAUSE": "a clause",
    "GHOST": "`ghost`",
    "FACT": "`invariant` or `lemma`",
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


def _described(tokens: frozenset[str]) -> list[str]:
    """What may stand there, in words."""
    left, out = set(tokens), []
    for needed, covered, words in _GROUPS:
        if needed <= left:
            keywords = (
                {t for t in left if t.isalpha() and t not in _WORDS}
                if words in ("a declaration", "a statement", "a step")
                else set()
            )
            left -= covered | keywords
            out.append(words)
    return sorted(out) + sorted({_WORDS.get(t, f"`{t.lower()}`") for t in left} - set(out))
