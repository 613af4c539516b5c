"""A disk that fills up under the usage store or under the catalog, and is cleared again."""

import contextlib
import os
import subprocess
import time

import pytest

from examples.engine_process import EngineProcess
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.gateway_drive import Books, apply_catalog

_DISK_MIB = 96
_FULL_AT_LEAST_S = 1.5
# On a machine that is busy with something else an insert may take this long to be tried.
_PATIENCE_S = 60


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m", "meterline-test", str(place)]
    try:
        done = subprocess.run(mounting, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip(f"can't mount a small disk here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], timeout=10, check=True)


def _fill_and_clear(disk, books):
    """Nothing is left, not even for who frees and takes a little, until somebody has been refused."""
    time.sleep(0.5)
    with (disk / "ballast").open("wb") as ballast:
        patient_until = time.monotonic() + _PATIENCE_S
        full_until = time.monotonic() + _FULL_AT_LEAST_S
        while time.monotonic() < full_until or not books.refusals["UNAVAILABLE"]:
            assert time.monotonic() < patient_until, "nobody was refused on a full disk"
            with contextlib.suppress(OSError):
                os.posix_fallocate(ballast.fileno(), ballast.tell(), 4096)
                ballast.seek(4096, os.SEEK_CUR)
                continue
            time.sleep(0.01)
    (disk / "ballast").unlink()


def test_a_full_disk_under_the_embedded_store_loses_and_doubles_nothing(disk):
    """Refused for now while it is full; everything goes on when there is room again."""
    with EngineProcess(disk / "data", "--event-age-max-days", "36525") as engine:
        books = Books("full", [engine.target], apply_catalog(engine.target, "full"))
        books.run(seconds=0.5, disturb=lambda: _fill_and_clear(disk, books))
        books.check_usage()
        assert books.refusals["UNAVAILABLE"] > 0


@pytest.mark.parametrize("under", ["store", "catalog"])
def test_a_full_disk_under_server_or_gateways_loses_and_doubles_nothing(disk, tmp_path, under):
    """The disk of the ClickHouse server, or the one that the gateways share."""
    clickhouse_at, data = (disk, tmp_path) if under == "store" else (tmp_path, disk)
    with (
        ClickHouseProcess(clickhouse_at / "clickhouse") as clickhouse,
        EngineProcess(data / "data", *clickhouse.option(), "--event-age-max-days", "36525") as engine,
    ):
        books = Books("full", [engine.target], apply_catalog(engine.target, "full"))
        books.run(seconds=0.5, disturb=lambda: _fill_and_clear(disk, books))
        books.check(clickhouse.url())
        assert books.refusals["UNAVAILABLE"] > 0
