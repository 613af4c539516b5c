"""Corrections over gRPC: tried, recorded, undone and listed; money follows, and old answers stay."""

import itertools

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.correction_pb2 import (
    AmendUsage,
    CorrectionKind,
    CorrectUsageRequest,
    EventRef,
    EventRefs,
    GetCorrectionRequest,
    ListCorrectionsRequest,
    PropertyMatch,
    RestoreUsage,
    Signature,
    UndoCorrectionRequest,
    UsageSelection,
    VoidUsage,
)
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent, Verdict
from tests.support.engine.api_world import AT, JUNE_10, LATE_JUNE, api_event, record, refusal, spend_of

_numbers = itertools.count(1)
DAY_S = 86_400


def signed(name, correction_id=None):
    return Signature(
        correction_id=correction_id or f"{name}-{next(_numbers)}", recorded_by="ada", reason="a test run"
    )


def refs(name, *event_ids, **fields):
    return EventRefs(events=[EventRef(event_id=f"{name}-{each}", **fields) for each in event_ids])


def june(name, **fields):
    start = Timestamp(seconds=JUNE_10 - 9 * DAY_S)
    end = Timestamp(seconds=JUNE_10 + 21 * DAY_S)
    return UsageSelection(start=start, end=end, event_type=f"{name}.call", **fields)


@pytest.fixture
def stub(channel):
    return CorrectionServiceStub(channel)


@pytest.fixture
def correct(channel, stub, name):
    """Corrects, signed unless the test signs itself or tries only; what is new is tried first, and comes as it was tried."""
    recorded = set()

    def corrected(**fields):
        if fields.get("dry_run"):
            return stub.CorrectUsage(CorrectUsageRequest(**fields), timeout=60)
        fields.setdefault("signature", signed(name))
        request = CorrectUsageRequest(**fields)
        again = request.signature.correction_id in recorded
        recorded.add(request.signature.correction_id)
        return request_tried_first(channel, stub.CorrectUsage, request, again=again)

    return corrected


@pytest.fixture
def undo(channel, stub, name):
    """Undoes, tried first; it comes as it was tried."""

    def undone(correction_id):
        request = UndoCorrectionRequest(correction_id=correction_id, signature=signed(name))
        return request_tried_first(channel, stub.UndoCorrection, request)

    return undone


def request_tried_first(channel, call, request, *, again=False):
    if again:
        return call(request, timeout=60)
    trial = type(request).FromString(request.SerializeToString())
    trial.dry_run = True
    tried = call(trial, timeout=60).effect
    answer = call(request, timeout=60)
    assert answer.correction.event_count == tried.event_count
    for change in tried.line_changes:
        now = {
            (line.subscription_id, line.price_id, tuple(sorted(line.dimensions.items()))): line
            for line in lines_of(channel, change.customer_id, change.period_start)
        }
        line = now.get((change.subscription_id, change.price_id, tuple(sorted(change.dimensions.items()))))
        found = (line.quantity, line.event_count, line.amount) if line else ("0", 0, "0.00")
        assert found == (change.quantity_after, change.event_count_after, change.amount_after), change
    return answer


def lines_of(channel, customer, at=AT):
    request = ListLineItemsRequest(customer_id=customer, at=at)
    return BillingServiceStub(channel).ListLineItems(request, timeout=120).line_items


def test_money_follows_a_void_an_amendment_and_their_undoing(channel, correct, undo, name):
    """1,200 tokens: 10 + 0.50; without 300 of them 9.00; 900 amended to 1,400: 11.00; undone: 10.50. Plus 20."""
    record(channel, api_event(name, "a", "900"), api_event(name, "b", "300"))
    before = spend_of(channel, name)
    assert before.spends[0].amount == "30.50"
    voided = correct(event_refs=refs(name, "b"), void=VoidUsage())
    assert voided.correction.kind == CorrectionKind.CORRECTION_KIND_VOID
    assert spend_of(channel, name).spends[0].amount == "29.00"
    amended = correct(event_refs=refs(name, "a"), amend=AmendUsage(set_properties={"tokens": "1400"}))
    assert spend_of(channel, name).spends[0].amount == "31.00"
    for each, amount in ((amended, "29.00"), (voided, "30.50")):
        undone = undo(each.correction.signature.correction_id)
        assert undone.correction.undoes_correction_id == each.correction.signature.correction_id
        assert spend_of(channel, name).spends[0].amount == amount
    again = spend_of(channel, name, as_of=before.as_of)
    assert again.SerializeToString(deterministic=True) == before.SerializeToString(deterministic=True)
    assert spend_of(channel, name, as_of=voided.as_of).spends[0].amount == "29.00"


