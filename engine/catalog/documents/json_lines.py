"""Lines of JSON to the tree that a document in YAML is parsed to: one resource a line.

    {"kind": "customer", "definition": {"id": "acme", "name": "Acme"}}

1. As in YAML, a value is the text that was written: no number becomes a float, and true is a word.
2. `id`, `version` and `etag`, which `meterline catalog` prints beside them, may be there; an id must be the definition's.
3. Every node has the line of its resource. Empty lines count and hold nothing.

Quicker by far than the same entries in YAML.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from engine.catalog import limits
from engine.catalog.documents.yaml_tree import Field, ListNode, MapNode, Node, TextNode

_FIELDS: Final = ("kind", "definition", "id", "version", "etag")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class LineError(ValueError):
    """A line that is not a resource in JSON."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class _Plain(str):
    """A number as it was written."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """The fields of an object, the repeated ones too."""

    __slots__ = ()


def parse_lines(text: str, first_line: int, sections: Mapping[str, str]) -> MapNode:
    """The document that has these resources; `sections`: kind -> its section of a document. Raises LineError."""
    if len(text.encode("utf-8", "surrogatepass")) > limits.DOCUMENT_BYTES_MAX:
        raise LineError(
            first_line, f"these lines have more than {limits.DOCUMENT_BYTES_MAX} bytes: apply them in pieces"
        )
    items: dict[str, list[Node]] = {}
    nodes_left = limits.DOCUMENT_NODES_MAX
    for number, line in enumerate(text.split("\n"), start=first_line):
        if line and not line.isspace():
            kind, definition = _resource(line, number, sections)
            nodes = _Nodes(number, nodes_left)
            items.setdefault(sections[kind], []).append(nodes.node(definition, 1))
            nodes_left = nodes.left
    return MapNode(
        first_line,
        {
            section: Field(first_line, ListNode(first_line, tuple(entries)))
            for section, entries in items.items()
        },
    )


def _resource(line: str, number: int, sections: Mapping[str, str]) -> tuple[str, _Pairs]:
    """Kind and definition."""
    kinds = ", ".join(sections)
    try:
        pairs = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        raise LineError(number, f"is not JSON: {error}") from None
    if not isinstance(pairs, _Pairs):
        raise LineError(number, 'must be an object: {"kind": ..., "definition": ...}')
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise LineError(number, "gives one of its fields twice")
    if unknown := [name for name in fields if name not in _FIELDS]:
        raise LineError(number, f"{unknown[0]!r} is not a field of a line: it has {', '.join(_FIELDS)}")
    kind, definition = fields.get("kind"), fields.get("definition")
    if not isinstance(kind, str) or kind not in sections:
        raise LineError(number, f"kind: must be one of {kinds}")
    if not isinstance(definition, _Pairs):
        raise LineError(number, f"definition: must be an object with the fields of a {kind}")
    own_id = dict(definition).get("id")
    if "id" in fields and own_id is not None and fields["id"] != own_id:
        raise LineError(number, f"id: is {fields['id']!r}, but the definition's is {own_id!r}")
    return kind, definition


class _Nodes:
    """Makes the nodes of one line; `left`: how many more the lines may have together."""

    def __init__(self, line: int, left: int) -> None:
        self._line = line
        self.left = left

    def node(self, value: object, depth: int) -> Node:
        self.left -= 1
        if self.left < 0:
            raise LineError(
                self._line,
                f"these lines have more than {limits.DOCUMENT_NODES_MAX} values: apply them in pieces",
            )
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return TextNode(self._line, "null" if value is None else str(value).lower(), plain=True)
        if depth == limits.DOCUMENT_DEPTH_MAX:
            raise LineError(self._line, f"is nested deeper than {limits.DOCUMENT_DEPTH_MAX} levels")
        if isinstance(value, _Pairs):
            return self._map(value, depth)
        if isinstance(value, list):
            return ListNode(self._line, tuple(self.node(item, depth + 1) for item in value))
        raise LineError(self._line, f"holds a {type(value).__name__}")

    def _text(self, value: str) -> TextNode:
        if not value.isascii() and _SURROGATE.search(value):
            raise LineError(self._line, "holds half of a surrogate pair, which is not a character")
        return TextNode(self._line, value, plain=isinstance(value, _Plain))

    def _map(self, pairs: _Pairs, depth: int) -> MapNode:
        fields: dict[str, Field] = {}
        repeated: list[tuple[str, int]] = []
        for name, value in pairs:
            if not name.isascii() and _SURROGATE.search(name):
                raise LineError(self._line, "holds half of a surrogate pair, which is not a character")
            if name in fields:
                repeated.append((name, self._line))
            else:
                fields[name] = Field(self._line, self.node(value, depth + 1))
        return MapNode(self._line, fields, tuple(repeated))


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number of JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_Plain, parse_float=_Plain, parse_constant=_no_number
)
