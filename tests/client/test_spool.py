"""The spool: what was recorded survives the process, and is forgotten when the engine has it."""

import logging
import os
import subprocess
import sys
import threading
import time

import pytest
from grpc import StatusCode
from scripted_engine import answer_when, lose_the_ack, refuse

from meterline import BufferFullError, Client, Delivery, Event, InvalidOptionError, SpoolError, Verdict

RECORD_AND_DIE = """
import os, sys
from meterline import Client

client = Client(sys.argv[1], spool=sys.argv[2])
for number in range(int(sys.argv[3])):
    print(client.record("acme", "llm.completion", {"number": number}), flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


def files(spool):
    return sorted(path.name for path in spool.iterdir() if path.name != "lock")


def record_and_die(target, spool, count):
    """The ids that a process recorded before SIGKILL."""
    ran = subprocess.run(
        [sys.executable, "-c", RECORD_AND_DIE, target, str(spool), str(count)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == -9, ran.stderr
    return ran.stdout.split()


def test_events_of_a_killed_process_are_sent_by_the_next_one(engine, connect, spool):
    """No engine, SIGKILL: the next client on the directory sends the same ids."""
    engine.stop()
    ids = record_and_die(engine.target, spool, 25)
    assert len(ids) == 25
    engine.start()
    client = connect(spool=spool)
    assert client.flush(20) == Delivery(accepted=25)
    assert sorted(engine.stored) == sorted(ids)
    client.close()
    assert files(spool) == []


def test_the_next_process_sends_the_same_bytes(engine, connect, spool):
    """The first attempt was stored and its ack lost with the process: the second is a duplicate."""
    engine.script.extend([lose_the_ack] + [refuse(StatusCode.UNAVAILABLE)] * 1_000)
    client = connect(spool=spool)
    for number in range(10):
        client.record("acme", "llm.completion", {"number": number})
    assert client.close(0.5) == Delivery(pending=10)
    engine.script.clear()
    assert connect(spool=spool).flush(20) == Delivery(duplicate=10)
    assert len(set(engine.payloads)) == 1
    assert len(engine.stored) == 10


def test_what_has_its_verdict_is_not_sent_again(engine, connect, spool):
    """30 of 40 events are acknowledged before the end: the next start sends ten."""
    gate = threading.Event()
    client = connect(spool=spool, batch_events_max=10, requests_in_flight_max=1)
    for number in range(30):
        client.record("acme", "llm.completion", {"number": number})
    assert client.flush(20) == Delivery(accepted=30)
    engine.script.append(answer_when(gate))
    for number in range(10):
        client.record("acme", "llm.completion", {"number": number})
    assert client.close(0.2) == Delivery(accepted=30, pending=10)
    gate.set()
    requests = len(engine.requests)
    delivery = connect(spool=spool).flush(20)
    assert delivery.accepted + delivery.duplicate == 10
    assert sum(len(engine.events_of(payload)) for payload in engine.payloads[requests:]) == 10


def test_settled_segments_are_deleted_while_the_client_lives(engine, connect, spool):
    """30 MB of events pass through a spool of 8 MiB, and at the end nearly nothing is left."""
    client = connect(spool=spool, spool_bytes_max=8 * 1_048_576, block_timeout_s=60)
    for _ in range(300):
        client.record("acme", "llm.completion", {"text": "x" * 100_000})
    assert client.flush(60) == Delivery(accepted=300)
    assert sum(path.stat().st_size for path in spool.iterdir()) < 2 * 1_048_576 + 200_000
    client.close()
    assert files(spool) == []


def test_a_full_spool_follows_the_policy(engine, connect, spool):
    """It raises at once or after the timeout, names the bound, records nothing, and goes on when there is room."""
    gate = threading.Event()
    engine.script.extend([answer_when(gate)] * 2)
    client = connect(spool=spool, spool_bytes_max=1_048_576, when_full="raise", request_timeout_s=60)
    for _ in range(10):
        client.record("acme", "llm.completion", {"text": "x" * 100_000})
    with pytest.raises(
        BufferFullError, match=r"spool_bytes_max \(1,048,576\); no room after 0 s: is the engine"
    ):
        client.record("acme", "llm.completion", {"text": "x" * 100_000})
    assert client.delivery().pending == 10
    gate.set()
    assert client.flush(20) == Delivery(accepted=10)
    client.record("acme", "llm.completion", {"text": "x" * 100_000})
    assert client.flush(20) == Delivery(accepted=11)


def test_a_full_spool_blocks_until_there_is_room(engine, connect, spool):
    """The eleventh event waits for the engine, then goes through."""
    gate = threading.Event()
    engine.script.extend([answer_when(gate)] * 2)
    client = connect(spool=spool, spool_bytes_max=1_048_576, request_timeout_s=60)
    for _ in range(10):
        client.record("acme", "llm.completion", {"text": "x" * 100_000})
    threading.Timer(0.3, gate.set).start()
    started_s = time.monotonic()
    client.record("acme", "llm.completion", {"text": "x" * 100_000})
    assert 0.2 < time.monotonic() - started_s < 5
    assert client.flush(20) == Delivery(accepted=11)


def test_a_directory_has_one_holder(engine, connect, spool):
    """A second client is refused, in this process and in another; the first goes on; then the next may."""
    first = connect(spool=spool)
    with pytest.raises(SpoolError, match=r"holds the spool .*: give each a directory of its own"):
        Client(engine.target, spool=spool)
    code = "import sys; from meterline import Client; Client(sys.argv[1], spool=sys.argv[2])"
    ran = subprocess.run(
        [sys.executable, "-c", code, engine.target, str(spool)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    assert "SpoolError: another process, or another client of this one, holds the spool" in ran.stderr
    first.record("acme", "llm.completion")
    assert first.close() == Delivery(accepted=1)
    assert connect(spool=spool).delivery() == Delivery()


def test_an_engine_that_is_away_for_longer_than_the_retries_loses_nothing(engine, connect, spool, caplog):
    """With a spool no event fails: the round ends, a warning says why, and the next round brings it."""
    engine.script.extend([refuse(StatusCode.UNAVAILABLE)] * 1_000)
    problems = []
    client = connect(spool=spool, retry_timeout_s=0.2, on_problem=problems.append)
    with caplog.at_level(logging.WARNING, "meterline"):
        for number in range(10):
            client.record("acme", "llm.completion", {"number": number})
        assert client.flush(1.5) == Delivery(pending=10)
    assert problems == []
    assert "stay in the spool" in caplog.text
    assert "(unavailable)" in caplog.text
    engine.script.clear()
    assert client.flush(20) == Delivery(accepted=10)


@pytest.mark.parametrize(
    "code", [StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED, StatusCode.INTERNAL]
)
def test_a_refusal_that_is_not_about_the_event_does_not_end_it(engine, connect, spool, code):
    """A wrong key must not cost the usage of the time until somebody mends it; nor is it asked in a hot loop."""
    engine.script.extend([refuse(code)] * 3)
    problems = []
    client = connect(spool=spool, on_problem=problems.append, requests_in_flight_max=1)
    client.record("acme", "llm.completion")
    assert client.flush(20) == Delivery(accepted=1)
    assert problems == []
    times = [time_s for time_s, _ in engine.requests]
    assert len(times) == 4
    assert times[-1] - times[0] >= 2.9


def test_a_rejected_event_is_reported_and_settled(engine, connect, spool):
    """The poison is told once, its neighbours are stored, and the next start has nothing to send."""
    problems = []
    client = connect(spool=spool, on_problem=problems.append)
    client.record("acme", "llm.completion")
    poison = client.record("acme", "unknown", {"n": 1})
    client.record("acme", "llm.completion")
    assert client.flush(20) == Delivery(accepted=2, rejected=1)
    assert [(receipt.event_id, receipt.verdict) for receipt in problems] == [(poison, Verdict.REJECTED)]
    client.close()
    assert files(spool) == []


def refuse_requests_with_poison(request, context, store):
    if b"poison" in request:
        context.abort(StatusCode.INVALID_ARGUMENT, "scripted: can't be read")
    return store(request)


def test_a_request_that_can_not_be_read_is_taken_apart_until_the_guilty_event_is_alone(
    engine, connect, spool
):
    """One of eight events makes the engine refuse the whole request: the seven others are stored."""
    engine.script.extend([refuse_requests_with_poison] * 100)
    problems = []
    client = connect(spool=spool, on_problem=problems.append, batch_age_max_ms=60_000)
    for number in range(8):
        client.record("acme", "llm.completion", {"text": "poison" if number == 5 else "fine"})
    assert client.flush(20) == Delivery(accepted=7, failed=1)
    [receipt] = problems
    assert (receipt.verdict, receipt.reason) == (Verdict.FAILED, "invalid_argument")
    assert receipt.event.properties == {"text": "poison"}
    assert len(engine.requests) == 7  # 8, 4 + 4, 2 + 2, 1 + 1


def test_a_batch_that_always_fails_does_not_hold_up_the_others(engine, connect, spool):
    """One batch is refused each time: those behind it are stored meanwhile."""

    def refuse_large(request, context, store):
        if len(request) > 50_000:
            context.abort(StatusCode.RESOURCE_EXHAUSTED, "scripted: larger than max")
        return store(request)

    engine.script.extend([refuse_large] * 10_000)
    client = connect(spool=spool, retry_timeout_s=0.1, requests_in_flight_max=1, batch_events_max=1)
    client.record("acme", "llm.completion", {"text": "x" * 60_000})
    for _ in range(20):
        client.record("acme", "llm.completion")
    deadline_s = time.monotonic() + 20
    while client.delivery().accepted < 20 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert client.delivery() == Delivery(accepted=20, pending=1)


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
    assert client.flush(20) == Delivery(accepted=18)
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
    assert client.flush(20) == Delivery(accepted=6 if damage == "header" else 1)
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
    deadline_s = time.monotonic() + 10
    while not engine.requests and time.monotonic() < deadline_s:
        time.sleep(0.01)
    for segment in spool.glob("*.events"):
        segment.unlink()
    gate.set()
    assert client.flush(20) == Delivery(accepted=5, failed=10)
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
        timeout=60,
        check=False,
    )
    assert "could not be written, the event is not recorded: File too large" in ran.stderr
    ids = ran.stdout.split()
    assert 10 < len(ids) < 100
    engine.start()
    client = connect(spool=spool)
    assert client.flush(20) == Delivery(accepted=len(ids))
    assert sorted(engine.stored) == sorted(ids)
    assert "damaged" not in caplog.text


def test_a_directory_that_can_not_be_made_is_an_error_of_the_client(engine, tmp_path):
    """Here a file stands in its place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"the spool .*file/spool can't be opened: Not a directory"):
        Client(engine.target, spool=tmp_path / "file" / "spool")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"spool": 7}, "spool is 7: give the path of a directory"),
        ({"spool": ""}, "spool is '': give the path of a directory"),
        ({"spool_bytes_max": 1_000}, "spool_bytes_max is 1000: give a number from 1,048,576 to"),
        ({"spool_fsync": 1}, "spool_fsync is 1: give True or False"),
    ],
)
def test_an_option_of_the_spool_out_of_its_bounds_is_refused(keywords, message):
    """By name."""
    with pytest.raises(InvalidOptionError) as caught:
        Client(**keywords)
    assert str(caught.value).startswith(message)


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
    assert client.flush(20) == Delivery(accepted=200)
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
    assert connect(spool=spool).flush(20) == Delivery(accepted=2)
    assert set(engine.stored) == {first, third}


def test_a_batch_sent_now_passes_by_the_spool(engine, connect, spool):
    """Its receipts tell the caller what to repeat."""
    client = connect(spool=spool)
    [receipt] = client.record_batch([Event("acme", "llm.completion")])
    assert receipt.verdict is Verdict.ACCEPTED
    assert files(spool) == []


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
