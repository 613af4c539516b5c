"""Why events were not stored, written down beside their way: bounded in rows, in time and in memory, for several gateways."""

import contextlib
import itertools
import random

import pyarrow as pa
import pytest

from engine.errors import StoreUnavailableError
from engine.metrics import REGISTRY
from engine.usage.query.problem_list import ProblemChoice, count_problems, list_problems
from engine.usage.recording.problem_log import ProblemLog, SentRequest
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.tables.problem_schema import HOUR_US, LOGGED_AN_HOUR_MAX
from engine.usage.store.usage_store import UsageStore
from ingest import Limits, Problem, Reason, RequestKind
from meterline.v1.usage_pb2 import RecordUsageRequest, UsageEvent
from tests.support.ingest.arrow_streams import batch_of, stream_of
from tests.support.ingest.arrow_streams import request_of as arrow_request_of
from tests.support.usage.clickhouse_process import ClickHouseProcess

# A whole hour, so that a test has all of it.
NOW_US = 1_800_000_000_000_000 // HOUR_US * HOUR_US
TYPE = Problem("event_type", Reason.UNKNOWN_EVENT_TYPE, "")
OLD = Problem("event_time", Reason.TOO_OLD, "")


class Gateway:
    """A log whose thread is the test."""

    def __init__(self, store, now_us=NOW_US, seed=0):
        self.now_us = now_us
        dice = random.Random(seed)
        self.log = ProblemLog(store, Limits(), lambda: self.now_us, dice.getrandbits)

    def offer(self, tenant, *problems, events=None, **fields):
        """A request with as many events as problems, one of each, or as many as are said."""
        request = request_of(tenant, events or len(problems), **fields)
        self.log.offer(request, list(enumerate(problems)))

    def write(self):
        return self.log.worker.turn()


def request_of(tenant, events, **fields):
    made = [
        UsageEvent(
            event_id=f"e{number}",
            event_type="call",
            customer_id="acme",
            event_time={"seconds": 1_000 + number},
        )
        for number in range(events)
    ]
    for each in made:
        for name, value in fields.items():
            setattr(each, name, value)
    data = RecordUsageRequest(events=made).SerializeToString()
    return SentRequest(tenant=tenant, credential="key:k1", kind=RequestKind.RECORD, data=data)


def rows_of(store, tenant, rows_max=10_000, **fields):
    return list_problems(store, choice_of(tenant, **fields), None, rows_max)


def counts_of(store, tenant, **fields):
    found = count_problems(store, choice_of(tenant, **fields))
    return {Reason(each.reason): (each.problems, each.logged) for each in found}


def choice_of(tenant, start_us=NOW_US, end_us=NOW_US + HOUR_US, **fields):
    return ProblemChoice(tenant=tenant, start_us=start_us, end_us=end_us, **fields)


def metric(name):
    return REGISTRY.get_sample_value(name) or 0


def test_a_problem_says_whose_event_what_and_by_which_key(shared_store):
    """Of the event at its place in the request; one row for each thing that is wrong; never its properties."""
    gateway = Gateway(shared_store)
    request = request_of("who", 3)
    gateway.log.offer(request, [(1, TYPE), (1, OLD), (2, Problem("event_id", Reason.ID_REUSED, "secret"))])
    assert rows_of(shared_store, "who") == []
    assert gateway.write()
    found = rows_of(shared_store, "who")
    assert sorted((each.event_id, each.field, each.reason, each.verdict) for each in found) == [
        ("e1", "event_time", Reason.TOO_OLD, 4),
        ("e1", "event_type", Reason.UNKNOWN_EVENT_TYPE, 4),
        ("e2", "event_id", Reason.ID_REUSED, 3),
    ]
    assert {(each.event_type, each.customer_id, each.credential) for each in found} == {
        ("call", "acme", "key:k1")
    }
    assert {each.event_time_us for each in found} == {1_001_000_000, 1_002_000_000}
    assert {each.place.received_us for each in found} == {NOW_US}
    assert counts_of(shared_store, "who") == {
        Reason.UNKNOWN_EVENT_TYPE: (1, 1),
        Reason.TOO_OLD: (1, 1),
        Reason.ID_REUSED: (1, 1),
    }


