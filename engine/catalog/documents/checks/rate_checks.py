"""What exchange rates must hold in a document and in the catalog as it is: a pair of currencies has one rate from an instant on."""

from collections.abc import Sequence

from engine.catalog.documents.entries import Entry
from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.kinds.currencies.exchange_rate import ExchangeRate


def check_rates(entries: Sequence[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """The rates of the document against each other and against those of the catalog that it leaves."""
    given = [(each, each.resource) for each in entries if isinstance(each.resource, ExchangeRate)]
    if not given:
        return
    known = {
        (each.from_currency, each.to_currency, each.effective_from): f"{each.id!r} (the catalog)"
        for rates in excerpt.catalog.exchange_rates.values()
        for each in rates
        if each.id not in excerpt.given[ExchangeRate.kind]
    }
    for entry, rate in given:
        key = rate.from_currency, rate.to_currency, rate.effective_from
        if key in known:
            pair = f"from {rate.from_currency} to {rate.to_currency}"
            message = f"is that of {known[key]}, too: there is one rate {pair} at a time"
            mistakes.add((*entry.path, "effective_from"), message)
        known.setdefault(key, f"{rate.id!r} (line {entry.line})")
