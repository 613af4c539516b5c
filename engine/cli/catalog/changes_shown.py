"""What an apply or another write changed, for people."""

from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from engine.cli.terminal.text import instant, visible
from meterline.v1.catalog_pb2 import ApplyCatalogResponse, ResourceChange
from meterline.v1.resources_pb2 import ResourceVersion

# Beyond these the new ones are counted by kind; what changes in a document is always shown whole.
_CREATES_SHOWN_MAX = 20
_MARK = {
    ResourceChange.ACTION_CREATE: ("+", "green"),
    ResourceChange.ACTION_UPDATE: ("~", "yellow"),
    ResourceChange.ACTION_ARCHIVE: ("- (archived)", "red"),
    ResourceChange.ACTION_DELETE: ("- (deleted)", "red"),
}


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
        if change.kept_subscription_count:
            console.print(Text(f"    {_stay(change.kept_subscription_count)}"))


def _stay(count: int) -> str:
    if count == 1:
        return "1 subscription keeps the version that it has"
    return f"{count:,} subscriptions keep the versions that they have"


def show_version(version: ResourceVersion) -> None:
    """One of a resource's versions: when, by whom, and what it changed."""
    who = visible(version.changed_by) or "not kept"
    _console().print(f"{instant(version.changed_at)}  {who}  catalog revision {version.revision}")
    show_each([version.change])


def show_counts(by_kind: Counter[str], action: ResourceChange.Action) -> None:
    mark, style = _MARK[action]
    for kind, count in by_kind.items():
        _console().print(Text(f"{mark} {count} {kind}s", style=style))


def show_sum(changed: int, unchanged: int, revision: int, dry_run: bool) -> None:
    verb = "would change (dry run: nothing was applied)" if dry_run else "changed"
    _console().print(f"{changed} {verb}, {unchanged} unchanged; catalog revision {revision}")


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)
