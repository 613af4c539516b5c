"""Backups made under load and restored elsewhere: the same lines to the byte, and nothing acknowledged before missing."""

import dataclasses
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.backup.manifest import read_manifest
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.access_pb2 import CreateApiKeyRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.backup_pb2 import CreateBackupRequest
from meterline.v1.backup_pb2_grpc import BackupServiceStub
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.correction_pb2 import CorrectUsageRequest, Signature, UsageSelection, VoidUsage
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.events_pb2 import ListEventsRequest
from meterline.v1.events_pb2_grpc import EventServiceStub
from tests.support.command_processes import run_command
from tests.support.engine import billed_customer
from tests.support.engine.api_world import AT, JUNE_10, api_event, record
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.gateway_drive import Books, apply_catalog, channel_to

ROOT = Path(__file__).parents[2]
ANY_AGE = ("--event-age-max-days", "36525")


def _command(*arguments, check=True):
    done = run_command("backup", *arguments, timeout_s=300)
    assert not check or done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def _create(target, name):
    with channel_to(target) as channel:
        return BackupServiceStub(channel).CreateBackup(CreateBackupRequest(name=name), timeout=300)


def _lines(target, watermark):
    """The bytes of answers that don't move: of one customer with events all the time, and of one whose were corrected."""
    with channel_to(target) as channel:
        requests = [
            ListLineItemsRequest(customer_id=f"{name}_acme", at=AT, as_of=watermark)
            for name in ("load", "fixed")
        ]
        answers = [BillingServiceStub(channel).ListLineItems(each, timeout=60) for each in requests]
        return [each.SerializeToString() for each in answers]


def _event_ids(target, watermark):
    with channel_to(target) as channel:
        request = ListEventsRequest(as_of=watermark, page_size=1000)
        found = set()
        while True:
            page = EventServiceStub(channel).ListEvents(request, timeout=60)
            found |= {event.event_id for event in page.events}
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


def _void(channel, customer):
    """One of the customer's events of the second of June 10 that the selection names."""
    selection = UsageSelection(
        start=Timestamp(seconds=JUNE_10), end=Timestamp(seconds=JUNE_10, nanos=2000), customer_ids=[customer]
    )
    signature = Signature(correction_id="wrong", recorded_by="ada", reason="sent by a test system")
    request = CorrectUsageRequest(selection=selection, void=VoidUsage(), signature=signature)
    return CorrectionServiceStub(channel).CorrectUsage(request, timeout=60).correction


class Source:
    """An engine under load, a backup that was made meanwhile, and what was true at its watermark."""

    def __init__(self, directory):
        self.backups = directory / "backups"
        self.backups.mkdir()
        self.engine = EngineProcess(
            directory / "data",
            *ANY_AGE,
            "--backup-directory",
            str(self.backups),
        )
        with self.engine:
            self.books = Books("load", [self.engine.target], apply_catalog(self.engine.target, "load"))
            corrected = Books("fixed", [self.engine.target], apply_catalog(self.engine.target, "fixed"))
            moments = random.Random(1)
            with channel_to(self.engine.target) as channel:
                for _ in range(5):
                    assert corrected.send(channel, *corrected.batch(moments))
                # One of each batch.
                assert _void(channel, "fixed_acme").event_count == 5
                billed_customer.bill(channel)
                self.billed = billed_customer.answers(channel)
                self.key_text = (
                    AccessServiceStub(channel)
                    .CreateApiKey(
                        CreateApiKeyRequest(name="chat", scopes=["SCOPE_READ", "SCOPE_BILL"]), timeout=120
                    )
                    .key_text
                )
            self.books.run(seconds=0.5, disturb=self._back_up)
            self.watermark = self.made.watermark
            self.lines = _lines(self.engine.target, self.watermark)
            self.ids = _event_ids(self.engine.target, self.watermark)
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.engine.metrics_port}/metrics", timeout=60
            ) as answer:
                self.metrics = answer.read().decode()

    def _back_up(self):
        # However long that takes on a busy machine.
        while len(self.books.acknowledged) <= 100:
            time.sleep(0.05)
        self.acknowledged_before = set(self.books.acknowledged)
        self.made = _create(self.engine.target, "nightly")

    @property
    def backup(self):
        return self.backups / "nightly"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return Source(tmp_path_factory.mktemp("source"))