def test_a_dry_run_says_what_the_correction_then_does(channel, correct, name):
    """Two customers, in periods of their own, and an event that moves from one to the other; nothing is recorded."""
    record(
        channel,
        api_event(name, "a", "900"),
        api_event(name, "b", "300", seconds=JUNE_10 + 5 * DAY_S),
        api_event(name, "c", "70", customer="bolt", seconds=JUNE_10 + 10 * DAY_S),
    )
    move = {
        "event_refs": refs(name, "c"),
        "amend": AmendUsage(customer_id=f"{name}_acme", set_properties={"tokens": "100"}),
    }
    tried = correct(dry_run=True, **move)
    assert spend_of(channel, name).spends[0].amount == "30.50"
    (total,) = tried.effect.totals
    # 20 + 10.50 and 20 + 0.70 before; 20 + 10.75 and 20 after.
    assert (total.amount_before, total.amount_after, total.currency) == ("51.20", "50.75", "USD")
    assert tried.effect.event_count == 1
    changes = {each.customer_id: each for each in tried.effect.line_changes}
    assert tried.effect.line_change_count == len(changes) == 2
    acme, bolt = changes[f"{name}_acme"], changes[f"{name}_bolt"]
    assert (acme.quantity_before, acme.quantity_after) == ("1200", "1300")
    assert (acme.amount_before, acme.amount_after) == ("10.50", "10.75")
    assert (acme.event_count_before, acme.event_count_after) == (2, 3)
    assert dict(bolt.dimensions) == {"model": "large"}
    assert (bolt.quantity_before, bolt.quantity_after, bolt.amount_after) == ("70", "0", "0.00")
    assert bolt.period_start.ToDatetime().isoformat() == "2025-06-15T00:00:00"
    moved = correct(expected_event_count=tried.effect.event_count, **move)
    assert not moved.HasField("effect")
    lines = {each.price_id: each for each in lines_of(channel, f"{name}_acme") if each.meter_id}
    assert (lines["tokens"].quantity, lines["tokens"].amount) == ("1300", "10.75")
    assert lines["tokens"].event_count == 3
    assert "0.00" in [each.amount for each in lines_of(channel, f"{name}_bolt", LATE_JUNE) if each.meter_id]


def test_a_selection_is_corrected_if_it_is_what_was_expected(channel, stub, correct, name):
    """By customer and property; an event that comes in between makes the count another, and nothing is recorded."""
    record(channel, *(api_event(name, f"{n}", "10", model="tiny" if n % 2 else "large") for n in range(6)))
    tiny = june(
        name,
        customer_ids=[f"{name}_acme"],
        filters=[PropertyMatch(property="model", any_of=["tiny", "other"])],
    )
    tried = correct(selection=tiny, void=VoidUsage(), dry_run=True)
    assert tried.effect.event_count == 3
    record(channel, api_event(name, "late", "10", model="tiny"))
    code, line, _ = refusal(lambda: correct(selection=tiny, void=VoidUsage(), expected_event_count=3))
    assert (code, "4 events would be corrected, not 3" in line) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    assert spend_of(channel, name).spends[0].amount == "20.70"
    correct(selection=tiny, void=VoidUsage(), expected_event_count=4)
    assert spend_of(channel, name).spends[0].amount == "20.30"
    with_tiny = CorrectUsageRequest(selection=tiny, void=VoidUsage(), signature=signed(name))
    code, *_ = refusal(lambda: stub.CorrectUsage(with_tiny, timeout=120))
    assert code is grpc.StatusCode.FAILED_PRECONDITION


def test_the_same_correction_again_is_the_same_answer(channel, correct, name):
    """Byte for byte; the id for another correction is refused, and nothing is recorded."""
    record(channel, api_event(name, "a", "900"), api_event(name, "b", "300"))
    mine = signed(name)
    request = {"event_refs": refs(name, "b"), "void": VoidUsage(), "signature": mine}
    assert correct(**request) == correct(**request)
    code, line, details = refusal(lambda: correct(**request | {"event_refs": refs(name, "a")}))
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert mine.correction_id in line
    assert details["ErrorInfo"].reason == "CORRECTION_ID_USED"
    assert spend_of(channel, name).spends[0].amount == "29.00"


