"""Identity: what is new, what is a retry, what reuses an id; stamps and watermarks; batches by partition."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import Fingerprinter, Fingerprints, HotWindow, IngestClock, Verdict, partition_batches
from ingest.fingerprint import CONTENT_LANES
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of, rows_of

OCTOBER_END_US = 1_793_491_199_999_999  # 2026-10-31T23:59:59.999999Z
FINGERPRINTER = Fingerprinter(b"the secret of these tests")


def _event(event_id="e1", tokens="1", tenant="t1", event_time_us=OCTOBER_END_US):
    return Row(tenant, event_id, "call", "acme", event_time_us, (("tokens", tokens),))


def _prints(*rows):
    return FINGERPRINTER.of(columns_of(rows))


def _verdicts(window, *rows):
    return _judged(window, rows, [False] * len(rows))


def _judged(window, rows, refused):
    """The verdict of each row, some of which a rule refuses."""
    return [Verdict(each) for each in _classified(window, rows, refused).verdicts.tolist()]


def _classified(window, rows, refused):
    return window.classify(_prints(*rows), np.array(refused, np.bool_))


def _told(window, *rows):
    """The fields that each conflict names."""
    conflicts = _classified(window, rows, [False] * len(rows)).conflicts(_prints(*rows))
    return {row: [problem.field for problem in problems] for row, problems in conflicts.items()}


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


def test_what_was_stored_is_a_duplicate_also_when_a_rule_refuses_it_by_now():
    """It has grown too old since: the producer must not take it for rejected and send it under a new id."""
    window = HotWindow(10)
    window.remember(_prints(_event()))
    rows = [_event(), _event(tokens="2"), _event("e2")]
    assert _judged(window, rows, [True] * 3) == [Verdict.DUPLICATE, Verdict.REJECTED, Verdict.REJECTED]


def test_a_refused_event_takes_no_id_from_a_sound_one():
    """It is not stored: neither a conflict nor a duplicate of it is."""
    rows = [_event(tokens="2"), _event(), _event(tokens="2"), _event()]
    assert _judged(HotWindow(10), rows, [True, False, True, False]) == [
        Verdict.REJECTED,
        Verdict.ACCEPTED,
        Verdict.REJECTED,
        Verdict.DUPLICATE,
    ]


def test_after_a_failed_insert_the_same_content_is_new_and_other_content_a_conflict():
    """The first may be stored: taking another under its id would count both."""
    window = HotWindow(10)
    window.doubt(_prints(_event(tokens="1")))
    assert _verdicts(window, _event(tokens="2")) == [Verdict.CONFLICT]
    assert _verdicts(window, _event(tokens="1")) == [Verdict.ACCEPTED]
    window.remember(_prints(_event(tokens="1")))
    assert _verdicts(window, _event(tokens="1")) == [Verdict.DUPLICATE]


def test_of_an_id_in_doubt_the_first_that_agrees_is_accepted():
    """Whatever comes before it in the same group."""
    window = HotWindow(10)
    window.doubt(_prints(_event(tokens="1")))
    assert _verdicts(window, *(_event(tokens=each) for each in "2112")) == [
        Verdict.CONFLICT,
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
        Verdict.CONFLICT,
    ]


def test_of_two_contents_read_back_at_start_the_first_stands():
    """In the order of their ingestion."""
    window = HotWindow(10)
    window.remember(_prints(_event(tokens="1"), _event(tokens="2")))
    assert _verdicts(window, _event(tokens="1"), _event(tokens="2")) == [Verdict.DUPLICATE, Verdict.CONFLICT]
    window.remember(_prints(_event(tokens="2")))
    assert _verdicts(window, _event(tokens="1"), _event(tokens="2")) == [Verdict.DUPLICATE, Verdict.CONFLICT]


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


@pytest.mark.parametrize(
    ("fields", "other"),
    [
        (["event_type"], Row("t1", "e1", "tool", "acme", OCTOBER_END_US, (("tokens", "1"),))),
        (["customer_id"], Row("t1", "e1", "call", "bolt", OCTOBER_END_US, (("tokens", "1"),))),
        (["event_time"], Row("t1", "e1", "call", "acme", OCTOBER_END_US - 4_000_000, (("tokens", "1"),))),
        (["event_time"], Row("t1", "e1", "call", "acme", OCTOBER_END_US - 1, (("tokens", "1"),))),
        (["properties"], Row("t1", "e1", "call", "acme", OCTOBER_END_US, (("tokens", "2"),))),
        (["properties"], Row("t1", "e1", "call", "acme", OCTOBER_END_US, ())),
        (
            ["event_type", "customer_id", "event_time", "properties"],
            Row("t1", "e1", "tool", "bolt", 0, (("tokens", "1"), ("model", "large"))),
        ),
    ],
)
@pytest.mark.parametrize("stored", ["before", "before, grown old", "perhaps", "in the same request"])
def test_a_conflict_names_the_fields_that_differ(stored, fields, other):
    """From either generation of the window, from what is in doubt, and from an event of the same request."""
    window = HotWindow(4)
    if stored == "perhaps":
        window.doubt(_prints(_event()))
    elif stored != "in the same request":
        grown_old = 3 if "old" in stored else 0
        window.remember(_prints(_event(), *(_event(f"old{i}") for i in range(grown_old)), _event("e2")))
    assert _told(window, _event(), other) == {1: fields}
    assert _told(window, _event("e9"), _event(), _event("e8"), other, _event("e2")) == {3: fields}


def test_a_conflict_whose_field_is_not_known_says_so():
    """One pair of contents in 65,536 has the same bits of a field that differs."""
    prints, window = _prints(_event()), HotWindow(4)
    same_bits = prints.contents.copy()
    same_bits[0] += np.uint64(1)
    window.remember(Fingerprints(prints.identities, same_bits))
    judged = window.classify(prints, np.zeros(1, np.bool_))
    ((problem,),) = judged.conflicts(prints).values()
    assert problem.field == "event_id"
    assert "which field differs is not known" in problem.message
    assert judged.verdicts.tolist() == [Verdict.CONFLICT]


def test_of_many_pairs_that_differ_in_one_field_hardly_any_is_unknown_and_none_wrong():
    """Times 125 times 2^16 us apart, whose low bits are one; short counters: what real quantities look like."""
    first = [_event(f"e{i}", tokens=str(i), event_time_us=i * 8_192_000) for i in range(3_000)]
    later = [_event(f"e{i}", tokens=str(i), event_time_us=(i + 1) * 8_192_000) for i in range(3_000)]
    more = [_event(f"e{i}", tokens=str(i + 1), event_time_us=i * 8_192_000) for i in range(3_000)]
    for others, field in ((later, "event_time"), (more, "properties")):
        window = HotWindow(3_000)
        window.remember(_prints(*first))
        told = _told(window, *others)
        assert {name for names in told.values() for name in names} <= {field, "event_id"}
        assert sum(names == [field] for names in told.values()) >= 2_997


@pytest.mark.parametrize("grown_old", [0, 3])
def test_a_void_content_leaves_its_id_to_another(grown_old):
    """From the younger generation of the window and from the older one; other contents stay what they are."""
    window = HotWindow(4)
    window.remember(_prints(_event(), _event("e2"), *(_event(f"old{i}") for i in range(grown_old))))
    window.forget(_prints(_event(), _event("e2", tokens="2"), _event("e3")))
    assert _verdicts(window, _event(tokens="2"), _event("e2")) == [Verdict.ACCEPTED, Verdict.DUPLICATE]
    window.remember(_prints(_event(tokens="2")))
    assert _verdicts(window, _event(), _event(tokens="2")) == [Verdict.CONFLICT, Verdict.DUPLICATE]


def test_a_void_content_is_in_doubt_no_longer():
    """What is sent next under its id is as new as any."""
    window = HotWindow(4)
    window.doubt(_prints(_event(), _event("e2")))
    window.forget(_prints(_event(), _event("e2", tokens="2")))
    assert _verdicts(window, _event(tokens="2"), _event("e2", tokens="2")) == [
        Verdict.ACCEPTED,
        Verdict.CONFLICT,
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


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(
            [f"region-{i}/az{j}/vm{k}" for i in range(10) for j in range(10) for k in range(10)], id="words"
        ),
        pytest.param(
            [f"{a}000000{b}000{c}000{d}" for a in "0p" for b in "0p" for c in "0p" for d in "0p"], id="edges"
        ),
        pytest.param(["1", "2\x00", "a", "b", "a\x00", "b\x00", "`\x00", "e\x00\x00\x00", ""], id="zeros"),
    ],
)
def test_texts_that_differ_in_chosen_places_have_different_fingerprints(texts):
    """At the upper end of two words of eight bytes, where multiplying spreads nothing; and in length and text at
    once: a hundred secrets, and not one of them takes an id, or a content, for another.
    """
    events = columns_of([_event(text) for text in texts])
    contents = columns_of([_event(tokens=text) for text in texts])
    for number in range(100):
        made = Fingerprinter(number.to_bytes(2))
        assert len({*map(tuple, made.of(events).identities.T.tolist())}) == len(texts)
        assert len({*map(tuple, made.of(contents).contents.T.tolist())}) == len(texts)


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


class _Dictionaries:
    """The window as two dictionaries: slow and obvious."""

    def __init__(self, events_max):
        self.events_max = events_max
        self.kept, self.in_doubt = {}, {}

    def judge(self, group):
        """A verdict for each (id, content, refused), and the content of each accepted id."""
        within, verdicts = {}, []
        for each, content, refused in group:
            if refused:
                stored = self.kept.get(each) == content
                verdicts.append(Verdict.DUPLICATE if stored else Verdict.REJECTED)
                continue
            known = self.kept[each] if each in self.kept else within.get(each)
            if known is not None:
                verdicts.append(Verdict.DUPLICATE if known == content else Verdict.CONFLICT)
            elif self.in_doubt.get(each, content) == content:
                within[each] = content
                verdicts.append(Verdict.ACCEPTED)
            else:
                verdicts.append(Verdict.CONFLICT)
        return verdicts, within

    def remember(self, within):
        for each, content in within.items():
            self.kept.setdefault(each, content)
            self.in_doubt.pop(each, None)
        self._bound(self.kept)

    def doubt(self, within):
        for each, content in within.items():
            if each not in self.kept:
                self.in_doubt[each] = content
        self._bound(self.in_doubt)

    def forget(self, group):
        for each, content, _ in group:
            if self.kept.get(each) == content:
                # It keeps its place, under a name that nobody has.
                self.kept = {object() if name == each else name: kept for name, kept in self.kept.items()}
            if self.in_doubt.get(each) == content:
                del self.in_doubt[each]

    def _bound(self, contents):
        for oldest in list(contents)[: max(0, len(contents) - self.events_max)]:
            del contents[oldest]


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(0, 15), st.integers(0, 1), st.booleans()), max_size=12),
            st.sampled_from(["stored", "failed", "never tried", "void"]),
        ),
        max_size=12,
    ),
    st.integers(1, 9),
    st.integers(0, 3),
)
def test_the_window_answers_as_dictionaries_would(groups, events_max, crowding):
    """Any groups, durable, failed, never inserted or void, with refused events among them; a window of any size; ids that
    crowd the same slots of its table, and ids whose first lanes are equal.
    """
    window, expected = HotWindow(events_max), _Dictionaries(events_max)
    for group, insert in groups:
        prints = Fingerprints(
            np.array([[e % (crowding + 1) for e, _, _ in group], [e + 1 for e, _, _ in group]], np.uint64),
            np.array([[content for _, content, _ in group]] * CONTENT_LANES, np.uint64),
        )
        refused = np.array([refused for _, _, refused in group], np.bool_)
        verdicts = window.classify(prints, refused).verdicts
        expected_verdicts, within = expected.judge(group)
        assert verdicts.tolist() == expected_verdicts
        fresh = prints.take(np.flatnonzero(verdicts == Verdict.ACCEPTED))
        if insert == "stored":
            window.enter(fresh)
            expected.remember(within)
        elif insert == "failed":
            window.doubt(fresh)
            expected.doubt(within)
        elif insert == "void":
            window.forget(prints)
            expected.forget(group)
        assert len(window) == len(expected.kept)


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
    in_flight, ended, stamps, watermarks = [], [10], [10], [0]
    for step, now_us, pick in steps:
        if step == "begin":
            stamp = clock.begin(now_us)
            assert stamp > max(stamps)
            assert stamp > max(watermarks)
            stamps.append(stamp)
            in_flight.append(stamp)
        elif step == "end" and in_flight:
            ended.append(in_flight.pop(pick % len(in_flight)))
            clock.end(ended[-1])
        elif step == "watermark" and not any(stamp < max(ended) for stamp in in_flight):
            # Where an older group was overtaken it waits: see the next test.
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


def test_a_watermark_waits_for_a_group_that_a_stored_one_overtook():
    """What was acknowledged is in the first read after it, also while an older group is still being stored."""
    clock = IngestClock(0, lambda _ceiling_us: None)
    older, newer = clock.begin(10), clock.begin(20)
    assert clock.watermark(30) == older - 1
    clock.end(newer)
    assert clock.reached(40) == newer
    found = []
    reader = threading.Thread(target=lambda: found.append(clock.watermark(50)))
    reader.start()
    reader.join(0.05)
    assert not found
    clock.end(older)
    reader.join(30)
    assert found == [50]


def test_whoever_holds_a_stamp_waits_for_the_earlier_ones_alone():
    """Stored or abandoned; what came later doesn't matter."""
    clock = IngestClock(0, lambda _ceiling_us: None)
    first, second, mine, _later = (clock.begin(at) for at in (10, 20, 30, 40))
    done = []
    waiting = threading.Thread(target=lambda: done.append(clock.complete_before(mine)))
    waiting.start()
    clock.end(second)
    waiting.join(0.05)
    assert not done
    clock.abandon(first)
    waiting.join(30)
    assert done == [None]
