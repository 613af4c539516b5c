"""Whose spend changed since a month before, each figure worked out by hand."""

import os
from datetime import datetime
from decimal import Decimal

import pytest

from engine.api.pages.operator.movers import month_before, moves_of
from meterline.v1.spend_pb2 import Spend
from tests.support.pages.operator_browser import Operator
from tests.support.pages.page_world import words_of


def _spends(currency, **amounts):
    return [
        Spend(customer_id=name, currency=currency, amount=amount)
        for name, amount in sorted(amounts.items(), key=lambda one: -Decimal(one[1]))
    ]


def test_who_came_and_went_is_added_up_exactly():
    """New 7.00; more 0.01 and 1.00; less 2.50; gone 5.00 and, at nothing now, 4.00. Another currency stands by itself."""
    before = _spends("EUR", a="1.00", b="2.00", c="10.00", gone="5.00", idle="4.00", same="3.00")
    now = _spends("EUR", a="1.01", b="3.00", c="7.50", idle="0.00", same="3.00", new="7.00")
    euros, dollars = moves_of([*before], [*now, *_spends("USD", a="9.00")], 1_000)
    assert (euros.currency, euros.is_whole) == ("EUR", True)
    assert euros.sums() == (Decimal("7.00"), Decimal("1.01"), Decimal("-2.50"), Decimal("-9.00"))
    assert dollars.sums() == (Decimal("9.00"), 0, 0, 0)


def test_whoever_may_be_beyond_the_end_of_a_full_list_is_left_out():
    """Of two a list: who is in the full one alone may be gone, who is in the other alone may be new, or not."""
    (found,) = moves_of(_spends("EUR", a="5.00", b="4.00"), _spends("EUR", b="6.00"), 2)
    # The list of now is not full: a spends nothing any more.
    assert [(each.customer_id, each.difference) for each in found.moves] == [
        ("a", Decimal("-5.00")),
        ("b", Decimal("2.00")),
    ]
    (found,) = moves_of(_spends("EUR", a="5.00", b="4.00"), _spends("EUR", b="6.00", c="5.00"), 2)
    assert [each.customer_id for each in found.moves] == ["b"]
    assert not found.is_whole


@pytest.mark.parametrize(
    ("day", "before"),
    [("2026-03-31", "2026-02-28"), ("2024-03-30", "2024-02-29"), ("2026-01-15", "2025-12-15")],
)
def test_a_month_before_is_the_same_day_or_the_last(day, before):
    """Whatever the month has."""
    assert month_before(datetime.fromisoformat(day)) == datetime.fromisoformat(before)


def test_the_page_compares_two_months(world):
    """Acme: 31.25 after 20.00 + 100 x 0.01. Bolt: 20.00 + 10.00 + 10.00 + 72.78 after 23.00. Rich and yearly are new, with 100.00 each."""
    operator = Operator(world.engine.http_port)
    operator.sign_in(os.environ["METERLINE_API_KEY"])
    status, _, html = operator.get("/operator/movers?at=2025-06-10")
    said = words_of(html)
    assert status == 200
    assert "the billing periods that contain May 10, 2025" in said
    assert "EUR €200.00 €100.03 €0.00 €0.00" in said
    assert "rich €0.00 €100.00 €100.00 yearly €0.00 €100.00 €100.00" in said
    assert "bolt €23.00 €112.78 €89.78 acme €21.00 €31.25 €10.25" in said
    assert "Who spends less Nobody does." in said
