"""Credit grants: used in their order, traced, never past their balance nor below a line's zero."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import numpy as np
import pytest

from fields import FieldsError
from rating.numbers.decimals import DecimalColumn
from rating.settlement.credits import apply_credits
from rating.settlement.grants import NEVER_US, CreditGrant, CreditGrants, GrantCategory, micros
from rating.settlement.invoice_lines import InvoiceLines

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def grant(amount, name="g", **more):
    fields = {"grant_id": name, "currency": "USD", "effective_at": JANUARY, "created_at": JANUARY}
    return CreditGrant(amount=Decimal(amount), **(fields | more))


def lines_of(amounts, at=MARCH, **columns):
    instants = [micros(each) for each in at] if isinstance(at, list) else micros(at)
    return InvoiceLines.of(amounts, at_us=instants, **columns)


def consumed(lines, *grants, customer=None, **more):
    """The trace as (grant, line, minor units), in the order of the result."""
    columns = CreditGrants.of(grants, customer if customer is not None else [0] * len(grants), **more)
    result = apply_credits(lines, columns)
    check_books(lines, columns, result)
    return list(
        zip(result.grant.tolist(), result.line.tolist(), result.amount_minor.mantissa.tolist(), strict=True)
    )


def check_books(lines, grants, result):
    """What must hold of any result: the rows add up to both sides, and neither side goes below zero."""
    by_line, by_grant = Counter(), Counter()
    rows = zip(
        result.grant.tolist(), result.line.tolist(), result.amount_minor.mantissa.tolist(), strict=True
    )
    for each, line, amount in rows:
        assert amount > 0
        by_line[line] += amount
        by_grant[each] += amount
    for line, amount in enumerate(lines.amount_minor.mantissa.tolist()):
        credited = result.credited_minor.mantissa[line]
        assert credited == by_line[line] <= max(amount, 0)
        assert result.left_minor.mantissa[line] == amount - credited
    for each, balance in enumerate(grants.balance_minor.mantissa.tolist()):
        assert result.balance_minor.mantissa[each] == balance - by_grant[each] >= 0


def test_a_grant_that_runs_out_in_the_middle_of_a_line_hands_over_to_the_next():
    """Lines 6.00 and 7.00; grants 10.00 and 2.00: 6.00 and 4.00 from the first, 2.00 from the second, 1.00 stays."""
    lines = lines_of(["6", "7"])
    assert consumed(lines, grant("10"), grant("2")) == [(0, 0, 6_00), (0, 1, 4_00), (1, 1, 2_00)]


def test_a_line_never_becomes_negative():
    """30.00 of credit against 12.34 leaves a balance, not a refund; a refund and a zero line take nothing."""
    lines = lines_of(["12.34", "-5", "0"])
    assert consumed(lines, grant("30")) == [(0, 0, 12_34)]


def test_the_lower_priority_number_is_used_first():
    """Whatever else would speak for the other."""
    late = grant("5", priority=1)
    early = grant("5", priority=2, expires_at=JUNE, category=GrantCategory.PROMOTIONAL)
    assert consumed(lines_of(["6"]), early, late) == [(1, 0, 5_00), (0, 0, 1_00)]


def test_within_a_priority_the_earliest_expiry_is_used_first_and_none_last():
    """June before July before never; a promotional grant without an expiry still waits."""
    july = datetime(2026, 7, 1, tzinfo=UTC)
    never = grant("1", category=GrantCategory.PROMOTIONAL)
    trace = consumed(lines_of(["10"]), never, grant("1", expires_at=july), grant("1", expires_at=JUNE))
    assert [row[0] for row in trace] == [2, 1, 0]


def test_promotional_credit_is_used_before_paid_and_the_oldest_first():
    """Promotional (newer), then paid of January, then paid of February; equals in the order given."""
    february = datetime(2026, 2, 1, tzinfo=UTC)
    grants = [
        grant("1", created_at=february),
        grant("1"),
        grant("1", category=GrantCategory.PROMOTIONAL, created_at=february),
        grant("1"),
    ]
    assert [row[0] for row in consumed(lines_of(["10"]), *grants)] == [2, 1, 3, 0]


def test_expired_and_not_yet_effective_grants_are_skipped():
    """The window is half-open: valid from its start, no more at its end."""
    ended = grant("1", expires_at=MARCH)
    starting = grant("1", effective_at=MARCH)
    later = grant("1", effective_at=JUNE)
    assert consumed(lines_of(["9"]), ended, starting, later) == [(1, 0, 1_00)]


def test_lines_of_different_instants_take_from_what_is_valid_at_theirs():
    """The grant that ends in March pays for January's line only; the one from March for June's only; the open one
    for all that is left, in its turn.
    """
    lines = lines_of(["5", "5"], at=[JANUARY, JUNE])
    first = grant("8", expires_at=MARCH)
    second = grant("3", effective_at=MARCH, priority=40)
    rest = grant("9", priority=60)
    assert consumed(lines, first, second, rest) == [(0, 0, 5_00), (1, 1, 3_00), (2, 1, 2_00)]


def test_a_scoped_grant_pays_only_for_its_prices():
    """Grant 0 pays for storage, grant 1 for anything: storage 4.00 of 0, the rest of storage and api of 1."""
    lines = lines_of(["3", "6", "2"], price=["api", "storage", None])
    for_storage = grant("4", price_ids=("storage", "gone"), priority=1)
    assert consumed(lines, for_storage, grant("6")) == [
        (1, 0, 3_00),
        (0, 1, 4_00),
        (1, 1, 2_00),
        (1, 2, 1_00),
    ]


def test_a_general_grant_between_scoped_ones_keeps_its_turn():
    """Turns: storage 1.00, anything 2.00, storage 1.00, anything 9.00 over storage 5.00."""
    scoped = [grant("1", priority=1, price_ids=("storage",)), grant("1", priority=3, price_ids=("storage",))]
    general = [grant("2", priority=2), grant("9", priority=4)]
    trace = consumed(lines_of(["5"], price=["storage"]), scoped[0], general[0], scoped[1], general[1])
    assert trace == [(0, 0, 1_00), (1, 0, 2_00), (2, 0, 1_00), (3, 0, 1_00)]


def test_customers_and_currencies_are_apart():
    """Customer 1's dollars pay neither customer 2's dollars nor customer 1's euros; no line is in yen."""
    lines = lines_of(["1", "2", "4"], currency=["USD", "USD", "EUR"], customer=[1, 2, 1], invoice=[0, 1, 2])
    trace = consumed(
        lines, grant("9"), grant("3", currency="EUR"), grant("3", currency="JPY"), customer=[1, 1, 1]
    )
    assert trace == [(0, 0, 1_00), (1, 2, 3_00)]


