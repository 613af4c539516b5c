"""A catalog that is larger than a request: applied piece by piece, with its progress.

Each piece is applied whole or not at all, one after another. What an interruption, a mistake or a lost engine leaves is
what the pieces before it say; the same command goes on from there, since what is applied already changes nothing.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import grpc
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from engine.cli.catalog.catalog_file import FilePiece, request_of
from engine.cli.catalog.changes_shown import show_counts, show_each, show_sum
from engine.cli.terminal.connection import ALL_MISTAKES, CommandError, field_violations
from engine.cli.terminal.text import counted
from meterline.v1.catalog_pb2 import (
    ApplyCatalogPiecesRequest,
    ApplyCatalogRequest,
    ApplyCatalogResponse,
    ResourceChange,
)
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

# Of resources that change, so many are shown whole; the others are counted.
_UPDATES_SHOWN_MAX = 100


@dataclass(slots=True)
class _Sofar:
    """What the pieces that were answered have changed."""

    counts: dict[int, Counter[str]] = field(
        default_factory=lambda: {
            ResourceChange.ACTION_CREATE: Counter(),
            ResourceChange.ACTION_UPDATE: Counter(),
        }
    )
    updates: list[ResourceChange] = field(default_factory=list)
    unchanged: int = 0
    revision: int = 0

    @property
    def changed(self) -> int:
        return sum(each.total() for each in self.counts.values())

    def add(self, response: ApplyCatalogResponse) -> None:
        for change in response.changes:
            self.counts[change.action][change.kind] += 1
            if change.action == ResourceChange.ACTION_UPDATE and len(self.updates) < _UPDATES_SHOWN_MAX:
                self.updates.append(change)
        self.unchanged += response.unchanged_count
        self.revision = response.revision


class _Requests:
    """The pieces as gRPC asks for them, in a thread of its own: what goes wrong there ends the stream, and is kept."""

    def __init__(self, pieces: Iterable[FilePiece], dry_run: bool) -> None:
        self._pieces = pieces
        self._dry_run = dry_run
        self.sent: deque[FilePiece] = deque()
        self.failure: CommandError | None = None

    def __iter__(self) -> Iterator[ApplyCatalogRequest]:
        try:
            for piece in self._pieces:
                self.sent.append(piece)
                yield request_of(piece, self._dry_run)
        except CommandError as error:
            self.failure = error


def apply_pieces(channel: grpc.Channel, path: Path, pieces: Iterable[FilePiece], dry_run: bool) -> int:
    """Applies the pieces in order, and shows what they changed together: so many resources.

    Raises:
        CommandError: a piece has mistakes, or can't be read; the ones before it stay applied.
        grpc.RpcError: the engine is away.
    """
    sofar = _Sofar()
    requests = _Requests(pieces, dry_run)
    try:
        for response in _with_progress(CatalogServiceStub(channel), requests, sofar):
            sofar.add(response)
    except grpc.RpcError as error:
        mistakes = field_violations(error)
        for mistake in mistakes:
            click.echo(mistake, err=True)
        if mistakes:
            raise CommandError(f"{path} has the mistakes above: {_left(sofar, dry_run)}") from None
        click.echo(_left(sofar, dry_run), err=True)
        raise
    except KeyboardInterrupt:
        raise CommandError(f"interrupted: {_left(sofar, dry_run)}") from None
    if requests.failure is not None:
        raise CommandError(f"{requests.failure.message}: {_left(sofar, dry_run)}")
    show_counts(sofar.counts[ResourceChange.ACTION_CREATE], ResourceChange.ACTION_CREATE)
    if sofar.counts[ResourceChange.ACTION_UPDATE].total() > len(sofar.updates):
        show_counts(sofar.counts[ResourceChange.ACTION_UPDATE], ResourceChange.ACTION_UPDATE)
        click.echo(f"the first {len(sofar.updates)} of these:")
    show_each(sofar.updates)
    show_sum(sofar.changed, sofar.unchanged, sofar.revision, dry_run)
    return sofar.changed


def _with_progress(
    stub: CatalogServiceStub, requests: _Requests, sofar: _Sofar
) -> Iterator[ApplyCatalogResponse]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[done]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("apply", total=None, done="the first piece")
        pieces = (ApplyCatalogPiecesRequest(piece=request) for request in requests)
        for response in stub.ApplyCatalogPieces(pieces, metadata=ALL_MISTAKES):
            yield response.piece
            path, piece = requests.sent.popleft()
            sum_sofar = counted(sofar.changed + sofar.unchanged, "resource")
            done = f"{sum_sofar}, up to line {piece.last_line:,} of {path.name}"
            progress.update(task, done=done)


def _left(sofar: _Sofar, dry_run: bool) -> str:
    """What there is of it, and what to do."""
    if dry_run:
        return "nothing was applied (dry run)"
    if not sofar.changed + sofar.unchanged:
        return "nothing was applied; apply the file again"
    return (
        f"{counted(sofar.changed + sofar.unchanged, 'resource')} before that are applied (catalog revision "
        f"{sofar.revision}); apply the file again to go on, what is applied changes nothing"
    )
