"""What an apply changed, for people."""

from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from meterline.v1.catalog_pb2 import ApplyCatalogResponse, ResourceChange

# Beyond these the new ones are counted by kind; what changes in a document is always shown whole.
_CREATES_SHOWN_MAX = 20
_MARK = {ResourceChange.ACTION_CREATE: ("+", "green"), ResourceChange.ACTION_UPDATE: ("~", "yellow")}


def show_changes(response: ApplyCatalogResponse, dry_run: bool) -> None:
    """Of one document."""
    creates = Counter(
        change.kind for change in response.changes if change.action == ResourceChange.ACTION_CREATE
    )
    in_short = creates.total() > _CREATES_SHOWN_MAX
    if in_short:
        show_counts(creates, ResourceChange.ACTION_CREATE)
    show_each(
        change
        for change in response.changes
        if not (in_short and change.action == ResourceChange.ACTION_CREATE)
    )
    show_sum(len(response.changes), response.unchanged_count, response.revision, dry_run)


def show_each(changes: Iterable[ResourceChange]) -> None:
    console = _console()
    for change in changes:
        mark, style = _MARK[change.action]
        console.print(Text(f"{mark} {change.kind} {change.id} (version {change.version})", style=style))
        for field in change.fields:
            console.print(
                Text(f"    {field.path}: {field.before or 'nothing'} -> {field.after or 'nothing'}")
            )


def show_counts(by_kind: Counter[str], action: ResourceChange.Action) -> None:
    mark, style = _MARK[action]
    for kind, count in by_kind.items():
        _console().print(Text(f"{mark} {count} {kind}s", style=style))


def show_sum(changed: int, unchanged: int, revision: int, dry_run: bool) -> None:
    verb = "would change (dry run: nothing was applied)" if dry_run else "changed"
    _console().print(f"{changed} {verb}, {unchanged} unchanged; catalog revision {revision}")


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)
