"""What a meter aggregates: a property, or an expression over several.

    value: input_tokens                                          the property of exactly this name
    value: {expression: "input_tokens + 4 * output_tokens"}      engine.meters.expression
    value: {expression: a + b, defaults: {b: 0}}                 an event without b counts as if its b were 0

A default stands in for a property that is not there, never for one that is unreadable.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, TypeAlias

from engine.meters import limits
from engine.meters.expression import Node, properties_of
from engine.meters.expression_text import expression_text, read_expression
from engine.meters.kinds import LABEL, Quantity
from fields import FieldKind, Json, MapOf, Named, Nested, Problem, Record, Schema, did_you_mean, rule


class _Expression(FieldKind):
    """Arithmetic over properties, as a text."""

    python = Node

    def read(self, given: object) -> Node:
        if isinstance(given, Node):
            return given
        if not isinstance(given, str):
            raise ValueError("must be text such as a + 4 * b")  # noqa: TRY004 - of a document, not of a program
        return read_expression(given)

    def written(self, value: Node) -> str:
        return expression_text(value)

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": ["string", "number"], "minLength": 1, "maxLength": limits.METER_EXPRESSION_CHARS_MAX}


class _Default(Quantity):
    def read(self, given: object) -> Decimal:
        if given is None:
            raise ValueError("must be a decimal: without a default, leave the property out")
        return super().read(given)


@dataclass(frozen=True, kw_only=True)
class ValueExpression(Record, called="value"):
    """`tree` is written `expression`; `defaults` has the value of a property that an event lacks."""

    tree: Annotated[Node, _Expression(), Named("expression")]
    defaults: Annotated[
        Mapping[str, Decimal], MapOf(LABEL, _Default(), limits.METER_EXPRESSION_OPERANDS_MAX)
    ] = field(default_factory=lambda: MappingProxyType({}))

    @rule("tree", "defaults")
    def _defaults_are_of_the_expression(self) -> Iterator[Problem]:
        for name in self.defaults:
            if name not in self.properties:
                hint = did_you_mean(name, self.properties)
                yield Problem(("defaults",), f"names {name!r}, which the expression doesn't{hint}")
                return

    @property
    def properties(self) -> tuple[str, ...]:
        return properties_of(self.tree)


MeterValue: TypeAlias = str | ValueExpression


class Value(FieldKind):
    """The name of a property, or an expression."""

    python = str | ValueExpression
    _expression = Nested(ValueExpression)

    def read(self, given: object) -> MeterValue:
        kind = self._expression if isinstance(given, Mapping | ValueExpression) else LABEL
        found: MeterValue = kind.read(given)
        return found

    def written(self, value: MeterValue) -> Json:
        return value if isinstance(value, str) else value.to_fields()

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [LABEL.schema(definitions), self._expression.schema(definitions)]}


def properties_of_value(value: MeterValue | None) -> tuple[str, ...]:
    """The properties that a value reads."""
    if value is None:
        return ()
    return value.properties if isinstance(value, ValueExpression) else (value,)
