"""A section of a page: a table, or why there is none."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from google.protobuf.message import Message

from engine.api.pages.operator.look import PagePart, Row

_Answer = TypeVar("_Answer", bound=Message)


class TableCell(NamedTuple):
    """address: where it leads. is_bad: it wants to be looked at."""

    text: str
    address: str = ""
    is_bad: bool = False


Line = Sequence[str | TableCell]


def section(
    name: str, title: str, columns: Sequence[str], lines: Sequence[Line], *, empty: str, note: str = ""
) -> Row:
    """`columns`: their names; of numbers with "#" in front. `empty`: what stands there without a line."""
    return {
        "name": name,
        "title": title,
        "columns": [{"name": each.removeprefix("#"), "is_number": each.startswith("#")} for each in columns],
        "lines": [
            [each if isinstance(each, TableCell) else TableCell(each) for each in line] for line in lines
        ],
        "empty": empty,
        "note": note,
        "refused": "",
    }


def section_of(
    part: PagePart[_Answer],
    name: str,
    title: str,
    columns: Sequence[str],
    lines: Callable[[_Answer], Sequence[Line]],
    *,
    empty: str,
    note: Callable[[_Answer], str] = lambda _: "",
) -> Row:
    """The section of an answer, from its lines; of a part without one it says why."""
    if part.answer is None:
        return refused_section(name, title, part.refused)
    return section(name, title, columns, lines(part.answer), empty=empty, note=note(part.answer))


def refused_section(name: str, title: str, refused: str) -> Row:
    """Of what could not be read: why."""
    return section(name, title, (), (), empty="") | {"refused": refused}
