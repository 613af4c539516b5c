"""Which events travel together, and when: the pure decisions."""

from hypothesis import given
from hypothesis import strategies as st

from meterline.sending.batching import Batcher


def batcher(events_max=3, bytes_max=100, age_max_s=0.1):
    return Batcher(events_max=events_max, bytes_max=bytes_max, age_max_s=age_max_s)


def test_nothing_is_due_when_nothing_waits():
    """An empty batcher asks for no wake-up at all."""
    empty = batcher()
    assert empty.empty
    assert empty.due_in_s(5.0) is None
    assert empty.take(5.0) is None


def test_a_lone_event_is_due_when_it_has_reached_its_age():
    """The age counts from the first event of the batch, not from the last."""
    lone = batcher(age_max_s=0.5)
    lone.add(b"a", 10.0)
    lone.add(b"b", 10.25)
    assert lone.due_in_s(10.25) == 0.25
    assert lone.take(10.25) is None
    assert lone.take(10.5).frames == [b"a", b"b"]


def test_a_full_count_is_due_at_once():
    """The batch that reaches its count leaves; the next event opens a new batch with its own clock."""
    full = batcher(events_max=2)
    assert [full.add(frame, 1.0) for frame in (b"a", b"b", b"c")] == [True, True, True]
    assert full.take(1.0).frames == [b"a", b"b"]
    assert full.take(1.0) is None
    assert not full.empty


def test_a_batch_never_passes_its_bytes():
    """The event that would pass the limit opens the next batch."""
    bytes_bound = batcher(events_max=10, bytes_max=10)
    bytes_bound.add(b"x" * 6, 1.0)
    assert bytes_bound.add(b"y" * 5, 1.0) is True
    assert bytes_bound.take(1.0).frames == [b"x" * 6]


def test_an_event_that_joins_an_open_batch_wakes_nobody():
    """Only a new clock or a due batch is worth a wake-up."""
    joined = batcher()
    assert joined.add(b"a", 1.0) is True
    assert joined.add(b"b", 1.01) is False


def test_an_urged_batch_leaves_before_its_age_and_later_events_keep_theirs():
    """A flush hurries what waits, not what comes after it."""
    urged = batcher()
    urged.add(b"a", 1.0)
    urged.urge()
    assert urged.take(1.0).frames == [b"a"]
    urged.add(b"b", 1.0)
    assert urged.take(1.0) is None


def test_the_first_waiting_ordinal_follows_what_was_taken():
    """Ordinals tell a flush what is still to go."""
    ordinals = batcher(events_max=2)
    for frame in (b"a", b"b", b"c"):
        ordinals.add(frame, 1.0)
    assert ordinals.first_waiting_ordinal == 0
    assert ordinals.take(1.0).first_ordinal == 0
    assert ordinals.first_waiting_ordinal == 2
    ordinals.urge()
    assert ordinals.take(1.0).first_ordinal == 2
    assert ordinals.first_waiting_ordinal == ordinals.next_ordinal == 3


@given(
    sizes=st.lists(st.integers(1, 40), max_size=60),
    events_max=st.integers(1, 7),
    take_after=st.integers(1, 9),
)
def test_every_event_leaves_once_in_order_within_the_limits(sizes, events_max, take_after):
    """Whatever comes in: nothing is lost, doubled or reordered, and no batch passes a limit."""
    any_load = batcher(events_max=events_max, bytes_max=40, age_max_s=1_000.0)
    frames = [index.to_bytes(2, "big").ljust(size, b".")[: max(size, 2)] for index, size in enumerate(sizes)]
    taken = []
    for index, frame in enumerate(frames):
        any_load.add(frame, 0.0)
        if index % take_after == 0:
            while (batch := any_load.take(0.0)) is not None:
                taken.append(batch)
    any_load.urge()
    while (batch := any_load.take(0.0)) is not None:
        taken.append(batch)
    assert [frame for batch in taken for frame in batch.frames] == frames
    assert all(len(batch.frames) <= events_max for batch in taken)
    assert all(batch.size_bytes == len(batch.payload()) <= 40 for batch in taken)
    assert any_load.empty
