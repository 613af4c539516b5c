"""Each price list of `examples/` is applied, its usage imported, and what is owed is what was worked out by hand."""

import os
import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from meterline import open_channel
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.command_processes import run_command

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.parent.name: path.parent for path in sorted(ROOT.glob("examples/*/catalog.yaml"))}
# What a bill lists besides its lines; what it doesn't name is not there.
LISTS = ("line_items", "discounts", "commitments", "credits", "taxes", "shares")


def bills(name):
    """The bills of an example, with every value as the text that is written."""
    return yaml.load((EXAMPLES[name] / "bill.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)


def meterline(*words, key, target, cwd=None):
    """What a command prints; it must succeed."""
    env = {**os.environ, "METERLINE_API_KEY": key}
    done = run_command(*words, "--target", target, cwd=ROOT if cwd is None else cwd, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def seconds(text):
    """A date is midnight UTC."""
    moment = Timestamp()
    moment.FromJsonString(text if "T" in text else f"{text}T00:00:00Z")
    return moment


def differences(expected, found):
    """The fields of `expected` that are otherwise in `found`: amounts to the digit, other numbers by what they are."""
    return {
        name: (value, found.get(name))
        for name, value in expected.items()
        if not _same(value, found.get(name), exactly=name == "amount")
    }


def _same(value, found, *, exactly):
    if isinstance(value, dict):
        return value == found
    if isinstance(found, bool):
        return value == str(found).lower()
    if not exactly and re.fullmatch(r"-?[\d.]+", value) and re.fullmatch(r"-?[\d.]+", str(found or "")):
        return Decimal(value) == Decimal(found)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        value += "T00:00:00Z"
    return value == found


def _named(settled):
    """What a bill names of it: what is due, and whatever isn't zero on the way."""
    return {
        field: text
        for field, text in settled.items()
        if field == "due" or (Decimal(text) and field != "after_discounts")
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_owed_is_what_was_worked_out_by_hand(name, engine, tmp_path):
    """Every line, every discount, tax and credit, and what is due; in SQLite and in PostgreSQL."""
    # An import writes down how far it is, beside its file.
    folder = shutil.copytree(EXAMPLES[name], tmp_path / name)
    key = meterline("tenants", "create", name, key=engine.api_key, target=engine.target).strip()
    meterline("apply", "-f", "catalog.yaml", key=key, target=engine.target, cwd=folder)
    for usage in sorted(folder.glob("usage.*")):
        meterline("import", usage.name, key=key, target=engine.target, cwd=folder)

    with open_channel(engine.target, api_key=key) as channel:
        for bill in bills(name):
            request = GetSpendRequest(customer_id=bill["customer_id"], at=seconds(bill["at"]))
            answer = SpendServiceStub(channel).GetSpend(request, timeout=60)
            found = MessageToDict(answer, preserving_proto_field_name=True)
            where = f"{name}, {bill['customer_id']} at {bill['at']}"
            for kind in LISTS:
                expected, have = bill.get(kind, []), found.get(kind, [])
                assert len(have) == len(expected), f"{where}: {kind}: {have}"
                wrong = [differences(*pair) for pair in zip(expected, have, strict=True)]
                assert not any(wrong), f"{where}: {kind}: {wrong}"
            (spend,) = found["spends"]
            assert not spend.get("incomplete"), where
            assert _named(spend["settled"]) == bill["settled"], where


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_bill_adds_up(name):
    """Its lines come to what is due: a slip of the pen shows without an engine."""
    for bill in bills(name):
        terms = {field: Decimal(text) for field, text in bill["settled"].items()}
        due = terms.pop("due")
        signs = {"discounts": -1, "commitments": 1, "credits": -1, "included_tax": -1, "tax": 1}
        assert due == sum(Decimal(line["amount"]) for line in bill["line_items"]) + sum(
            signs[field] * amount for field, amount in terms.items()
        ), bill
        for field, kind in {"discounts": "discounts", "credits": "credits", "tax": "taxes"}.items():
            listed = sum(Decimal(each["amount"]) for each in bill.get(kind, []))
            assert listed == terms.get(field, 0), (bill, kind)


def test_every_example_is_listed():
    """In the page of the folder, by its name."""
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[`(\w+)/`\]", page, re.MULTILINE) == list(EXAMPLES)
