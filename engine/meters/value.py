"""What a meter aggregates: a property, or an expression over several.

    value: input_tokens                                          the property of exactly this name
    value: {expression: "input_tokens + 4 * output_tokens"}      engine.meters.expression
    value: {expression: a + b, defaults: {b: 0}}                 an event without b counts as if its b were 0

A default stands in for a property that is not there, never for one that is unreadable.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetPydanticSchema,
    Tag,
    ValidationInfo,
    field_validator,
)
from pydantic_core import core_schema

from engine.errors import did_you_mean
from engine.meters.expression import Arithmetic, Constant, Negative, Node, Property, properties_of
from engine.meters.expression_text import expression_text, read_expression
from engine.meters.rules import exact_decimal, one_label


def _tree(given: object) -> object:
    if isinstance(given, str):
        return read_expression(given)
    if isinstance(given, Property | Constant | Negative | Arithmetic):
        return given
    raise ValueError("must be text such as a + 4 * b")


def _default(given: object) -> object:
    if given is None:
        raise ValueError("must be a decimal: without a default, leave the property out")
    return exact_decimal(given)


# read_expression is the only way to a tree: pydantic must not look inside.
Tree = Annotated[
    Any,
    GetPydanticSchema(lambda _source, _handler: core_schema.any_schema()),
    BeforeValidator(_tree),
]


class ValueExpression(BaseModel):
    """`tree` is written `expression`; `defaults` has the value of a property that an event lacks."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tree: Tree = Field(alias="expression")
    defaults: Mapping[str, Annotated[Decimal, BeforeValidator(_default)]] = Field(
        default_factory=lambda: MappingProxyType({})
    )

    @field_validator("defaults")
    @classmethod
    def _defaults_are_of_the_expression(
        cls, defaults: Mapping[str, Decimal], info: ValidationInfo
    ) -> Mapping[str, Decimal]:
        if "tree" in info.data:
            names = properties_of(info.data["tree"])
            for name in defaults:
                if name not in names:
                    raise ValueError(
                        f"names {name!r}, which the expression doesn't{did_you_mean(name, names)}"
                    )
        return MappingProxyType(dict(sorted(defaults.items())))

    @property
    def properties(self) -> tuple[str, ...]:
        return properties_of(self.root)

    @property
    def root(self) -> Node:
        tree: Node = self.tree
        return tree

    def to_fields(self) -> dict[str, Any]:
        """The canonical fields of the catalog document."""
        defaults = {name: format(value, "f") for name, value in self.defaults.items()}
        return {"expression": expression_text(self.root)} | ({"defaults": defaults} if defaults else {})


# The tags show in the paths of mistakes; `engine.catalog.read` takes them out.
PROPERTY_TAG, EXPRESSION_TAG = "[property]", "[expression]"
EXPRESSION_FIELDS = ("expression", "defaults")
MeterValue: TypeAlias = str | ValueExpression
Value = Annotated[
    Annotated[Annotated[str, AfterValidator(one_label)], Tag(PROPERTY_TAG)]
    | Annotated[ValueExpression, Tag(EXPRESSION_TAG)],
    Discriminator(
        lambda given: EXPRESSION_TAG if isinstance(given, Mapping | ValueExpression) else PROPERTY_TAG
    ),
]


def properties_of_value(value: MeterValue | None) -> tuple[str, ...]:
    """The properties that a value reads."""
    if value is None:
        return ()
    return value.properties if isinstance(value, ValueExpression) else (value,)
