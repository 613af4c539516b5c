"""The client and the engine itself, `meterline serve` in a process of its own."""

import re
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from examples.engine_process import EngineProcess
from meterline import Client, Event, NotFoundError, Verdict, open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

CATALOG = """
meters:
  - {id: tokens, event_type: llm.completion, aggregation: sum, value: tokens}
plans:
  - id: pro
    name: Pro
    currency: USD
    billing_period: month
    prices:
      - id: tokens
        meter: tokens
        model: graduated
        tiers: [{up_to: 100000, unit_amount: 0.003}, {unit_amount: 0.002}]
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: pro, start: 2026-03-01}]
"""
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def serving(tmp_path):
    """An engine with one customer on one graduated price; it takes events of any age."""
    with EngineProcess(tmp_path / "data", "--event-age-max-days", "36525") as running:
        with open_channel(running.target) as channel:
            CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
        yield running


def test_an_engine_killed_in_the_middle_neither_loses_nor_doubles(serving):
    """3,000 events of 0 to 99 tokens, one kill -9 on the way: 148,500 tokens, 397.00 USD, exactly.

    30 x (0 + 1 + ... + 99) = 30 x 4,950 = 148,500; 100,000 x 0.003 + 48,500 x 0.002 = 300 + 97.
    """
    problems = []
    with Client(serving.target, on_problem=problems.append, batch_events_max=100) as client:

        def record():
            for number in range(3_000):
                client.record("acme", "llm.completion", {"tokens": number % 100}, event_time=NOON)
                time.sleep(0.0003)

        recording = threading.Thread(target=record)
        recording.start()
        time.sleep(0.4)
        serving.kill()
        serving.start()
        recording.join()
        delivery = client.flush(60)
        assert delivery.accepted + delivery.duplicate == 3_000
        assert problems == []

        spend = client.spend("acme", at=NOON)
        assert (spend.currency, spend.amount) == ("USD", Decimal("397.00"))
        [line] = spend.line_items
        assert (line.quantity, line.event_count) == (Decimal(148_500), 3_000)
        assert [(tier.up_to, tier.quantity, tier.amount) for tier in line.tiers] == [
            (Decimal(100_000), Decimal(100_000), Decimal(300)),
            (None, Decimal(48_500), Decimal(97)),
        ]


def test_a_read_after_a_flush_has_what_was_flushed(serving):
    """1,000 + 0.5 tokens at 0.003: 3.0015, rounded half up to 3.00; the exact amount is on the line."""
    with Client(serving.target) as client:
        client.record("acme", "llm.completion", {"tokens": 1_000}, event_time=NOON)
        client.record("acme", "llm.completion", {"tokens": Decimal("0.5")}, event_time=NOON)
        assert client.flush(30).accepted == 2
        [line] = client.spend("acme", at=NOON).line_items
    assert (line.exact_amount, line.amount) == (Decimal("3.0015"), Decimal("3.00"))


def test_the_engine_gives_every_verdict(serving):
    """Accepted, duplicate, conflict, and rejected with the field and the reason."""
    with Client(serving.target) as client:
        first = Event("acme", "llm.completion", {"tokens": 1}, "a", NOON)
        [accepted] = client.record_batch([first])
        duplicate, conflict, unknown, not_a_number = client.record_batch(
            [
                first,
                Event("acme", "llm.completion", {"tokens": 2}, "a", NOON),
                Event("acme", "llm.compleet", {"tokens": 2}, "b", NOON),
                Event("acme", "llm.completion", {"tokens": "many"}, "c", NOON),
            ]
        )
    assert accepted.verdict is Verdict.ACCEPTED
    assert duplicate.verdict is Verdict.DUPLICATE
    assert (conflict.verdict, conflict.field, conflict.reason) == (
        Verdict.CONFLICT,
        "properties",
        "id_reused",
    )
    assert (unknown.verdict, unknown.field, unknown.reason) == (
        Verdict.REJECTED,
        "event_type",
        "unknown_event_type",
    )
    assert (not_a_number.verdict, not_a_number.field, not_a_number.reason) == (
        Verdict.REJECTED,
        "properties.tokens",
        "not_decimal",
    )


def test_an_unknown_customer_is_not_found(serving):
    """The engine's NOT_FOUND is the client's NotFoundError."""
    with Client(serving.target) as client, pytest.raises(NotFoundError, match="nobody"):
        client.spend("nobody")


GUIDE = Path(__file__).parents[2] / "docs" / "client.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_guide_run(serving, capsys, tmp_path, monkeypatch):
    """Each as it stands, from any folder, on the example catalog; the first two events of acme show up in its spend.

    Of the trace, whose month is read, this engine has one request.
    """
    assert len(BLOCKS) == 9
    document = (GUIDE.parents[1] / "examples" / "llm.yaml").read_text()
    with open_channel(serving.target) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
    with Client(serving.target) as client:
        traced = datetime(2023, 11, 16, 18, 15, tzinfo=UTC)
        client.record("acme", "llm.completion", {"model": "large", "input_tokens": 500}, event_time=traced)
    monkeypatch.chdir(tmp_path)
    printed = []
    for block in BLOCKS:
        exec(block.replace("localhost:7070", serving.target), {"__name__": "guide"})
        printed.append(capsys.readouterr().out.splitlines())
    [], [verdict, counts], [], [amount, *lines], [watched], [amount_on_loop], listed, usage, spooled = printed
    assert verdict.startswith("rejected ")
    assert " event_type unknown_event_type " in verdict
    assert counts == "0 1 0"
    assert " USD " in amount
    # 374 input tokens of the first, the third and the last block's event with the model "large".
    assert any(line.startswith("input {'model': 'large'} 1122 ") for line in lines), lines
    assert watched.startswith(amount.split(" USD ")[0] + " USD 20")
    assert amount_on_loop.endswith(" USD")
    assert spooled == ["1 0"]
    assert (tmp_path / "usage-spool").is_dir()
    # 500 input tokens at 2.20 a million are 0.0011, and the fee of the plan.
    assert "acme platform {} 0 49.00 USD" in listed
    assert "acme input {'model': 'large'} 500 0.00 USD" in listed
    assert listed[-1].startswith("as of 20")
    assert usage == ["2023-11-16 18:00:00+00:00 {'model': 'large'} 500 1"]
