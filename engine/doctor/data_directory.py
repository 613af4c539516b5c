"""The data directory: there, ours, of a form that this version reads, writable, with room."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.cluster.data_directory import DataDirectory, check_data_directory, process_inside, secrets_in
from engine.doctor.clocks import order_finding
from engine.doctor.finding import Finding, ok, warning, wrong
from engine.doctor.secret_files import check_secret_file
from engine.whole_files import try_to_write
from ingest import CEILING_STEP_US

_ABOUT: Final = "data directory"
# Merges of ClickHouse need as much as the parts that they merge.
_FREE_PERCENT_MIN: Final = 10


def check_directory(path: Path, usage_store: str, catalog_store: str) -> Iterator[Finding]:
    """Raises StartupError for one that an engine would refuse."""
    form = check_data_directory(path, usage_store, catalog_store)
    if form is None:
        yield warning(
            _ABOUT, f"{path}: no engine has ever finished a start there", "start one, and see its log"
        )
    else:
        yield ok(_ABOUT, f"{path}: is ours, format {form}")
    process = process_inside(path)
    yield ok(_ABOUT, f"{path}: is open in process {process}" if process else f"{path}: no engine has it open")
    yield _writable(path)
    yield room(path)
    for each in secrets_in(path):
        yield from check_secret_file(each)


def check_order(path: Path, now_us: int) -> Iterator[Finding]:
    """Of embedded usage, whether an engine has it open or not. Raises StartupError for a file that can't be read."""
    ceiling_us = DataDirectory(path).watermark_ceiling_us()
    if ceiling_us:
        yield order_finding(str(path), ceiling_us - CEILING_STEP_US, now_us)


def is_ours_to_open(path: Path) -> bool:
    """Whether this process is the user that the directory belongs to: another one would leave files of its own."""
    return path.stat().st_uid == os.geteuid()


def _writable(path: Path) -> Finding:
    try:
        try_to_write(path)
    except OSError as error:
        return wrong(
            _ABOUT,
            f"{path}: can't be written: {error.strerror}",
            "run this as the engine's user; see its disk",
        )
    if not is_ours_to_open(path):
        return warning(
            _ABOUT,
            f"{path}: belongs to user {path.stat().st_uid}, and this is user {os.geteuid()}",
            "run doctor, and the engine, as that user",
        )
    return ok(_ABOUT, f"{path}: can be written")


def room(path: Path) -> Finding:
    usage = shutil.disk_usage(path)
    return room_finding(str(path), usage.free, usage.total)


def room_finding(shown: str, free_bytes: int, total_bytes: int) -> Finding:
    """Of the disk below a directory."""
    percent = free_bytes * 100 // total_bytes if total_bytes else 0
    what = f"{shown}: {percent}% of the disk is free, {free_bytes // 2**20:,} MiB"
    if percent < _FREE_PERCENT_MIN:
        return warning("disk", what, "make room, or have old events expire: meterline expire")
    return ok("disk", what)
