"""The one way from untrusted fields to a Price: every mistake is found at once and named by its path."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from rating.checks import as_mapping, conversion_problems, find_problems
from rating.price import Cell, Conversion, Price, Rounding, Tier
from rating.problems import BAD, Path, PriceError, Problem, Unchecked
from rating.schema import (
    CONVERSION_FIELDS,
    CONVERSION_ROUNDING_FIELDS,
    FIELDS,
    ROUNDING_FIELDS,
    TIER_FIELDS,
    Choice,
    Count,
    Kind,
    Nested,
    Number,
)

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_TEXT_MAX = 200
"""Characters of one scalar: a decimal of 26 + 18 digits in any spelling is shorter."""
_NO_END = (None, "null", "~", "")
"""How YAML and JSON write an `up_to` without end."""


def read_price(fields: Mapping[str, object]) -> Price:
    """The price of the given fields: scalars as text (YAML), as str or int (JSON) or as Decimal; never floats.

    Decimals may be written with an exponent. A field given as None counts as left out. The names are those of
    `Price`; parts are mappings: tiers `{up_to, unit_amount, flat_amount, percent}` (a capacity tier's `up_to`
    maps each unit to its bound), cells `{match: {dimension: value}, unit_amount}`, `rounding`
    `{mode, scope, digits}`, `conversion` `{factor | divisor, rounding: {mode, digits}}`.

    Raises:
        PriceError: with all problems: unknown, missing or misplaced fields, unreadable values, broken rules.
    """
    reader = _Reader()
    values = reader.mapping((), fields, FIELDS)
    problems = [*reader.problems, *find_problems(values)]
    if problems:
        raise PriceError(problems)
    return Price(**{name: _built(name, value) for name, value in values.items()})


def read_conversion(fields: object) -> Conversion:
    """A conversion that stands outside of a price, from fields as in `read_price`.

    Raises:
        PriceError: with all problems; their paths begin with "conversion".
    """
    reader = _Reader()
    values = reader.value(("conversion",), fields, FIELDS["conversion"])
    problems = [*reader.problems, *conversion_problems(as_mapping(values))]
    if not problems and not values:
        problems = [Problem(("conversion",), "needs either factor or divisor")]
    if problems:
        raise PriceError(problems)
    conversion: Conversion = _built("conversion", values)
    return conversion


def _built(name: str, value: Unchecked) -> Unchecked:
    """A read part as the frozen value that Price holds."""
    if name == "tiers":
        return tuple(Tier(**tier) for tier in value)
    if name == "cells":
        return tuple(Cell(**cell) for cell in value)
    if name == "rounding":
        return Rounding(**value)
    if name == "conversion":
        rounding = value.get("rounding", {})
        return Conversion(**{k: v for k, v in value.items() if k != "rounding"}, **rounding)
    return value


class _Reader:
    """Types fields by the schema; what it can't read becomes BAD and a problem."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def bad(self, path: Path, message: str) -> Unchecked:
        self.problems.append(Problem(path, message))
        return BAD

    def mapping(self, path: Path, fields: object, kinds: Mapping[str, Kind]) -> Unchecked:
        """The set fields of a mapping, each typed by its kind."""
        if not isinstance(fields, Mapping):
            return self.bad(path, f"must be a mapping of {', '.join(kinds)}, is {_shown(fields)}")
        values: dict[str, Any] = {}
        for name, raw in fields.items():
            if name not in kinds:
                self.bad((*path, str(name)), f"is no field here; known are {', '.join(kinds)}")
            elif raw is not None:
                values[name] = self.value((*path, name), raw, kinds[name])
        return values

    def value(self, path: Path, raw: object, kind: Kind) -> Unchecked:
        if isinstance(kind, Nested):
            return _NESTED[path[-1]](self, path, raw)
        if isinstance(kind, Number):
            return self.decimal(path, raw)
        if isinstance(kind, Choice):
            return self.choice(path, raw, kind.of)
        return self.count(path, raw, kind)

    def decimal(self, path: Path, raw: object) -> Unchecked:
        if isinstance(raw, float):
            return self.bad(path, f"must be written as text, not as a binary float: {raw!r}")
        if isinstance(raw, Decimal) or (isinstance(raw, int) and not isinstance(raw, bool)):
            return Decimal(raw)
        if isinstance(raw, str) and len(raw) <= _TEXT_MAX and _DECIMAL.fullmatch(raw.strip()):
            return Decimal(raw.strip())
        return self.bad(path, f"must be a decimal, is {_shown(raw)}")

    def count(self, path: Path, raw: object, kind: Count) -> Unchecked:
        value = self.decimal(path, raw)
        if value is BAD:
            return BAD
        if not value.is_finite() or value != value.to_integral_value() or not 0 <= value <= kind.at_most:
            return self.bad(path, f"must be a whole number from 0 to {kind.at_most}, is {_shown(raw)}")
        return int(value)

    def choice(self, path: Path, raw: object, choices: type[StrEnum]) -> Unchecked:
        if isinstance(raw, str) and raw in set(choices):
            return choices(raw)
        return self.bad(path, f"must be one of {', '.join(choices)}, is {_shown(raw)}")

    def text(self, path: Path, raw: object) -> Unchecked:
        if isinstance(raw, str) and 0 < len(raw) <= _TEXT_MAX:
            return raw
        return self.bad(path, f"must be text of 1 to {_TEXT_MAX} characters, is {_shown(raw)}")

    def sequence(self, path: Path, raw: object, item: Callable[[Path, object], Any]) -> Unchecked:
        if isinstance(raw, str) or not isinstance(raw, list | tuple):
            return self.bad(path, f"must be a list, is {_shown(raw)}")
        return tuple(item((*path, index), part) for index, part in enumerate(raw))

    def tier(self, path: Path, raw: object) -> Unchecked:
        if isinstance(raw, Mapping) and isinstance(raw.get("up_to"), str) and raw["up_to"] in _NO_END:
            raw = {**raw, "up_to": None}
        return self.mapping(path, raw, TIER_FIELDS)

    def up_to(self, path: Path, raw: object) -> Unchecked:
        if not isinstance(raw, Mapping):
            return self.decimal(path, raw)
        if not raw:
            return None
        return tuple(
            (str(unit), None if bound in _NO_END else self.decimal((*path, str(unit)), bound))
            for unit, bound in raw.items()
        )

    def cell(self, path: Path, raw: object) -> Unchecked:
        return self.mapping(path, raw, {"match": Nested(), "unit_amount": Number()})

    def match(self, path: Path, raw: object) -> Unchecked:
        if not isinstance(raw, Mapping):
            return self.bad(path, f"must map each dimension to a value, is {_shown(raw)}")
        return tuple((str(name), self.text((*path, str(name)), value)) for name, value in raw.items())

    def rounding(self, path: Path, raw: object) -> Unchecked:
        kinds = CONVERSION_ROUNDING_FIELDS if path[0] == "conversion" else ROUNDING_FIELDS
        return self.mapping(path, raw, kinds)


_NESTED: Mapping[str | int, Callable[[_Reader, Path, object], Any]] = MappingProxyType(
    {
        "currency": _Reader.text,
        "tiers": lambda reader, path, raw: reader.sequence(path, raw, reader.tier),
        "up_to": _Reader.up_to,
        "dimensions": lambda reader, path, raw: reader.sequence(path, raw, reader.text),
        "cells": lambda reader, path, raw: reader.sequence(path, raw, reader.cell),
        "match": _Reader.match,
        "rounding": _Reader.rounding,
        "conversion": lambda reader, path, raw: reader.mapping(path, raw, CONVERSION_FIELDS),
    }
)


def _shown(raw: object) -> str:
    text = repr(raw)
    return text if len(text) <= 60 else f"{text[:57]}..."
