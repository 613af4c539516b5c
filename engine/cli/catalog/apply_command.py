"""`meterline apply` and `meterline diff`: the catalog as code."""

from itertools import chain, islice
from pathlib import Path

import click
import grpc

from engine.catalog.documents.pieces import SECTIONS
from engine.cli.catalog.apply_pieces import apply_pieces
from engine.cli.catalog.catalog_file import FilePiece, catalog_pieces, request_of
from engine.cli.catalog.changes_shown import show_changes
from engine.cli.catalog.effects_shown import show_effect
from engine.cli.terminal.connection import (
    ALL_MISTAKES,
    TIMEOUT_S,
    CommandError,
    connected,
    field_violations,
)
from engine.cli.terminal.files import FileType
from engine.cli.terminal.options import Decorator, target_option, together
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

_FILE = FileType(path_type=Path, allow_dash=True)


def _file_options() -> Decorator:
    return together(
        click.argument("file", type=_FILE, required=False, metavar="FILE"),
        click.option("-f", "--file", "named", type=_FILE, metavar="FILE", help="The same as FILE alone."),
        click.option(
            "--section",
            type=click.Choice(SECTIONS),
            help="What the rows of a CSV are, and lines of JSON that are definitions alone. Default: by the file's name.",
        ),
    )


@click.command()
@_file_options()
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would change, and what customers would owe then; apply nothing.",
)
@target_option
def apply(file: Path | None, named: Path | None, section: str | None, dry_run: bool, target: str) -> None:
    """Apply a catalog: meters, plans with prices, customers, subscriptions.

    FILE is YAML or JSON, lines of JSON as `meterline catalog` prints them, or a CSV of one section, as customers.csv, whose
    columns are fields (metadata.team for an entry); - is standard input. All of it or nothing,
    up to 4 MiB; a larger file goes in pieces, each of them whole or not at all, and may be applied again at any time to
    go on. So do the files of a directory, one after another. What the file doesn't mention stays as it is. Every mistake
    is reported as file:line: field: what is wrong.
    """
    _applied(_one_of(file, named), section, dry_run, target, with_effect=dry_run)


@click.command()
@_file_options()
@target_option
def diff(file: Path | None, named: Path | None, section: str | None, target: str) -> None:
    """Show what applying a catalog would change, field by field; apply nothing.

    FILE as of apply. The exit code is 0 if nothing would change, 1 if something would, and 2 for mistakes.
    """
    if _applied(_one_of(file, named), section, True, target, with_effect=False):
        click.get_current_context().exit(1)


def _one_of(file: Path | None, named: Path | None) -> Path:
    path = file or named
    if path is None or (file and named):
        raise CommandError("name one catalog to apply: meterline apply FILE")
    return path


def _applied(path: Path, section: str | None, dry_run: bool, target: str, *, with_effect: bool) -> int:
    """How many resources were changed, or would be."""
    pieces = catalog_pieces(path, section)
    with connected(target) as channel:
        first = list(islice(pieces, 2))
        if not first:
            raise CommandError(f"{path}: is empty")
        if len(first) == 1:
            return _apply_whole(channel, first[0], dry_run, with_effect=with_effect)
        return apply_pieces(channel, path, chain(first, pieces), dry_run)


def _apply_whole(channel: grpc.Channel, piece: FilePiece, dry_run: bool, *, with_effect: bool) -> int:
    request = request_of(piece, dry_run)
    request.with_effect = with_effect
    try:
        response = CatalogServiceStub(channel).ApplyCatalog(request, timeout=TIMEOUT_S, metadata=ALL_MISTAKES)
    except grpc.RpcError as error:
        mistakes = field_violations(error)
        if not mistakes:
            raise
        for mistake in mistakes:
            click.echo(mistake, err=True)
        raise CommandError(f"nothing was applied: {piece.path} has the mistakes above") from None
    show_changes(response, dry_run)
    if with_effect:
        show_effect(response.effect, "present billing periods")
    return len(response.changes)
