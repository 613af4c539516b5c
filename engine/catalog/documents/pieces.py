"""A catalog file as pieces that an engine takes one after another, each a text of its own. Pure.

    document_pieces(text)     the entries of a document in YAML, section by section
    line_pieces(lines)        lines of JSON, as they are

A piece is a stretch of whole lines of the file, so that a mistake in it has the line that it has in the file.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from engine.catalog import limits
from engine.catalog.documents.yaml_tree import YamlError, yaml_events

# A request has other fields besides, and a name of a section stands above the entries.
BYTES_MAX: Final = limits.DOCUMENT_BYTES_MAX - 4096
# A second or two of work for an engine, in which others wait with what they apply.
ENTRIES_MAX: Final = 25_000
_IN_DOCUMENT, _IN_SECTION = 1, 2
_NOT_PARTED: Final = (
    f"a document of more than {BYTES_MAX} bytes is applied in pieces, for which each section must be a list whose entries "
    "begin on lines of their own, as `- id: ...`; or write lines of JSON, each a resource"
)
# What is referred to comes first; sections that an engine doesn't know come last, for it to say so. Those of
# engine.catalog.kinds, which a command that only parts a file doesn't load: the rating core takes a second.
SECTIONS: Final = (
    "meters",
    "plans",
    "coupons",
    "tax_regions",
    "sellers",
    "revenue_splits",
    "exchange_rates",
    "customers",
    "subscriptions",
    "credit_grants",
    "top_up_rules",
    "invoice_items",
    "alerts",
)


@dataclass(frozen=True, slots=True)
class Piece:
    """`text` begins on line `first_line` of the file and ends on `last_line`, both from 1."""

    text: str
    is_lines: bool
    first_line: int
    last_line: int


@dataclass(slots=True)
class _Entry:
    """An entry of a section: from its line (from 0) up to another; `refers_to`: the first entry that it needs."""

    section: str
    number: int
    begin: int
    end: int
    refers_to: int


def line_pieces(lines: Iterable[tuple[int, str]]) -> Iterator[Piece]:
    """`lines`: of a file, with their numbers. Raises YamlError for a line that no piece holds."""
    texts: list[str] = []
    size = first = last = 0
    for number, line in lines:
        line_bytes = len(line.encode()) + 1
        if line_bytes > BYTES_MAX:
            raise YamlError(number, f"has more than {BYTES_MAX} bytes")
        if texts and (size + line_bytes > BYTES_MAX or len(texts) == ENTRIES_MAX):
            yield Piece("\n".join(texts), True, first, last)
            texts, size = [], 0
        first = first if texts else number
        last = number
        texts.append(line)
        size += line_bytes
    if texts:
        yield Piece("\n".join(texts), True, first, last)


def document_pieces(text: str) -> list[Piece]:
    """The document itself if one request holds it, or else its entries. Raises YamlError if they can't be parted."""
    if len(text.encode()) <= BYTES_MAX:
        return [Piece(text, False, 1, text.count("\n") + 1)]
    lines = text.splitlines(keepends=True)
    entries = sorted(_Entries(lines).of(text), key=lambda each: (_order(each.section), each.number))
    pieces: list[Piece] = []
    chosen: list[_Entry] = []
    size = 0
    for entry in entries:
        entry_bytes = sum(len(line.encode()) for line in lines[entry.begin : entry.end])
        if entry_bytes > BYTES_MAX:
            raise YamlError(entry.begin + 1, f"is an entry of more than {BYTES_MAX} bytes")
        full = size + entry_bytes > BYTES_MAX or len(chosen) == ENTRIES_MAX
        if chosen and (full or chosen[0].section != entry.section):
            pieces.append(_piece(chosen, lines))
            chosen, size = [], 0
        chosen.append(entry)
        size += entry_bytes
        if entry.refers_to < chosen[0].number:
            raise YamlError(
                entry.begin + 1,
                f"refers to an anchor in another piece of the document, which has more than {BYTES_MAX} bytes: "
                "write out what it stands for",
            )
    return [*pieces, _piece(chosen, lines)] if chosen else pieces


def _piece(entries: Sequence[_Entry], lines: Sequence[str]) -> Piece:
    begin, end = entries[0].begin, entries[-1].end
    # The section's name takes the line above, which is its own or what an earlier piece ends with.
    text = f"{json.dumps(entries[0].section)}:\n" + "".join(lines[begin:end])
    return Piece(text, False, begin, end)


def _order(section: str) -> int:
    return SECTIONS.index(section) if section in SECTIONS else len(SECTIONS)


class _Entries:
    """Finds the entries of a document, in its order, by the events of the parser."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._found: list[_Entry] = []
        # The entry that each anchor stands in, and the line of each section.
        self._anchored: dict[str, int] = {}
        self._sections: dict[str, int] = {}
        self._section: str | None = None
        self._documents = self._depth = 0

    def of(self, text: str) -> list[_Entry]:
        for event in yaml_events(text):
            match event:
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        raise YamlError(
                            _place(event)[0] + 1, "a second document starts here: write one document"
                        )
                case yaml.CollectionEndEvent():
                    self._depth -= 1
                    self._section = None if self._depth == _IN_DOCUMENT else self._section
                case yaml.NodeEvent():
                    self._node(event)
                    self._depth += isinstance(event, yaml.CollectionStartEvent)
        self._end(len(self._lines))
        return self._found

    def _node(self, event: yaml.NodeEvent) -> None:
        line, column = _place(event)
        if self._depth <= _IN_DOCUMENT:
            self._check_form(event)
        if self._depth == _IN_DOCUMENT and isinstance(event, yaml.ScalarEvent):
            self._end(line)
            first = self._sections.setdefault(event.value, line)
            if first != line:
                raise YamlError(line + 1, f"{event.value}: is given twice, first on line {first + 1}")
            self._section = event.value
        elif self._depth == _IN_SECTION and self._section is not None:
            self._end(line)
            if self._lines[line][:column].strip() != "-":
                raise YamlError(line + 1, _NOT_PARTED)
            number = len(self._found)
            self._found.append(_Entry(self._section, number, line, 0, number))
        if event.anchor is None:
            return
        if isinstance(event, yaml.AliasEvent):
            entry = self._found[-1]
            entry.refers_to = min(entry.refers_to, self._anchored.get(event.anchor, entry.number))
        else:
            self._anchored[event.anchor] = len(self._found) - 1

    def _check_form(self, event: yaml.NodeEvent) -> None:
        """The document is a mapping and each section a list, both in block form."""
        form: type[yaml.NodeEvent] = yaml.MappingStartEvent
        if self._depth == _IN_DOCUMENT:
            form = yaml.ScalarEvent if self._section is None else yaml.SequenceStartEvent
        if not isinstance(event, form) or getattr(event, "flow_style", False):
            raise YamlError(_place(event)[0] + 1, _NOT_PARTED)

    def _end(self, line: int) -> None:
        """The newest entry ends above this line, unless it has ended already."""
        if self._found and not self._found[-1].end:
            self._found[-1].end = line


def _place(event: yaml.Event) -> tuple[int, int]:
    """Line and column of its beginning, from 0."""
    mark = event.start_mark
    return (0, 0) if mark is None else (mark.line, mark.column)
