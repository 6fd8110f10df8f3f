"""Conditions over a portrait: a small part of the Common Expression Language, parsed and type-checked when the configuration is read.

Source: the Common Expression Language's specification (cel-spec, "Syntax" and "Gradual Type Checking"). What is taken from it: numbers, texts, true and
false, dotted names, `! -`, `* /`, `+ -`, `< <= > >= == != in`, `&&`, `||`, brackets and lists. Every expression that is accepted means what it
means there; what is not accepted (calls, macros, maps, the ternary) is refused with its place. Every name has a value for every user (a span that never
began is infinite, a text that is not known is empty), so there is no third truth value and no error while running.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Type = Literal["number", "text", "flag"]
LONGEST = 1_000  # characters
DEEPEST = 50  # brackets and signs within each other

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>\d+\.\d+(?:[eE][+-]?\d+)?|\d+)(?![\w.])
  | (?P<text>"(?:[^"\\\n]|\\["'\\])*"|'(?:[^'\\\n]|\\["'\\])*')
  | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
  | (?P<sign>\|\||&&|[<>=!]=|[-+*/!<>()\[\],=&|?:%])
    )""",
    re.VERBOSE | re.ASCII,
)
_LEVELS = (("||",), ("&&",), ("<", "<=", ">", ">=", "==", "!=", "in"), ("+", "-"), ("*", "/"))  # loosest first
_RESERVED = frozenset("as break const continue else for function if import let loop package namespace return var void while null".split())


class ExpressionError(ValueError):
    """An expression that cannot be read, or that names or compares what does not fit: what, what to write instead, and where (`at` counts from 0)."""

    def __init__(self, what: str, todo: str = "", at: int | None = None, rest: str = "") -> None:
        self.what, self.todo = what, todo
        self.place = "" if at is None else f"character {at + 1}" if rest else "the end"
        where = f"{self.place}: {rest!r}" if rest else f"{self.place} of the expression"
        super().__init__(what + (f": {todo}" if todo else "") + (f", at {where}" if self.place else ""))


@dataclass(frozen=True, slots=True)
class Value:
    """A number, text, true or false that the expression itself holds."""

    value: float | str | bool
    type: Type
    whole: bool = False  # a number written without a point, which CEL does not calculate with beside others


@dataclass(frozen=True, slots=True)
class Name:
    """A field of the portrait."""

    name: str
    type: Type
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator over one or two parts, or `in` over a part and a list's values."""

    sign: str
    parts: tuple[Tree, ...]
    type: Type
    whole: bool = False


Tree = Value | Name | Operation


def parse(text: str, names: Mapping[str, Type]) -> Tree:
    """Read a condition over `names`; raises ExpressionError unless it is one and its types fit."""
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression has {len(text)} characters, at most {LONGEST} are read")
    tree = _Parser(text, names).condition()
    if tree.type != "flag":
        raise ExpressionError(f"{text.strip()!r} is a {tree.type}, not a condition", "compare it with something, for example with >")
    return tree


