"""A file in pieces says what the whole file says: the same resources, and the same mistakes on the same lines."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.documents import pieces
from engine.catalog.documents.document import read_document, read_lines
from engine.catalog.documents.pieces import document_pieces, line_pieces
from engine.catalog.documents.yaml_tree import YamlError
from engine.catalog.kinds import KINDS
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import CatalogDocumentError

SHOP = """\
# A shop.
subscriptions:
  # The first.
  - {customer: acme, plan: p, start: 2026-01-01}

  - customer: bolt   # the second
    plan: p
    start: 2026-01-01
customers:
- id: acme
  name: "Acme
- of two lines"
- id: bolt
  name: |-
    - Bolt
plans:
  - id: p
    name: P
    currency: USD
    prices:
      - {id: f, model: flat, flat_amount: 1}
"""


@pytest.fixture
def small(monkeypatch):
    """So few bytes a piece that each entry of SHOP needs one of its own."""
    monkeypatch.setattr(pieces, "BYTES_MAX", 100)


def resources_of(parts):
    """By applying one piece after another to an empty catalog."""
    catalog = Catalog.empty("t")
    for piece in parts:
        read = read_lines if piece.is_lines else read_document
        catalog = (
            read(piece.text, "f", piece.first_line)
            .changes(catalog, datetime(2026, 1, 1, tzinfo=UTC))
            .applied_to(catalog)
        )
    return {(each.kind, each.id): each.definition for each in catalog.listed(0)}


def test_sections_are_in_the_order_of_the_kinds():
    assert tuple(kind.section for kind in KINDS.values()) == pieces.SECTIONS


def mistakes_of(text, first_line=1):
    with pytest.raises(CatalogDocumentError) as caught:
        read_document(text, "f", first_line).resources(Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC))
    return [str(each) for each in caught.value.mistakes]


def test_a_document_that_a_request_holds_is_one_piece():
    """It goes as a whole, or not at all."""
    (piece,) = document_pieces(SHOP)
    assert (piece.text, piece.first_line) == (SHOP, 1)


def test_a_larger_document_is_parted_between_its_entries(monkeypatch):
    """What is referred to comes first, whatever the order of the sections; text that looks like an entry is none."""
    whole = resources_of(document_pieces(SHOP))
    assert whole["customer", "acme"] == '{"id":"acme","name":"Acme - of two lines"}'
    monkeypatch.setattr(pieces, "BYTES_MAX", 100)
    found = document_pieces(SHOP)
    sections = [piece.text.splitlines()[0] for piece in found]
    assert list(dict.fromkeys(sections)) == ['"plans":', '"customers":', '"subscriptions":']
    assert len(found) == 4
    assert resources_of(found) == whole
    lines = SHOP.splitlines()
    for piece in found:
        own = piece.text.splitlines()
        assert own[1:] == lines[piece.first_line : piece.last_line]


def test_a_quoted_text_over_lines_is_not_cut(small):
    """Its second line begins like an entry."""
    customers = [piece for piece in document_pieces(SHOP) if piece.text.startswith('"customers"')]
    assert '"Acme\n- of two lines"' in "".join(piece.text for piece in customers)
    assert all(piece.text.count('"') % 2 == 0 for piece in customers)


def test_a_mistake_in_a_piece_has_its_line_in_the_file(monkeypatch):
    """And so has the line that another mistake names."""
    text = SHOP.replace("flat_amount", "flat_amuont")
    whole = mistakes_of(text)
    monkeypatch.setattr(pieces, "BYTES_MAX", 100)
    found = [
        mistake
        for piece in document_pieces(text)
        if "plans" in piece.text.splitlines()[0]
        for mistake in mistakes_of(piece.text, piece.first_line)
    ]
    assert found == whole
    assert found[0].startswith("f:21: plans.p.prices.f")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('{"customers": [{"id": "a", "name": "A"}]}', 1, "each section must be a list whose entries"),
        ("customers: [{id: a, name: A}]", 1, "each section must be a list whose entries"),
        ("customers:\n  -\n    id: a", 3, "each section must be a list whose entries"),
        ("customers:\n  - {id: a}\n---\ncustomers:\n  - {id: b}", 3, "a second document starts here"),
        ("customers:\n  - {id: a}\ncustomers:\n  - {id: b}", 3, "is given twice, first on line 1"),
        ("customers:\n  - {id: 'a}", 2, "is not YAML"),
        ("customers:\n  - {id: a\x00}", 2, "holds a character that YAML does not allow"),
        (
            "customers:\n  - {id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}",
            2,
            "is an entry of more than 20 bytes",
        ),
        ("customers:\n  - &x {id: a}\n  - *x\n  - *x", 3, "refers to an anchor in another piece"),
    ],
)
def test_a_document_that_can_t_be_parted_is_refused(monkeypatch, text, line, said):
    """With what to do, before any of it is applied."""
    monkeypatch.setattr(pieces, "BYTES_MAX", 20)
    with pytest.raises(YamlError) as caught:
        document_pieces(text)
    assert said in caught.value.message
    assert caught.value.line == line


def test_an_anchor_serves_in_its_own_piece(monkeypatch):
    """Its uses there are as in a whole document."""
    text = "customers:\n  - &x {id: a, name: N}\n  - {<<: *x, id: b}\n  - {id: c, name: 012345678901234}\n"
    monkeypatch.setattr(pieces, "BYTES_MAX", 60)
    found = document_pieces(text)
    assert len(found) == 2
    assert [key for _, key in resources_of(found)] == ["a", "b", "c"]


@given(
    st.lists(st.text('ab{}" \u00e9', max_size=30), max_size=30),
    st.integers(31 * 2 + 1, 200),
    st.integers(1, 5),
)
def test_lines_go_as_they_are_and_in_order(lines, bytes_max, entries_max):
    """No line is lost, doubled or moved, and none of the bounds is passed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "BYTES_MAX", bytes_max)
        patch.setattr(pieces, "ENTRIES_MAX", entries_max)
        found = list(line_pieces(enumerate(lines, start=1)))
    assert [line for piece in found for line in piece.text.split("\n")] == lines
    assert [number for piece in found for number in range(piece.first_line, piece.last_line + 1)] == list(
        range(1, len(lines) + 1)
    )
    for piece in found:
        assert len(piece.text.encode()) <= bytes_max
        assert piece.text.count("\n") < entries_max


