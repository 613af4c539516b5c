"""The table of `configuration.py` as rows, for whoever makes options, references and schemas of it."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from dataclasses import fields as dataclass_fields
from functools import cache
from typing import Any, Final, get_args, get_type_hints

from engine.configuration.configuration import Configuration
from engine.configuration.kinds import LIMIT, LIMIT_NAMES, IngestLimits
from engine.configuration.setting import Setting
from fields import Choice, Count, FieldKind, Flag, Schema, declaration, json_schema
from ingest import Limits

_BOUNDED: Final = (Count,)
# The names of the limits end in their units.
_UNITS: Final = {"_s": "seconds", "_bytes_max": "bytes"}


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting. `default` as a document has it, None if there is none."""

    name: str
    kind: FieldKind
    default: Any
    about: Setting

    @property
    def option(self) -> str:
        """On the command line."""
        return "--limit" if self.is_limits else f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """In the environment."""
        return self.about.variable or f"METERLINE_{self.name.upper()}"

    @property
    def is_flag(self) -> bool:
        return isinstance(self.kind, Flag)

    @property
    def is_limits(self) -> bool:
        """Whether it stands for several numbers by their names."""
        return isinstance(self.kind, IngestLimits)

    @property
    def bounds(self) -> str:
        """What its value may be, for people."""
        if isinstance(self.kind, Choice):
            return ", ".join(self.kind.choices)
        if isinstance(self.kind, Count):
            return f"{self.kind.at_least} to {self.kind.at_most}"
        return "true, false" if self.is_flag else self.about.metavar


@cache
def settings() -> tuple[SettingRow, ...]:
    """Every row of the table, in its order."""
    hints = get_type_hints(Configuration, include_extras=True)
    kinds = {each.name: each.kind for each in declaration(Configuration).fields}
    found = []
    for each in dataclass_fields(Configuration):
        about = next(mark for mark in get_args(hints[each.name]) if isinstance(mark, Setting))
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        kind = kinds[each.name]
        found.append(SettingRow(each.name, kind, None if default is None else kind.written(default), about))
    return tuple(found)


def limit_rows() -> tuple[SettingRow, ...]:
    """The bounds of ingestion, each as a row; docs/ingest.md has their reasons."""
    return tuple(
        SettingRow(f"limits.{name}", LIMIT, getattr(Limits(), name), Setting(help="", unit=_unit(name)))
        for name in LIMIT_NAMES
    )


def _unit(name: str) -> str:
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), name.split("_")[-2])


def configuration_schema() -> Schema:
    """JSON Schema (draft 7) of the configuration file, with what each setting is for."""
    schema = json_schema(Configuration)
    properties: Mapping[str, Schema] = schema["definitions"]["Configuration"]["properties"]
    for row in settings():
        properties[row.name]["description"] = row.about.help
        if row.default not in (None, {}):
            properties[row.name]["default"] = row.default
    return {**schema, "title": "Meterline configuration"}
