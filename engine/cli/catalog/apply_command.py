"""`meterline apply`: the catalog as code."""

from collections import Counter
from pathlib import Path

import click
import grpc
from rich.console import Console
from rich.text import Text

from engine.cli.terminal.connection import (
    ALL_MISTAKES,
    TIMEOUT_S,
    CommandError,
    connected,
    field_violations,
)
from engine.cli.terminal.files import FileType, read_text
from engine.cli.terminal.options import target_option
from meterline.v1.catalog_pb2 import ApplyCatalogRequest, ApplyCatalogResponse, ResourceChange
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

_DOCUMENT_BYTES_MAX = 4 * 1024 * 1024 - 4096
# Beyond these the new ones are counted by kind; what changes is always shown whole.
_CREATES_SHOWN_MAX = 20
_FILE = FileType(path_type=Path, allow_dash=True)
_MARK = {ResourceChange.ACTION_CREATE: ("+", "green"), ResourceChange.ACTION_UPDATE: ("~", "yellow")}


@click.command()
@click.argument("file", type=_FILE, required=False, metavar="FILE")
@click.option("-f", "--file", "named", type=_FILE, metavar="FILE", help="The same as FILE alone.")
@click.option("--dry-run", is_flag=True, help="Show what would change; apply nothing.")
@target_option
def apply(file: Path | None, named: Path | None, dry_run: bool, target: str) -> None:
    """Apply a catalog: meters, plans with prices, customers, subscriptions.

    FILE is YAML or JSON; - is standard input. All of it or nothing. What the file doesn't mention stays as it is. Every mistake is reported as
    file:line: field: what is wrong.
    """
    path = file or named
    if path is None or (file and named):
        raise CommandError("name one catalog to apply: meterline apply FILE")
    document = read_text(path)
    if len(document.encode()) > _DOCUMENT_BYTES_MAX:
        raise CommandError(f"{path}: is larger than {_DOCUMENT_BYTES_MAX} bytes: split it into several files")
    request = ApplyCatalogRequest(document=document, file_name=str(path), dry_run=dry_run)
    with connected(target) as channel:
        try:
            response: ApplyCatalogResponse = CatalogServiceStub(channel).ApplyCatalog(
                request, timeout=TIMEOUT_S, metadata=ALL_MISTAKES
            )
        except grpc.RpcError as error:
            mistakes = field_violations(error)
            if not mistakes:
                raise
            for mistake in mistakes:
                click.echo(mistake, err=True)
            raise CommandError(f"nothing was applied: {path} has the mistakes above") from None
    _show(response, dry_run)


def _show(response: ApplyCatalogResponse, dry_run: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    creates = Counter(
        change.kind for change in response.changes if change.action == ResourceChange.ACTION_CREATE
    )
    in_short = creates.total() > _CREATES_SHOWN_MAX
    for kind, count in creates.items() if in_short else ():
        console.print(Text(f"+ {count} {kind}s", style="green"))
    for change in response.changes:
        if in_short and change.action == ResourceChange.ACTION_CREATE:
            continue
        mark, style = _MARK[change.action]
        console.print(Text(f"{mark} {change.kind} {change.id} (version {change.version})", style=style))
        for field in change.fields:
            console.print(
                Text(f"    {field.path}: {field.before or 'nothing'} -> {field.after or 'nothing'}")
            )
    verb = "would change (dry run: nothing was applied)" if dry_run else "changed"
    console.print(
        f"{len(response.changes)} {verb}, {response.unchanged_count} unchanged; catalog revision {response.revision}"
    )