def test_a_line_that_no_piece_holds_is_refused(monkeypatch):
    """It would be refused by the engine, after all before it were applied."""
    monkeypatch.setattr(pieces, "BYTES_MAX", 20)
    with pytest.raises(YamlError, match="has more than 20 bytes"):
        list(line_pieces([(1, "a"), (2, "a" * 20)]))


def line(kind, definition, **more):
    return json.dumps({"kind": kind, **more, "definition": definition})


def test_lines_are_resources_as_a_document_has_them():
    """Numbers are the text that was written, and what isn't given is null or left out."""
    prices = [{"id": "f", "model": "flat", "flat_amount": 0.1}]
    text = "\n".join(
        [
            line("plan", {"id": "p", "name": "P", "currency": "USD", "prices": prices}),
            "",
            line(
                "customer",
                {"id": "acme", "name": "Acme \u00e9\U0001f680", "metadata": None},
                id="acme",
                version=3,
            ),
            line(
                "meter",
                {"id": "m", "event_type": "e", "aggregation": "sum", "value": "v", "carries_over": True},
            ),
            line("subscription", {"customer": "acme", "plan": "p", "start": "2026-01-01"}),
        ]
    )
    found = {
        each.id: each
        for each in read_lines(text, "f").resources(Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC))
    }
    assert list(found) == ["p", "acme", "m", "acme:p"]
    assert str(found["p"].prices[0].price.flat_amount) == "0.1"
    assert found["acme"].name == "Acme \u00e9\U0001f680"
    assert found["m"].carries_over


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "f:7: is not JSON: "),
        ('{"kind": "customer", "definition": {"id": NaN}}', "f:7: is not JSON: NaN is not a number"),
        ("[]", "f:7: must be an object"),
        ('{"kind": "customer"}', "f:7: definition: must be an object with the fields of a customer"),
        (
            '{"definition": {}}',
            "f:7: kind: must be one of meter, plan, coupon, tax_region, seller, revenue_split, exchange_rate, customer, subscription, credit_grant",
        ),
        ('{"kind": "voucher", "definition": {}}', "f:7: kind: must be one of meter, plan"),
        ('{"kind": "plan", "kind": "plan", "definition": {}}', "f:7: gives one of its fields twice"),
        ('{"kind": "plan", "definition": {}, "name": 1}', "f:7: 'name' is not a field of a line"),
        (line("customer", {"id": "a", "name": "A"}, id="b"), "f:7: id: is 'b', but the definition's is 'a'"),
        (line("customer", {"id": "a", "nmae": "A"}), "f:7: customers.a.name: is missing"),
        (
            '{"kind": "customer", "definition": {"id": "a", "name": "A", "name": "B"}}',
            "f:7: customers.a.name: is given twice, first on line 7",
        ),
        (line("customer", {"id": "a", "name": "\ud800"}), "f:7: holds half of a surrogate pair"),
        (line("customer", {"id": "a", "name": eval("[" * 40 + "]" * 40)}), "f:7: is nested deeper than 32"),
        ('{"kind": "customer", "definition": ' + "[" * 100_000, "f:7: is not JSON"),
    ],
)
def test_a_line_that_is_no_resource_is_refused_with_its_number(text, said):
    """The first such line, or every mistake of lines that are."""
    good = line("customer", {"id": "x", "name": "X"})
    with pytest.raises(CatalogDocumentError) as caught:
        read_lines(f"{good}\n\n{text}", "f", 5).resources(
            Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC)
        )
    assert str(caught.value.mistakes[0]).startswith(said)
