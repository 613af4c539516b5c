"""Each check of a doctor on real files and certificates, well and wrong."""

import datetime as dt
import fcntl
import sqlite3
from contextlib import closing

import pytest
import trustme
from sqlalchemy import insert

from engine.api.certificates import TlsFiles
from engine.cluster.deployment import EMBEDDED
from engine.doctor.catalog_store import (
    PostgresqlFacts,
    check_catalog_file,
    check_shared_order,
    postgresql_findings,
    schema_finding,
)
from engine.doctor.clocks import ClockReading, clock_finding
from engine.doctor.data_directory import check_directory, check_order, room_finding
from engine.doctor.finding import Level, told
from engine.doctor.installation import check_installation
from engine.doctor.secret_files import check_admin_key, check_secret_file
from engine.doctor.tls_files import check_tls_files
from engine.sql.database import SchemaVersions, open_database
from engine.sql.schema import INGEST_ORDER
from tests.conftest import API_KEY

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000


def _told(check):
    return list(told("it", check))


def _worst(findings):
    levels = [each.level for each in findings]
    return max(levels, key=list(Level).index)


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, "ok"), (0o400, "ok"), (0o640, "warning"), (0o644, "wrong"), (0o602, "wrong")]
)
def test_a_secret_file_is_for_its_owner_alone(tmp_path, mode, level):
    """A group may be meant; others never are."""
    file = tmp_path / "a.key"
    file.write_text("x")
    file.chmod(mode)
    (found,) = check_secret_file(file)
    assert found.level == level
    assert (level == "ok") == (not found.todo)


def test_a_secret_file_that_is_missing_is_wrong(tmp_path):
    """It is named."""
    (found,) = check_secret_file(tmp_path / "a.key")
    assert found.level == "wrong"
    assert "a.key" in found.what


def test_a_first_key_has_to_be_an_api_key(tmp_path):
    """What is in the file is not repeated."""
    file = tmp_path / "admin.key"
    file.write_text(API_KEY)
    (well,) = _told(check_admin_key(file))
    file.write_text("hunter2")
    (bad,) = _told(check_admin_key(file))
    assert (well.level, bad.level) == ("ok", "wrong")
    assert API_KEY not in well.what
    assert "hunter2" not in bad.what


def _files(tmp_path, days, names=("meter.example", "127.0.0.1")):
    made = trustme.CA().issue_cert(
        *names, not_before=NOW - dt.timedelta(days=90), not_after=NOW + dt.timedelta(days=days)
    )
    files = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    made.cert_chain_pems[0].write_to_path(files.certificate)
    made.private_key_pem.write_to_path(files.private_key)
    return files


@pytest.mark.parametrize(("days", "level"), [(31, "ok"), (29, "warning"), (0, "wrong"), (-2, "wrong")])
def test_a_certificate_is_renewed_in_time(tmp_path, days, level):
    """A month before it expires somebody is told; its names are shown."""
    found = _told(check_tls_files(_files(tmp_path, days), NOW_US))
    assert _worst(found) == level
    assert any("meter.example, 127.0.0.1" in each.what for each in found)


def test_a_certificate_that_is_not_valid_yet_is_wrong(tmp_path):
    """Or this machine's clock is."""
    early_us = NOW_US - 100 * 86_400 * 1_000_000
    assert _worst(_told(check_tls_files(_files(tmp_path, 31), early_us))) == "wrong"


def test_a_certificate_has_to_fit_its_key(tmp_path):
    """In the middle of a rotation it does not."""
    files = _files(tmp_path, 31)
    trustme.CA().issue_cert("meter.example").private_key_pem.write_to_path(files.private_key)
    (found,) = _told(check_tls_files(files, NOW_US))
    assert found.level == "wrong"
    assert "tls.key" in found.what


@pytest.mark.parametrize(
    ("before", "theirs", "after", "level"),
    [
        (0, 500_000, 900_000, "ok"),
        (0, 1_500_000, 400_000, "warning"),
        (0, -2_000_000, 100, "warning"),
        (0, 10_500_000, 100, "wrong"),
        (0, -11_000_000, 100, "wrong"),
        # It took so long to ask that nothing is known.
        (0, 15_000_000, 20_000_000, "ok"),
    ],
)
def test_clocks_are_told_apart_as_far_as_the_way_to_them_allows(before, theirs, after, level):
    """Above a second somebody should look, above ten something is wrong."""
    assert clock_finding("it", ClockReading(before, theirs, after)).level == level


