"""What terms of money come to, from the command line: lines of JSON for programs, and questions that don't go together."""

import json

import pytest
from click.testing import CliRunner

from engine.cli import cli


def ran(*words, code=0):
    done = CliRunner().invoke(cli, [*words])
    assert (done.exit_code != 0) == bool(code), done.output
    return done.output


def test_shares_and_reports_are_lines_of_json(engine, name, apply):
    """Acme pays 20.00: 70 % to the author. In KWD at 0.30777: 6.1554, three digits."""
    split = "{id: NAME_s, name: S, plans: [NAME], shares: [{recipient: NAME_author, percent: 70}]}"
    rate = "{id: NAME_r, from_currency: USD, to_currency: KWD, rate: 0.30777, effective_from: 2024-01-01}"
    apply(f"revenue_splits: [{split}]\nexchange_rates: [{rate}]".replace("NAME", name))
    asked = ("spend", "--at", "2025-06-10", "--customer", f"{name}_acme", "--target", engine.target)
    author, platform = map(json.loads, ran(*asked, "--splits", "--json").splitlines())
    assert (author["recipient_id"], author["split_amount"], author["amount"]) == (
        f"{name}_author",
        "20.00",
        "14.00",
    )
    assert (platform["recipient_id"], platform["amount"]) == ("", "6.00")
    both = ran(*asked, "--splits", "--children").splitlines()
    assert [line.split() for line in both[:3]] == [
        ["recipient", "share"],
        [f"{name}_author", "14.00", "USD"],
        ["(the", "platform)", "6.00", "USD"],
    ]
    *_, reported = map(json.loads, ran(*asked, "--children", "--currency", "KWD", "--json").splitlines())
    assert (reported["reported"]["amount"], reported["reported"]["due"]) == ("6.155", "6.155")
    assert reported["reported"]["rates"][0]["rate"] == "0.30777"
    assert "there is no exchange rate from USD to CHF" in ran(
        *asked, "--children", "--currency", "CHF", code=2
    )


def test_nothing_is_split_without_a_split(engine, name):
    asked = ("spend", "--at", "2025-06-10", "--customer", f"{name}_acme", "--target", engine.target)
    assert ran(*asked, "--splits").startswith("nothing is split")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--splits", "--from", "2026-01-01", "--to", "2026-02-01"), "--splits goes without --from and --to"),
        (("--currency", "EUR", "--from", "2026-01-01", "--to", "2026-02-01"), "--currency converts totals"),
        (("--currency", "EUR", "--customer", "acme"), "--currency converts totals of several customers"),
        (("--currency", "EUR", "--splits"), "--currency converts totals of several customers"),
    ],
)
def test_questions_that_do_not_go_together_are_refused(options, said):
    """Before an engine is asked."""
    assert said in str(CliRunner().invoke(cli, ["spend", *options]).output)


def test_splits_and_rates_are_made_one_by_one(engine, name, channel):
    """Fields of lists as JSON; a rate's id is made from its pair and day."""
    target = ("--target", engine.target)
    shares = json.dumps([{"recipient": "author", "percent": "70"}])
    made = json.loads(
        ran(
            "revenue-splits",
            "create",
            f"id={name}_s",
            "name=S",
            f'plans:=["{name}"]',
            f"shares:={shares}",
            *target,
        )
    )
    assert made["definition"]["shares"] == [{"percent": "70", "recipient": "author"}]
    assert "used by revenue_split" in ran("plans", "delete", name, *target, code=2)
    pair = ("from_currency=SEK", "to_currency=NOK")
    rate = json.loads(
        ran("exchange-rates", "create", *pair, "rate=0.98", "effective_from=2026-01-01", *target)
    )
    assert rate["id"] == "SEK:NOK:2026-01-01"
    shown = ran("exchange-rates", "list", "--where", "from_currency=SEK", *target).splitlines()
    assert shown[1].split() == ["SEK:NOK:2026-01-01", "1", "SEK", "NOK", "0.98", "2026-01-01T00:00:00Z"]
