"""All drafts approved by a process that is killed at its n-th touch of a store: before or after a statement, a commit, or an insert.

python -m tests.support.killed_approval USAGE_DIRECTORY CATALOG_URL CATALOG_FILE NOW TOUCHES

Ends with the exit code of a kill at that touch; with 0 if the approval had fewer; 0 touches: never killed.
"""

import sys
from pathlib import Path

from engine.billing.automatic.billing_settings import BillingSettingsStore
from engine.billing.closing.invoice import ALL_DUE
from engine.billing.drafts.draft_invoices import DraftInvoices
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld
from tests.support.killed_close import Touches, watch


def main(directory, url, catalog, now, touches):
    store = UsageStore.open_embedded(Path(directory))
    world = ClosingWorld(url, store, Path(catalog).read_text(), now)
    drafts = DraftInvoices(
        world.database,
        world.catalog,
        BillingSettingsStore(world.database),
        world.closer,
        lambda: world.now_us,
    )
    watch(Touches(int(touches)))
    run, row = drafts.approve(TENANT, drafts.span(TENANT, None, None), "tests"), 0
    while row is not None:
        row = drafts.issue(run, ALL_DUE, row, 1).next_row or None
    world.finish()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
