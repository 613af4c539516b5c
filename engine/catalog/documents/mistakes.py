"""The mistakes of one document, each at its place: "llm.yaml:12: plans.starter.prices.input.model"."""

from engine.catalog import limits
from engine.catalog.documents.yaml_tree import ListNode, MapNode, Node, TextNode
from engine.errors import CatalogDocumentError, FieldMistake
from engine.meters.filters import GROUP_NAMES
from fields import FieldsError, Path


class Mistakes:
    """Collects mistakes by the path of their field; the first mistake of a field counts."""

    def __init__(self, file_name: str, root: Node) -> None:
        self._file_name = file_name
        self._root = root
        self._names: dict[Path, str] = {}
        self._by_place: dict[tuple[int, str], str] = {}

    def __len__(self) -> int:
        return len(self._by_place)

    def copy(self) -> "Mistakes":
        """To which more can be added."""
        copied = Mistakes(self._file_name, self._root)
        copied._names |= self._names
        copied._by_place |= self._by_place
        return copied

    def call(self, path: Path, name: str) -> None:
        """Names what stands at `path`, where its place alone would not tell."""
        if len(name) <= 2 * limits.ID_BYTES_MAX:
            self._names[path] = name

    def add(self, path: Path, message: str, *, line: int | None = None) -> None:
        """A mistake of the field at `path`, counted from the root; `line` if it isn't that field's own."""
        found, name = self._place(path)
        self._by_place.setdefault((found if line is None else line, name), message)

    def add_all(self, path: Path, error: FieldsError) -> None:
        """The mistakes of the fields of what stands at `path`."""
        for each in error.problems:
            self.add((*path, *each.path), each.message)

    def fields_of(self, node: MapNode, path: Path) -> dict[str, object]:
        """The fields of a mapping as texts, None for null, lists and mappings; repeated and empty ones are added."""
        for name, line in node.repeated:
            first = node.fields[name].line
            self.add((*path, name), f"is given twice, first on line {first}", line=line)
        return {name: self._plain(field.value, (*path, name)) for name, field in node.fields.items()}

    def _plain(self, node: Node, path: Path) -> object:
        if isinstance(node, MapNode):
            return self.fields_of(node, path)
        if isinstance(node, ListNode):
            return [self._plain(item, (*path, position)) for position, item in enumerate(node.items)]
        if node.is_empty:
            self.add(path, "has no value: write one, or remove the field")
        return None if node.is_null else node.text

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

    def _place(self, path: Path) -> tuple[int, str]:
        """The line of the field at `path` (of what holds it, if it is missing) and its name for people.

        An entry that has an id is named by it, another by its index: `plans.starter.prices.input.tiers[1].up_to`.
        """
        node: Node | None = self._root
        line = self._root.line
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
            called = part if isinstance(part, str) else self._names.get(path[: depth + 1])
            # What has no id of its own may have a field of that name: in a group of filters, any is a property.
            if called is None and path[depth - 1] not in GROUP_NAMES:
                called = _id_of(inner)
            name += f"[{part}]" if called is None else f".{called}"
        return line, name.removeprefix(".")


def unreadable(file_name: str, line: int, message: str) -> CatalogDocumentError:
    """The one mistake of a text that is not a document."""
    return CatalogDocumentError(FieldMistake(_field(file_name, line, ""), _on_one_line(message)))


def _id_of(item: Node | None) -> str | None:
    found = item.fields.get("id") if isinstance(item, MapNode) else None
    if found is None or not isinstance(found.value, TextNode) or not found.value.text:
        return None
    return found.value.text if len(found.value.text) <= 2 * limits.ID_BYTES_MAX else None


def _field(file_name: str, line: int, name: str) -> str:
    return _on_one_line(f"{file_name}:{line}: {name}" if name else f"{file_name}:{line}")


def _on_one_line(text: str) -> str:
    """Without line breaks, and without anything that would steer a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
