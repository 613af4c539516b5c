"""Events voided, amended, restored and undone: what counts is what a slow log in lists says, at every watermark."""

import itertools
import threading

import pytest

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.errors import (
    CorrectionIdUsedError,
    CorrectionRefusedError,
    InvalidRequestError,
    NotFoundError,
    StoreUnavailableError,
)
from engine.usage.corrections.conflict_list import list_conflicts
from engine.usage.corrections.correction import (
    Amendment,
    Correction,
    EventRef,
    PropertyFilter,
    Selection,
    Signature,
    Undone,
)
from engine.usage.corrections.correction_list import find_correction, list_corrected_events, list_corrections
from engine.usage.corrections.corrections import Corrections
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import Kind, Void, record_voids
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.correction_world import EVER, SUM, World, refs, setting
from tests.support.usage.reused_ids import COUNT, CUSTOMERS, event_of, key_of, read
from tests.support.usage.usage_histories import PERIOD_US


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.fixture
def world(store):
    return World(store)


def test_a_void_an_amendment_and_their_undoing_come_and_go_with_their_instants(world):
    """5 + 7; without the 7; 5 amended to 20; both undone, the later one first: each watermark keeps its answer."""
    world.deliver(event_of("a", "5"), event_of("b", "7"))
    answers = [(world.as_of(), {"acme": (12, 2)})]
    world.void("b", correction_id="v")
    answers.append((world.as_of(), {"acme": (5, 1)}))
    world.amend("a", setting(value="20"), correction_id="m")
    answers.append((world.as_of(), {"acme": (20, 1)}))
    world.undo("v")
    answers.append((world.as_of(), {"acme": (27, 2)}))
    world.undo("m", correction_id="u")
    answers.append((world.as_of(), {"acme": (12, 2)}))
    world.undo("u")
    answers.append((world.as_of(), {"acme": (27, 2)}))
    for as_of_us, expected in answers:
        assert world.sums(as_of_us) == expected


def test_lines_of_the_corrected_set_have_the_digest_of_events_that_were_sent_so(world):
    """An amended event and one that was recorded in that form at once can't be told apart, in another tenant."""
    world.deliver(event_of("a", "5", properties={"value": "5", "z": "1", "é": "x"}))
    amendment = Amendment((("a'b", "\\"), ("value", "6")), ("z", "nowhere"), "bolt", PERIOD_US[0] + 1)
    world.amend("a", amendment)
    sent = {"value": "6", "é": "x", "a'b": "\\"}
    world.deliver(event_of("a", tenant="t2", customer="bolt", time_us=PERIOD_US[0] + 1, properties=sent))
    ours, theirs = (read(world.store, SUM, world.as_of(), tenant) for tenant in ("t1", "t2"))
    assert ours == theirs
    assert ours["bolt", ()].quantity == 6


def test_a_producer_who_sends_an_event_again_changes_nothing(world):
    """The original stays void and the amended content is counted once, whichever comes, before or after an undo."""
    first, second = event_of("a", "5"), event_of("a", "6")
    world.deliver(first)
    world.amend("a", setting(value="6"), correction_id="m")
    world.deliver(first)
    assert world.sums() == {"acme": (6, 1)}
    world.deliver(second)
    assert world.sums() == {"acme": (6, 1)}
    world.undo("m")
    assert world.sums() == {"acme": (5, 1)}
    world.deliver(second)
    world.reconciler.reconcile("t1", *PERIOD_US)
    assert world.sums() == {"acme": (5, 1)}


def test_other_content_under_an_amended_id_is_void(world):
    """A person's version has the place of the event that it replaces: the first."""
    world.deliver(event_of("a", "5"))
    world.amend("a", setting(value="6"))
    world.deliver(event_of("a", "9"))
    world.reconciler.next_pass()
    assert world.sums() == {"acme": (6, 1)}


def test_an_event_may_become_the_version_that_lost_its_id(world):
    """5 stood, 9 came later and was void; the person says that it was 9 after all; undone, it is 5 again."""
    world.deliver(event_of("a", "5"))
    world.deliver(event_of("a", "9"))
    world.amend("a", setting(value="9"), correction_id="m")
    assert world.sums() == {"acme": (9, 1)}
    world.undo("m")
    assert world.sums() == {"acme": (5, 1)}


def test_an_event_that_comes_back_meets_who_took_its_id(world):
    """Voided, then its id is used for 9, which counts; when the void is undone, the first stands and 9 is void."""
    world.deliver(event_of("a", "5"))
    world.void("a", correction_id="v")
    world.deliver(event_of("a", "9"))
    assert world.sums() == {"acme": (9, 1)}
    world.undo("v")
    assert world.sums() == {"acme": (5, 1)}