@pytest.mark.parametrize(
    ("currency", "line", "credit", "expected"),
    [("JPY", "100", "30", 30), ("KWD", "1.000", "0.999", 999), ("CLF", "0.0002", "1", 2)],
)
def test_credit_is_consumed_in_the_minor_unit_of_its_currency(currency, line, credit, expected):
    """0, 3 and 4 decimals."""
    assert consumed(lines_of([line], currency=currency), grant(credit, currency=currency)) == [
        (0, 0, expected)
    ]


def test_only_what_is_left_of_a_grant_is_used():
    """10.00 granted, 2.50 left, another used up."""
    trace = consumed(lines_of(["7"]), grant("10"), grant("10"), balance_minor=[0, 2_50])
    assert trace == [(1, 0, 2_50)]


def test_without_lines_or_grants_nothing_happens():
    """Empty columns on either side."""
    assert consumed(lines_of([]), grant("1")) == []
    assert consumed(lines_of(["1"])) == []
    assert consumed(lines_of(["-1", "0"]), grant("1")) == []


def test_amounts_past_64_bits_stay_exact():
    """10**20 + 1 cents over grants of 10**20 and 5."""
    lines = replace(lines_of(["0"]), amount_minor=DecimalColumn.of_ints([10**20 + 1]))
    trace = consumed(lines, grant("1"), grant("1"), balance_minor=[10**20, 5])
    assert trace == [(0, 0, 10**20), (1, 0, 1)]


def test_sums_past_64_bits_of_amounts_within_them_stay_exact():
    """Three lines and three grants of 2**62 and 2**62 - 1 cents: each pair differs by one cent, handed on."""
    lines = replace(lines_of(["0"] * 3), amount_minor=DecimalColumn.of_ints([2**62 - 1] * 3))
    trace = consumed(lines, grant("1"), grant("1"), grant("1"), balance_minor=[2**62] * 3)
    assert trace == [(0, 0, 2**62 - 1), (0, 1, 1), (1, 1, 2**62 - 2), (1, 2, 2), (2, 2, 2**62 - 3)]


def test_a_practically_endless_grant_is_used_like_any_other():
    """2**62 cents twice are more than int64 together; the first pays for everything."""
    trace = consumed(lines_of(["7", "8"]), grant("1"), grant("1"), balance_minor=[2**62, 2**62])
    assert trace == [(0, 0, 7_00), (0, 1, 8_00)]


def test_a_negative_balance_is_refused():
    """By its row."""
    with pytest.raises(ValueError, match="row 1 has -1"):
        CreditGrants.of([grant("1"), grant("1")], [0, 0], [1, -1])


