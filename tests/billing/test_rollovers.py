"""What a billing period leaves of its commitment, rolled over into later ones: by hand, and like the slow oracle.

A subscription pays 80.00 a month, and 0.01 a call.
"""

import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.billing.terms.settled import settled
from engine.errors import CatalogDocumentError
from engine.spend.applied_terms import applied_commitments
from engine.spend.spend import spend_of
from rating import Commitment, Commitments, DecimalColumn, InvoiceLines
from rating.settlement.commitments import apply_commitments
from tests.support.billing_cases import catalog_of, history_of, rated
from tests.support.commitment_oracle import Held, adjustments
from tests.support.committing_catalogs import text_of

CALLS = (0, 3000, 2000, 5000)


def months(own, calls=CALLS, *, terms="", more=""):
    """Of April, May and so on: (due, "rolled over, used of it, left, overage, true-up")."""
    catalog = catalog_of(text_of(terms, own, more))
    starts = [datetime(2026, 4 + place, 1, tzinfo=UTC) for place in range(len(calls))]
    usage = {
        ("calls", "acme", start): [((), Decimal(count), count, "0" * 32, 0, 0)]
        for start, count in zip(starts, calls, strict=True)
    }
    found = []
    for start in starts:
        at = start.replace(day=10)
        lines, history = rated(catalog, usage, at), history_of(catalog, usage, at)
        (spend,) = spend_of(lines, history).by_amount(9)
        said = [
            " ".join(map(str, (each.rolled_over, each.carried, each.left, each.overage, each.true_up)))
            for each in applied_commitments(settled(lines, history))
        ]
        found.append((str(spend.settled.due), *said))
    return found


def test_without_rollover_what_is_left_is_gone():
    """80.00, 110.00, 100.00 and 130.00 of 100.00 each."""
    found = months("commitments: [{amount: 100}]")
    assert [due for due, _ in found] == ["100.00", "110.00", "100.00", "130.00"]


def test_what_a_month_left_pays_for_the_next_one_beyond_its_own():
    """April is charged 20.00 for nothing; 10.00 of them are May's, and the rest is gone in June, and in July."""
    assert months("commitments: [{amount: 100, rollover_periods: 1}]") == [
        ("100.00", "0.00 0.00 20.00 0.00 20.00"),
        ("100.00", "20.00 10.00 0.00 0.00 -10.00"),
        ("100.00", "0.00 0.00 0.00 0.00 0.00"),
        ("130.00", "0.00 0.00 0.00 0.00 0.00"),
    ]


def test_what_is_left_lasts_as_many_months_as_said():
    """Three: the 10.00 that May has not used are July's, the last month of them."""
    found = months("commitments: [{amount: 100, rollover_periods: 3}]")
    assert found[2:] == [
        ("100.00", "10.00 0.00 0.00 0.00 0.00"),
        ("120.00", "10.00 10.00 0.00 0.00 -10.00"),
    ]
    assert months("commitments: [{amount: 100, rollover_periods: 2}]")[3][0] == "130.00"


def test_used_first_more_of_the_own_amount_is_left():
    """May's 110.00 use the 20.00 first, and 90.00 of its own: it is charged 10.00 for the rest, less the 20.00. June's 100.00 use those
    10.00 and 90.00, July's 130.00 again 10.00: 20.00 lie beyond.
    """
    assert months("commitments: [{amount: 100, rollover_periods: 1, rollover_order: first}]") == [
        ("100.00", "0.00 0.00 20.00 0.00 20.00"),
        ("100.00", "20.00 20.00 10.00 0.00 -10.00"),
        ("100.00", "10.00 10.00 10.00 0.00 0.00"),
        ("120.00", "10.00 10.00 0.00 0.00 -10.00"),
    ]


def test_overage_begins_behind_what_was_rolled_over():
    """July's 130.00 are 20.00 beyond 100.00 and the 10.00 that are left: at 1.5 they cost 10.00 more."""
    found = months("commitments: [{amount: 100, rollover_periods: 3, overage_factor: 1.5}]")
    assert found[3] == ("130.00", "10.00 10.00 0.00 10.00 -10.00")


