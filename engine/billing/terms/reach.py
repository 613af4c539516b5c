"""How far back customers' earlier periods are settled with those that are asked for. Pure.

Credit and commitments over several periods leave what earlier periods have not used. Both are derived: from all periods that drew on
them.
"""

import numpy as np

from engine.billing.periods import Instants
from engine.billing.terms.commitments.contracts import contracts_since
from engine.billing.terms.grants import Occurrence, granted, occurrences
from engine.billing.terms.places import CustomerNumbers
from engine.catalog.snapshots.snapshot import Catalog


def reached_back(
    catalog: Catalog,
    customers: CustomerNumbers,
    first_us: Instants,
    last_us: Instants,
    since_us: Instants | None = None,
) -> tuple[list[Occurrence], Instants]:
    """The customers' grants as they may be drawn on, and the instant of each behind which its earlier periods are needed; NEVER_US for
    none.

    first_us, last_us: of each customer the last instants of its first and last period that is asked for; NEVER_US and 0 without any.
    since_us: behind which they are needed besides.
    """
    found, needed_us = occurrences(granted(catalog, customers), first_us, last_us)
    if since_us is not None:
        needed_us = np.minimum(needed_us, since_us)
    return found, np.minimum(needed_us, contracts_since(catalog, customers, np.minimum(needed_us, first_us)))
