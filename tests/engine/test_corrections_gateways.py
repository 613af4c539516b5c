"""Corrections at two real gateways of one ClickHouse server at once, while usage comes in and lines are read."""

import contextlib
import itertools
import threading

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2 import (
    AmendUsage,
    CorrectUsageRequest,
    ListCorrectionsRequest,
    PropertyMatch,
    Signature,
    UsageSelection,
)
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from tests.support.engine.api_world import AT, CATALOG, JUNE_10, api_event, record
from tests.support.usage.clickhouse_process import ClickHouseProcess

NAME = "gateways"
EVENTS = 30


@pytest.fixture
def channels(tmp_path):
    with contextlib.ExitStack() as stack:
        clickhouse = stack.enter_context(ClickHouseProcess(tmp_path / "clickhouse"))
        opened = []
        for _ in range(2):
            options = (*clickhouse.option(), "--event-age-max-days", "36525")
            gateway = stack.enter_context(EngineProcess(tmp_path / "data", *options))
            opened.append(stack.enter_context(open_channel(gateway.target)))
        CatalogServiceStub(opened[0]).ApplyCatalog(
            ApplyCatalogRequest(document=CATALOG.replace("NAME", NAME)), timeout=120
        )
        yield opened


def _amend_all(channel, number):
    """Gives all events of the large model this many tokens; None if others keep correcting in between."""
    selection = UsageSelection(
        start=Timestamp(seconds=JUNE_10),
        end=Timestamp(seconds=JUNE_10 + 1),
        filters=[PropertyMatch(property="model", any_of=["large"])],
    )
    request = CorrectUsageRequest(
        selection=selection,
        amend=AmendUsage(set_properties={"tokens": f"{number}"}),
        signature=Signature(correction_id=f"m{number}", recorded_by="ada", reason="a race"),
    )
    try:
        return CorrectionServiceStub(channel).CorrectUsage(request, timeout=100).correction
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return None


def _lines(channel, as_of=None):
    request = ListLineItemsRequest(customer_id=f"{NAME}_acme", at=AT, as_of=as_of)
    return BillingServiceStub(channel).ListLineItems(request, timeout=60)


def _in_parallel(*works):
    failures = []

    def run(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    assert failures == []


class Race:
    """What three kinds of callers do at both gateways until the corrections are made."""

    def __init__(self, channels):
        self.channels, self.made, self.answers, self.over = channels, {}, [], threading.Event()

    def correct(self):
        _in_parallel(lambda: self._correct(0), lambda: self._correct(1))
        self.over.set()

    def _correct(self, gateway):
        for number in range(100, 103):
            # The same one at both, and one of its own.
            for each in (number, number + 10 * (gateway + 1)):
                correction = _amend_all(self.channels[gateway], each)
                if correction is not None:
                    assert self.made.setdefault(each, correction).recorded_at == correction.recorded_at

    def produce(self):
        numbers = itertools.count()
        while not self.over.is_set():
            number = next(numbers)
            record(self.channels[number % 2], api_event(NAME, f"s{number}", "1", model="small"))

    def read(self):
        while not self.over.is_set():
            self.answers += [_lines(channel) for channel in self.channels]


def test_gateways_correct_at_once_and_every_answer_stays(channels):
    """Each correction is sent to both gateways. No answer has events of two corrections, and all are given again."""
    record(channels[0], *(api_event(NAME, f"{n}", "1") for n in range(EVENTS)))
    race = Race(channels)
    _in_parallel(race.correct, race.produce, race.read)
    assert len(race.made) >= 3
    values = [_value(answer) for answer in race.answers]
    assert {1, *race.made} >= set(values)
    for answer in race.answers[:: max(1, len(values) // 10)]:
        assert [_lines(each, answer.as_of).line_items for each in channels] == [answer.line_items] * 2
    stub = CorrectionServiceStub(channels[1])
    listed = stub.ListCorrections(ListCorrectionsRequest(), timeout=60).corrections
    assert {each.signature.correction_id for each in listed} == {f"m{number}" for number in race.made}
    assert f"m{_value(_lines(channels[0]))}" == listed[0].signature.correction_id


def _value(answer):
    """The tokens of each event of the large model: one number for all of them."""
    (line,) = [each for each in answer.line_items if each.dimensions.get("model") == "large"]
    value, rest = divmod(int(line.quantity), EVENTS)
    assert (line.event_count, rest) == (EVENTS, 0)
    return value
