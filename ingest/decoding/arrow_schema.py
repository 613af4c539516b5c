"""Which columns a request may have, and of which types.

Each mistake is one line that names the column, says what is wrong with it and what would be right.
"""

import pyarrow as pa

from ingest.decoding.arrow_stream import NAME_MAX, UnreadableError
from ingest.limits import Limits

# What the name of a property's own column begins with.
PROPERTY = "properties."
_IDS = ("event_id", "event_type", "customer_id")
_REQUIRED = (*_IDS, "event_time")
_SCALE_MAX = 76


def check_schema(schema: pa.Schema, limits: Limits) -> None:
    """Raises UnreadableError for the first column that is missing, unknown, twice or of another type."""
    names = schema.names
    if len(names) > limits.columns_max:
        raise UnreadableError(f"has {len(names)} columns; columns_max is {limits.columns_max}")
    for name in _REQUIRED:
        if name not in names:
            raise UnreadableError(f"has no column {name!r}")
    seen = set()
    for field in schema:
        shown = repr(field.name[:NAME_MAX])
        if field.name in seen:
            raise UnreadableError(f"column {shown} is there twice")
        seen.add(field.name)
        mistake = _mistake(field.name, field.type)
        if mistake is not None:
            raise UnreadableError(f"column {shown} {mistake}")


def is_text(kind: pa.DataType) -> bool:
    """Whether its values are texts, in any of Arrow's layouts that are taken."""
    texts = kind.value_type if pa.types.is_dictionary(kind) else kind
    layouts = [pa.string(), pa.large_string()] + ([pa.string_view()] if texts is kind else [])
    return texts in layouts


def _mistake(name: str, kind: pa.DataType) -> str | None:
    shown = str(kind)[:NAME_MAX]
    if name in _IDS:
        return None if is_text(kind) else f"is {shown}: send text"
    if name == "event_time":
        return _time_mistake(kind)
    if name == "properties":
        return (
            None
            if _is_text_map(kind)
            else f"is {shown}: send a map of text to text, or a list of {{key, value}}"
        )
    if not name.startswith(PROPERTY):
        return f"is unknown: there are {', '.join(_REQUIRED)}, properties and properties.NAME"
    return _property_mistake(kind)


def _time_mistake(kind: pa.DataType) -> str | None:
    if not pa.types.is_timestamp(kind):
        return f"is {str(kind)[:NAME_MAX]}: send a timestamp with a time zone"
    if not kind.tz:
        return "has no time zone, so its instants are not known: send a timestamp in UTC"
    return None


def _property_mistake(kind: pa.DataType) -> str | None:
    if is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_float64(kind):
        return None
    if pa.types.is_floating(kind):
        return f"is {kind}, whose values have no exact decimal form: send decimals or doubles"
    if pa.types.is_decimal(kind):
        if 0 <= kind.scale <= _SCALE_MAX:
            return None
        return f"has the scale {kind.scale}: send decimals with 0 to {_SCALE_MAX} digits after the point"
    return f"is {str(kind)[:NAME_MAX]}: send text, integers, decimals, bools or doubles"


def _is_text_map(kind: pa.DataType) -> bool:
    if pa.types.is_map(kind):
        return is_text(kind.key_type) and is_text(kind.item_type)
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_struct(
        kind.value_type
    ):
        return False
    fields = list(kind.value_type)
    return sorted(field.name for field in fields) == ["key", "value"] and all(
        is_text(field.type) for field in fields
    )
