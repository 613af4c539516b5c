"""Identity: what is new, what is a retry, what reuses an id; stamps and watermarks; batches by partition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import Event, HotWindow, IngestClock, Problem, Reason, Verdict, partition_batches

OCTOBER_END_US = 1_793_491_199_999_999  # 2026-10-31T23:59:59.999999Z


def _event(event_id="e1", tokens="1", tenant="t1", event_time_us=OCTOBER_END_US):
    return Event(tenant, event_id, "call", "acme", event_time_us, (("tokens", tokens),))


def _verdicts(outcomes):
    return [each.verdict if isinstance(each, Problem) else each for each in outcomes]


def test_the_same_event_is_accepted_once_and_then_a_duplicate():
    """Once it is durable, a retry is answered from the window."""
    window = HotWindow(10)
    first = window.classify([[_event()]])
    assert _verdicts(first.outcomes[0]) == [Verdict.ACCEPTED]
    window.remember(first.fresh)
    again = window.classify([[_event()]])
    assert _verdicts(again.outcomes[0]) == [Verdict.DUPLICATE]
    assert again.fresh == []


def test_an_event_that_did_not_become_durable_leaves_no_trace():
    """A failed insert must not turn the retry into a duplicate of nothing."""
    window = HotWindow(10)
    window.classify([[_event()]])
    assert _verdicts(window.classify([[_event()]]).outcomes[0]) == [Verdict.ACCEPTED]


def test_after_a_failed_insert_the_same_content_is_new_and_other_content_a_conflict():
    """The first may be stored: taking another under its id would count both."""
    window = HotWindow(10)
    window.doubt([_event(tokens="1")])
    assert _verdicts(window.classify([[_event(tokens="2")]]).outcomes[0]) == [Verdict.CONFLICT]
    again = window.classify([[_event(tokens="1")]])
    assert _verdicts(again.outcomes[0]) == [Verdict.ACCEPTED]
    window.remember(again.fresh)
    assert _verdicts(window.classify([[_event(tokens="1")]]).outcomes[0]) == [Verdict.DUPLICATE]


def test_of_two_contents_read_back_at_start_the_first_stands():
    """In the order of their ingestion."""
    window = HotWindow(10)
    window.remember([_event(tokens="1"), _event(tokens="2")])
    assert _verdicts(window.classify([[_event(tokens="1"), _event(tokens="2")]]).outcomes[0]) == [
        Verdict.DUPLICATE,
        Verdict.CONFLICT,
    ]


def test_other_content_under_a_known_id_is_a_conflict_and_the_first_stands():
    """In the window, within one request, and across the requests of a group."""
    window = HotWindow(10)
    window.remember([_event("e1", "1")])
    found = window.classify(
        [[_event("e1", "2"), _event("e2", "1"), _event("e2", "2")], [_event("e2", "3"), _event("e2", "1")]]
    )
    assert _verdicts(found.outcomes[0]) == [Verdict.CONFLICT, Verdict.ACCEPTED, Verdict.CONFLICT]
    assert _verdicts(found.outcomes[1]) == [Verdict.CONFLICT, Verdict.DUPLICATE]
    assert [(each.event_id, each.properties) for each in found.fresh] == [("e2", (("tokens", "1"),))]
    assert found.outcomes[0][0].reason is Reason.ID_REUSED


def test_the_same_id_of_two_tenants_is_two_events():
    """No tenant sees another."""
    window = HotWindow(10)
    window.remember([_event(tenant="t1")])
    assert _verdicts(window.classify([[_event(tenant="t2", tokens="9")]]).outcomes[0]) == [Verdict.ACCEPTED]


@pytest.mark.parametrize(
    "other",
    [
        Event("t1", "e1", "call", "acme", OCTOBER_END_US + 1, (("tokens", "1"),)),
        Event("t1", "e1", "call", "acmf", OCTOBER_END_US, (("tokens", "1"),)),
        Event("t1", "e1", "cal", "lacme", OCTOBER_END_US, (("tokens", "1"),)),
        Event("t1", "e1", "call", "acme", OCTOBER_END_US, (("token", "s1"),)),
        Event("t1", "e1", "call", "acme", OCTOBER_END_US, (("tokens", "1"), ("x", ""))),
    ],
)
def test_any_difference_in_content_is_seen(other):
    """Time, customer, type, keys and values, and where one ends and the next begins."""
    assert other.content_digest != _event().content_digest


def test_the_window_is_bounded_and_forgets_the_oldest():
    """Beyond the window the storage key still collapses an identical retry."""
    window = HotWindow(3)
    window.remember(_event(f"e{i}") for i in range(5))
    assert len(window) == 3
    found = window.classify([[_event(f"e{i}") for i in range(5)]])
    assert [each.event_id for each in found.fresh] == ["e0", "e1"]


def test_a_batch_never_spans_two_months():
    """One partition an insert: all of it is stored, or none."""
    events = [_event("a"), _event("b", event_time_us=OCTOBER_END_US + 1), _event("c")]
    batches = partition_batches(events, 5)
    assert [[each.event_id for each in batch.events] for batch in batches] == [["a", "c"], ["b"]]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "end", "watermark", "restart"]),
            st.integers(0, 5_000_000),
            st.integers(0, 3),
        ),
        max_size=60,
    )
)
def test_a_watermark_is_complete_for_ever(steps):
    """Whatever the clock does: a stamp is later than every watermark before it, and no watermark reaches a
    group that is still being stored; once all are stored, a watermark reaches every stamp.
    """
    kept = [10]
    clock = IngestClock(10, kept.append)
    in_flight, stamps, watermarks = [], [10], [0]
    for step, now_us, pick in steps:
        if step == "begin":
            stamp = clock.begin(now_us)
            assert stamp > max(stamps)
            assert stamp > max(watermarks)
            stamps.append(stamp)
            in_flight.append(stamp)
        elif step == "end" and in_flight:
            clock.end(in_flight.pop(pick % len(in_flight)))
        elif step == "watermark":
            watermark = clock.watermark(now_us)
            assert all(watermark < stamp for stamp in in_flight)
            if not in_flight:
                assert watermark >= max(stamps)
            watermarks.append(watermark)
        elif step == "restart":
            # Killed: all that is left is the newest stamp in the store, and the ceiling.
            clock = IngestClock(max(stamps[0], kept[-1]), kept.append)
            in_flight = []
        assert max(stamps + watermarks) <= kept[-1]
