"""`meterline backup`: made at a running engine, checked and restored without one."""

import shlex
from pathlib import Path

import click

from engine.api.message_json import message_line
from engine.cli.configuration.configuration_options import configured
from engine.cli.terminal.connection import connected
from engine.cli.terminal.files import FileType
from engine.cli.terminal.options import TextType, json_option, target_option
from engine.cli.terminal.text import counted, instant
from engine.configuration.effective import Effective
from engine.times import rfc3339_us
from meterline.v1.backup_pb2 import CreateBackupRequest
from meterline.v1.backup_pb2_grpc import BackupServiceStub

# All events are read three times: about an hour for some hundred million.
_TIMEOUT_S = 24 * 3_600
_KIB, _MIB = 1024, 1024 * 1024
# What of a configuration says where the stores are.
_PLACES = ("data", "usage_store", "usage_store_file", "catalog_store", "catalog_store_file")
_backup_argument = click.argument("backup_directory", type=FileType(path_type=Path), metavar="BACKUP")


@click.group()
def backup() -> None:
    """Make, check and restore backups of usage, catalog, tenants and API keys, to one point.

    \b
    meterline serve --backup-directory /backups
    meterline backup create 2026-11-29
    meterline backup verify /backups/2026-11-29
    meterline backup restore /backups/2026-11-29 --data restored
    """  # noqa: D301 - click itself reads the mark


@backup.command()
@click.argument("name", type=TextType("the name"), metavar="NAME")
@json_option
@target_option
def create(name: str, *, as_json: bool, target: str) -> None:
    """Make a backup at the engine, in its --backup-directory, while events stream in; needs the scope operate.

    Everything that was acknowledged before is in it. Copy it elsewhere: a disk that fails takes it along.
    """
    with connected(target) as channel:
        made = BackupServiceStub(channel).CreateBackup(CreateBackupRequest(name=name), timeout=_TIMEOUT_S)
    if as_json:
        click.echo(message_line(made))
        return
    click.echo(
        f"{made.path}: {counted(made.event_count, 'event')} up to {instant(made.watermark)}, "
        f"{_size(made.size_bytes)}"
    )


@backup.command()
@_backup_argument
def verify(backup_directory: Path) -> None:
    """Read every file of a backup and compare it with its digest; needs no engine."""
    from engine.app.offline.restoring import verify_backup  # noqa: PLC0415 - the heavy parts load for this command only

    manifest = verify_backup(backup_directory)
    click.echo(
        f"{backup_directory}: is whole: {counted(len(manifest.files), 'file')}, "
        f"{_size(manifest.size_bytes)}, up to {rfc3339_us(manifest.watermark_us)}, "
        f"made by Meterline {manifest.made_by}"
    )


@backup.command()
@_backup_argument
@click.option(
    "--webhooks-disabled",
    is_flag=True,
    help="Disable every webhook endpoint in what is restored: for a copy beside the engine that was backed up.",
)
@configured(*_PLACES)
def restore(effective: Effective, *, backup_directory: Path, webhooks_disabled: bool) -> None:
    """Restore a backup to new stores, of any kind; needs no engine, and none may run on them meanwhile.

    Every file is checked before, and every table of events and rollups afterwards. What breaks off leaves stores that
    no engine takes for whole. API keys work as before; the first key's file is not part of a backup. An engine that starts
    on them posts the webhooks that are due, unless --webhooks-disabled; `meterline webhooks update ID --active` lets one go on.

    \b
    meterline backup restore /backups/2026-11-29 --data restored --webhooks-disabled
    """  # noqa: D301 - click itself reads the mark
    from engine.app.offline.restoring import restore_backup  # noqa: PLC0415 - as above

    configuration = effective.configuration
    stores = (configuration.usage_server(), configuration.catalog_database())
    manifest = restore_backup(
        backup_directory, configuration.data, stores, click.echo, webhooks_disabled=webhooks_disabled
    )
    click.echo(
        f"restored: everything up to {rfc3339_us(manifest.watermark_us)}; start with "
        f"{_start_with(effective, all_elsewhere=all(stores))} and the settings that the engine had besides"
    )


def _start_with(effective: Effective, *, all_elsewhere: bool) -> str:
    """The command that finds the stores again. A URL that a variable has may hold a password: it is named, and not shown."""
    words, variables = ["meterline serve"], []
    for each in effective.values():
        if each.name not in _PLACES or each.value is None or (each.name == "data" and all_elsewhere):
            continue
        if each.source.startswith("METERLINE_"):
            variables.append(each.source)
        else:
            words.append(f"--{each.name.replace('_', '-')} {shlex.quote(str(each.value))}")
    kept = f", {' and '.join(variables)} as now" if variables else ""
    return " ".join(words) + kept


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:,.1f} MiB" if size_bytes >= _MIB else f"{size_bytes / _KIB:,.1f} KiB"
