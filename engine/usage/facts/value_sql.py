"""The SQL of a meter's value. What an expression means: engine.meters.expression.

    found = value_sql(meter.value, parameters)
    found.decimal     Nullable(Decimal(76, 12)), |value| < 10^26; NULL if it is missing or unreadable
    found.given       whether the event has all that the value needs: UInt8; a value that is given and NULL is
                      unreadable
    found.text        the value as it stands in the event, where it is a single property

Names, numbers and defaults are bound parameters. Every step is computed on mantissas in Int256, which wrap silently,
so each step is proven or checked:

1. A step of scale s (fraction digits, known from the tree) that is in bounds has |mantissa| < 10^(28 + s), and
   s <= 48: at most 10^76 < 2^255. A property and a number have |mantissa| < 10^38 at scale 12.
2. A sum: its operands are aligned to scale s, each |mantissa| < 10^(28 + s); the sum is < 2 * 10^76 < 2^255 and
   can't wrap. It is checked afterwards.
3. A product whose operands' bounds multiply to less than 2^255 can't wrap; it is checked afterwards. Another is
   checked before: |left| * |right| <= B if and only if right = 0 or |left| <= B div |right|.
4. A step that is in bounds whatever the event holds (the bounds are followed through the tree in Python ints) has
   no check: a sum of properties with numbers in front costs its arithmetic, and one check at the end.
5. The value is NULL unless every check holds. If one fails, take the first in the order of computation: all
   before it is right, so it is right to fail; what is computed from there on is garbage, and is thrown away.
   Nothing in it can raise: no divisor is 0, and what is not kept is replaced by 0 before anything converts it.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from engine.meters.expression import (
    QUANTITY_FRACTION_DIGITS,
    QUANTITY_INTEGER_DIGITS,
    STEP_INTEGER_DIGITS,
    Arithmetic,
    Constant,
    Negative,
    Node,
    Property,
    fraction_digits,
)
from engine.meters.value import MeterValue, ValueExpression
from engine.usage.store.tables.properties import DECIMAL_PARAMETERS, decimal_sql, exists_sql, text_sql

_INT256_MAX = 2**255 - 1
_QUANTITY_DIGITS = QUANTITY_INTEGER_DIGITS + QUANTITY_FRACTION_DIGITS


@dataclass(frozen=True, slots=True)
class ValueSql:
    """Text for any place of a query over events; it may stand in several."""

    decimal: str
    given: str
    text: str


def value_sql(value: MeterValue, parameters: dict[str, object], name: str = "value") -> ValueSql:
    """The value of an event; binds what it needs in `parameters`. Every name that it makes begins with `name` and "_": of
    several values in one statement each has its own.
    """
    parameters |= DECIMAL_PARAMETERS
    parameter = f"{name}_property"
    if isinstance(value, str):
        parameters[parameter] = value
        return ValueSql(decimal_sql(parameter), exists_sql(parameter), text_sql(parameter))
    steps = _Steps(value, parameters, name)
    return ValueSql(steps.decimal(), steps.given(), "''")


@dataclass(frozen=True, slots=True)
class _Step:
    """One Int256 of the computation.

    sql: what computes it and names it, to be used once; the name alone if it was used before.
    scale: of its mantissa.
    magnitude_max: of its mantissa, once all checks hold.
    """

    sql: str
    alias: str
    scale: int
    magnitude_max: int


class _Steps:
    """The steps of one expression. Each has an alias, so that using it again costs a name and no second text."""

    def __init__(self, value: ValueExpression, parameters: dict[str, object], name: str) -> None:
        self._value = value
        self._parameters = parameters
        self._name = name
        self._names = {each: f"{name}_property_{i}" for i, each in enumerate(value.properties)}
        self._read: dict[str, _Step] = {}
        self._checks: list[str] = []
        self._count = 0
        parameters.update({parameter: name for name, parameter in self._names.items()})

    def given(self) -> str:
        needed = [
            exists_sql(parameter)
            for name, parameter in self._names.items()
            if name not in self._value.defaults
        ]
        return f"({' AND '.join(needed)})" if needed else "true"

    def decimal(self) -> str:
        """The value; checked here once more, for rule 2 of engine.meters.expression."""
        result = self._step(self._value.tree)
        mantissa, spare = result.alias, result.scale - QUANTITY_FRACTION_DIGITS
        if spare > 0:
            self._checks.append(f"{result.alias} % {_int256(10**spare)} = 0")
            mantissa = f"intDiv({result.alias}, {_int256(10**spare)})"
        elif spare < 0:
            mantissa = f"{result.alias} * {_int256(10**-spare)}"
        bound = 10 ** (_QUANTITY_DIGITS + spare) - 1
        if result.magnitude_max > bound:
            self._checks.append(_within(result.alias, bound))
        conditions = " AND ".join([f"isNotNull({result.sql})", *self._checks])
        # Zero beneath the NULL, not garbage: whoever strips the NULL off may convert what is there (rule 5).
        kept = f"if(({conditions}) AS {self._name}_readable, assumeNotNull({mantissa}), toInt256(0))"
        return f"if({self._name}_readable, reinterpret({kept}, 'Decimal(76, 12)'), NULL)"

    def _step(self, node: Node) -> _Step:
        match node:
            case Property(name):
                return self._property(name)
            case Constant(value):
                scale = fraction_digits(node)
                return self._named(self._bound_int256(value, scale), scale, _mantissa(value, scale))
            case Negative(operand):
                inner = self._step(operand)
                return self._named(f"-{inner.sql}", inner.scale, inner.magnitude_max)
            case Arithmetic("*", left, right):
                return self._product(self._step(left), self._step(right))
            case Arithmetic(operator, left, right):
                return self._sum(operator, self._step(left), self._step(right))

    def _property(self, name: str) -> _Step:
        """Rule 1. The pattern of a quantity is what bounds it."""
        if known := self._read.get(name):
            return known
        parameter = self._names[name]
        decimal = decimal_sql(parameter)
        if name in self._value.defaults:
            self._parameters[f"{parameter}_default"] = format(self._value.defaults[name], "f")
            default = f"toDecimal256({{{parameter}_default:String}}, {QUANTITY_FRACTION_DIGITS})"
            decimal = f"if({exists_sql(parameter)}, {decimal}, {default})"
        step = self._named(
            f"reinterpret({decimal}, 'Int256')", QUANTITY_FRACTION_DIGITS, 10**_QUANTITY_DIGITS - 1
        )
        self._read[name] = replace(step, sql=step.alias)
        return step

    def _sum(self, operator: str, left: _Step, right: _Step) -> _Step:
        """Rule 2."""
        scale = max(left.scale, right.scale)
        operands = [
            each.sql if each.scale == scale else f"{each.sql} * {_int256(10 ** (scale - each.scale))}"
            for each in (left, right)
        ]
        magnitude_max = sum(each.magnitude_max * 10 ** (scale - each.scale) for each in (left, right))
        if magnitude_max > _INT256_MAX:
            raise OverflowError(f"a sum of scale {scale} may reach {magnitude_max}")
        step = self._named(f"{operands[0]} {operator} {operands[1]}", scale, magnitude_max)
        return self._in_bounds(step)

    def _product(self, left: _Step, right: _Step) -> _Step:
        """Rule 3."""
        scale, magnitude_max = left.scale + right.scale, left.magnitude_max * right.magnitude_max
        step = self._named(f"{left.sql} * {right.sql}", scale, magnitude_max)
        if magnitude_max <= _INT256_MAX:
            return self._in_bounds(step)
        bound = _step_bound(scale)
        self._checks.append(f"abs({left.alias}) <= intDiv({_int256(bound)}, greatest(abs({right.alias}), 1))")
        return replace(step, magnitude_max=bound)

    def _in_bounds(self, step: _Step) -> _Step:
        """Rule 4: checked unless nothing can come of it."""
        bound = _step_bound(step.scale)
        if step.magnitude_max <= bound:
            return step
        self._checks.append(_within(step.alias, bound))
        return replace(step, magnitude_max=bound)

    def _named(self, sql: str, scale: int, magnitude_max: int) -> _Step:
        alias = f"{self._name}_step_{self._count}"
        self._count += 1
        return _Step(f"({sql} AS {alias})", alias, scale, magnitude_max)

    def _bound_int256(self, value: Decimal, scale: int) -> str:
        parameter = f"{self._name}_number_{self._count}"
        self._parameters[parameter] = str(_mantissa(value, scale))
        return f"toInt256({{{parameter}:String}})"


def _step_bound(scale: int) -> int:
    """Rule 1: the largest magnitude of a step in bounds. Raises OverflowError where Int256 couldn't hold two."""
    bound: int = 10 ** (STEP_INTEGER_DIGITS + scale) - 1
    if 2 * bound > _INT256_MAX:
        raise OverflowError(f"a step of scale {scale} doesn't fit into Int256")
    return bound


def _mantissa(value: Decimal, scale: int) -> int:
    sign, digits, exponent = value.as_tuple()
    mantissa: int = int("".join(map(str, digits))) * 10 ** (scale + int(exponent))
    return -mantissa if sign else mantissa


def _within(alias: str, bound: int) -> str:
    return f"{alias} BETWEEN {_int256(-bound)} AND {_int256(bound)}"


def _int256(value: int) -> str:
    return f"toInt256('{value}')"
