"""Terms per event over random corrected histories: the engine bills what fractions in lists come to, for ever."""

import pytest

from engine.usage.facts import period_scan
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.usage_store import UsageStore
from tests.support.event_bills import BilledHistory
from tests.support.long_forms import numbered
from tests.support.usage.clickhouse_process import ClickHouseProcess


@pytest.fixture(params=["embedded", "server"])
def store(request, tmp_path):
    if request.param == "embedded":
        opened = UsageStore.open_embedded(tmp_path / "usage")
        yield opened
        opened.close()
        return
    with ClickHouseProcess(tmp_path) as server:
        opened = UsageStore.open_server(read_server_address(server.url()))
        yield opened
        opened.close()


@pytest.mark.parametrize("events_max", [10**6, 2])
@pytest.mark.parametrize("history", numbered(1, 40))
def test_corrected_histories_are_billed_as_lists_are(store, history, events_max, seed, monkeypatch):
    """Retries, reused ids, voids, amendments, undoings, late events, ties of time, aliases, groups, conversions, values that are
    missing, unreadable, negative or huge; with room for all events, and for two: then a charge of more is flagged, and
    statements read few places each. What was billed is the same at the end.
    """
    if history % 2:
        monkeypatch.setattr(period_scan, "_FEW_MAX", 0)
    made = BilledHistory(store, f"{seed}-{history}-{events_max}", events_max)
    made.begin()
    made.run(8)
    made.look_again()
    reasons = {line[1] for _, (lines, _), _ in made.billed for line in lines.values()}
    assert ("has more " in reasons) == (events_max == 2)
