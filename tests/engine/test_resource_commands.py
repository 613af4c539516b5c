"""`meterline customers` and its like, against an engine: what is written is shown, refused in one line, and told again."""

import json
import re

import pytest
from click.testing import CliRunner

from engine.cli import cli


@pytest.fixture
def run(engine):
    """Runs a command; its output, and its error if it has one."""

    def ran(*words, code=0):
        done = CliRunner().invoke(cli, [*words, "--target", engine.target])
        if code:
            assert done.exit_code != 0, done.output
            return str(done.output)
        assert done.exit_code == 0, done.output
        return done.stdout

    return ran


def test_a_customer_is_created_changed_and_told_of(run, name):
    """Entries of mappings, fields as JSON, and the history with before and after."""
    made = json.loads(run("customers", "create", f"id={name}_c", "name=A", "metadata.team=eu"))
    assert made["definition"] == {"id": f"{name}_c", "name": "A", "metadata": {"team": "eu"}}
    changed = json.loads(
        run("customers", "update", f"{name}_c", 'metadata:={"a": "1"}', "--etag", made["etag"])
    )
    assert changed["definition"]["metadata"] == {"a": "1"}
    run("customers", "update", f"{name}_c", "name=B", "--unset", "metadata")
    assert json.loads(run("customers", "get", f"{name}_c"))["definition"] == {"id": f"{name}_c", "name": "B"}
    told = run("customers", "history", f"{name}_c", "--limit", "1").splitlines()
    assert re.fullmatch(r"20\S+Z  key:\w+  catalog revision \d+", told[0])
    assert told[1:] == [
        f"~ customer {name}_c (version 3)",
        '    name: "A" -> "B"',
        '    metadata: {"a":"1"} -> nothing',
    ]
    lines = run("customers", "history", f"{name}_c", "--json").splitlines()
    assert [json.loads(line)["change"]["version"] for line in lines] == [3, 2, 1]


def test_a_subscription_and_a_plan_are_listed_by_their_fields(run, name):
    """A table for people, lines for programs; at most so many."""
    run("plans", "create", f"id={name}_p", "name=P", "currency=USD", "prices:=[]")
    run("subscriptions", "create", f"customer={name}_acme", f"plan={name}_p", "start=2025-01-01")
    shown = run("subscriptions", "list", "--where", f"plan={name}_p").splitlines()
    assert shown[0].split() == ["ID", "VERSION", "CUSTOMER", "PLAN", "START", "END"]
    assert shown[1].split() == [
        *(f"{name}_acme:{name}_p", "1", f"{name}_acme", f"{name}_p", "2025-01-01T00:00:00Z")
    ]
    assert len(run("customers", "list", "--prefix", name, "--limit", "1", "--json").splitlines()) == 1


def test_what_is_refused_says_why_in_one_line(run, name):
    """What uses it, what is wrong with a field, and what is not the JSON that it is said to be."""
    used = run("plans", "delete", name, code=2)
    assert f"used by subscription '{name}_acme:{name}'" in used
    assert "name: is missing" in run("customers", "create", f"id={name}_x", code=2)
    assert "prices:=[: is not JSON" in run("plans", "create", "id=x", "prices:=[", code=2)
    assert "there never was a customer" in run("customers", "history", f"{name}_nobody", code=2)


def test_what_is_deleted_keeps_its_history(run, name):
    """And an archived one is in the list that asks for it."""
    for each in ("x", "y"):
        run("customers", "create", f"id={name}_{each}", "name=N")
    run("customers", "archive", f"{name}_x")
    assert run("customers", "delete", f"{name}_y").startswith(f"deleted customer {name}_y; catalog revision ")
    listed = run("customers", "list", "--prefix", f"{name}_", "--archived")
    assert re.search(rf"^{name}_x +2 archived +N$", listed, re.MULTILINE)
    assert f"{name}_y" not in listed
    assert f"- (deleted) customer {name}_y (version 2)" in run("customers", "history", f"{name}_y")


def test_a_credit_grant_is_made_listed_and_deleted(run, name):
    """Its customer keeps its other credit."""
    given = ("currency=USD", "amount=20.50", "effective_at=2026-01-01")
    for each in ("gift", "paid"):
        run("credit-grants", "create", f"id={name}_{each}", f"customer={name}_acme", *given)
    run("credit-grants", "update", f"{name}_paid", "category=paid", "expires_at=2027-01-01")
    shown = run("credit-grants", "list", "--where", f"customer={name}_acme").splitlines()
    assert shown[0].split() == [
        "ID",
        "VERSION",
        "CUSTOMER",
        "CURRENCY",
        "AMOUNT",
        *("EFFECTIVE", "AT"),
        *("EXPIRES", "AT"),
    ]
    start, end = "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"
    assert [line.split() for line in shown[1:]] == [
        [f"{name}_gift", "1", f"{name}_acme", "USD", "20.5", start],
        [f"{name}_paid", "2", f"{name}_acme", "USD", "20.5", start, end],
    ]
    run("credit-grants", "delete", f"{name}_gift")
    assert len(run("credit-grants", "list", "--where", f"customer={name}_acme", "--json").splitlines()) == 1
