"""YAML text to a tree of located text.

1. A scalar is the text that the person wrote: nothing becomes a float, a bool or a date. `0.10` stays
   `0.10`, and `no` is a word (or Norway), whatever YAML 1.1 says. Tags, which would say otherwise, are
   refused.
2. A plain `null` (or `~`) stands for a field that isn't given; an empty value is a mistake of whoever
   reads the tree, since a half-written line must never count as a decision.
3. Every field and every node knows its line, from 1.
4. Anchors, aliases and merge keys (`<<`) work. Aliased nodes are shared, and count with all that they stand
   for each time: a document is refused while it is being parsed, before anything walks its expansion.
5. JSON is read as the YAML that it is, once its pairs of surrogate escapes are joined, which YAML lacks.
6. A mapping keeps the first of repeated fields and records the others.

Parsed by libyaml (twenty times as fast), or by PyYAML's own parser where it was built without.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from engine.catalog import limits

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# JSON's way to escape a character beyond 16 bits, after an even number of backslashes.
_SURROGATE_PAIR = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)
_NULLS = frozenset({"null", "Null", "NULL", "~"})


class YamlError(ValueError):
    """Text that can't be read as one document of YAML. `line` is from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(frozen=True, slots=True)
class TextNode:
    line: int
    text: str
    plain: bool = False

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in _NULLS

    @property
    def is_empty(self) -> bool:
        return self.plain and not self.text