def test_a_void_is_undone_after_what_took_its_id_and_one_version_is_left(world):
    """10 is void, 20 takes its id and becomes 25; the void is undone after the amendment only, and then 10 stands."""
    world.deliver(event_of("x", "10"))
    world.void("x", correction_id="k1")
    world.deliver(event_of("x", "20", time_us=PERIOD_US[0] + 3_600_000_000))
    world.amend("x", setting(value="25"), correction_id="k2")
    assert world.sums() == {"acme": (25, 1)}
    with pytest.raises(
        CorrectionRefusedError, match="'k1' can't be undone: 'k2' came after it for event 'x'"
    ):
        world.undo("k1")
    world.undo("k2")
    assert world.sums() == {"acme": (20, 1)}
    world.undo("k1", correction_id="u1")
    assert world.sums() == {"acme": (10, 1)}
    ((conflict,)) = list_conflicts(world.store, "t1", "x", world.as_of(), (0, 10))
    assert (conflict.voided.properties, conflict.stands.properties) == ({"value": "20"}, {"value": "10"})
    assert conflict.void
    world.undo("u1")
    assert world.sums() == {"acme": (20, 1)}
    assert list_conflicts(world.store, "t1", "x", world.as_of(), (0, 10)) == []


@pytest.mark.parametrize("order", [("k1", "k2"), ("k2", "k1")])
def test_two_voids_of_one_id_are_undone_to_what_no_void_would_have_given(world, order):
    """10 is void, 20 takes its id and is void too: undone in whatever order is allowed, 10 counts alone."""
    world.deliver(event_of("x", "10"))
    world.void("x", correction_id="k1")
    world.deliver(event_of("x", "20"))
    world.void("x", correction_id="k2")
    left = list(order)
    while left:
        try:
            world.undo(left[0])
            left.pop(0)
        except CorrectionRefusedError:
            left.append(left.pop(0))
    assert world.sums() == {"acme": (10, 1)}


def test_the_draft_of_an_undoing_has_what_it_does_to_who_took_the_id(world):
    """100 is void, 200 took its id, 35 beside: the undoing shows 135, and leaves 135."""
    world.deliver(event_of("y", "100"), event_of("z", "35"))
    world.void("y", correction_id="k4")
    world.deliver(event_of("y", "200"))
    assert world.sums() == {"acme": (235, 2)}
    undoing = Correction(Kind.UNDO, Undone("k4"))
    assert world.tried(undoing, Signature("dry", "", "")) == (1, {"acme": (135, 2)})
    world.correct(undoing)
    assert world.sums() == {"acme": (135, 2)}


def test_content_that_an_undone_amendment_made_counts_when_its_id_is_free(world):
    """5 became 6 and is 5 again, then void; the producer sends 6: it counts, whatever was undone before."""
    world.deliver(event_of("a", "5"))
    world.amend("a", setting(value="6"), correction_id="m")
    world.undo("m")
    world.void("a", correction_id="v")
    world.deliver(event_of("a", "6"))
    world.reconciler.settle_until(world.as_of())
    assert world.sums() == {"acme": (6, 1)}
    world.undo("v")
    assert world.sums() == {"acme": (5, 1)}


def test_a_store_in_which_an_id_counts_twice_is_mended_when_it_is_opened(world):
    """As an earlier version left it: 10 void and back, 20 amended and back, both counting, for good."""
    first = event_of("x", "10")
    second = event_of("x", "20", time_us=PERIOD_US[0] + 1)
    world.deliver(first)
    world.void("x", correction_id="k1")
    world.deliver(second)
    world.void("x", correction_id="k2")
    for event, undone in ((second, "k2"), (first, "k1")):
        fact = Void(
            event=key_of(event),
            voided=False,
            kind=Kind.UNDO,
            correction_id=f"u{undone}",
            reason="",
            recorded_by="ada",
            undoes=undone,
        )
        record_voids([fact], world.store, world.clock, world.now_us)
    assert world.sums() == {"acme": (30, 2)}
    world.store.execute(
        Query("ALTER TABLE reconciled DELETE WHERE reader = 'corrected ids' SETTINGS mutations_sync = 2", {})
    )
    Reconciler(world.store, world.clock, world.now_us).next_pass()
    assert world.sums() == {"acme": (10, 1)}


