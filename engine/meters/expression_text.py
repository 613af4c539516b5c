"""The text of an expression to its tree and back; the grammar's meaning: engine.meters.expression.

    expression = term   { ("+" | "-") term }
    term       = factor { "*" factor }
    factor     = "-" factor | number | name | '"' quoted name '"' | "(" expression ")"

A parser of our own, because what there is does too much or the wrong thing: Python's `ast` turns 0.1 into a binary
float, folds names to NFKC, takes no name with a dash or a dot, and has eighty kinds of nodes to forbid; a library for
expressions brings floats, too, and a dependency for three operators.

A mistake is a ValueError whose text completes "<field> ..." and has the place, as the character from 1.
"""

import re
from decimal import Decimal
from typing import Final, Literal, NoReturn, cast

from engine.meters import limits
from engine.meters.expression import (
    FRACTION_DIGITS_MAX,
    Arithmetic,
    Constant,
    Negative,
    Node,
    Property,
    fraction_digits,
    properties_of,
)
from engine.meters.kinds import LABEL, Quantity

_BARE: Final = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*"
_TOKEN: Final = re.compile(
    rf"""[ \t\r\n]*(?:(?P<number>[0-9][0-9.,_a-zA-Z]*)|(?P<name>{_BARE})|"(?P<quoted>(?:[^"]|"")*)"|(?P<sign>[-+*()]))"""
)
_SPACES: Final = re.compile(r"[ \t\r\n]*")
_IS_BARE: Final = re.compile(_BARE).fullmatch
_HAS_EXPONENT: Final = re.compile(r"[0-9.]+[eE][0-9]*").fullmatch
_PRECEDENCE: Final = {"+": 1, "-": 1, "*": 2}
_OPERAND: Final = "a property, a number or ( is needed"
# Characters that someone may take for operators, and what to say of them.
_FOREIGN: Final = {
    "/": "there is no division, since a quotient may have no end: multiply by a decimal such as 0.001, "
    "or give the meter a conversion with a divisor and a rounding",
    "×": "write * for times",
    "·": "write * for times",
    "÷": "there is no division",
    "\N{MINUS SIGN}": "write - for minus",
    "^": "there are no powers",
    "%": "there is no remainder; a percent is a number such as 0.01",
    ",": "there are no functions and no lists, only + - and *; a decimal has a point",
    "'": "a name stands in double quotes",
    "“": "a name stands in straight double quotes",
    "`": "a name stands in double quotes",
    "{": "a property is just its name",
    "$": "a property is just its name, in double quotes if it has a $",
}


def read_expression(text: str) -> Node:
    """The tree of a text. Raises ValueError."""
    if not text.strip():
        raise ValueError("is empty: write properties and numbers joined by + - *, such as a + 4 * b")
    _check_length(text)
    tree = _Parser(text).whole()
    # With its spaces: what is stored must be read again.
    _check_length(expression_text(tree))
    if not properties_of(tree):
        raise ValueError("names no property: to add the same for each event, count events")
    if fraction_digits(tree) > FRACTION_DIGITS_MAX:
        raise ValueError(
            f"multiplies to more than {FRACTION_DIGITS_MAX} fractional digits, where each property counts as 12"
        )
    return tree


def _check_length(text: str) -> None:
    if len(text) > limits.METER_EXPRESSION_CHARS_MAX:
        raise ValueError(f"is longer than {limits.METER_EXPRESSION_CHARS_MAX} characters")


def expression_text(node: Node) -> str:
    """The canonical text: single spaces, and no parentheses but those that the tree needs."""
    match node:
        case Property(name):
            return name if _IS_BARE(name) else '"' + name.replace('"', '""') + '"'
        case Constant(value):
            return format(value, "f")
        case Negative(operand):
            inner = expression_text(operand)
            return f"-({inner})" if isinstance(operand, Arithmetic) else f"-{inner}"
        case Arithmetic(operator, left, right):
            first = _in_parentheses(left, _PRECEDENCE[operator])
            second = _in_parentheses(right, _PRECEDENCE[operator] + 1)
            return f"{first} {operator} {second}"