def _check_restored(source, restored):
    """The restored engine answers as the source did at the watermark, and goes on."""
    assert _lines(restored.target, source.watermark) == source.lines
    assert _event_ids(restored.target, source.watermark) == source.ids
    with channel_to(restored.target) as channel:
        assert billed_customer.answers(channel) == source.billed
    with open_channel(restored.target, api_key=source.key_text) as channel:
        request = ListLineItemsRequest(customer_id="load_acme", at=AT)
        before = BillingServiceStub(channel).ListLineItems(request, timeout=60)
        # What comes after the restore is later than anything that was handed out before.
        assert before.as_of.ToNanoseconds() >= source.watermark.ToNanoseconds()
    with channel_to(restored.target) as channel:
        response = record(channel, api_event("load", "after", tokens="1.5"))
        assert list(response.verdicts) == [1]
        after = BillingServiceStub(channel).ListLineItems(request, timeout=60)
    assert after.line_items[0].event_count == before.line_items[0].event_count + 1
    # What was at the watermark stays.
    assert _lines(restored.target, source.watermark) == source.lines


def test_a_backup_under_load_has_everything_that_was_acknowledged_before_it(source):
    """And nothing after its watermark; the producers went on meanwhile."""
    of_load = {event_id for event_id in source.ids if event_id.startswith("load-")}
    assert source.acknowledged_before <= of_load
    assert len(source.acknowledged_before) > 100
    assert len(source.books.acknowledged) > len(of_load)
    # Of 100 that were corrected, five are void; they are kept all the same.
    assert len(source.ids) - len(of_load) == 95 + len(billed_customer.EVENTS)
    assert source.made.event_count == len(source.ids) + 5
    assert source.made.path == str(source.backup)


def test_a_restored_engine_gives_the_same_lines_to_the_byte(source, tmp_path):
    """Restored to another directory; API keys, corrections and the catalog are there; and it goes on."""
    done = _command("restore", source.backup, "--data", tmp_path / "data")
    assert done.stdout.splitlines()[-1].startswith("restored: everything up to ")
    with EngineProcess(tmp_path / "data", *ANY_AGE) as restored:
        _check_restored(source, restored)
    with EngineProcess(tmp_path / "data", *ANY_AGE) as again:
        assert _lines(again.target, source.watermark) == source.lines


@pytest.mark.parametrize("words", [(), ("--webhooks-disabled",)])
def test_a_copy_posts_webhooks_unless_they_are_disabled_in_it(source, tmp_path, words):
    """Before any engine has opened it; the end names the stores that an engine needs."""
    done = _command("restore", source.backup, "--data", tmp_path / "a copy", *words)
    with closing(sqlite3.connect(tmp_path / "a copy" / "catalog.sqlite")) as catalog:
        found = catalog.execute("SELECT state, disabled_reason FROM webhook_endpoints").fetchall()
    disabled = ("disabled", "restored with --webhooks-disabled")
    assert found == [disabled if words else ("active", "")]
    assert ("webhook endpoints: 1 disabled" in done.stdout) is bool(words)
    assert (
        f"; start with meterline serve --data '{tmp_path / 'a copy'}' and the" in done.stdout.splitlines()[-1]
    )


