"""The value of a meter as arithmetic over an event's properties: what it may say and what it means.

    input_tokens + 4 * output_tokens
    -("cpu seconds" - 0.5) * cores

Operators are + - * and a minus in front, with the usual precedence; there are parentheses, decimal numbers and
names of properties. A name that isn't made of A-Z a-z 0-9 _ and dots stands in double quotes, a quote inside it
doubled. `engine.meters.expression_text` reads the text, `engine.usage.facts.value_sql` makes SQL of it.

Rules:
1. Every property and number is a decimal of at most 26 integer and 12 fractional digits, as everywhere. The
   arithmetic is exact. Nothing is rounded.
2. The result must be such a decimal, too: |value| < 10^26 and at most 12 fractional digits. On the way a step may
   have up to FRACTION_DIGITS_MAX fractional digits, which no event can exceed (`fraction_digits` knows), and must
   stay below 10^STEP_INTEGER_DIGITS. An event that breaks this is unreadable, like one whose property is not a number.
3. There is no division: a quotient may have no end. A number such as 0.001 divides by a thousand exactly, and the
   meter's `conversion` divides the quantity and says how it is rounded.
4. An event lacks the value if it lacks a property that has no default, whatever the others hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias

QUANTITY_INTEGER_DIGITS: Final = 26
QUANTITY_FRACTION_DIGITS: Final = 12
# Of any step: (28 + 48) digits twice over are less than 2^255, so that aligned operands can always be added in
# Int256. Four properties may be multiplied, or three and a number of 12 fractional digits.
FRACTION_DIGITS_MAX: Final = 48
STEP_INTEGER_DIGITS: Final = 28


@dataclass(frozen=True, slots=True)
class Property:
    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """Never negative: the minus in front of it is a step."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Negative:
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: Literal["+", "-", "*"]
    left: "Node"
    right: "Node"


Node: TypeAlias = Property | Constant | Negative | Arithmetic


def fraction_digits(node: Node) -> int:
    """How many fractional digits the node's value can have, whatever the event."""
    match node:
        case Property():
            return QUANTITY_FRACTION_DIGITS
        case Constant(value):
            return max(0, -int(value.as_tuple().exponent))
        case Negative(operand):
            return fraction_digits(operand)
        case Arithmetic(operator, left, right):
            digits = fraction_digits(left), fraction_digits(right)
            return sum(digits) if operator == "*" else max(digits)


def properties_of(node: Node) -> tuple[str, ...]:
    """The names of the properties in the order of their first use."""
    return tuple(dict.fromkeys(_names(node)))


def _names(node: Node) -> Iterator[str]:
    match node:
        case Property(name):
            yield name
        case Negative(operand):
            yield from _names(operand)
        case Arithmetic(_, left, right):
            yield from _names(left)
            yield from _names(right)
