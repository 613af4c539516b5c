"""Rows in chunks do what a mapping does, whatever is merged in which order, and share what did not change."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.snapshots import sorted_rows
from engine.catalog.snapshots.sorted_rows import SortedRows

SCHEMA = pa.schema(
    [
        ("owner", pa.string()),
        ("id", pa.string()),
        ("version", pa.int32()),
        ("created", pa.int64()),
        ("text", pa.large_string()),
    ]
)
# Prefixes of each other, and characters around the separators of ids.
names = st.text("aB0-.", min_size=1, max_size=3)
keys = st.tuples(names, names)


@pytest.fixture(autouse=True, scope="module")
def small_chunks():
    """Many chunks of few rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_rows, "_CHUNK_ROWS_MAX", 3)
        patch.setattr(sorted_rows, "_ROWS_AT_ONCE", 4)
        yield


def table(rows) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def merge(rows: SortedRows, model: dict, batch: list, created: int) -> SortedRows:
    """Merges versions of these keys, and does the same to the model: key -> (version, created, text)."""
    versions = []
    for key in batch:
        version, first, _ = model.get(key, (0, created, ""))
        model[key] = (version + 1, first, f"{key} {version + 1}")
        versions.append(
            {
                "owner": key[0],
                "id": key[1],
                "version": version + 1,
                "created": created,
                "text": model[key][2],
            }
        )
        created += 1
    return rows.merged(table(versions))


def contents(rows: SortedRows) -> dict:
    return {
        (row["owner"], row["id"]): (row["version"], row["created"], row["text"]) for row in rows.rows_from(())
    }


@given(batches=st.lists(st.lists(keys, max_size=12), max_size=6), wanted=st.sets(names), place=keys)
def test_merged_rows_are_what_a_mapping_would_hold(batches, wanted, place):
    """Found by key, from a place, by the first column, in order and in the order of creation; earlier rows stay."""
    rows, model = SortedRows.empty(SCHEMA, ("owner", "id")), {}
    seen = []
    for number, batch in enumerate(batches):
        rows = merge(rows, model, batch, number * 100)
        seen.append((rows, dict(model)))
    for some, expected in seen:
        assert len(some) == len(expected)
        assert list(contents(some).items()) == sorted(expected.items())
        created = sorted(expected.items(), key=lambda each: each[1][1])
        for first in (0, 1, len(expected)):
            assert list(some.by_creation(first, ("owner", "id", "version"))) == [
                (*key, version) for key, (version, _, _) in created[first:]
            ]
        assert [(row["owner"], row["id"]) for row in some.rows_from(place)] == [
            key for key in sorted(expected) if key >= place
        ]
        for key in [place, *expected]:
            found = some.find(key)
            assert (found and found["text"]) == (expected[key][2] if key in expected else None)
        matching = some.matching(sorted(wanted))
        pairs = zip(matching.column("owner").to_pylist(), matching.column("id").to_pylist(), strict=True)
        assert list(pairs) == [key for key in sorted(expected) if key[0] in wanted]
        assert some.column("id").to_pylist() == [key[1] for key in sorted(expected)]


@given(batches=st.lists(st.lists(st.tuples(keys, st.booleans()), max_size=12), max_size=6))
def test_ends_and_beginnings_merge_alike_in_whatever_parts(batches):
    """A row that ended is gone; one that begins anew stands behind the others, as if it had never been."""
    model, versions, parts, created = {}, {}, [], 0
    for batch in batches:
        parts.append([])
        for key, ends in batch:
            versions[key] = versions.get(key, 0) + 1
            row = {"owner": key[0], "id": key[1], "version": versions[key], "text": str(created)}
            if ends:
                model.pop(key, None)
            else:
                _, first, _ = model.get(key, (0, created, ""))
                model[key] = (versions[key], first, str(created))
            parts[-1].append(row | {"created": None if ends else created})
            created += 1
    rows = SortedRows.empty(SCHEMA, ("owner", "id"))
    for part in parts:
        rows = rows.merged(table(part))
    assert list(contents(rows).items()) == sorted(model.items())
    at_once = SortedRows.empty(SCHEMA, ("owner", "id")).merged(table([row for part in parts for row in part]))
    assert contents(at_once) == contents(rows)
    assert len(at_once) == len(rows) == len(model)


def test_a_change_copies_the_chunk_that_it_falls_into_and_no_other():
    """A million rows must not be copied for one."""
    rows = merge(SortedRows.empty(SCHEMA, ("id",)), {}, [("o", f"{number:03}") for number in range(90)], 0)
    before = {id(chunk) for chunk in rows.chunks}
    changed = rows.merged(
        table([{"owner": "o", "id": "050", "version": 2, "created": 100, "text": "changed"}])
    )
    assert len(changed.chunks) == len(rows.chunks) == 30
    assert sum(id(chunk) not in before for chunk in changed.chunks) == 1
    assert (rows.find(("050",))["version"], changed.find(("050",))["version"]) == (1, 2)


def test_rows_that_are_merged_one_by_one_keep_their_chunks_small():
    """In ascending order, as ids are often given out, and in descending order."""
    for order in (range(100), range(100, 0, -1)):
        rows, model = SortedRows.empty(SCHEMA, ("id",)), {}
        for created, number in enumerate(order):
            rows = merge(rows, model, [("o", f"{number:03}")], created)
        assert max(chunk.num_rows for chunk in rows.chunks) <= 3
        assert len(rows) == 100
        assert len(rows.chunks) <= 67
