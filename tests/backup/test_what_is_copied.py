"""What a backup has: every table that lasts, and nothing later than its watermark."""

import contextlib

import pytest
from sqlalchemy import update

from engine.backup.backups import Backups, Copied
from engine.backup.copied_tables import COPIED
from engine.cluster.deployment import FORMAT
from engine.errors import StoreUnavailableError
from engine.sql.invoice_tables import INVOICES
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from tests.support.accounts_world import AccountsWorld

WATERMARK_US = 5_000_000


class Turn:
    def is_held(self):
        return True

    def release(self):
        pass


class Order:
    """Its watermark is drawn, and then something is written."""

    def __init__(self, written):
        self._written = written

    def watermark(self, _now_us):
        self._written()
        return WATERMARK_US


@pytest.fixture
def backup_beside(tmp_path):
    """A backup that is made while this is written: its manifest."""
    with contextlib.ExitStack() as stack:
        usage = UsageStore.open_embedded(tmp_path / "usage")
        stack.callback(usage.close)
        accounts = AccountsWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
        stack.callback(accounts.database.close)
        directory = tmp_path / "backups"
        directory.mkdir()

        def made(write):
            copied = Copied(
                usage, Order(lambda: write(accounts)), accounts.database, lambda: str(FORMAT), lambda: None
            )
            backups = Backups(directory, copied, lambda: contextlib.nullcontext(Turn()), lambda: 1, "test")
            return backups.create("nightly").manifest

        yield made
        # One that is refused leaves nothing.
        assert {each.name for each in directory.iterdir()} <= {"nightly"}


def issue_at(as_of_us):
    def issue(accounts):
        accounts.issue("acme", "12.00")
        with accounts.database.writing() as connection:
            connection.execute(update(INVOICES).values(as_of_us=as_of_us))

    return issue


def test_an_invoice_of_the_watermark_is_in_the_backup(backup_beside):
    """What it bills is there too."""
    assert backup_beside(issue_at(WATERMARK_US)).catalog_rows["invoices"] == 1


def test_an_invoice_that_was_rated_after_the_watermark_is_not_kept_without_its_events(backup_beside):
    """A close that begins and issues in between: its events are later than all that is copied."""
    with pytest.raises(
        StoreUnavailableError, match=r"^invoices were issued while the backup was made: make it again$"
    ):
        backup_beside(issue_at(WATERMARK_US + 1))


def test_every_table_of_the_usage_store_is_copied_or_passes_with_the_engine(tmp_path):
    """Whoever adds a table decides: drafts of inserts are of no use to another engine."""
    with contextlib.closing(UsageStore.open_embedded(tmp_path / "usage")) as usage:
        query = Query("SELECT name FROM system.tables WHERE database = currentDatabase()", {})
        found = {str(name) for (name,) in usage.query(query)}
    assert found == {table.name for table in COPIED} | {"drafts"}
