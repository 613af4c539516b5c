"""`meterline apply`: the catalog as code."""

from itertools import chain, islice
from pathlib import Path

import click
import grpc

from engine.catalog.documents.pieces import Piece
from engine.cli.catalog.apply_pieces import apply_pieces
from engine.cli.catalog.catalog_file import catalog_pieces, request_of
from engine.cli.catalog.changes_shown import show_changes
from engine.cli.terminal.connection import (
    ALL_MISTAKES,
    TIMEOUT_S,
    CommandError,
    connected,
    field_violations,
)
from engine.cli.terminal.files import FileType
from engine.cli.terminal.options import target_option
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

_FILE = FileType(path_type=Path, allow_dash=True)


@click.command()
@click.argument("file", type=_FILE, required=False, metavar="FILE")
@click.option("-f", "--file", "named", type=_FILE, metavar="FILE", help="The same as FILE alone.")
@click.option("--dry-run", is_flag=True, help="Show what would change; apply nothing.")
@target_option
def apply(file: Path | None, named: Path | None, dry_run: bool, target: str) -> None:
    """Apply a catalog: meters, plans with prices, customers, subscriptions.

    FILE is YAML or JSON, or lines of JSON as `meterline catalog` prints them; - is standard input. All of it or nothing,
    up to 4 MiB; a larger file goes in pieces, each of them whole or not at all, and may be applied again at any time to
    go on. What the file doesn't mention stays as it is. Every mistake is reported as file:line: field: what is wrong.
    """
    path = file or named
    if path is None or (file and named):
        raise CommandError("name one catalog to apply: meterline apply FILE")
    with catalog_pieces(path) as pieces, connected(target) as channel:
        first = list(islice(pieces, 2))
        if not first:
            raise CommandError(f"{path}: is empty")
        if len(first) == 1:
            _apply_whole(channel, path, first[0], dry_run)
        else:
            apply_pieces(channel, path, chain(first, pieces), dry_run)


def _apply_whole(channel: grpc.Channel, path: Path, piece: Piece, dry_run: bool) -> None:
    try:
        response = CatalogServiceStub(channel).ApplyCatalog(
            request_of(piece, path, dry_run), timeout=TIMEOUT_S, metadata=ALL_MISTAKES
        )
    except grpc.RpcError as error:
        mistakes = field_violations(error)
        if not mistakes:
            raise
        for mistake in mistakes:
            click.echo(mistake, err=True)
        raise CommandError(f"nothing was applied: {path} has the mistakes above") from None
    show_changes(response, dry_run)
