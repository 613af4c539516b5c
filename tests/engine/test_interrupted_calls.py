"""Calls that end before their answer, and answers that are asked for again and again: counted once, always."""

import threading
import time

import grpc
import pytest

from meterline.v1.usage_pb2 import (
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    RecordUsageRequest,
    StreamUsageRequest,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.http2_peer import Peer
from tests.support.engine.ledger import event, kept_ledger, watched_memory

STREAM = "/meterline.v1.UsageService/StreamUsage"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with kept_ledger(tmp_path_factory.mktemp("interrupted") / "data") as world:
        yield world


def test_a_deadline_in_the_middle_of_an_insert_loses_and_doubles_nothing(world):
    """Deadlines of 1 to 30 ms: whatever became of a call, its retry is answered, and each event counts once."""
    _, channel, ledger = world
    stub = UsageServiceStub(channel)
    expired = 0
    for number in range(60):
        events = [event(f"deadline-{number}-{i}") for i in range(50)]
        rows = ledger.sending(events)
        call = stub.RecordUsage.future(RecordUsageRequest(events=events), timeout=0.001 + number % 30 / 1_000)
        if call.code() is grpc.StatusCode.OK:
            ledger.answered(rows, call.result().verdicts)
        else:
            assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            expired += 1
        verdicts = set(ledger.record(*events).verdicts)
        assert len(verdicts) == 1
        assert verdicts <= {VERDICT_ACCEPTED, VERDICT_DUPLICATE}
    print(f"{expired} of 60 deadlines passed before the answer")
    assert expired > 0


def test_an_insert_whose_caller_has_gone_completes(world):
    """Sent and cancelled at once: what the engine took is stored, and its retry is a duplicate."""
    engine, _, ledger = world
    events = [event(f"gone-{i}") for i in range(2_000)]
    ledger.sending(events)
    data = RecordUsageRequest(events=events).SerializeToString()
    for _ in range(20):
        with Peer(engine.target) as peer:
            call = peer.open()
            peer.send_in_windows(call, data)
            time.sleep(0.02)
            peer.reset(call)
    answer = ledger.record(*events)
    assert list(answer.verdicts) == [VERDICT_DUPLICATE] * 2_000


def test_cancelled_streams_count_nothing_twice(world):
    """Thirty streams, each cancelled after its first acknowledgement with more under way; all is sent again."""
    engine, channel, ledger = world
    stub = UsageServiceStub(channel)
    with watched_memory(engine, "cancelled streams", 150):
        for number in range(30):
            batches = [[event(f"cancel-{number}-{b}-{i}") for i in range(20)] for b in range(10)]
            rows = [ledger.sending(batch) for batch in batches]
            requests = (StreamUsageRequest(sequence=b, events=batch) for b, batch in enumerate(batches))
            stream = stub.StreamUsage(requests, timeout=60)
            ack = next(stream)
            ledger.answered(rows[ack.sequence], ack.verdicts)
            stream.cancel()
            for batch in batches:
                ledger.record(*batch)


def test_a_retry_storm_through_one_gateway_is_counted_once(world):
    """The same ten batches, a hundred times each, thirty-two at once: one acceptance an event, the rest duplicates."""
    engine, channel, ledger = world
    stub = UsageServiceStub(channel)
    batches = [[event(f"storm-{b}-{i}") for i in range(100)] for b in range(10)]
    rows = [ledger.sending(batch) for batch in batches]
    turns = iter([b for _ in range(100) for b in range(10)])
    accepted, lock = [0] * 10, threading.Lock()
    failures = []

    def storm():
        while True:
            with lock:
                b = next(turns, None)
            if b is None:
                return
            try:
                answer = stub.RecordUsage(RecordUsageRequest(events=batches[b]), timeout=60)
            except grpc.RpcError as error:
                failures.append(error)
                return
            with lock:
                ledger.answered(rows[b], answer.verdicts)
                accepted[b] += sum(verdict == VERDICT_ACCEPTED for verdict in answer.verdicts)

    with watched_memory(engine, "a retry storm", 200):
        threads = [threading.Thread(target=storm) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert accepted == [100] * 10


def test_a_slow_stream_is_acknowledged_batch_by_batch(world):
    """A message every half second, each answered before the next is sent."""
    _, channel, ledger = world
    acknowledged = threading.Semaphore(0)

    def slowly():
        for number in range(5):
            ledger.sending([event(f"slow-{number}")])
            yield StreamUsageRequest(sequence=number, events=[event(f"slow-{number}")])
            time.sleep(0.5)
            assert acknowledged.acquire(timeout=60)

    for number, ack in enumerate(UsageServiceStub(channel).StreamUsage(slowly(), timeout=60)):
        assert (ack.sequence, list(ack.verdicts)) == (number, [VERDICT_ACCEPTED])
        ledger.answered(ledger.judged(_bytes(number)), ack.verdicts)
        acknowledged.release()


def _bytes(number):
    return RecordUsageRequest(events=[event(f"slow-{number}")]).SerializeToString()


def test_a_client_that_reads_no_acknowledgements_holds_little_and_nobody_up(world):
    """Sixteen streams that send as fast as they may and read nothing: the engine stops to read from them, and
    serves others. Its memory stays.
    """
    engine, _, ledger = world
    batch = [event(f"deaf-{i}") for i in range(1_000)]
    ledger.sending(batch)
    data = StreamUsageRequest(sequence=1, events=batch).SerializeToString()
    peers = [Peer(engine.target, window=0) for _ in range(16)]
    with watched_memory(engine, "deaf streams", 600):
        threads = [threading.Thread(target=_flood, args=(peer, data), daemon=True) for peer in peers]
        for thread in threads:
            thread.start()
        time.sleep(2)
        for number in range(10):
            assert list(ledger.record(event(f"beside-{number}"), timeout=60).verdicts) == [VERDICT_ACCEPTED]
        for peer in peers:
            peer.socket.close()
        for thread in threads:
            thread.join(30)


def _flood(peer, data):
    """Until the engine grants no more room, or the connection is closed."""
    call = peer.open(STREAM)
    try:
        for _ in range(40):
            peer.send_in_windows(call, data, end=False)
    except (OSError, ValueError):
        return
