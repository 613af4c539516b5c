"""Scopes of terms: which prices' lines a discount or a grant is for."""

from collections.abc import Sequence

import numpy as np

from rating.settlement.invoice_lines import NONE, Flags, Ids, codes_of


def scope_pairs(scopes: Sequence[tuple[str, ...]], price_ids: Sequence[str]) -> Ids:
    """The pairs (scope, price) that fit, as sorted keys scope x prices + price."""
    named = codes_of(price_ids)
    prices = len(named)
    pairs = [
        scope * prices + named[price] for scope, ids in enumerate(scopes) for price in ids if price in named
    ]
    return np.array(sorted(pairs), dtype=np.int64)


def in_scope(pairs: Ids, scope: Ids, price: Ids, prices: int) -> Flags:
    """Whether each price, an index into `prices` of them or -1, is in the scope beside it; -1 is all prices."""
    everything: Flags = scope == NONE
    if not len(pairs) or everything.all():
        return everything
    key = scope * prices + price
    place = np.minimum(np.searchsorted(pairs, key), len(pairs) - 1)
    fits: Flags = everything | ((pairs[place] == key) & (price != NONE))
    return fits
