"""The tree of a document to its entries: one for each resource, valid or not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.documents.yaml_tree import ListNode, MapNode, Node, TextNode
from engine.catalog.kinds import KINDS
from engine.catalog.kinds.resource import Resource
from fields import FieldsError, Path, unknown_field


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource of a document, at `path` and `line`; `resource` is None if its fields have mistakes."""

    kind: str
    id: str | None
    path: Path
    line: int
    fields: Mapping[str, object]
    resource: Resource | None


def read_entries(root: Node, mistakes: Mistakes) -> Iterator[Entry]:
    """The entries in the document's order. What is wrong with them is added to `mistakes`."""
    sections = {kind.section: kind for kind in KINDS.values()}
    if not isinstance(root, MapNode):
        mistakes.add((), f"a catalog document is a mapping with the fields {', '.join(sections)}")
        return
    for name, line in root.repeated:
        mistakes.add((name,), f"is given twice, first on line {root.fields[name].line}", line=line)
    for section, field in root.fields.items():
        if section not in sections:
            mistakes.add((section,), unknown_field(section, "catalog document", tuple(sections)))
        elif isinstance(field.value, ListNode):
            yield from _section(sections[section], field.value, mistakes)
        elif isinstance(field.value, MapNode):
            mistakes.add((section,), "must be a list: write each entry as `- id: ...`")
        elif not field.value.is_null:
            mistakes.add((section,), "must be a list of entries, or [] if there are none")


def _section(kind: type[Resource], items: ListNode, mistakes: Mistakes) -> Iterator[Entry]:
    first_lines: dict[str, int] = {}
    for position, item in enumerate(items.items):
        path = (kind.section, position)
        if not isinstance(item, MapNode):
            mistakes.add(path, f"must be a mapping with the fields of a {kind.kind}")
            continue
        texts = {
            name: field.value.text
            for name, field in item.fields.items()
            if isinstance(field.value, TextNode) and field.value.text and not field.value.is_null
        }
        entry_id = kind.id_in(texts)
        if entry_id is not None:
            mistakes.call(path, entry_id)
        found = len(mistakes)
        fields = mistakes.fields_of(item, path)
        if entry_id in first_lines:
            own = "" if "id" in texts else "; give one of them an id of its own"
            mistakes.add(
                (*path, "id"), f"{entry_id!r} is the {kind.kind} on line {first_lines[entry_id]}, too{own}"
            )
        elif entry_id is not None:
            first_lines[entry_id] = item.line
        resource = None
        try:
            resource = kind.read(fields)
        except FieldsError as error:
            mistakes.add_all(path, error)
        sound = resource if len(mistakes) == found else None
        yield Entry(kind.kind, entry_id, path, item.line, fields, sound)