def test_an_amended_event_is_amended_and_voided_further(world):
    """5, 6, 7 for another customer, void; undone step by step, and only in this order."""
    world.deliver(event_of("a", "5"))
    world.amend("a", setting(value="6"), correction_id="m1")
    world.amend("a", Amendment((("value", "7"),), customer_id="bolt"), correction_id="m2")
    assert world.sums() == {"bolt": (7, 1)}
    world.void("a", correction_id="v")
    assert world.sums() == {}
    for early in ("m1", "m2"):
        with pytest.raises(CorrectionRefusedError, match="came after it"):
            world.undo(early)
    world.undo("v")
    world.undo("m2")
    assert world.sums() == {"acme": (6, 1)}
    with pytest.raises(CorrectionRefusedError, match="is undone already, by 'c4'"):
        world.undo("m2")
    world.undo("m1")
    assert world.sums() == {"acme": (5, 1)}
    # It was about another version of the event, and of the same id.
    with pytest.raises(CorrectionRefusedError, match="'c6' came after it"):
        world.undo("c3")


def test_what_the_reconciler_voided_can_be_restored_and_voided_again(world):
    """Both count by a person's decision, also after the period is settled; a corrected one is for undoing."""
    world.deliver(event_of("a", "5"))
    late = world.deliver(event_of("a", "9"))
    world.correct(Correction(Kind.RESTORE, refs("a")), correction_id="r")
    world.reconciler.reconcile("t1", *PERIOD_US)
    assert world.sums() == {"acme": (14, 2)}
    with pytest.raises(CorrectionRefusedError, match="2 versions"):
        world.amend("a", setting(value="1"))
    world.correct(
        Correction(Kind.AMEND, refs(EventRef("a", ingested_at_us=late)), setting(value="10")),
        correction_id="m",
    )
    world.reconciler.reconcile("t1", *PERIOD_US)
    assert world.sums() == {"acme": (15, 2)}
    world.undo("m")
    world.undo("r")
    assert world.sums() == {"acme": (5, 1)}
    world.correct(Correction(Kind.RESTORE, refs("a")), correction_id="r2")
    assert world.sums() == {"acme": (14, 2)}
    world.void(EventRef("a", ingested_at_us=late), correction_id="v")
    with pytest.raises(CorrectionRefusedError, match="was voided by correction 'v': undo that one"):
        world.correct(Correction(Kind.RESTORE, refs("a")))


def test_two_versions_that_become_one_count_once(world):
    """Restored 9 beside 5; 9 amended to what 5 is: one event is left, and undone there are two."""
    world.deliver(event_of("a", "5"))
    late = world.deliver(event_of("a", "9"))
    world.correct(Correction(Kind.RESTORE, refs("a")))
    world.correct(
        Correction(Kind.AMEND, refs(EventRef("a", ingested_at_us=late)), setting(value="5")),
        correction_id="m",
    )
    assert world.sums() == {"acme": (5, 1)}
    world.undo("m")
    assert world.sums() == {"acme": (14, 2)}


def test_a_correction_is_recorded_once_however_often_it_is_sent(world):
    """The same answer, also after it was undone; with another reason it is a mistake that names the first."""
    world.deliver(event_of("a", "5"), event_of("b", "7"))
    first = world.void("a", correction_id="v")
    facts = world.store.query(_all_facts())
    assert world.void("a", correction_id="v") == first
    assert world.store.query(_all_facts()) == facts
    with pytest.raises(CorrectionIdUsedError, match="'v' belongs to another correction"):
        world.void("b", correction_id="v")
    world.undo("v", correction_id="u")
    again = world.void("a", correction_id="v")
    assert (again.recorded_at_us, again.undone_by, again.in_effect) == (first.recorded_at_us, "u", False)
    assert world.sums() == {"acme": (12, 2)}


def _all_facts():
    return Query("SELECT * FROM voids FINAL ORDER BY recorded_at, event_id, content_hash", {})


