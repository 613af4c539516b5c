"""The spool and its disk: damage, no room, flushes that fail, and an outage that costs no memory."""

import logging
import os
import subprocess
import sys
import threading
import time

import pytest
from grpc import StatusCode

from meterline import Client, Delivery, SpoolError
from tests.support.client.killed_recorder import record_and_die
from tests.support.client.scripted_engine import answer_when, refuse


def files(spool):
    return sorted(path.name for path in spool.iterdir() if path.name != "lock")


def test_damage_is_skipped_and_told_and_the_rest_is_sent(engine, connect, spool, caplog):
    """A byte in the middle and a cut tail: 20 events, two damaged, 18 stored."""
    engine.stop()
    ids = record_and_die(engine.target, spool, 20)
    [segment] = spool.glob("*.events")
    data = bytearray(segment.read_bytes())
    at = data.index(ids[7].encode())
    data[at] ^= 0xFF
    segment.write_bytes(data[:-3])
    engine.start()
    with caplog.at_level(logging.WARNING, "meterline"):
        client = connect(spool=spool)
    warnings = [
        record.getMessage() for record in caplog.records if "is damaged from byte" in record.getMessage()
    ]
    assert len(warnings) == 2
    assert str(segment) in warnings[0]
    assert client.flush(60) == Delivery(accepted=18)
    assert sorted(engine.stored) == sorted(set(ids) - {ids[7], ids[19]})


@pytest.mark.parametrize("damage", ["header", "emptied", "foreign"])
def test_no_damage_keeps_a_client_from_starting(engine, connect, spool, damage):
    """Without its header the events are found; an empty file and a foreign one are passed over."""
    engine.stop()
    ids = record_and_die(engine.target, spool, 5)
    [segment] = spool.glob("*.events")
    data = segment.read_bytes()
    segment.write_bytes({"header": b"\0" * 24 + data[24:], "emptied": b"", "foreign": b"noise " * 99}[damage])
    (spool / "notes.txt").write_text("not ours")
    engine.start()
    client = connect(spool=spool)
    client.record("acme", "llm.completion")
    assert client.flush(60) == Delivery(accepted=6 if damage == "header" else 1)
    assert set(engine.stored) >= (set(ids) if damage == "header" else set())
    client.close()
    assert files(spool) == ["notes.txt"]


def test_events_that_disappear_from_the_disk_are_counted_as_failed(engine, connect, spool, caplog):
    """Somebody removes the file under the running client: it says so, and goes on."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))
    client = connect(spool=spool, requests_in_flight_max=1, batch_events_max=5)
    for _ in range(15):
        client.record("acme", "llm.completion")
    deadline_s = time.monotonic() + 60
    while not engine.requests and time.monotonic() < deadline_s:
        time.sleep(0.01)
    for segment in spool.glob("*.events"):
        segment.unlink()
    gate.set()
    assert client.flush(60) == Delivery(accepted=5, failed=10)
    assert "was removed by someone: its events are lost" in caplog.text


DISK_ENDS = """
import resource, sys
from meterline import Client, SpoolError

client = Client(sys.argv[1], spool=sys.argv[2], close_timeout_s=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
recorded = []
for number in range(200):
    try:
        recorded.append(client.record("acme", "llm.completion", {"number": number}))
    except SpoolError as error:
        print(error, file=sys.stderr)
        break
if sys.argv[3] == "goes on":
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    recorded.append(client.record("acme", "llm.completion", {"number": "after"}))
print(*recorded, flush=True)
import os; os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("then", ["goes on", "dies"])
def test_a_disk_without_room_is_an_error_of_record_and_nothing_is_half_recorded(
    engine, connect, spool, caplog, then
):
    """A write that the system cuts short is taken back: what `record` returned is there, and no damage is."""
    engine.stop()
    ran = subprocess.run(
        [sys.executable, "-c", DISK_ENDS, engine.target, str(spool), then],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "could not be written, the event is not recorded: File too large" in ran.stderr
    ids = ran.stdout.split()
    assert 10 < len(ids) < 100
    engine.start()
    client = connect(spool=spool)
    assert client.flush(60) == Delivery(accepted=len(ids))
    assert sorted(engine.stored) == sorted(ids)
    assert "damaged" not in caplog.text


def test_a_directory_that_can_not_be_made_is_an_error_of_the_client(engine, tmp_path):
    """Here a file stands in its place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"the spool .*file/spool can't be opened: Not a directory"):
        Client(engine.target, spool=tmp_path / "file" / "spool")


def test_with_fsync_many_threads_share_a_flush(engine, connect, spool, monkeypatch):
    """8 threads of 25 events: all recorded, each returned after a flush that began after its write."""
    flushes = []
    real = os.fdatasync

    def counting(file):
        time.sleep(0.002)  # a disk of ordinary speed, also where the temporary directory is in memory
        flushes.append(file)
        real(file)

    monkeypatch.setattr(os, "fdatasync", counting)
    client = connect(spool=spool, spool_fsync=True)
    threads = [
        threading.Thread(target=lambda: [client.record("acme", "llm.completion") for _ in range(25)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(60) == Delivery(accepted=200)
    assert 25 <= len(flushes) < 150


def test_a_flush_to_the_disk_that_fails_is_an_error_of_record(engine, connect, spool, monkeypatch):
    """The event is not recorded, also not for the next start; the next one gets a file of its own."""
    engine.script.extend([refuse(StatusCode.UNAVAILABLE)] * 1_000)
    client = connect(spool=spool, spool_fsync=True)
    first = client.record("acme", "llm.completion")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda _file: os.close(-1))
        with pytest.raises(SpoolError, match="could not be written, the event is not recorded"):
            client.record("acme", "llm.completion")
    third = client.record("acme", "llm.completion")
    assert client.close(0) == Delivery(pending=2)
    engine.script.clear()
    assert connect(spool=spool).flush(60) == Delivery(accepted=2)
    assert set(engine.stored) == {first, third}


OUTAGE = """
import resource, sys, time
from meterline import Client

count = int(sys.argv[3])
client = Client(sys.argv[1], spool=sys.argv[2], close_timeout_s=0)
client.record("acme", "llm.completion", {"number": -1})

def resident_kib():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 1024

time.sleep(0.5)
before = resident_kib()
for number in range(count):
    client.record("acme", "llm.completion", {"model": "large", "number": number})
print(resident_kib() - before)
"""


@pytest.mark.parametrize("count", [150_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_an_outage_costs_disk_and_not_memory(engine, connect, spool, count):
    """The events wait on disk: the process grows by less than 8 MiB, and the next one sends them all.

    In memory 150,000 of them take 15 MiB, a million 100.
    """
    engine.stop()
    ran = subprocess.run(
        [sys.executable, "-c", OUTAGE, engine.target, str(spool), str(count)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    grown_kib = int(ran.stdout)
    print(f"{count:,} events spooled, resident memory grew by {grown_kib:,} KiB")
    assert grown_kib < 8 * 1_024
    engine.start()
    client = connect(spool=spool)
    assert client.delivery().pending + client.delivery().accepted == count + 1
    assert client.flush(150) == Delivery(accepted=count + 1)
    assert len(engine.stored) == count + 1
