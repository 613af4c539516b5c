"""Fields of stored definitions as columns, read in bulk.

Definitions are canonical JSON: one that has a field `name` has `"name":` in it, where a text would have its quotes escaped. A
field of an object within it looks alike: what is marked is read, and hasn't the field then.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json


def marked_definitions(chunks: Iterable[pa.RecordBatch], *marks: str) -> pa.LargeStringArray:
    """Of rows with a column `definition` the definitions that have any of these texts in them, in their order."""
    texts = [chunk.column("definition") for chunk in chunks]
    found = [
        each.filter(reduce(pc.or_, [pc.match_substring(each, mark) for mark in marks])) for each in texts
    ]
    return pa.concat_arrays([pa.array([], pa.large_string()), *found])


def definition_fields(
    definitions: pa.LargeStringArray | pa.StringArray,
    schema: pa.Schema,
    *,
    others: Literal["ignore", "error"] = "ignore",
) -> list[pa.Array]:
    """The fields of a schema, a column each; null where a definition hasn't the field. `others`: what fields do that aren't in the
    schema.

    Raises:
        pa.ArrowException: a definition that is no JSON object, a field of another type, or one that is an error.
    """
    if not len(definitions):
        return [pa.array([], field.type) for field in schema]
    nothing, newline = (pa.scalar(text, pa.large_string()) for text in ("", "\n"))
    lines = pc.binary_join_element_wise(definitions.cast(pa.large_string()), nothing, newline)
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=others)
    read = arrow_json.read_json(pa.BufferReader(lines.buffers()[2]), parse_options=options)
    return [read.column(name).combine_chunks() for name in schema.names]