def test_a_selection_takes_what_counts_in_its_period_and_nothing_else(world):
    """By customer, type, time, value, any of several values, and whether a property is there."""

    def made(name, **fields):
        return event_of(name, fields.pop("value", "1"), **fields)

    start, end = PERIOD_US
    world.deliver(
        made("in", properties={"value": "1", "region": "eu"}),
        made("us", properties={"value": "1", "region": "us"}),
        made("none"),
        made("bolt", customer="bolt", properties={"value": "1", "region": "eu"}),
        made("type", event_type="other", properties={"value": "1", "region": "eu"}),
        made("early", time_us=start - 1, properties={"value": "1", "region": "eu"}),
        made("end", time_us=end, properties={"value": "1", "region": "eu"}),
        made("void", properties={"value": "1", "region": "eu"}),
    )
    world.void("void")
    period = {"start_us": start, "end_us": end, "event_type": "call"}
    filters = PropertyFilter("region", ("eu", "'"))
    for selection, expected in (
        (Selection(**period, customer_ids=("acme",), filters=(filters,)), 1),
        (Selection(**period, filters=(filters,)), 2),
        (Selection(**period, filters=(PropertyFilter("region", exists=False),)), 1),
        (Selection(**period, filters=(PropertyFilter("region", ("eu", "us"), True),)), 3),
        (Selection(start, end), 5),
        (Selection(start - 1, end + 1), 7),
    ):
        plan = world.corrections.plan("t1", Correction(Kind.VOID, selection), Signature("x", "", ""))
        assert plan.event_count == expected, selection
    before = world.as_of()
    world.correct(Correction(Kind.AMEND, Selection(start, end), setting(region="mars")), correction_id="m")
    assert find_correction(world.store, "t1", "m", world.as_of()).event_count == 5
    plan = Correction(Kind.VOID, Selection(0, 2 * end, filters=(PropertyFilter("region", ("mars",)),)))
    with pytest.raises(CorrectionRefusedError, match="5 events would be corrected, not 4"):
        world.correct(plan, expected_event_count=4)
    world.correct(plan, correction_id="v", expected_event_count=5)
    assert world.sums() == {}
    assert world.sums(before) == {"acme": (3, 3), "bolt": (1, 1)}


def test_what_can_t_be_corrected_is_refused_in_words(world):
    """Unknown ids, nothing that counts, nothing that changes, an unknown correction, another tenant's."""
    world.deliver(event_of("a", "5"), event_of("a", tenant="t2"))
    with pytest.raises(NotFoundError, match="event 'x' is not recorded"):
        world.void("a", "x")
    with pytest.raises(NotFoundError, match="with the customer"):
        world.void(EventRef("a", customer_id="bolt"))
    with pytest.raises(CorrectionRefusedError, match="the event is so already"):
        world.amend("a", setting(value="5"))
    with pytest.raises(CorrectionRefusedError, match="no event that counts"):
        world.correct(Correction(Kind.VOID, Selection(0, 1)))
    with pytest.raises(NotFoundError, match="never recorded"):
        world.undo("c99")
    world.void("a", correction_id="v")
    with pytest.raises(CorrectionRefusedError, match="no event that counts"):
        world.void("a")
    with pytest.raises(NotFoundError, match="never recorded"):
        World(world.store, "t2").undo("v")
    assert read(world.store, COUNT, world.as_of(), "t2")["acme", ()].quantity == 1


def test_more_events_than_one_block_holds_are_refused_with_their_number(world, monkeypatch):
    """Nothing is recorded; a shorter stretch of time is."""
    import engine.usage.corrections.corrections as module

    monkeypatch.setattr(module, "EVENTS_MAX", 3)
    world.deliver(*(event_of(f"{n}", "1", time_us=PERIOD_US[0] + n) for n in range(5)))
    with pytest.raises(InvalidRequestError, match="means 5 events"):
        world.correct(Correction(Kind.VOID, EVER))
    with pytest.raises(InvalidRequestError, match="means more than 3"):
        world.void(*"01234")
    monkeypatch.setattr(module, "PROPERTIES_BYTES_MAX", 10)
    short = Selection(PERIOD_US[0], PERIOD_US[0] + 3)
    with pytest.raises(InvalidRequestError, match="bytes of properties"):
        world.correct(Correction(Kind.AMEND, short, setting(value="2")))
    assert world.correct(Correction(Kind.VOID, short)).event_count == 3


def test_a_listing_names_who_when_why_and_which_events(world):
    """The newest first; an amended event as it was and as it is; what is undone says by what."""
    world.deliver(event_of("a", "5"), event_of("b", "7"))
    world.void("b", correction_id="v")
    world.amend("a", setting(value="6"), correction_id="m")
    world.undo("v", correction_id="u")
    world.undo("m", correction_id="u2")
    world.undo("u2", correction_id="u3")
    listed = list_corrections(world.store, "t1", world.as_of(), (0, 10))
    assert [
        (each.correction_id, each.kind, each.undoes, each.undone_by, each.in_effect) for each in listed
    ] == [
        ("u3", "undo", "u2", "", True),
        ("u2", "undo", "m", "u3", False),
        ("u", "undo", "v", "", True),
        ("m", "amend", "", "u2", True),
        ("v", "void", "", "u", False),
    ]
    assert {(each.recorded_by, each.reason, each.event_count) for each in listed} == {("ada", "a reason", 1)}
    events = {
        each.correction_id: [
            tuple(version and version.properties["value"] for version in (event.before, event.after))
            for event in list_corrected_events(world.store, "t1", each.correction_id, world.as_of(), (0, 10))
        ]
        for each in listed
    }
    assert events == {
        "v": [("7", None)],
        "m": [("5", "6")],
        "u": [(None, "7")],
        "u2": [("6", "5")],
        "u3": [("5", "6")],
    }