def test_what_was_not_charged_is_not_given_back():
    """Without a true-up April's 20.00 only move where May's overage begins: 110.00 are within, and cost no more."""
    found = months("commitments: [{amount: 100, rollover_periods: 1, overage_factor: 2, true_up: false}]")
    assert [due for due, _ in found] == ["80.00", "110.00", "100.00", "160.00"]


def test_the_oldest_is_used_first():
    """April and May leave 20.00 and 20.00, June uses 30.00; so 10.00 of May's are July's."""
    found = months("commitments: [{amount: 100, rollover_periods: 2}]", (0, 0, 5000, 5000))
    assert [said for _, said in found[2:]] == [
        "40.00 30.00 0.00 0.00 -30.00",
        "10.00 10.00 0.00 0.00 -10.00",
    ]


def test_an_upgrade_takes_it_along_and_a_pause_does_not():
    """May's 90.00 by the new plan are 5.00 beyond its 85.00, and use 5.00 of April's 20.00. Behind a pause none of them is left."""
    terms, more = (
        "commitments: [{amount: 100, rollover_periods: 1}]",
        "commitments: [{amount: 85, rollover_periods: 1}]",
    )
    found = months("phases: [{start: 2026-05-01, plan: team}]", (0, 0), terms=terms, more=more)
    assert found[1] == ("85.00", "20.00 5.00 0.00 0.00 -5.00")
    own = "phases: [{start: 2026-05-01, paused: true}, {start: 2026-06-01}]"
    assert months(own, (0, 0, 9000), terms=terms)[2] == ("170.00", "0.00 0.00 0.00 0.00 0.00")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("rollover_periods: 13", "rollover_periods"),
        ("rollover_order: first", "rollover_order"),
        ("rollover_periods: 1, rollover_order: never", "rollover_order"),
        ("rollover_periods: 1, periods: 2", "rollover_periods"),
    ],
)
def test_single_periods_roll_over_for_up_to_twelve(fields, message):
    with pytest.raises(CatalogDocumentError, match=message):
        catalog_of(text_of("", f"commitments: [{{amount: 1, {fields}}}]"))


@pytest.mark.parametrize(
    ("lasts", "order", "periods"), [(1, "last", 1), (2, "last", 3), (3, "last", 11), (1, "first", 11)]
)
def test_an_answer_reads_no_earlier_periods_than_decide(lasts, order, periods):
    """Of twelve months: so many before the last, wherever the commitment began."""
    catalog = catalog_of(
        text_of("", f"commitments: [{{amount: 100, rollover_periods: {lasts}, rollover_order: {order}}}]")
    )
    at = datetime(2027, 3, 10, tzinfo=UTC)
    found = settled(rated(catalog, {}, at), history_of(catalog, {}, at))
    assert len(found.invoiced.places.row) == 1 + periods


def test_what_decides_on_a_month_is_read_and_no_less():
    """April leaves 10.00, and May 20.00. June is 20.00 beyond, and takes April's 10.00 first: 10.00 of May's are left for July."""
    found = months("commitments: [{amount: 100, rollover_periods: 2}]", (1000, 0, 4000, 4000))
    assert found[2:] == [
        ("100.00", "30.00 20.00 0.00 0.00 -20.00"),
        ("110.00", "10.00 10.00 0.00 0.00 -10.00"),
    ]


def test_random_months_roll_over_as_by_hand(seed):
    """Ten months of random spend, each asked by itself: of a bounded number of months before it, or of all."""
    dice = random.Random(seed)
    for _ in range(4):
        own, steps = [], sorted(dice.sample(range(1, 10), dice.randint(0, 2)))
        most, orders = dice.choice(((1, ("last",)), (2, ("last",)), (3, ("last", "first"))))
        for _ in range(1 + len(steps)):
            given = (
                *(dice.choice((80, 95, 100, 120)), dice.choice(("1", "1.5")), dice.random() < 0.8),
                *(dice.randint(1, most), dice.choice(orders)),
            )
            own.append(given)
        texts = [
            f"[{{amount: {amount}, overage_factor: {factor}, true_up: {str(true_up).lower()}, "
            f"rollover_periods: {lasts}, rollover_order: {order}}}]"
            for amount, factor, true_up, lasts, order in own
        ]
        phases = ", ".join(
            f"{{start: {datetime(2026 + (3 + step) // 12, (3 + step) % 12 + 1, 1, tzinfo=UTC):%Y-%m-%d}, commitments: {text}}}"
            for step, text in zip(steps, texts[1:], strict=True)
        )
        calls = [dice.choice((0, 500, 1000, 2000, 3000, 6000)) for _ in range(10)]
        found = _asked_by_month(f"commitments: {texts[0]}, phases: [{phases}]", calls)
        lots, place, expected = {}, 0, []
        for number, count in enumerate(calls):
            place += number in steps
            amount, factor, true_up, lasts, order = own[place]
            held = Held(
                100 * amount, Fraction(factor), true_up, frozenset(), ("t",), True, lasts, order == "first"
            )
            expected.append(adjustments([held], [(None, 8000 + count)], lots)[0])
        assert found == expected


