"""Identity: what is new, what is a retry, what reuses an id; stamps and watermarks; batches by partition."""

import numpy as np
import pytest
from admission_oracle import Row
from event_columns import columns_of, rows_of
from hypothesis import given
from hypothesis import strategies as st

from ingest import Fingerprinter, Fingerprints, HotWindow, IngestClock, Verdict, partition_batches

OCTOBER_END_US = 1_793_491_199_999_999  # 2026-10-31T23:59:59.999999Z
FINGERPRINTER = Fingerprinter(b"the secret of these tests")


def _event(event_id="e1", tokens="1", tenant="t1", event_time_us=OCTOBER_END_US):
    return Row(tenant, event_id, "call", "acme", event_time_us, (("tokens", tokens),))


def _prints(*rows):
    return FINGERPRINTER.of(columns_of(rows))


def _verdicts(window, *rows):
    return [Verdict(number) for number in window.classify(_prints(*rows)).tolist()]


def test_the_same_event_is_accepted_once_and_then_a_duplicate():
    """Once it is durable, a retry is answered from the window."""
    window = HotWindow(10)
    assert _verdicts(window, _event()) == [Verdict.ACCEPTED]
    window.remember(_prints(_event()))
    assert _verdicts(window, _event()) == [Verdict.DUPLICATE]


def test_an_event_that_did_not_become_durable_leaves_no_trace():
    """A failed insert must not turn the retry into a duplicate of nothing."""
    window = HotWindow(10)
    _verdicts(window, _event())
    assert _verdicts(window, _event()) == [Verdict.ACCEPTED]


def test_other_content_under_a_known_id_is_a_conflict_and_the_first_stands():
    """In the window, within one request, and across the requests of a group."""
    window = HotWindow(10)
    window.remember(_prints(_event("e1", "1")))
    group = [
        _event("e1", "2"),
        _event("e2", "1"),
        _event("e2", "2"),
        _event("e2", "3"),
        _event("e2", "1"),
        _event("e1", "1"),
    ]
    assert _verdicts(window, *group) == [
        Verdict.CONFLICT,
        Verdict.ACCEPTED,
        Verdict.CONFLICT,
        Verdict.CONFLICT,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
    ]


def test_the_same_id_of_two_tenants_is_two_events():
    """No tenant sees another."""
    window = HotWindow(10)
    window.remember(_prints(_event(tenant="t1")))
    assert _verdicts(window, _event(tenant="t2", tokens="9")) == [Verdict.ACCEPTED]


@pytest.mark.parametrize(
    "other",
    [
        Row("t1", "e1", "call", "acme", OCTOBER_END_US + 1, (("tokens", "1"),)),
        Row("t1", "e1", "call", "acmf", OCTOBER_END_US, (("tokens", "1"),)),
        Row("t1", "e1", "cal", "lacme", OCTOBER_END_US, (("tokens", "1"),)),
        Row("t1", "e1", "call", "acme", OCTOBER_END_US, (("token", "s1"),)),
        Row("t1", "e1", "call", "acme", OCTOBER_END_US, (("1", "tokens"),)),
        Row("t1", "e1", "call", "acme", OCTOBER_END_US, (("tokens", "1"), ("x", ""))),
        Row("t1", "e1", "call", "acme", OCTOBER_END_US, ()),
        Row("t1", "e1", "acme", "call", OCTOBER_END_US, (("tokens", "1"),)),
        Row("t1", "e1", "call", "acme", OCTOBER_END_US, (("tokens", "1\x00"),)),
    ],
)
def test_any_difference_in_content_is_seen(other):
    """Time, customer, type, keys and values, and where one ends and the next begins."""
    one, changed = _prints(_event()), _prints(other)
    assert (one.identities == changed.identities).all()
    assert (one.contents != changed.contents).all()


def test_values_that_change_places_are_other_content():
    """The marks of properties are summed, each bound to its key."""
    one = Row("t1", "e1", "call", "acme", 1, (("a", "1"), ("b", "2")))
    other = Row("t1", "e1", "call", "acme", 1, (("a", "2"), ("b", "1")))
    assert (_prints(one).contents != _prints(other).contents).all()


@given(st.lists(st.text(max_size=40), unique=True, min_size=2, max_size=40))
def test_different_ids_have_different_fingerprints_and_equal_ones_the_same(ids):
    """Whatever stands beside them, and wherever in the columns they lie."""
    rows = [_event(each) for each in ids]
    together = _prints(*rows)
    assert len({tuple(column) for column in together.identities.T.tolist()}) == len(ids)
    assert (together.contents == together.contents[:, :1]).all()
    alone = [_prints(row).identities[:, 0].tolist() for row in rows]
    assert together.identities.T.tolist() == alone
    half = FINGERPRINTER.of(columns_of(rows).slice(1))
    assert (half.identities == together.identities[:, 1:]).all()