def test_racing_corrections_of_one_event_leave_one_version(world):
    """Four threads, each with corrections of its own, as four gateways: whatever wins, the event counts once."""
    world.deliver(event_of("a", "5"))
    failures = []

    def race(number):
        mine = Corrections(
            world.store, world.clock, world.reconciler, world.now_us, itertools.count(number * 1_000).__next__
        )
        for turn in range(3):
            value = f"{number * 10 + turn}"
            correction = Correction(Kind.AMEND, refs("a"), setting(value=value))
            try:
                mine.record("t1", correction, Signature(f"r{value}", "", ""))
            except StoreUnavailableError:
                pass
            except Exception as error:  # noqa: BLE001 - told below
                failures.append(error)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    ((quantity, count),) = world.sums().values()
    assert count == 1
    (last, *_) = list_corrections(world.store, "t1", world.as_of(), (0, 100))
    assert last.correction_id == f"r{int(quantity)}"


def test_one_correction_sent_to_several_gateways_at_once_is_recorded_once(world):
    """All get the same answer."""
    world.deliver(*(event_of(f"{n}", "1", time_us=PERIOD_US[0] + n) for n in range(100)))
    answers = []

    def send(number):
        mine = Corrections(
            world.store, world.clock, world.reconciler, world.now_us, itertools.count(number * 1_000).__next__
        )
        answers.append(
            mine.record("t1", Correction(Kind.AMEND, EVER, setting(value="2")), Signature("m", "ada", "why"))
        )

    threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert len(world.store.query(_all_facts())) == 200
    assert world.sums() == {"acme": (200, 100)}


def test_an_insert_of_unknown_outcome_is_made_up_for(world, monkeypatch):
    """Stored or not before the failure: sent again the correction is there once."""
    world.deliver(event_of("a", "5"))
    insert = world.store.insert_voids
    for correction_id, stored in (("m1", True), ("m2", False)):

        def failing(facts, stamp_us, stored=stored):
            if stored:
                insert(facts, stamp_us)
            raise StoreUnavailableError("no store", retry_after_ms=1)

        value = correction_id[1]
        monkeypatch.setattr(world.store, "insert_voids", failing)
        with pytest.raises(StoreUnavailableError):
            world.amend("a", setting(value=value), correction_id=correction_id)
        monkeypatch.setattr(world.store, "insert_voids", insert)
        world.amend("a", setting(value=value), correction_id=correction_id)
        assert world.sums() == {"acme": (int(value), 1)}


def test_a_draft_is_seen_by_the_read_that_names_it_alone(world):
    """A void and an amendment tried: usage with them, without them, and nothing left of them afterwards."""
    world.deliver(event_of("a", "5"), event_of("b", "7"))
    correction = Correction(Kind.AMEND, refs("a"), Amendment((("value", "6"),), customer_id="bolt"))
    plan = world.corrections.plan("t1", correction, Signature("m", "", ""))
    measure = measure_of("t1", Meter.read(SUM))
    with world.corrections.draft(plan) as draft_id:
        found = UsageReader(world.store).read(
            measure.asked(CUSTOMERS, PERIOD_US, plan.as_of_us, draft_id), 10
        )
        assert [(each.customer_id, each.quantity) for each in found] == [("acme", 7), ("bolt", 6)]
        assert world.sums() == {"acme": (12, 2)}
    assert world.store.query(Query("SELECT count() FROM drafts", {})) == [(0,)]
    assert world.store.query(_all_facts()) == []


def test_a_customer_who_has_amended_events_alone_is_found(world):
    """Whoever pages through everybody's usage must meet him, before and behind the others."""
    from engine.usage.query.usage_pages import customers_from

    world.deliver(event_of("a", "5"), event_of("b", "7"), event_of("c", "1", customer="m"))
    world.amend("a", Amendment(customer_id="zeta"))
    world.amend("b", Amendment(customer_id="alpha"))
    request = measure_of("t1", Meter.read(SUM)).asked(None, PERIOD_US, world.as_of())
    assert customers_from(world.store, request, "", 10) == ["acme", "alpha", "m", "zeta"]
    assert customers_from(world.store, request, "acmf", 2) == ["alpha", "m"]