def test_what_a_producer_sent_is_cut_off(shared_store):
    """A megabyte of an id is no row of a megabyte; what is missing is empty."""
    gateway = Gateway(shared_store)
    gateway.offer(
        "cut", Problem("properties." + "k" * 10_000, Reason.TOO_LONG, ""), event_id="\N{ROCKET}" * 100_000
    )
    gateway.offer("cut", Problem("event_id", Reason.MISSING, ""), event_id="", customer_id="")
    gateway.write()
    lengths = {
        (each.event_id[:1], len(each.event_id), len(each.field)) for each in rows_of(shared_store, "cut")
    }
    assert lengths == {("\N{ROCKET}", 129, 161), ("", 0, 8)}


def test_a_request_in_columns_is_read_again_as_well(shared_store):
    """Also of an event whose id or time is a null."""
    ids = pa.array(["a", None, "c"], pa.string())
    times = pa.array([NOW_US, None, NOW_US + 1], pa.timestamp("us", "UTC"))
    data = arrow_request_of(stream_of(batch_of(3, event_id=ids, event_time=times)))
    gateway = Gateway(shared_store)
    request = SentRequest(tenant="columns", credential="key:k1", kind=RequestKind.COLUMNS, data=data)
    gateway.log.offer(request, [(1, Problem("event_id", Reason.MISSING, "")), (2, TYPE)])
    gateway.write()
    found = {(each.event_id, each.event_time_us) for each in rows_of(shared_store, "columns")}
    assert found == {("", None), ("c", NOW_US + 1)}


def test_a_flood_of_one_reason_hides_no_other(shared_store):
    """Of each reason so many rows an hour, and all of them counted; the next hour has rows again."""
    gateway, flood = Gateway(shared_store), 40
    for _ in range(flood):
        gateway.offer("flood", *[TYPE] * 100)
    gateway.write()
    gateway.offer("flood", *[TYPE] * 1_000)
    gateway.offer("flood", OLD, events=1)
    gateway.write()
    assert counts_of(shared_store, "flood") == {
        Reason.UNKNOWN_EVENT_TYPE: (flood * 100 + 1_000, LOGGED_AN_HOUR_MAX),
        Reason.TOO_OLD: (1, 1),
    }
    assert len(rows_of(shared_store, "flood")) == LOGGED_AN_HOUR_MAX + 1
    assert len(rows_of(shared_store, "flood", reasons=[Reason.TOO_OLD])) == 1
    gateway.now_us += HOUR_US
    gateway.offer("flood", TYPE)
    gateway.write()
    assert len(rows_of(shared_store, "flood", start_us=NOW_US + HOUR_US, end_us=NOW_US + 2 * HOUR_US)) == 1


def test_once_an_hour_is_full_requests_are_counted_and_not_kept(shared_store):
    """No bytes wait of a flood whose rows are written; others' do."""
    gateway = Gateway(shared_store)
    gateway.offer("full", *[TYPE] * LOGGED_AN_HOUR_MAX)
    gateway.write()
    for _ in range(100):
        gateway.offer("full", *[TYPE] * 100)
    assert gateway.log.worker.waiting_bytes == 0
    gateway.offer("full", OLD)
    assert gateway.log.worker.waiting_bytes > 0
    while gateway.write():
        pass
    assert counts_of(shared_store, "full")[Reason.UNKNOWN_EVENT_TYPE] == (
        10_000 + LOGGED_AN_HOUR_MAX,
        LOGGED_AN_HOUR_MAX,
    )


