"""Features: what a plan includes, switched on or configured."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, TypeAlias

from engine.catalog import limits
from engine.catalog.kinds.resource import ID
from fields import FieldKind, Flag, MapOf, Schema, Text, shape

FeatureValue: TypeAlias = bool | str
Features: TypeAlias = Mapping[str, FeatureValue]
_FLAG: Final = Flag()
_TEXT: Final = Text(limits.FEATURE_VALUE_BYTES_MAX)


class _Feature(FieldKind):
    """True, false, or a text that configures the feature."""

    python = bool | str

    def read(self, given: object) -> FeatureValue:
        if isinstance(given, bool) or given in ("true", "false"):
            return _FLAG.read(given)
        if not isinstance(given, str):
            raise ValueError(f"must be true, false or a text, is {shape(given)}")  # noqa: TRY004 - of a document
        return _TEXT.read(given)

    def schema(self, definitions: Schema) -> Schema:
        return _TEXT.schema(definitions)


PlanFeatures = Annotated[Features, MapOf(ID, _Feature(), limits.PLAN_FEATURES_MAX)]
OwnFeatures = Annotated[Features | None, MapOf(ID, _Feature(), limits.PLAN_FEATURES_MAX)]


def had_features(features_of: Iterable[Features]) -> dict[str, FeatureValue]:
    """The features of a plan and its add-ons, the plan's first (rule 3 of the package)."""
    found: dict[str, FeatureValue] = {}
    for of_plan in features_of:
        found |= {name: value for name, value in of_plan.items() if value is not False or name not in found}
    return found
