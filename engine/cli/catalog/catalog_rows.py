"""Rows of one kind as lines of the catalog: a CSV with a header, or lines of JSON that are definitions alone.

    id,name,metadata.team,aliases:=
    acme,Acme,eu,"[""acme-old""]"

    {"kind": "customer", "definition": {"id": "acme", "name": "Acme", "metadata": {"team": "eu"}, "aliases": ["acme-old"]}}

Rules:
1. A column is a field, or an entry of a mapping after a point; one that ends with := holds JSON. An empty cell gives nothing.
2. A line of the catalog has the number of the line that its row begins on: what a row takes besides are empty lines.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from engine.catalog import limits
from engine.catalog.documents.yaml_tree import YamlError

_OF_JSON: Final = ":="


def kind_of_section(section: str) -> str:
    """What one of a section is called."""
    return section.removesuffix("s")


def csv_lines(lines: Iterable[tuple[int, str]], section: str) -> Iterator[tuple[int, str]]:
    """Raises YamlError for a row that is none."""
    csv.field_size_limit(limits.DOCUMENT_BYTES_MAX)
    rows = csv.reader((f"{line}\n" for _, line in lines), strict=True)
    kind = kind_of_section(section)
    columns: list[str] | None = None
    done = 0
    try:
        for cells in rows:
            begin, done = done + 1, rows.line_num
            if not cells:
                yield begin, ""
                continue
            if columns is None:
                columns = _header(cells, begin)
                continue
            if len(cells) != len(columns):
                raise YamlError(begin, f"has {len(cells)} cells, the header {len(columns)}")
            definition = _definition(columns, cells, begin)
            yield begin, json.dumps({"kind": kind, "definition": definition}, ensure_ascii=False)
            yield from ((number, "") for number in range(begin + 1, done + 1))
    except csv.Error as error:
        raise YamlError(done + 1, f"is not CSV: {error}") from None


def definition_lines(lines: Iterable[tuple[int, str]], section: str) -> Iterator[tuple[int, str]]:
    """Each line is a definition: numbers stay as they are written."""
    before = f'{{"kind": "{kind_of_section(section)}", "definition": '
    for number, line in lines:
        yield number, f"{before}{line}}}" if line.strip() else ""


def _header(cells: list[str], line: int) -> list[str]:
    columns = [cell.strip() for cell in cells]
    for name, count in Counter(columns).items():
        if not name:
            raise YamlError(line, "has a column without a name: the first line names the fields")
        if count > 1:
            raise YamlError(line, f"names the column {name[:64]!r} twice")
    return columns


def _definition(columns: list[str], cells: list[str], line: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        name = column.removesuffix(_OF_JSON)
        first, point, entry = name.partition(".")
        value = cell if name == column else _json(cell, column, line)
        if not point:
            found[first] = value
        elif isinstance(mapping := found.setdefault(first, {}), dict):
            mapping[entry] = value
        else:
            raise YamlError(line, f"{column}: {first} is a column of its own, too")
    return found


def _json(cell: str, column: str, line: int) -> object:
    try:
        return json.loads(cell, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise YamlError(line, f"{column}: is not JSON: {error}") from None