def test_a_producer_who_sends_a_corrected_event_again_changes_no_money(channel, correct, name):
    """The amended event's original is a duplicate, its new content is not taken; a void one is taken and stays void."""
    record(channel, api_event(name, "a", "900"), api_event(name, "b", "300"))
    correct(event_refs=refs(name, "a"), amend=AmendUsage(set_properties={"tokens": "500"}))
    correct(event_refs=refs(name, "b"), void=VoidUsage())
    expected = spend_of(channel, name).spends[0].amount
    assert expected == "25.00"
    again = record(channel, api_event(name, "a", "900"), api_event(name, "b", "300"))
    assert again.verdicts[0] == Verdict.VERDICT_DUPLICATE
    # The gateway forgets a void event within seconds.
    assert again.verdicts[1] in (Verdict.VERDICT_DUPLICATE, Verdict.VERDICT_ACCEPTED)
    mended = record(channel, api_event(name, "a", "500"))
    assert mended.verdicts[0] != Verdict.VERDICT_ACCEPTED
    assert spend_of(channel, name).spends[0].amount == expected


def test_corrections_are_listed_with_their_events(channel, stub, correct, name):
    """The newest first and page by page; each with its events as they were and as they are."""
    record(channel, *(api_event(name, f"{n}", "10") for n in range(5)))
    first = correct(selection=june(name), amend=AmendUsage(set_properties={"model": "tiny"}))
    second = correct(event_refs=refs(name, "0"), void=VoidUsage())
    pages = list(stub.ListCorrections(ListCorrectionsRequest(page_size=1), timeout=120).corrections)
    listing = stub.ListCorrections(ListCorrectionsRequest(page_size=1), timeout=120)
    assert pages[0] == second.correction == listing.corrections[0]
    following = ListCorrectionsRequest(page_size=1, page_token=listing.next_page_token)
    assert stub.ListCorrections(following, timeout=120).corrections[0] == first.correction
    token, events = "", []
    while True:
        request = GetCorrectionRequest(
            correction_id=first.correction.signature.correction_id, page_size=2, page_token=token
        )
        page = stub.GetCorrection(request, timeout=120)
        assert page.correction == first.correction
        events += page.events
        token = page.next_page_token
        if not token:
            break
    assert sorted(each.event_id for each in events) == [f"{name}-{n}" for n in range(5)]
    assert {(each.before.properties["model"], each.after.properties["model"]) for each in events} == {
        ("large", "tiny")
    }
    void = GetCorrectionRequest(correction_id=second.correction.signature.correction_id)
    (event,) = stub.GetCorrection(void, timeout=120).events
    assert event.before.properties["model"] == "tiny"
    assert not event.HasField("after")


def _bad_requests(name):
    void, signature = VoidUsage(), signed(name)
    chosen = {"event_refs": refs(name, "a")}
    usual = {"signature": signature, **chosen}
    long = "x" * 2_000
    yield "events", {"signature": signature, "void": void}
    yield "correction", usual
    yield "event_refs.events", {"signature": signature, "event_refs": EventRefs(), "void": void}
    yield (
        "event_refs.events[0].event_id",
        {**usual, "event_refs": EventRefs(events=[EventRef()]), "void": void},
    )
    yield (
        "signature.correction_id",
        {**chosen, "void": void, "signature": Signature(recorded_by="a", reason="b")},
    )
    yield (
        "signature.recorded_by",
        {**chosen, "void": void, "signature": Signature(correction_id="a", reason="b")},
    )
    yield (
        "signature.reason",
        {**chosen, "void": void, "signature": Signature(correction_id="a", recorded_by="b")},
    )
    yield "signature.reason", {
        **chosen, "void": void, "signature": Signature(correction_id="a", recorded_by="b", reason=long),
    }  # fmt: skip
    selection = {"signature": signature, "void": void}
    yield "selection.start", {**selection, "selection": UsageSelection()}
    yield "selection.end", {**selection, "selection": UsageSelection(start=AT, end=AT)}
    yield "selection.filters[0]", {
        **selection, "selection": june(name, filters=[PropertyMatch(property="a")])
    }  # fmt: skip
    yield (
        "selection.customer_ids",
        {**selection, "selection": june(name, customer_ids=[*map(str, range(1_001))])},
    )
    yield "selection", {"signature": signature, "selection": june(name), "restore": RestoreUsage()}
    yield "amend", {**usual, "amend": AmendUsage()}
    yield "amend", {"signature": signature, "selection": june(name), "amend": AmendUsage(customer_id="b")}
    yield "amend.set_properties", {**usual, "amend": AmendUsage(set_properties={"": "1"})}
    yield "amend.set_properties.a", {**usual, "amend": AmendUsage(set_properties={"a": long})}
    yield "amend.set_properties.tokens", {**usual, "amend": AmendUsage(set_properties={"tokens": "many"})}
    yield "amend.set_properties.a", {
        **usual, "amend": AmendUsage(set_properties={"a": "1"}, remove_properties=["a"])
    }  # fmt: skip
    yield "amend.set_properties", {
        **usual, "amend": AmendUsage(set_properties={f"p{n}": "1" for n in range(63)})
    }  # fmt: skip
    yield "amend.event_time", {**usual, "amend": AmendUsage(event_time=Timestamp(seconds=7_258_000_000))}
    yield "amend.customer_id", {**usual, "amend": AmendUsage(customer_id=long)}