def test_a_backup_moves_between_embedded_stores_and_servers(source, postgres_server, tmp_path):
    """To ClickHouse and PostgreSQL, and from there to a directory again: the same bytes at each."""
    with ClickHouseProcess(tmp_path / "clickhouse") as clickhouse:
        stores = (*clickhouse.option(), "--catalog-store", postgres_server.new_url())
        file = tmp_path / "postgres.url"
        file.write_text(stores[-1])
        done = _command("restore", source.backup, *stores[:-2], "--catalog-store-file", file)
        named = (
            f"meterline serve {' '.join(map(str, stores[:-2]))} --catalog-store-file {file} and the settings"
        )
        assert named in done.stdout.splitlines()[-1]
        (tmp_path / "moved").mkdir()
        moved = ("--backup-directory", str(tmp_path / "moved"))
        with EngineProcess(None, *stores, *ANY_AGE, *moved) as gateway:
            _check_restored(source, gateway)
            made = _create(gateway.target, "moved")
            lines = _lines(gateway.target, made.watermark)
        refused = _command("restore", source.backup, *stores, check=False)
        assert refused.returncode == 2
        assert "the catalog store is not empty: a backup is restored to new stores only" in refused.stderr
        # The same with a data directory beside the database: nothing is left of it.
        beside = ("--data", str(tmp_path / "beside"), "--catalog-store", stores[-1])
        assert "is not empty" in _command("restore", source.backup, *beside, check=False).stderr
        assert not list(tmp_path.glob("beside*"))
        with EngineProcess(None, *stores, *ANY_AGE) as unharmed:
            assert _lines(unharmed.target, source.watermark) == source.lines
    _command("restore", tmp_path / "moved" / "moved", "--data", tmp_path / "back")
    with EngineProcess(tmp_path / "back", *ANY_AGE) as back:
        assert _lines(back.target, made.watermark) == lines
        assert _lines(back.target, source.watermark) == source.lines


def test_a_backup_that_was_changed_or_broke_off_is_not_restored(source, tmp_path):
    """A byte, a file, the manifest: each is missed, by its name, before anything is written."""
    assert _command("verify", source.backup).stdout.startswith(f"{source.backup}: is whole: ")
    for damage, why in (
        (lambda place: _flip(next((place / "usage").glob("events-*"))), "is not what was backed up"),
        (lambda place: (place / "catalog" / "resources.ndjson.zst").unlink(), "can't be read: No such file"),
        (lambda place: (place / "manifest.json").unlink(), "is not a backup, or one that broke off"),
        (lambda place: _change_watermark(place / "manifest.json"), "was changed after the backup was made"),
    ):
        copy = tmp_path / "copy"
        shutil.copytree(source.backup, copy)
        damage(copy)
        refused = _command("restore", copy, "--data", tmp_path / "data", check=False)
        assert refused.returncode == 2
        assert why in refused.stderr
        assert not (tmp_path / "data").exists()
        shutil.rmtree(copy)


def _change_watermark(manifest):
    text = manifest.read_text()
    manifest.write_text(re.sub(r'("watermark_us": )\d', r"\g<1>9", text))


def _flip(place):
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)


def test_when_the_last_backup_was_finished_is_a_metric(source):
    """As its manifest, which is written last, says by the time of its file."""
    name = "meterline_backup_finished_timestamp_seconds"
    (told,) = [line for line in source.metrics.splitlines() if line.startswith(f"{name} ")]
    assert float(told.split()[1]) == (source.backup / "manifest.json").stat().st_mtime


