"""The mistakes of one document, each at its place: "llm.yaml:12: plans.starter.prices.input.model"."""

from collections.abc import Iterable
from typing import TypeAlias

from engine.catalog import limits
from engine.catalog.read import Path
from engine.catalog.resources import default_subscription_id
from engine.catalog.yaml_tree import ListNode, MapNode, Node, TextNode
from engine.errors import CatalogDocumentError, FieldMistake
from engine.meters.filters import GROUP_NAMES

# Line, name of the field, what is wrong.
Mistake: TypeAlias = tuple[int, str, str]


class Mistakes:
    """Collects mistakes by the path of their field; the first mistake of a field counts."""

    def __init__(self, file_name: str, root: Node, found: Iterable[Mistake] = ()) -> None:
        self._file_name = file_name
        self._root = root
        self._by_place = {(line, name): message for line, name, message in found}

    def __len__(self) -> int:
        return len(self._by_place)

    def add(self, path: Path, message: str, *, line: int | None = None) -> None:
        """A mistake of the field at `path`, counted from the root; `line` if it isn't that field's own."""
        found, name = place(self._root, path)
        self._by_place.setdefault((found if line is None else line, name), message)

    def found(self) -> tuple[Mistake, ...]:
        return tuple((line, name, message) for (line, name), message in self._by_place.items())

    def error(self) -> CatalogDocumentError:
        """All mistakes by line; past the bound, how many more there are."""
        places = sorted(self._by_place, key=lambda at: at[0])
        shown = [
            FieldMistake(_field(self._file_name, line, name), _on_one_line(self._by_place[line, name]))
            for line, name in places[: limits.MISTAKES_MAX]
        ]
        if more := len(places) - len(shown):
            shown.append(
                FieldMistake(_on_one_line(self._file_name), f"and {more} more mistakes: mend these first")
            )
        return CatalogDocumentError(*shown)


def unreadable(file_name: str, line: int, message: str) -> CatalogDocumentError:
    """The one mistake of a text that is no document."""
    return CatalogDocumentError(FieldMistake(_field(file_name, line, ""), _on_one_line(message)))


def place(root: Node, path: Path) -> tuple[int, str]:
    """The line of the field at `path` (of what holds it, if it is missing) and its name for people.

    An entry that has an id is named by it, another by its index: `plans.starter.prices.input.tiers[1].up_to`.
    """
    node: Node | None = root
    line = root.line
    name = ""
    for depth, part in enumerate(path):
        if isinstance(node, TextNode):
            break  # the path goes on into a list that the document gives as a scalar
        inner: Node | None = None
        if isinstance(node, MapNode) and isinstance(part, str) and part in node.fields:
            line, inner = node.fields[part].line, node.fields[part].value
        elif isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
            inner = node.items[part]
            line = inner.line
        node = inner
        # What has no id of its own may have a field of that name: in a group of filters, any is a property.
        has_id = isinstance(part, int) and path[depth - 1] not in GROUP_NAMES
        identity = (_identity(inner) if has_id else None) if isinstance(part, int) else part
        name += f"[{part}]" if identity is None else f".{identity}"
    return line, name.removeprefix(".")


def _identity(item: Node | None) -> str | None:
    if not isinstance(item, MapNode):
        return None
    texts = {
        field: found.value.text
        for field in ("id", "customer", "plan")
        if (found := item.fields.get(field)) and isinstance(found.value, TextNode) and found.value.text
    }
    identity = texts.get("id") or default_subscription_id(texts)
    return None if identity is None or len(identity) > 2 * limits.ID_BYTES_MAX else identity


def _field(file_name: str, line: int, name: str) -> str:
    return _on_one_line(f"{file_name}:{line}: {name}" if name else f"{file_name}:{line}")


def _on_one_line(text: str) -> str:
    """Without line breaks, and without anything that would steer a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