def _asked_by_month(own, calls):
    """[(overage, true-up)] in cents of April, May and so on, each from an answer of its own."""
    catalog = catalog_of(text_of("", own))
    starts = [
        datetime(2026 + (3 + place) // 12, (3 + place) % 12 + 1, 1, tzinfo=UTC) for place in range(len(calls))
    ]
    usage = {
        ("calls", "acme", start): [((), Decimal(count), count, "0" * 32, 0, 0)]
        for start, count in zip(starts, calls, strict=True)
    }
    found = []
    for start in starts:
        at = start.replace(day=10)
        (said,) = applied_commitments(settled(rated(catalog, usage, at), history_of(catalog, usage, at)))
        found.append((int(said.overage * 100), int(said.true_up * 100)))
    return found


def test_random_terms_and_rollovers_add_as_by_hand(seed):
    """400 subscriptions of up to 14 periods, each over one term or rolling over, with amounts and terms that change, in random order."""
    dice = random.Random(seed)
    rows, expected, spends = [], [], []
    terms, numbers = [], {}
    for subscription in range(400):
        rolls, drawn = dice.random() < 0.6, {}
        count, big = dice.randint(1, 14), dice.choice((1, 1, 10**17))
        for position in range(count):
            if not position or dice.random() < 0.3:
                lasts = dice.choice((1, 1, 2, 3, 12)) if rolls else 0
                given = (
                    *(dice.choice(("1", "1.5", "0.875", "3")), dice.random() < 0.8),
                    *(lasts, rolls and dice.random() < 0.5),
                )
                committed = dice.choice((0, 50, 100, 101)) * big
            spend = dice.randint(-20, 220) * big
            is_last = rolls or position == count - 1
            held = Held(committed, Fraction(given[0]), given[1], frozenset(), ("t",), is_last, *given[2:])
            expected.append(adjustments([held], [(None, spend)], drawn)[0])
            if given not in numbers:
                numbers[given] = len(terms)
                terms.append(
                    Commitment(
                        currency="JPY",
                        amount=Decimal(0),
                        overage_factor=Decimal(given[0]),
                        true_up=given[1],
                        rollover_periods=given[2],
                        rollover_first=given[3],
                    )
                )
            rows.append((numbers[given], subscription, position, is_last, rolls, committed))
            spends.append(spend)
    order = dice.sample(range(len(rows)), len(rows))
    index, term, position, is_last, rolls, committed = zip(*(rows[place] for place in order), strict=True)
    nothing = DecimalColumn.zeros(len(rows))
    found = apply_commitments(
        InvoiceLines.of([str(each) for each in spends], currency="JPY", subscription=list(range(len(rows)))),
        Commitments(
            terms=tuple(terms),
            terms_index=np.array(index),
            subscription=np.array(order),
            final=np.array(is_last),
            spent_minor=nothing,
            overage_minor=nothing,
            true_up_minor=nothing,
            committed_minor=DecimalColumn.of_ints(committed),
            term=np.array(term),
            position=np.array(position),
            rolls_over=np.array(rolls),
        ),
    )
    charged = zip(found.overage_minor.mantissa.tolist(), found.true_up_minor.mantissa.tolist(), strict=True)
    assert dict(zip(order, charged, strict=True)) == dict(enumerate(expected))
    assert sum(each > 0 for each in found.carried_minor.mantissa.tolist()) > 50