def taken_one_by_one(lines, grants, columns):
    """The obvious loop: each line, each of its customer's grants in turn, what both allow."""
    balance = columns.balance_minor.mantissa.tolist()
    never = NEVER_US

    def turn(row):
        each = grants[row]
        expires = never if each.expires_us is None else each.expires_us
        return (each.priority, expires, not each.is_promotional, each.created_us, row)

    trace = []
    for line, amount in enumerate(lines.amount_minor.mantissa.tolist()):
        owing = amount
        price = lines.price[line]
        for row in sorted(range(len(grants)), key=turn):
            each = grants[row]
            at = lines.at_us[line]
            fits = (
                columns.customer[row] == lines.customer[line]
                and each.currency == lines.currencies[lines.currency[line]]
                and each.effective_us <= at < (never if each.expires_us is None else each.expires_us)
                and (each.price_ids is None or (price >= 0 and lines.price_ids[price] in each.price_ids))
            )
            amount_taken = min(owing, balance[row]) if fits else 0
            if amount_taken > 0:
                trace.append((row, line, amount_taken))
                balance[row] -= amount_taken
                owing -= amount_taken
    return trace


@pytest.mark.parametrize("seed", range(12))
def test_any_consumption_agrees_with_the_obvious_loop(seed):
    """Scopes, windows, currencies and customers at random; small amounts for many ties, and amounts past int64."""
    source = Random(seed)
    reach = source.choice([5, 1000, 10**21])
    months = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 7)]
    prices = ["a", "b", "c", None]
    lines = InvoiceLines.of(
        [Decimal(source.randint(-reach // 5, reach)).scaleb(-2) for _ in range(120)],
        [source.choice(["USD", "EUR"]) for _ in range(120)],
        customer=[source.randrange(5) for _ in range(120)],
        invoice=list(range(120)),
        price=[source.choice(prices) for _ in range(120)],
        at_us=[micros(source.choice(months)) for _ in range(120)],
    )
    grants = [
        grant(
            Decimal(source.randint(0, 8 * reach)).scaleb(-2),
            currency=source.choice(["USD", "EUR", "GBP"]),
            priority=source.randrange(3),
            category=source.choice(list(GrantCategory)),
            created_at=source.choice(months),
            effective_at=source.choice(months[:3]),
            expires_at=source.choice([None, *months[3:]]),
            price_ids=source.choice([None, None, ("a",), ("a", "b"), ("c",)]),
        )
        for _ in range(40)
    ]
    customers = [source.randrange(6) for _ in grants]
    expected = taken_one_by_one(lines, grants, CreditGrants.of(grants, customers))
    assert consumed(lines, *grants, customer=customers) == expected


def test_a_grant_is_read_from_the_texts_of_a_catalog():
    """Instants in ISO 8601 with their offset; what is left out has its default."""
    read = CreditGrant.read(
        {
            "grant_id": "welcome",
            "currency": "USD",
            "amount": "25.00",
            "category": "promotional",
            "priority": "7",
            "effective_at": "2026-01-01T01:00:00+01:00",
            "created_at": "2026-01-01T00:00:00Z",
            "expires_at": None,
            "price_ids": ["api"],
        }
    )
    promotional = GrantCategory.PROMOTIONAL
    assert read == grant("25", "welcome", priority=7, category=promotional, price_ids=("api",))
    assert read.effective_us == int(JANUARY.timestamp()) * 10**6


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grant_id", ""),
        ("amount", Decimal("0.001")),
        ("amount", Decimal(-1)),
        ("currency", "dollars"),
        ("priority", -1),
        ("priority", 256),
        ("category", "paid"),
        ("effective_at", datetime(2026, 1, 1)),  # noqa: DTZ001  # without an offset on purpose
        ("effective_at", None),
        ("expires_at", JANUARY),
        ("expires_at", "2027-01-01"),
        ("price_ids", ()),
    ],
)
def test_an_invalid_grant_can_not_be_constructed(field, value):
    """Not even directly; the problem names the field."""
    with pytest.raises(FieldsError) as error:
        grant(**({"amount": Decimal(1)} | {field: value}))
    assert [problem.path for problem in error.value.problems] == [(field,)]


def test_every_mistake_in_a_grant_is_named_at_once():
    """Two missing, two unreadable, one unknown."""
    with pytest.raises(FieldsError) as error:
        CreditGrant.read(
            {"grant_id": "g", "currency": "USD", "amount": "a lot", "effective_at": "soon", "note": "x"}
        )
    assert {p.path for p in error.value.problems} == {
        ("amount",),
        ("effective_at",),
        ("created_at",),
        ("note",),
    }


def test_columns_without_a_grant_are_fine():
    """No grant at all is the common case."""
    columns = CreditGrants.of([], [])
    assert len(columns) == 0
    assert apply_credits(lines_of(["3"]), columns).left_minor.mantissa.tolist() == [3_00]
    assert np.array_equal(apply_credits(lines_of(["3"]), columns).line, [])
