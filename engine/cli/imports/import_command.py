"""`meterline import`: usage from files."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from engine.cli.imports import import_state
from engine.cli.imports.courier import Courier
from engine.cli.imports.file_import import FileImport
from engine.cli.imports.import_input import STANDARD_INPUT, shown
from engine.cli.imports.import_options import FORMATS, ImportOptions
from engine.cli.imports.row_times import EPOCHS_US
from engine.cli.terminal.connection import CommandError, connected
from engine.cli.terminal.credentials import key_id_for
from engine.cli.terminal.files import FileType
from engine.cli.terminal.options import PairType, ZoneType, target_option
from engine.cli.terminal.text import counted
from meterline import RetryPolicy

_STATE_SUFFIX = ".import-state.json"
_REJECTS_SUFFIX = ".rejects.ndjson"


class InterruptedImportError(CommandError):
    """Somebody pressed Ctrl-C. Exit code 130."""

    exit_code = 130


class SomeNotStoredError(click.ClickException):
    """The import came to its end, and some rows were not stored. Exit code 1."""

    exit_code = 1

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's own signature
        click.echo(f"meterline: {self.message}", err=True)


@click.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=FileType(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="What the files are. Default: by their names (.csv, .ndjson, .jsonl, .parquet; .json is CloudEvents), "
    "which may end in .gz or .zst.",
)
@click.option(
    "--event-id",
    "event_ids",
    multiple=True,
    metavar="COLUMN",
    help="The event's id; given several times, their values joined by /. Default: event_id if the file has it, "
    "otherwise made from the file's content and the row's number.",
)
@click.option("--event-type", metavar="COLUMN|=VALUE", help="Default: the column event_type.")
@click.option("--customer-id", metavar="COLUMN|=VALUE", help="Default: the column customer_id.")
@click.option("--event-time", metavar="COLUMN|=VALUE", help="Default: the column event_time.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    type=PairType("NAME=COLUMN, or NAME==VALUE for the same value in every row"),
    metavar="NAME=COLUMN|NAME==VALUE",
    help="A property; with one of them, no other column is a property. Default: all columns that are nothing else.",
)
@click.option(
    "--time-format",
    type=click.Choice(("rfc3339", *EPOCHS_US)),
    default="rfc3339",
    show_default=True,
    help="How the time is written; the others are seconds, milliseconds or microseconds since 1970.",
)
@click.option(
    "--time-zone",
    type=ZoneType(),
    metavar="ZONE",
    help="The zone of times that name none, such as Europe/Berlin.",
)
@click.option(
    "--state", type=FileType(path_type=Path), help=f"Default: FILE{_STATE_SUFFIX}; none for standard input."
)
@click.option(
    "--rejects",
    type=FileType(path_type=Path),
    help=f"Where rows go that are not stored; NDJSON, or CSV if its name ends in .csv. Default: FILE{_REJECTS_SUFFIX}.",
)
@click.option(
    "--retry-timeout-s",
    type=click.IntRange(min=0),
    default=120,
    show_default=True,
    help="How long to wait for an engine that is away, for each request.",
)
@target_option
def import_(
    paths: tuple[Path, ...],
    state: Path | None,
    rejects: Path | None,
    retry_timeout_s: int,
    target: str,
    **columns: Any,  # noqa: ANN401 - the fields of ImportOptions, each of the type of its option
) -> None:
    """Load usage from CSV, NDJSON, Parquet or CloudEvents JSON; - is standard input.

    Every row becomes an event and gets its verdict. Run the same command again after an interruption: it goes on
    where it was, and nothing counts twice. Run it again when what refused rows is mended, or import the rejects file
    with the same options: each row keeps its id. Exit codes: 0 all rows are stored; 1 some are not, see the rejects
    file; 2 it could not run to the end; 130 it was interrupted.
    """
    if len(paths) > 1 and (state or rejects):
        raise click.UsageError(
            "--state and --rejects are for one file: leave them out, or import one at a time"
        )
    options = ImportOptions(**columns)
    if STANDARD_INPUT in paths and (len(paths) > 1 or rejects is None or options.file_format is None):
        raise click.UsageError("standard input comes alone, and needs --format and --rejects")
    not_stored = 0
    with connected(target) as channel:
        for path in paths:
            if path.is_dir():
                raise CommandError(f"{path}: can't be read: Is a directory")
            courier = Courier(channel, target, RetryPolicy(timeout_s=retry_timeout_s), key_id_for(target))
            rejects_path = rejects or path.with_name(path.name + _REJECTS_SUFFIX)
            state_path = state
            if path != STANDARD_INPUT:
                state_path = state or path.with_name(path.name + _STATE_SUFFIX)
            one = FileImport(path, options, state_path, rejects_path)
            progress = _run(path, one, courier)
            bad = progress.bad_rows
            not_stored += bad
            earlier = f" ({one.rows_before:,} of them by an earlier run)" if one.rows_before else ""
            click.echo(
                f"{shown(path)}: {_summary(progress)}{earlier}" + (f"; see {rejects_path}" if bad else "")
            )
    if not_stored:
        raise SomeNotStoredError(
            f"{counted(not_stored, 'row')} not stored: the rejects file says why; run this again when that is mended"
        )


def _run(path: Path, one: FileImport, courier: Courier) -> import_state.Progress:
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(shown(path).name, total=None, rows=0)

        def report(done: int, total: int, progress: import_state.Progress) -> None:
            bar.update(task, completed=done, total=total, rows=progress.rows)

        try:
            return one.run(courier, report)
        except CommandError as error:
            raise CommandError(_stopped(path, one, error.message)) from None
        except KeyboardInterrupt:
            raise InterruptedImportError(_stopped(path, one, "interrupted")) from None


def _stopped(path: Path, one: FileImport, reason: str) -> str:
    if not one.progress.rows:
        return reason
    again = "Run the same command again to go on from there"
    if not one.is_kept:
        again = "Send the same bytes to the same command again: what is stored comes back as duplicate"
    return f"{shown(path)}: stopped after row {one.progress.rows:,}: {reason}. {again}"


def _summary(progress: import_state.Progress) -> str:
    return (
        f"{counted(progress.rows, 'row')}: {progress.accepted:,} accepted, {progress.duplicate:,} duplicate, "
        f"{progress.conflict:,} conflict, {progress.rejected:,} rejected"
    )