def names_in(tree: Tree) -> Iterator[str]:
    """The fields that an expression reads, each as often as it is written."""
    if isinstance(tree, Name):
        yield tree.name
    elif isinstance(tree, Operation):
        for part in tree.parts:
            yield from names_in(part)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    """Reads a text from left to right, one method a level of precedence."""

    def __init__(self, text: str, names: Mapping[str, Type]) -> None:
        self.text = text
        self.names = names
        self.tokens = list(self._tokens())
        self.next = 0
        self.depth = 0

    def _tokens(self) -> Iterator[_Token]:
        at, end = 0, len(self.text.rstrip())
        while at < end:
            match = _TOKEN.match(self.text, at)
            if match is None:
                raise self._error(at + len(self.text[at:]) - len(self.text[at:].lstrip()), "this is not understood")
            kind = str(match.lastgroup)
            yield _Token(kind, match[kind], match.start(kind))
            at = match.end()
        yield _Token("end", "", end)

    def _error(self, at: int, what: str, todo: str = "") -> ExpressionError:
        return ExpressionError(what, todo, at, self.text[at:].rstrip().split("\n")[0][:20])

    def condition(self) -> Tree:
        tree = self._level(0)
        if self.tokens[self.next].kind != "end":
            token = self.tokens[self.next]
            single = {"=": "==", "&": "&&", "|": "||"}.get(token.text)
            if single:
                raise self._error(token.at, f"{token.text} is no operator", f"write {single}")
            raise self._error(token.at, "an operator is missing", "write one, such as &&")
        return tree

    def _take(self, *texts: str) -> _Token | None:
        token = self.tokens[self.next]
        if token.text in texts and token.kind in ("sign", "name"):
            self.next += 1
            return token
        return None

    def _level(self, level: int) -> Tree:
        if level == len(_LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while token := self._take(*_LEVELS[level]):
            left = self._membership(left, token) if token.text == "in" else self._binary(token, left, self._level(level + 1))
        return left

    def _binary(self, token: _Token, left: Tree, right: Tree) -> Tree:
        sign, types = token.text, (left.type, right.type)
        if sign in ("||", "&&"):
            if types != ("flag", "flag"):
                raise self._error(token.at, f"{sign} joins conditions, here are a {left.type} and a {right.type}")
            return Operation(sign, (left, right), "flag")
        if sign in ("==", "!="):
            if left.type != right.type:
                raise self._error(token.at, f"a {left.type} is never equal to a {right.type}")
            return Operation(sign, (left, right), "flag")
        if types != ("number", "number"):
            raise self._error(token.at, f"{sign} is for numbers, here are a {left.type} and a {right.type}")
        if sign in ("<", "<=", ">", ">="):
            return Operation(sign, (left, right), "flag")
        if left.whole or right.whole:
            raise self._error(token.at, "numbers that are calculated with need a point", "write 2.0 for 2")
        return Operation(sign, (left, right), "number")

    def _membership(self, left: Tree, token: _Token) -> Tree:
        if left.type == "flag":
            raise self._error(token.at, "in looks for a number or a text in a list")
        opened = self._take("[")
        if opened is None:
            raise self._error(self.tokens[self.next].at, "in needs a list", 'write one, for example ["new", "active"]')
        values: list[Tree] = []
        while not (closed := self._take("]")):
            value = self._unary()
            if not isinstance(value, Value) or value.type != left.type:
                raise self._error(token.at, f"the list must hold {left.type}s, each written out")
            values.append(value)
            if not self._take(",") and self.tokens[self.next].text != "]":
                raise self._error(self.tokens[self.next].at, "the list is not closed with ]")
        if not values:
            raise self._error(closed.at, "the list is empty")
        return Operation("in", (left, *values), "flag")

    def _unary(self) -> Tree:
        token = self._take("!", "-", "(")
        if token is None:
            return self._primary()
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._error(token.at, f"more than {DEEPEST} brackets and signs stand within each other")
        tree = self._within(token)
        self.depth -= 1
        return tree

    def _within(self, token: _Token) -> Tree:
        if token.text == "(":
            tree = self._level(0)
            if not self._take(")"):
                raise self._error(self.tokens[self.next].at, "the bracket is not closed with )", "write )")
            return tree
        part = self._unary()
        wanted = "flag" if token.text == "!" else "number"
        if part.type != wanted:
            raise self._error(token.at, f"{token.text} stands before a {'condition' if wanted == 'flag' else 'number'}, here is a {part.type}")
        if token.text == "-" and isinstance(part, Value):
            return Value(-float(part.value), "number", part.whole)
        return Operation(token.text, (part,), part.type, part.whole)

    def _primary(self) -> Tree:
        token = self.tokens[self.next]
        self.next += 1
        if token.kind == "number":
            return Value(float(token.text), "number", whole=token.text.isdigit())
        if token.kind == "text":
            return Value(re.sub(r"\\(.)", r"\1", token.text[1:-1]), "text")
        if token.kind == "name" and token.text in ("true", "false"):
            return Value(token.text == "true", "flag")
        if token.kind == "name":
            return self._name(token)
        self.next -= 1
        raise self._error(token.at, "a name, a number or a text is missing")

    def _name(self, token: _Token) -> Tree:
        found = self.names.get(token.text)
        if found is not None:
            return Name(token.text, found)
        if self.tokens[self.next].text == "(":
            raise self._error(token.at, f"{token.text}() is a call, and there are none", "compare the fields of the portrait")
        close = [] if token.text in _RESERVED else difflib.get_close_matches(token.text, self.names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else "docs/action.md lists the fields"
        raise self._error(token.at, f"{token.text!r} is no field of the portrait", hint)
