"""The tree of a document to its entries: one for each resource, valid or not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from engine.catalog.mistakes import Mistakes
from engine.catalog.read import Path, ResourceError, read_resource, unknown_field
from engine.catalog.resources import Kind, Resource, default_subscription_id
from engine.catalog.yaml_tree import ListNode, MapNode, Node, TextNode

SECTIONS: Final[Mapping[str, Kind]] = {
    "meters": "meter",
    "plans": "plan",
    "customers": "customer",
    "subscriptions": "subscription",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource of a document, at `path` and `line`; `resource` is None if its fields have mistakes."""

    kind: Kind
    id: str | None
    path: Path
    line: int
    fields: Mapping[str, object]
    resource: Resource | None


def read_entries(root: Node, mistakes: Mistakes) -> Iterator[Entry]:
    """The entries in the document's order. What is wrong with them is added to `mistakes`."""
    sections = ", ".join(SECTIONS)
    if not isinstance(root, MapNode):
        mistakes.add((), f"a catalog document is a mapping with the fields {sections}")
        return
    _report_repeated(root, (), mistakes)
    for section, field in root.fields.items():
        if section not in SECTIONS:
            mistakes.add((section,), unknown_field(section, "catalog document", tuple(SECTIONS)))
        elif isinstance(field.value, ListNode):
            yield from _read_section(section, field.value, mistakes)
        elif isinstance(field.value, MapNode):
            mistakes.add((section,), "must be a list: write each entry as `- id: ...`")
        elif not field.value.is_null:
            mistakes.add((section,), "must be a list of entries, or [] if there are none")


def _read_section(section: str, items: ListNode, mistakes: Mistakes) -> Iterator[Entry]:
    kind = SECTIONS[section]
    first_lines: dict[str, int] = {}
    for position, item in enumerate(items.items):
        path: Path = (section, position)
        if not isinstance(item, MapNode):
            mistakes.add(path, f"must be a mapping with the fields of a {kind}")
            continue
        found = len(mistakes)
        fields = _plain_fields(item, path, mistakes)
        entry_id = fields.get("id")
        if kind == "subscription" and entry_id is None:
            entry_id = default_subscription_id(fields)
        if not isinstance(entry_id, str):
            entry_id = None
        elif entry_id in first_lines:
            own = "" if "id" in fields else "; give one of them an id of its own"
            mistakes.add(
                (*path, "id"), f"{entry_id!r} is the {kind} on line {first_lines[entry_id]}, too{own}"
            )
        else:
            first_lines[entry_id] = item.line
        resource = None
        try:
            resource = read_resource(kind, fields)
        except ResourceError as error:
            for problem in error.problems:
                mistakes.add((*path, *problem.path), problem.message)
        yield Entry(kind, entry_id, path, item.line, fields, resource if len(mistakes) == found else None)


def _plain_fields(node: MapNode, path: Path, mistakes: Mistakes) -> dict[str, object]:
    _report_repeated(node, path, mistakes)
    return {name: _plain(field.value, (*path, name), mistakes) for name, field in node.fields.items()}


def _plain(node: Node, path: Path, mistakes: Mistakes) -> object:
    """Text, None for null, a list, or a dict."""
    if isinstance(node, MapNode):
        return _plain_fields(node, path, mistakes)
    if isinstance(node, ListNode):
        return [_plain(item, (*path, position), mistakes) for position, item in enumerate(node.items)]
    return _plain_text(node, path, mistakes)


def _plain_text(node: TextNode, path: Path, mistakes: Mistakes) -> str | None:
    if node.is_empty:
        mistakes.add(path, "has no value: write one, or remove the field")
    return None if node.is_null else node.text


def _report_repeated(node: MapNode, path: Path, mistakes: Mistakes) -> None:
    for name, line in node.repeated:
        first = node.fields[name].line
        mistakes.add((*path, name), f"is given twice, first on line {first}", line=line)