@pytest.mark.parametrize(
    ("ahead_us", "level"), [(-5, "ok"), (1_000_000, "ok"), (1_000_001, "warning"), (10_000_001, "wrong")]
)
def test_an_order_of_ingestion_that_is_ahead_of_the_clock_is_told(tmp_path, ahead_us, level):
    """Of embedded usage by the ceiling in the directory, which is a second ahead of what was handed out; of gateways by the
    row that they share. Neither has one before the first event.
    """
    url = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    with closing(open_database(url)) as database:
        assert _told(check_order(tmp_path, NOW_US)) + _told(check_shared_order(url, "it", NOW_US)) == []
        (tmp_path / "watermark").write_text(str(NOW_US + ahead_us + 1_000_000))
        with database.writing() as connection:
            connection.execute(
                insert(INGEST_ORDER).values(id=1, latest_us=NOW_US + ahead_us, stored_us=0, ceiling_us=0)
            )
    found = [*_told(check_order(tmp_path, NOW_US)), *_told(check_shared_order(url, "it", NOW_US))]
    assert [each.level for each in found] == [level, level]
    assert ("the-clock-jumped" in found[0].todo) is (level != "ok")


@pytest.mark.parametrize(("free", "level"), [(10, "ok"), (9, "warning"), (0, "warning")])
def test_a_disk_with_less_than_a_tenth_free_is_told(free, level):
    """In time to do something."""
    assert room_finding("/data", free, 100).level == level


_WELL = {"fsync": "on", "full_page_writes": "on"}


@pytest.mark.parametrize(
    ("version", "settings", "is_standby", "level"),
    [
        ("14.11", _WELL, False, "ok"),
        ("13.9", _WELL, False, "wrong"),
        ("16.2", {**_WELL, "fsync": "off"}, False, "wrong"),
        ("16.2", {**_WELL, "full_page_writes": "off"}, False, "wrong"),
        ("16.2", _WELL, True, "wrong"),
    ],
)
def test_a_postgresql_that_can_lose_commits_is_wrong(version, settings, is_standby, level):
    """As is one that is too old, or takes no writes."""
    facts = PostgresqlFacts(version, settings, is_standby, ClockReading(0, 0, 0))
    assert _worst(list(postgresql_findings(facts))) == level


@pytest.mark.parametrize(("found", "level"), [("0009", "ok"), ("0008", "warning"), (None, "wrong")])
def test_a_schema_is_compared_with_this_version_s(found, level):
    """An older one is brought up by the next start; none at all is another database."""
    assert schema_finding("db", SchemaVersions(found, "0009")).level == level


def test_a_catalog_file_is_looked_through(tmp_path):
    """SQLite itself says what is damaged."""
    file = tmp_path / "catalog.sqlite"
    url = f"sqlite:///{file}"
    open_database(url).close()
    assert {each.level for each in _told(check_catalog_file(url, "it"))} == {"ok"}
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as raw:
        raw.seek(page_bytes * 2)
        raw.write(b"\xff" * page_bytes * 3)
    assert _worst(_told(check_catalog_file(url, "it"))) == "wrong"


def test_a_directory_of_somebody_else_is_wrong(tmp_path):
    """And stays as it is."""
    (tmp_path / "thesis.tex").write_text("x")
    (found,) = _told(check_directory(tmp_path, EMBEDDED, EMBEDDED))
    assert found.level == "wrong"
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_directory_of_a_newer_version_is_wrong(tmp_path):
    """Its form is named."""
    (tmp_path / "format.json").write_text('{"format": 99}')
    (found,) = _told(check_directory(tmp_path, EMBEDDED, EMBEDDED))
    assert found.level == "wrong"
    assert "format 99" in found.what


def test_a_directory_says_which_process_has_it_open(tmp_path):
    """The lock does; it is left alone."""
    lock = tmp_path / "lock"
    lock.write_text("4711\n")
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert any(
            "process 4711" in each.what for each in _told(check_directory(tmp_path, EMBEDDED, EMBEDDED))
        )
    assert any("no engine" in each.what for each in _told(check_directory(tmp_path, EMBEDDED, EMBEDDED)))


def test_an_installation_tells_its_versions_and_what_lacks():
    """Also of the driver."""
    assert {each.level for each in check_installation()} == {"ok"}
    assert _worst(list(check_installation(["meterline", "no-such-part"]))) == "wrong"