def test_gateways_share_the_bound_and_a_restart_keeps_it(shared_store):
    """A second one, and one that starts anew, ask the store how many rows there are."""
    for seed in range(3):
        gateway = Gateway(shared_store, seed=seed)
        gateway.offer("shared", *[TYPE] * (LOGGED_AN_HOUR_MAX // 2 + 10))
        gateway.write()
    assert counts_of(shared_store, "shared") == {
        Reason.UNKNOWN_EVENT_TYPE: (3 * (LOGGED_AN_HOUR_MAX // 2 + 10), LOGGED_AN_HOUR_MAX)
    }
    assert len(rows_of(shared_store, "shared")) == LOGGED_AN_HOUR_MAX


def test_the_line_is_bounded_and_what_does_not_fit_is_counted(shared_store):
    """Requests of a megabyte: some wait, the others are counted alone."""
    gateway = Gateway(shared_store)
    for _ in range(40):
        gateway.offer("line", TYPE, event_id="x" * 1_000_000)
    assert 0 < gateway.log.worker.waiting_bytes <= 16 * 1024 * 1024
    while gateway.write():
        pass
    problems, logged = counts_of(shared_store, "line")[Reason.UNKNOWN_EVENT_TYPE]
    assert (problems, 10 <= logged <= 16) == (40, True)


def test_a_store_that_does_not_answer_costs_the_rows_and_nothing_else():
    """Nobody hears of it but the metrics; the next ones are written again."""

    class Store:
        broken = True
        inserted = ()

        def query(self, _query):
            if self.broken:
                raise StoreUnavailableError("gone", retry_after_ms=1)
            return []

        def insert_plain(self, table, rows):
            self.inserted += ((table, len(rows)),)

    store = Store()
    gateway = Gateway(store)
    lost = metric("meterline_lost_event_problems_total")
    gateway.offer("t", TYPE, OLD)
    gateway.write()
    assert metric("meterline_lost_event_problems_total") == lost + 2
    store.broken = False
    gateway.offer("t", TYPE)
    gateway.write()
    assert store.inserted == (("problems", 1), ("problem_counts", 1))


def test_pages_go_on_where_the_one_before_ended(shared_store):
    """The newest first, each once, however many came at one moment."""
    gateway = Gateway(shared_store)
    for number in range(5):
        gateway.now_us = NOW_US + number // 2
        gateway.offer("pages", TYPE, OLD, events=2)
    gateway.write()
    every = rows_of(shared_store, "pages")
    assert len(every) == 10
    assert [each.place.received_us for each in every] == sorted(
        (each.place.received_us for each in every), reverse=True
    )
    found, place = [], None
    while page := list_problems(shared_store, choice_of("pages"), place, 3):
        found += page
        place = page[-1].place
    assert found == every
    assert rows_of(shared_store, "pages-of-another") == []
    assert len(rows_of(shared_store, "pages", customer_id="acme")) == 10
    assert rows_of(shared_store, "pages", customer_id="bolt") == []


def test_an_engine_that_stops_writes_what_waits(shared_store):
    """And takes no more, without a word."""
    gateway = Gateway(shared_store)
    gateway.log.start()
    gateway.offer("stop", TYPE)
    gateway.log.drain()
    assert len(rows_of(shared_store, "stop")) == 1
    gateway.offer("stop", TYPE)


def test_a_server_keeps_the_same(tmp_path):
    """Over HTTP, with what SQL must escape."""
    with (
        ClickHouseProcess(tmp_path / "server") as server,
        contextlib.closing(UsageStore.open_server(read_server_address(server.url()))) as store,
    ):
        gateway = Gateway(store)
        for text in ("'; --", "\\\n\t", "\N{ROCKET}"):
            gateway.offer(text, TYPE, OLD, event_id=text, customer_id=text)
        gateway.write()
        for text in ("'; --", "\\\n\t", "\N{ROCKET}"):
            assert [each.event_id for each in rows_of(store, text, customer_id=text)] == [text, text]
            assert counts_of(store, text)[Reason.TOO_OLD] == (1, 1)


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_is_a_label_of_the_metrics(shared_store, reason):
    """And no other: what a producer sends is never one."""
    gateway = Gateway(shared_store)
    label = {"reason": reason.name.lower()}
    before = REGISTRY.get_sample_value("meterline_event_problems_total", label) or 0
    gateway.offer(f"label-{next(_numbers)}", Problem("event_id", reason, ""))
    assert REGISTRY.get_sample_value("meterline_event_problems_total", label) == before + 1


_numbers = itertools.count()
