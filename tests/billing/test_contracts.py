"""Commitments over several billing periods, worked out by hand: each period draws, the last one makes up for what is left.

A subscription pays 80.00 a month, and 0.01 a call.
"""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.billing.terms.settled import settled
from engine.errors import CatalogDocumentError
from engine.spend.applied_terms import applied_commitments
from engine.spend.spend import spend_of
from tests.support.billing_cases import catalog_of, history_of, rated
from tests.support.committing_catalogs import text_of

QUARTER = "commitments: [{amount: 300, periods: 3, overage_factor: 1.5}]"


def month(number):
    return datetime(2026 + (number - 1) // 12, (number - 1) % 12 + 1, 1, tzinfo=UTC)


def period(number, own, calls=(), *, terms="", more=""):
    """(what is due, [(amount, spend, drawn, left, overage, true-up)]) of a month of 2026. calls: of April, May and so on."""
    catalog = catalog_of(text_of(terms, own, more))
    usage = {
        ("calls", "acme", month(4 + place)): [((), Decimal(count), count, "0" * 32, 0, 0)]
        for place, count in enumerate(calls)
    }
    at = month(number).replace(day=10)
    found, history = rated(catalog, usage, at), history_of(catalog, usage, at)
    (spend,) = spend_of(found, history).by_amount(9)
    applied = [
        " ".join(map(str, (each.amount, each.spend, each.drawn, each.left, each.overage, each.true_up)))
        for each in applied_commitments(settled(found, history))
    ]
    return str(spend.settled.due), applied


def test_every_period_draws_and_the_last_one_makes_up_for_what_is_left():
    """80.00, then 80.00 + 10.00, then 80.00: 250.00 of 300.00, so June owes 50.00 more."""
    calls = (0, 1000)
    assert period(4, QUARTER, calls) == ("80.00", ["300.00 80.00 80.00 220.00 0.00 0.00"])
    assert period(5, QUARTER, calls) == ("90.00", ["300.00 170.00 90.00 130.00 0.00 0.00"])
    assert period(6, QUARTER, calls) == ("130.00", ["300.00 250.00 80.00 50.00 0.00 50.00"])


def test_spend_beyond_the_whole_commitment_costs_its_factor():
    """80.00 + 100.00, then 80.00 + 60.00: 20.00 beyond 300.00 cost 10.00 more. Of June all 80.00 are beyond: 40.00 more."""
    calls = (10000, 6000)
    assert period(4, QUARTER, calls) == ("180.00", ["300.00 180.00 180.00 120.00 0.00 0.00"])
    assert period(5, QUARTER, calls) == ("150.00", ["300.00 320.00 120.00 0.00 10.00 0.00"])
    assert period(6, QUARTER, calls) == ("120.00", ["300.00 400.00 0.00 0.00 40.00 0.00"])


def test_the_next_term_begins_where_one_ends():
    """July is the first of another 300.00, whatever was used before."""
    assert period(7, QUARTER, (10000, 6000)) == ("80.00", ["300.00 80.00 80.00 220.00 0.00 0.00"])
    assert period(9, QUARTER, (10000, 6000)) == ("140.00", ["300.00 240.00 80.00 60.00 0.00 60.00"])


ONCE = "commitments: [{amount: 300, periods: 3, overage_factor: 1.5, renews: false}]"


def test_a_term_that_does_not_renew_is_the_only_one():
    """April to June as ever. From July on nothing is committed: 80.00, and 80.00 + 260.00 without a factor."""
    calls = (10000, 6000, 0, 0, 26000)
    for each in (4, 5, 6):
        assert period(each, ONCE, calls) == period(each, QUARTER, calls)
    assert period(7, ONCE, calls) == ("80.00", [])
    assert period(8, ONCE, calls) == ("340.00", [])
    assert period(18, ONCE, calls) == ("80.00", [])


def test_what_is_committed_beside_a_term_that_is_over_goes_on():
    """70.00 of calls each month, and 240.00 of all else in three: 80.00 a month are all of it. In July the fee counts for none."""
    own = "commitments: [{amount: 240, periods: 3, prices: [fee], renews: false}, {amount: 70}]"
    assert period(6, own)[0] == "150.00"
    assert period(6, own)[1][0] == "240.00 240.00 80.00 0.00 0.00 0.00"
    assert period(7, own) == ("80.00", ["70.00 80.00 70.00 0.00 0.00 0.00"])


def test_a_term_that_does_not_renew_goes_on_with_other_amounts_and_begins_anew_with_others():
    """From May on 400.00: June owes 160.00, and July nothing. From July on a phase with one that renews: July draws on it. From
    20 May on one that renews: April owes 220.00, and the new term has May, June and July.
    """
    more = ONCE.replace("300", "400").removeprefix("commitments: ")
    own = ONCE + f", phases: [{{start: 2026-05-01, commitments: {more}}}]"
    assert [period(each, own)[0] for each in (4, 5, 6, 7)] == ["80.00", "80.00", "240.00", "80.00"]
    assert period(7, own)[1] == []
    renewing = QUARTER.removeprefix("commitments: ")
    own = ONCE + f", phases: [{{start: 2026-07-01, commitments: {renewing}}}]"
    assert [period(each, own)[0] for each in (6, 7, 9, 12)] == ["140.00", "80.00", "140.00", "140.00"]
    own = own.replace("2026-07-01", "2026-05-20")
    assert [period(each, own)[0] for each in (4, 5, 6, 7)] == ["300.00", "80.00", "80.00", "140.00"]


def test_a_term_that_does_not_renew_goes_through_a_pause_and_begins_behind_a_trial():
    """Paused in May and June: over with June. Behind the trial of April it has May, June and July, and August commits nothing."""
    own = ONCE + ", phases: [{start: 2026-05-01, paused: true}, {start: 2026-07-01}]"
    assert [period(each, own)[0] for each in (4, 5, 6, 7)] == ["80.00", "0.00", "220.00", "80.00"]
    assert period(7, own)[1] == []
    own = ONCE + ", phases: [{start: 2026-04-01, trial: free}, {start: 2026-05-01}]"
    assert [period(each, own)[0] for each in (4, 7, 8)] == ["0.00", "140.00", "80.00"]
    assert period(8, own)[1] == []


def test_what_is_left_is_the_same_whoever_asks_for_which_period():
    """Of twelve months: 80.00 each, and 1,200.00 committed; the last one owes 240.00 more."""
    year = "commitments: [{amount: 1200, periods: 12}]"
    found = [period(number, year)[1] for number in range(4, 16)]
    assert found[:-1] == [[f"1200.00 {80 * n}.00 80.00 {1200 - 80 * n}.00 0.00 0.00"] for n in range(1, 12)]
    assert found[-1] == ["1200.00 960.00 80.00 240.00 0.00 240.00"]


def test_a_term_that_ends_early_owes_the_whole_or_its_share():
    """Until 16 May: 80.00 and 15 of 31 days, 38.71. All 300.00 less 118.71; or 45 of 91 days of them, 148.35, less 118.71."""
    own = QUARTER + ", end: 2026-05-16"
    assert period(4, own) == ("80.00", ["300.00 80.00 80.00 220.00 0.00 0.00"])
    assert period(5, own) == ("220.00", ["300.00 118.71 38.71 181.29 0.00 181.29"])
    share = own.replace("periods: 3", "periods: 3, early_end: prorated")
    assert period(4, share)[0] == "80.00"
    assert period(5, share) == ("68.35", ["148.35 118.71 38.71 29.64 0.00 29.64"])


def test_a_term_ends_early_with_the_last_period_in_which_it_counts():
    """From 1 June on 90.00 each month: May owes 300.00 less 160.00, and June 10.00. From 20 May on: April owes 220.00 already, and of
    May 12 of 31 days of 90.00, 34.84, are committed.
    """
    own = QUARTER + ", phases: [{start: 2026-06-01, commitments: [{amount: 90}]}]"
    assert [period(each, own)[0] for each in (4, 5, 6)] == ["80.00", "220.00", "90.00"]
    own = own.replace("2026-06-01", "2026-05-20")
    assert period(4, own) == ("300.00", ["300.00 80.00 80.00 220.00 0.00 220.00"])
    assert period(5, own) == ("80.00", ["34.84 80.00 34.84 0.00 0.00 0.00"])


def test_other_amounts_and_factors_go_on_with_the_term():
    """From 10 May on 200.00 at 2: 80.00 + 80.00 are drawn by then. June is 40.00 beyond: 40.00 more, whatever held before."""
    own = (
        QUARTER
        + ", phases: [{start: 2026-05-10, commitments: [{amount: 200, periods: 3, overage_factor: 2}]}]"
    )
    assert period(4, own) == ("80.00", ["300.00 80.00 80.00 220.00 0.00 0.00"])
    assert period(5, own) == ("80.00", ["200.00 160.00 80.00 40.00 0.00 0.00"])
    assert period(6, own) == ("120.00", ["200.00 240.00 40.00 0.00 40.00 0.00"])


def test_a_lower_amount_charges_no_earlier_period_again():
    """April's 180.00 lie beyond 100.00 from May on: only May's own 80.00 cost half as much again."""
    own = (
        QUARTER
        + ", phases: [{start: 2026-05-01, commitments: [{amount: 100, periods: 3, overage_factor: 1.5}]}]"
    )
    assert period(4, own, (10000,))[0] == "180.00"
    assert period(5, own, (10000,)) == ("120.00", ["100.00 260.00 0.00 0.00 40.00 0.00"])


def test_an_upgrade_goes_on_with_the_term_of_the_plan_before():
    """80.00 of 300.00, then 90.00 of 400.00 by the new plan, twice: 140.00 are left at the end of June."""
    terms, more = QUARTER, "commitments: [{amount: 400, periods: 3}]"
    own = "phases: [{start: 2026-05-01, plan: team}]"
    found = [period(each, own, terms=terms, more=more) for each in (4, 5, 6)]
    assert found == [
        ("80.00", ["300.00 80.00 80.00 220.00 0.00 0.00"]),
        ("90.00", ["400.00 170.00 90.00 230.00 0.00 0.00"]),
        ("230.00", ["400.00 260.00 90.00 140.00 0.00 140.00"]),
    ]


def test_a_pause_commits_on_and_a_term_begins_behind_a_trial():
    """May and June are paused: the term ends with June all the same, and owes 220.00 then."""
    own = QUARTER + ", phases: [{start: 2026-05-01, paused: true}, {start: 2026-07-01}]"
    assert [period(each, own)[0] for each in (4, 5, 6, 7)] == ["80.00", "0.00", "220.00", "80.00"]
    own = QUARTER + ", phases: [{start: 2026-04-01, trial: free}, {start: 2026-05-01}]"
    assert [period(each, own)[0] for each in (4, 5, 6, 7)] == ["0.00", "80.00", "80.00", "140.00"]


def test_a_pause_changes_nothing_for_commitments_of_single_periods():
    """Until 11 April 30.00 for calls, a third of 90.00, and the contract for the fee of 26.67."""
    own = (
        "commitments: [{amount: 90, prices: [calls]}, {amount: 300, periods: 3, prices: [fee]}],"
        "phases: [{start: 2026-04-11, paused: true}]"
    )
    expected = ["30.00 0.00 0.00 30.00 0.00 30.00", "300.00 26.67 26.67 273.33 0.00 0.00"]
    assert period(4, own) == ("56.67", expected)


CALLS = "{amount: 60, periods: 3, prices: [calls]}"


def test_a_term_goes_on_where_another_one_comes_beside_it_in_a_pause():
    """Of May 9 of 31 days are 23.23 of fees; its calls of 10.00 draw on the 60.00 for calls. June owes 300.00 - 80.00 - 23.23 =
    196.77, and July 60.00 - 10.00 = 50.00.
    """
    both = "[{amount: 300, periods: 3, overage_factor: 1.5}, " + CALLS + "]"
    own = f"{QUARTER}, phases: [{{start: 2026-05-10, paused: true, commitments: {both}}}]"
    assert [period(each, own, (0, 1000)) for each in (4, 5, 6, 7)] == [
        ("80.00", ["300.00 80.00 80.00 220.00 0.00 0.00"]),
        ("33.23", ["300.00 103.23 23.23 196.77 0.00 0.00", "60.00 10.00 10.00 50.00 0.00 0.00"]),
        ("196.77", ["300.00 103.23 0.00 196.77 0.00 196.77", "60.00 10.00 0.00 50.00 0.00 0.00"]),
        ("50.00", ["300.00 0.00 0.00 300.00 0.00 0.00", "60.00 10.00 0.00 50.00 0.00 50.00"]),
    ]


def test_a_change_of_plan_in_a_pause_takes_the_term_along():
    """From 10 May on paused, from 20 May on with another plan, which commits 300.00 and 60.00 for its fee, and bills 90.00 from June on.
    Fees of May and June count toward the 60.00, which they pass: June owes 90.00, and 300.00 - 80.00 = 220.00.
    """
    terms = "commitments: [{amount: 300, periods: 3}]"
    more = "commitments: [{amount: 300, periods: 3}, {amount: 60, periods: 6, prices: [fee]}]"
    own = (
        "phases: [{start: 2026-05-10, paused: true}, {start: 2026-05-20, plan: team, paused: true},"
        "{start: 2026-06-01, plan: team}]"
    )
    assert [period(each, own, terms=terms, more=more)[0] for each in (4, 5, 6)] == [
        "80.00",
        "23.23",
        "310.00",
    ]


def test_a_term_that_another_commitment_broke_begins_anew_in_a_pause():
    """Another one from 5 to 10 May: April owes 220.00 more. The term of May, June and July is 300.00 - 23.23 = 276.77 short, and the
    60.00 for calls wholly.
    """
    both = "[{amount: 300, periods: 3, overage_factor: 1.5}, " + CALLS + "]"
    own = (
        f"{QUARTER}, phases: [{{start: 2026-05-05, commitments: [{{amount: 30}}]}},"
        f"{{start: 2026-05-10, paused: true, commitments: {both}}}]"
    )
    assert [period(each, own)[0] for each in (4, 5, 6, 7)] == ["300.00", "23.23", "0.00", "336.77"]
    assert period(5, own)[1] == ["300.00 23.23 23.23 276.77 0.00 0.00", "60.00 0.00 0.00 60.00 0.00 0.00"]


@pytest.mark.parametrize(
    ("beside", "due", "expected"),
    [
        # The contract has the calls of 10.00 now: the 90.00 for them don't count.
        ("[calls]", "36.67", ["60.00 10.00 10.00 50.00 0.00 0.00"]),
        # It is for all prices, and the calls count toward 10 of 30 days of the 90.00: 20.00 are short.
        ("[]", "56.67", ["30.00 10.00 10.00 20.00 0.00 20.00", "60.00 0.00 0.00 60.00 0.00 0.00"]),
    ],
)
def test_a_line_counts_once_where_a_contract_comes_in_a_pause(beside, due, expected):
    """Until 11 April 90.00 for calls, and a contract for the fee of 26.67; in the pause another one comes."""
    fee = "{amount: 300, periods: 3, prices: [fee]}"
    own = (
        f"commitments: [{{amount: 90, prices: [calls]}}, {fee}],"
        f"phases: [{{start: 2026-04-11, paused: true, commitments: [{fee}, {{amount: 60, periods: 3, prices: {beside}}}]}}]"
    )
    found = period(4, own, (1000,))
    assert found[0] == due
    assert sorted(found[1]) == sorted(["300.00 26.67 26.67 273.33 0.00 0.00", *expected])


def test_two_terms_of_one_customer_each_have_all_of_their_periods():
    """Fees over two months, calls over three, from different months on: both owe what is left at their own ends."""
    own = (
        "commitments: [{amount: 200, periods: 2, prices: [fee]}],"
        "phases: [{start: 2026-05-01, commitments: [{amount: 200, periods: 2, prices: [fee]}, {amount: 60, periods: 3, prices: [calls]}]}]"
    )
    calls = (0, 1000, 1000, 1000)
    assert [period(each, own, calls)[0] for each in (4, 5, 6, 7)] == ["80.00", "130.00", "90.00", "160.00"]
    assert period(7, own, calls)[1] == [
        "200.00 160.00 80.00 40.00 0.00 40.00",
        "60.00 30.00 10.00 30.00 0.00 30.00",
    ]


def test_credit_pays_for_what_earlier_terms_added():
    """A grant of 500.00 from June on: June takes 80.00 + 60.00, so that 360.00 are left for July, August and September: 80.00, 80.00,
    140.00. In October 60.00 are left.
    """
    grant = (
        "\ncredit_grants: [{id: gift, customer: acme, currency: USD, amount: 500, effective_at: 2026-06-01}]"
    )
    catalog, at = catalog_of(text_of("", QUARTER) + grant), month(10)
    (spend,) = spend_of(rated(catalog, {}, at), history_of(catalog, {}, at)).by_amount(9)
    assert (str(spend.settled.credits), str(spend.settled.due)) == ("60.00", "20.00")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("periods: 0", "periods"),
        ("periods: 121", "periods"),
        ("early_end: prorated", "early_end"),
        ("periods: 3, early_end: never", "early_end"),
        ("renews: false", "renews"),
        ("renews: true", "renews"),
        ("periods: 3, renews: once", "renews"),
    ],
)
def test_a_term_is_of_1_to_120_periods_and_a_single_one_neither_ends_early_nor_renews(fields, message):
    with pytest.raises(CatalogDocumentError, match=message):
        catalog_of(text_of("", f"commitments: [{{amount: 1, {fields}}}]"))
