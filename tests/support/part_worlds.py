"""Small tenants whose running periods are billed: their catalogs, and that all documents add up to one close at the end."""

import itertools

from tests.support.closing_bills import booked
from tests.support.closing_world import ClosingWorld

HEAD = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
  - {id: mean, event_type: call, aggregation: avg, value: value}
tax_regions: [{id: DE, name: Germany, country: DE, rates: [{id: vat, percent: 20}]}]
coupons:
  - {id: half, name: Half, percent_off: 50, periods: 1}
  - {id: ten, name: Ten, amount_off: 10, currency: USD, periods: 2}
"""
_tests = itertools.count(1)


def plan(prices, **fields):
    said = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"plans: [{{id: pro, name: Pro, currency: USD, prices: [{prices}]{said}}}]\n"


ACME = "customers: [{id: acme, name: A}]\nsubscriptions: [{customer: acme, plan: pro, start: 2026-08-01}]\n"
FEE = "{id: fee, model: flat, flat_amount: 10}"
PER_CALL = "{id: calls, meter: calls, model: per_unit, unit_amount: 1}"


def due(invoices):
    return [each.sums["due"] for each in invoices]


class PartWorlds:
    """Makes worlds of one customer; `is_as_one_close` closes all usage of it at the end, and compares."""

    def __init__(self, directory, store):
        self._directory, self._store, self._made = directory, store, []
        self._number = next(_tests)
        self.customer = f"acme{self._number}"
        self.text = ""

    def world(self, text, now="2026-08-10"):
        self.text = HEAD + text.replace("acme", self.customer)
        return self._open("a", self.text, now, first_event=1_000 * self._number)

    def is_as_one_close(self, world, until="2026-09-01", text=None):
        once = self._open(f"b{len(self._made)}", text or self.text, clock=world.clock)
        once.now_us = world.now_us
        once.close("2026-08-01", until)
        assert world.totals() == once.totals()
        assert booked(world) == booked(once)
        return True

    def finish(self):
        for each in self._made:
            each.finish()

    def _open(self, name, text, *arguments, **fields):
        url = f"sqlite:///{self._directory / f'{name}.sqlite'}"
        self._made.append(ClosingWorld(url, self._store, text, *arguments, **fields))
        return self._made[-1]
