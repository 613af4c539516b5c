"""The YAML that an export writes is read again as what it was, by the engine and by any other reader of YAML."""

import json
from datetime import UTC, datetime

import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.documents.document import read_document
from engine.catalog.kinds import KINDS, definition
from engine.catalog.snapshots.snapshot import Catalog
from engine.cli.catalog.catalog_yaml import section_yaml
from tests.catalog.conftest import DOCUMENT

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(
        [
            "yes",
            "No",
            "null",
            "~",
            "007",
            "1e3",
            "0x1",
            "2025-01-01",
            "a: b",
            "a #b",
            "- a",
            "<<",
            "=",
            "1_0",
            "12:30:45",
        ]
    ),
)
values = st.recursive(
    st.one_of(texts, st.booleans(), st.integers(-(10**12), 10**12)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@given(entries=st.lists(st.dictionaries(texts, values, min_size=1, max_size=4), max_size=3))
def test_every_value_is_read_again_as_what_it_was(entries):
    """Whatever is in a text, and however deep it goes; in lines that end where they should."""
    text = "".join(section_yaml("things", entries))
    assert yaml.safe_load(text) == {"things": entries}


def test_a_catalog_is_exported_field_by_field():
    """Ids first; a person reads what changed from one version to the next."""
    resources = read_document(DOCUMENT, "llm.yaml").resources(
        Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC)
    )
    text = "".join(
        line
        for kind in KINDS.values()
        for line in section_yaml(
            kind.section, [json.loads(definition(each)) for each in resources if each.kind == kind.kind]
        )
    )
    again = read_document(text, "export.yaml").resources(Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC))
    assert again == resources
    assert text.startswith(
        "meters:\n  - id: input\n    aggregation: sum\n    event_type: llm.completion\n    group_by: [model]\n"
    )