def test_a_fingerprint_is_worth_nothing_without_the_secret():
    """Another process draws others, so nobody can prepare a collision."""
    other = Fingerprinter(b"another secret").of(columns_of([_event()]))
    assert (other.identities != _prints(_event()).identities).all()


def test_the_window_is_bounded_and_forgets_the_oldest():
    """Beyond the window the storage key still collapses an identical retry."""
    window = HotWindow(3)
    window.remember(_prints(*(_event(f"e{i}") for i in range(5))))
    assert len(window) == 3
    verdicts = _verdicts(window, *(_event(f"e{i}") for i in range(5)))
    assert verdicts == [Verdict.ACCEPTED] * 2 + [Verdict.DUPLICATE] * 3


@given(
    st.lists(
        st.tuples(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 1)), max_size=12), st.booleans()),
        max_size=12,
    ),
    st.integers(1, 9),
    st.integers(0, 3),
)
def test_the_window_answers_as_a_dictionary_would(groups, events_max, crowding):
    """Any groups, durable or failed; a window of any size; ids that crowd the same slots of its table, and ids
    whose first lanes are equal.
    """
    window, kept = HotWindow(events_max), {}
    for group, durable in groups:
        prints = Fingerprints(
            np.array([[each % (crowding + 1) for each, _ in group], [each for each, _ in group]], np.uint64),
            np.array([[content for _, content in group]] * 2, np.uint64),
        )
        within, expected = {}, []
        for each, content in group:
            known = kept[each] if each in kept else within.get(each)
            if known is None:
                within[each] = content
                expected.append(Verdict.ACCEPTED)
            else:
                expected.append(Verdict.DUPLICATE if known == content else Verdict.CONFLICT)
        verdicts = window.classify(prints)
        assert verdicts.tolist() == expected
        if durable:
            window.remember(prints.take(np.flatnonzero(verdicts == Verdict.ACCEPTED)))
            kept |= within
            for oldest in list(kept)[: max(0, len(kept) - events_max)]:
                del kept[oldest]
        assert len(window) == len(kept)


def _batches(rows, stamp_us=5):
    return [batch for batch, _ in partition_batches(columns_of(rows), stamp_us, 10)]


def test_a_batch_never_spans_two_months():
    """One partition an insert: all of it is stored, or none; each batch knows which rows it took."""
    rows = [_event("a"), _event("b", event_time_us=OCTOBER_END_US + 1), _event("c")]
    batches = list(partition_batches(columns_of(rows), 5, 10))
    assert [[each.event_id for each in rows_of(batch.events)] for batch, _ in batches] == [["a", "c"], ["b"]]
    assert [taken.tolist() for _, taken in batches] == [[0, 2], [1]]


def test_a_batch_never_has_more_rows_than_an_insert_may():
    """Five events of a month, two at a time."""
    rows = [_event(each) for each in "abcde"]
    batches = list(partition_batches(columns_of(rows), 5, 2))
    assert [[each.event_id for each in rows_of(batch.events)] for batch, _ in batches] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]
    assert [taken.tolist() for _, taken in batches] == [[0, 1], [2, 3], [4]]


def test_a_token_is_made_from_the_content_and_from_nothing_else():
    """The same events under another stamp, or cut from a larger batch, replay as the same insert; any other
    event makes another token.
    """
    (one,) = _batches([_event("a"), _event("b")], 5)
    (same,) = _batches([_event("a"), _event("b")], 6)
    ((cut, _),) = partition_batches(columns_of([_event("x"), _event("a"), _event("b")]).slice(1), 5, 10)
    (other,) = _batches([_event("a"), _event("b", "2")], 5)
    (moved,) = _batches([_event("ab"), _event("")], 5)
    assert one.token == same.token == cut.token
    assert len({one.token, other.token, moved.token}) == 3


@given(
    st.lists(
        st.tuples(st.sampled_from(["begin", "end", "watermark"]), st.integers(0, 50), st.integers(0, 3)),
        max_size=60,
    )
)
def test_a_watermark_is_complete_for_ever(steps):
    """Whatever the clock does: a stamp is later than every watermark before it, and no watermark reaches a
    group that is still being stored; once all are stored, a watermark reaches every stamp.
    """
    clock = IngestClock(10)
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