@dataclass(frozen=True, slots=True)
class ListNode:
    line: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a mapping; `line` is the line of its name."""

    line: int
    value: "Node"


@dataclass(frozen=True, slots=True)
class MapNode:
    line: int
    fields: Mapping[str, Field]
    # Name and line of each field that is given again.
    repeated: tuple[tuple[str, int], ...] = ()


Node: TypeAlias = TextNode | ListNode | MapNode


def parse_yaml(text: str, first_line: int = 1) -> Node:
    """The one document in `text`, which begins on that line of a file. Raises YamlError."""
    if (
        len(text) > limits.DOCUMENT_BYTES_MAX
        or len(text.encode("utf-8", "replace")) > limits.DOCUMENT_BYTES_MAX
    ):
        raise YamlError(
            first_line, f"the document is larger than {limits.DOCUMENT_BYTES_MAX} bytes: apply it in parts"
        )
    return _Builder(first_line).build(yaml_events(text, first_line))


def yaml_events(text: str, first_line: int = 1) -> Iterator[yaml.Event]:
    """What the parser finds in a text of any size, with marks that count from its beginning. Raises YamlError."""
    if bad := _NOT_YAML.search(text.removeprefix("\ufeff")):
        line = text.count("\n", 0, bad.start()) + first_line
        raise YamlError(line, f"holds a character that YAML does not allow: U+{ord(bad.group()):04X}")
    try:
        yield from yaml.parse(_joined_surrogates(text), Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, first_line) from None
    except yaml.YAMLError as error:
        raise YamlError(first_line, f"is not YAML: {error}") from None


def _joined_surrogates(text: str) -> str:
    if not text.lstrip().startswith("{"):
        return text

    def joined(match: re.Match[str]) -> str:
        high, low = int(match[2], 16), int(match[3], 16)
        return f"{match[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08X}"

    return _SURROGATE_PAIR.sub(joined, text)


def _syntax_error(error: yaml.MarkedYAMLError, first_line: int) -> YamlError:
    mark = error.problem_mark or error.context_mark
    line = mark.line + first_line if mark else first_line
    message = f"is not YAML: {error.problem or error.context or 'unreadable'}"
    if error.problem and error.context and error.context_mark:
        message += f" ({error.context} that starts on line {error.context_mark.line + first_line})"
    return YamlError(line, message)


@dataclass(slots=True)
class _Open:
    """A collection whose end is yet to come. `size`: itself and everything below, aliases expanded."""

    event: yaml.CollectionStartEvent
    nodes: list[Node] = field(default_factory=list)
    size: int = 1


class _Builder:
    """Composes the events of the parser, within the bounds."""

    def __init__(self, first_line: int) -> None:
        self._first_line = first_line
        self._root: Node | None = None
        self._open: list[_Open] = []
        self._anchored: dict[str, tuple[Node, int]] = {}
        self._count = 0
        self._documents = 0

    def build(self, events: Iterator[yaml.Event]) -> Node:
        for event in events:
            match event:
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        raise YamlError(
                            self._line(event), "a second document starts here: write one document"
                        )
                case yaml.CollectionStartEvent():
                    self._start(event)
                case yaml.CollectionEndEvent():
                    self._end(self._line(event))
                case yaml.AliasEvent():
                    self._add(self._line(event), *self._stands_for(event), None)
                case yaml.ScalarEvent():
                    self._refuse_tag(event)
                    if not event.value.isascii() and _SURROGATE.search(event.value):
                        raise YamlError(
                            self._line(event), "holds half of a surrogate pair, which is not a character"
                        )
                    plain = bool(event.implicit[0])
                    self._add(
                        self._line(event), TextNode(self._line(event), event.value, plain), 1, event.anchor
                    )
        if self._root is None:
            raise YamlError(self._first_line, "the document is empty")
        return self._root

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        self._refuse_tag(event)
        if len(self._open) == limits.DOCUMENT_DEPTH_MAX:
            raise YamlError(self._line(event), f"is nested deeper than {limits.DOCUMENT_DEPTH_MAX} levels")
        if event.anchor:
            self._anchored.pop(event.anchor, None)
        self._open.append(_Open(event))

    def _end(self, line: int) -> None:
        done = self._open.pop()
        start = self._line(done.event)
        is_list = isinstance(done.event, yaml.SequenceStartEvent)
        node = ListNode(start, tuple(done.nodes)) if is_list else _map_node(start, done.nodes)
        self._count -= done.size - 1  # its children were counted when they came
        self._add(line, node, done.size, done.event.anchor)

    def _stands_for(self, event: yaml.AliasEvent) -> tuple[Node, int]:
        if event.anchor is None or event.anchor not in self._anchored:
            raise YamlError(
                self._line(event), f"*{event.anchor} stands for nothing: no &{event.anchor} ends above"
            )
        return self._anchored[event.anchor]

    def _add(self, line: int, node: Node, size: int, anchor: str | None) -> None:
        self._count += size
        if self._count > limits.DOCUMENT_NODES_MAX:
            raise YamlError(
                line, f"has more than {limits.DOCUMENT_NODES_MAX} values, aliases expanded: apply it in parts"
            )
        if anchor:
            self._anchored[anchor] = (node, size)
        if self._open:
            self._open[-1].nodes.append(node)
            self._open[-1].size += size
        else:
            self._root = node

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            raise YamlError(
                self._line(event),
                f"has the tag {event.tag}: remove it, every value is read as it is written",
            )

    def _line(self, event: yaml.Event) -> int:
        return (event.start_mark.line if event.start_mark else 0) + self._first_line


def _map_node(line: int, nodes: list[Node]) -> MapNode:
    fields: dict[str, Field] = {}
    repeated: list[tuple[str, int]] = []
    merged: list[MapNode] = []
    for name, value in zip(nodes[::2], nodes[1::2], strict=True):
        if not isinstance(name, TextNode):
            raise YamlError(name.line, "the name of a field must be text, not a list or mapping")
        if name.plain and name.text == "<<":
            merged += _merged(name.line, value)
        elif name.text in fields:
            repeated.append((name.text, name.line))
        else:
            fields[name.text] = Field(name.line, value)
    for other in merged:
        for merged_name, merged_field in other.fields.items():
            fields.setdefault(merged_name, merged_field)
    return MapNode(line, fields, tuple(repeated))


def _merged(line: int, value: Node) -> list[MapNode]:
    """The mappings that a merge key names; the first to give a field wins, after the mapping itself."""
    maps = value.items if isinstance(value, ListNode) else (value,)
    found = [each for each in maps if isinstance(each, MapNode)]
    if len(found) != len(maps):
        raise YamlError(line, "<< takes a mapping, or a list of mappings, to merge in")
    return found