def test_a_request_that_can_t_be_is_refused_by_field(channel, correct, name):
    """Before anything is recorded, and naming what is wrong."""
    record(channel, api_event(name, "a", "900"))
    for field, request in _bad_requests(name):
        code, line, details = refusal(lambda request=request: correct(**request))
        assert code is grpc.StatusCode.INVALID_ARGUMENT, (field, line)
        assert field in [each.field for each in details["BadRequest"].field_violations], (field, line)
    assert spend_of(channel, name).spends[0].amount == "29.00"
    code, *_ = refusal(lambda: correct(event_refs=refs(name, "nope"), void=VoidUsage()))
    assert code is grpc.StatusCode.NOT_FOUND


def test_what_would_not_be_rated_is_named_by_the_dry_run(channel, apply, correct, name):
    """A matrix price without a cell for the amended model: the customer is unrateable with it, and says why."""
    apply(
        f"""
plans:
  - id: {name}_matrix
    name: Matrix
    currency: USD
    prices:
      - id: m
        meter: {name}_tokens
        model: matrix
        dimensions: [model]
        cells: [{{match: {{model: large}}, unit_amount: "1"}}]
customers: [{{id: {name}_mars, name: Mars}}]
subscriptions: [{{customer: {name}_mars, plan: {name}_matrix, start: 2025-06-01}}]
"""
    )
    record(channel, api_event(name, "a", "3", customer="mars"))
    tried = correct(
        event_refs=refs(name, "a"), amend=AmendUsage(set_properties={"model": "moon"}), dry_run=True
    )
    (unrateable,) = tried.effect.unrateable_customers
    assert unrateable.customer_id == f"{name}_mars"
    assert "moon" in unrateable.message


def test_a_level_that_lasts_changes_every_period_up_to_now(apply, channel, correct, name):
    """Seats of June 2025, carried over: each month since is rated with it, and the totals are of all of them.

    The last month lasts 15 days of 31: of 10.00 it takes 4.84, of 14.00 6.77.
    """
    apply(
        f"""
meters: [{{id: {name}_seats, event_type: {name}.seat, aggregation: sum, value: seats, carries_over: true}}]
plans:
  - id: {name}_seats
    name: Seats
    currency: USD
    prices: [{{id: seats, meter: {name}_seats, model: per_unit, unit_amount: "2"}}]
customers: [{{id: {name}_firm, name: Firm}}]
subscriptions: [{{customer: {name}_firm, plan: {name}_seats, start: 2025-06-01, end: 2025-10-16}}]
"""
    )
    event = UsageEvent(
        event_id=f"{name}-s", event_type=f"{name}.seat", customer_id=f"{name}_firm", event_time=AT,
        properties={"seats": PropertyValue(string_value="5")},
    )  # fmt: skip
    assert record(channel, event).verdicts[0] == Verdict.VERDICT_ACCEPTED
    change = AmendUsage(set_properties={"seats": "7"})
    effect = correct(event_refs=refs(name, "s"), amend=change, dry_run=True).effect
    starts = sorted(each.period_start.ToDatetime().date().isoformat() for each in effect.line_changes)
    assert starts == [f"2025-{month:02}-01" for month in range(6, 11)]
    (total,) = effect.totals
    assert (total.amount_before, total.amount_after) == ("44.84", "62.77")