def test_a_backup_is_for_its_owner_alone(source):
    """It holds usage, and the key under which API keys are hashed; no key's text."""
    files = [path for path in source.backup.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    assert source.backup.stat().st_mode & 0o077 == 0
    assert all(source.key_text.encode() not in path.read_bytes() for path in files)


def test_a_backup_is_refused_with_what_to_do(source, tmp_path):
    """A name that is there, one that leads elsewhere, an engine without a place for it."""
    with EngineProcess(tmp_path / "data", "--backup-directory", str(source.backups)) as engine:
        for name, code, why in (
            ("nightly", grpc.StatusCode.FAILED_PRECONDITION, "is there already: choose another name"),
            ("../out", grpc.StatusCode.INVALID_ARGUMENT, "name: must be 1 to 100 letters"),
            ("", grpc.StatusCode.INVALID_ARGUMENT, "name: must be 1 to 100 letters"),
        ):
            with pytest.raises(grpc.RpcError, match=why) as refused:
                _create(engine.target, name)
            assert refused.value.code() is code
    with pytest.raises(RuntimeError, match="is not there: make the directory of backups, or mount it"):
        EngineProcess(tmp_path / "unmade", "--backup-directory", str(tmp_path / "none")).start()
    # It is refused before keys and stores are made.
    assert not (tmp_path / "unmade").exists()
    with (
        EngineProcess(tmp_path / "data") as engine,
        pytest.raises(grpc.RpcError, match="no place for backups: start it with --backup-directory"),
    ):
        _create(engine.target, "nightly")


@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_an_engine_that_is_killed_during_a_backup_leaves_none_that_counts(source, tmp_path, kills):
    """Nothing has the name of a backup that is not whole; the next one is made; nothing acknowledged is lost."""
    (tmp_path / "backups").mkdir()
    engine = EngineProcess(tmp_path / "data", *ANY_AGE, "--backup-directory", str(tmp_path / "backups"))
    _command("restore", source.backup, "--data", tmp_path / "data")
    moments = random.Random()
    for kill in range(kills):
        engine.start()
        making = threading.Thread(target=_created_or_not, args=(engine.target, f"killed{kill}"))
        making.start()
        time.sleep(moments.uniform(0, 0.4))
        engine.kill()
        making.join(60)
        for made in (tmp_path / "backups").glob("killed*"):
            if not made.name.endswith(".unfinished") or (made / "manifest.json").exists():
                _command("verify", made)
    engine.start()
    made = _create(engine.target, "killed0" if not (tmp_path / "backups" / "killed0").exists() else "whole")
    assert _lines(engine.target, source.watermark) == source.lines
    engine.stop()
    _command("verify", made.path)


def _created_or_not(target, name):
    try:
        _create(target, name)
    except grpc.RpcError:
        return


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_a_restore_that_is_killed_leaves_no_store_that_an_engine_takes_for_whole(source, tmp_path, kills):
    """The directory has its name when it is whole; what is left over is named, and may go."""
    moments = random.Random()
    data, left = tmp_path / "data", tmp_path / "data.restoring"
    command = [sys.executable, "-m", "engine", "backup", "restore", str(source.backup), "--data", str(data)]
    for _ in range(kills):
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as restoring:
            time.sleep(moments.uniform(0.8, 3.5))
            restoring.send_signal(signal.SIGKILL)
            restoring.wait(30)
        if (left / "format.json").exists():
            # Killed after the last row, before the name: what says that it is whole, is.
            left.rename(data)
        if data.exists():
            break
        if left.exists():
            refused = _command("restore", source.backup, "--data", data, check=False)
            assert re.search(
                r"data\.restoring: was left by a restore that broke off: remove it", refused.stderr
            )
            shutil.rmtree(left)
    else:
        _command("restore", source.backup, "--data", data)
    with EngineProcess(data, *ANY_AGE) as restored:
        assert _lines(restored.target, source.watermark) == source.lines


def test_a_half_restored_postgresql_is_refused_by_every_engine(source, postgres_server, tmp_path):
    """It says what to do; the next restore says it too."""
    url = postgres_server.new_url()
    with ClickHouseProcess(tmp_path / "clickhouse") as clickhouse:
        stores = (*clickhouse.option(), "--catalog-store", url)
        broken = tmp_path / "broken"
        shutil.copytree(source.backup, broken)
        # The manifest fits the file, and the rows don't fit the digest: found when they are in.
        manifest = read_manifest(broken)
        usage = [
            dataclasses.replace(each, digest=each.digest and f"1{each.digest}") for each in manifest.usage
        ]
        (broken / "manifest.json").write_text(dataclasses.replace(manifest, usage=usage).text())
        refused = _command("restore", broken, *stores, check=False)
        assert "is not what was backed up; begin anew with empty stores" in refused.stderr
        with pytest.raises(RuntimeError, match="a backup is being restored there, or its restore broke off"):
            EngineProcess(None, *stores).start()