def _in_parentheses(node: Node, precedence: int) -> str:
    """The text of an operand of an operator that binds so strongly."""
    text = expression_text(node)
    return f"({text})" if isinstance(node, Arithmetic) and _PRECEDENCE[node.operator] < precedence else text


class _Parser:
    """Reads one token ahead. Parsing stops at the first mistake."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._operands = 0
        self._depth = 0
        self._end = 0
        self._next()

    def whole(self) -> Node:
        tree = self._expression(1)
        if self._kind == "sign" and self._word == ")":
            self._fail("closes nothing: there is no ( before it")
        if self._kind:
            self._fail("needs an operator before it: + - or *")
        return tree

    def _next(self) -> None:
        """Moves to the next token: its kind ("" at the end), its text, and where it starts."""
        found = _TOKEN.match(self._text, self._end)
        spaces = _SPACES.match(self._text, self._end)
        self._start = spaces.end() if spaces else self._end
        if found is None and self._start < len(self._text):
            self._fail_at_character(self._text[self._start])
        self._kind = "" if found is None else str(found.lastgroup)
        self._word = "" if found is None else found.group(self._kind)
        self._end = len(self._text) if found is None else found.end()

    def _expression(self, precedence: int) -> Node:
        """Operators that bind at least so strongly, from left to right."""
        left = self._factor()
        while self._kind == "sign" and _PRECEDENCE.get(self._word, 0) >= precedence:
            operator = cast('Literal["+", "-", "*"]', self._word)
            self._next()
            left = Arithmetic(operator, left, self._expression(_PRECEDENCE[operator] + 1))
        return left

    def _factor(self) -> Node:
        if self._kind == "sign":
            return self._nested()
        self._operands += 1
        if self._operands > limits.METER_EXPRESSION_OPERANDS_MAX:
            self._fail(
                f"is one too many: at most {limits.METER_EXPRESSION_OPERANDS_MAX} properties and numbers"
            )
        node: Node
        if self._kind == "number":
            node = Constant(self._number())
        elif self._kind:
            node = Property(self._name())
            self._refuse_a_call()
        else:
            raise ValueError(f"ends too early: {_OPERAND} at the end")
        self._next()
        return node

    def _nested(self) -> Node:
        if self._word not in "-(":
            self._fail(f"stands where {_OPERAND}")
        self._depth += 1
        if self._depth > limits.METER_EXPRESSION_DEPTH_MAX:
            self._fail(f"is nested too deeply: at most {limits.METER_EXPRESSION_DEPTH_MAX} levels")
        opened, opened_at = self._word, self._start
        self._next()
        node: Node
        if opened == "-":
            node = Negative(self._factor())
        else:
            node = self._expression(1)
            if self._word != ")" or self._kind != "sign":
                if self._kind:
                    self._fail("needs an operator or a ) before it")
                raise ValueError(f"ends too early: the ( at character {opened_at + 1} isn't closed")
            self._next()
        self._depth -= 1
        return node

    def _number(self) -> Decimal:
        if _HAS_EXPONENT(self._word):
            self._fail("may have no exponent: write out its digits, such as 100000 or 0.00001")
        try:
            return Quantity().read(self._word)
        except ValueError as error:
            self._fail(str(error))

    def _name(self) -> str:
        name = self._word.replace('""', '"') if self._kind == "quoted" else self._word
        try:
            return LABEL.read(name)
        except ValueError as error:
            self._fail(f"is not the name of a property: it {error}")

    def _refuse_a_call(self) -> None:
        """At the name, which is what is wrong, and before the comma between arguments."""
        spaces = _SPACES.match(self._text, self._end)
        if self._kind == "name" and spaces and self._text[spaces.end() : spaces.end() + 1] == "(":
            self._fail("stands before a (: there are no functions, only + - and * between numbers and names")

    def _fail(self, message: str) -> NoReturn:
        shown = self._text[self._start : self._end][:32]
        raise ValueError(f"has a mistake at character {self._start + 1}: {shown!r} {message}")

    def _fail_at_character(self, character: str) -> NoReturn:
        why = _FOREIGN.get(
            character, "it has no meaning here; a name with such a character stands in double quotes"
        )
        if character == '"':
            why = "the name isn't closed by another one"
        raise ValueError(f"has a mistake at character {self._start + 1}, {character!r}: {why}")
