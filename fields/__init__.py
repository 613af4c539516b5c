"""How a document's fields are declared, read, checked, written and described: one way for every document.

    @dataclass(frozen=True, kw_only=True)
    class TaxRate(Record):
        tax_rate_id: Annotated[str, Text()]
        percent: Annotated[Decimal, DecimalNumber(at_most=1000)]
        compound: Annotated[bool, Flag()] = False

    TaxRate.read({"tax_rate_id": "vat", "percent": "19"})    # or FieldsError: every mistake, each with its place
    TaxRate.read(fields).to_fields()                         # canonical: JSON types, decimals as text
    json_schema(TaxRate)                                     # for editors and for other people's programs

`kinds` has what single values may be, `lists` lists and mappings, `record` records and their rules, `problems` what
is wrong and how it is said. Nothing here knows a price or a meter; rating and the engine declare theirs.

Why not a library. Whoever writes a catalog is told every mistake at once, also of rules between fields: that a
tier must rise above the one before it, while another field of it can't be read. pydantic runs no rule of a model in
which any field failed, cattrs none at all, and msgspec stops at the first mistake. Paths and texts would have to be
made over for each type of error (it took 225 lines around pydantic, and unions left marks of their own in
every path), prices would still be checked by hand, and a decimal must never pass through a float. This package is
shorter than what stood around the library, needs nothing but Python, and reads a record in about the same time.
"""

from fields.kinds import (
    Choice,
    Count,
    DecimalNumber,
    FieldKind,
    Flag,
    Instant,
    Json,
    Schema,
    Text,
    decimal_text,
    fraction_digits,
)
from fields.lists import ListOf, MapOf, Pairs
from fields.problems import (
    BAD,
    NAMES_SHOWN_MAX,
    FieldsError,
    Path,
    Problem,
    did_you_mean,
    problems_at,
    shape,
    shown,
    unknown_field,
)
from fields.record import EVERYTHING, Inline, Named, Nested, Record, declaration, json_schema, rule

__all__ = [
    "BAD",
    "EVERYTHING",
    "NAMES_SHOWN_MAX",
    "Choice",
    "Count",
    "DecimalNumber",
    "FieldKind",
    "FieldsError",
    "Flag",
    "Inline",
    "Instant",
    "Json",
    "ListOf",
    "MapOf",
    "Named",
    "Nested",
    "Pairs",
    "Path",
    "Problem",
    "Record",
    "Schema",
    "Text",
    "decimal_text",
    "declaration",
    "did_you_mean",
    "fraction_digits",
    "json_schema",
    "problems_at",
    "rule",
    "shape",
    "shown",
    "unknown_field",
]
