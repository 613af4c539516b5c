"""A small catalog, and stores to apply it to."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.catalog.documents.changes import Applied
from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.errors import CatalogDocumentError
from tests.support.postgres import Postgres

APPLIED_AT = datetime(2023, 11, 16, 12, 0, tzinfo=UTC)

# Its line numbers are what the table of mistakes expects.
DOCUMENT = """\
meters:
  - id: input
    event_type: llm.completion
    aggregation: sum
    value: input_tokens
    group_by: [model]
  - {id: requests, event_type: llm.completion, aggregation: count}
plans:
  - id: starter
    name: Starter
    currency: USD
    prices:
      - id: platform
        model: flat
        flat_amount: 20.00
      - id: input
        meter: input
        model: graduated
        tiers:
          - {up_to: 1000, unit_amount: 0.000003}
          - {up_to: 5000, unit_amount: 0.000002}
          - {unit_amount: 0.10}
customers:
  - {id: acme, name: Acme Robotics}
  - {id: foxglove, name: Foxglove Analytics}
subscriptions:
  - {customer: acme, plan: starter, start: 2023-11-01}
"""


@pytest.fixture
def document() -> str:
    return DOCUMENT


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'catalog.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    """Of a new database, of each kind."""
    if request.param == "sqlite":
        return sqlite_url
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.new_url()


@pytest.fixture
def store(url: str) -> Iterator[CatalogStore]:
    opened = CatalogStore.open(url)
    yield opened
    opened.close()


@pytest.fixture
def apply(store: CatalogStore) -> Callable[..., Applied]:
    """Applies a document for the tenant "t"."""

    def apply_document(text: str, *, dry_run: bool = False, tenant: str = "t") -> Applied:
        document = read_document(text, "llm.yaml")
        if dry_run:
            catalog = store.snapshot(tenant)
            return document.changes(catalog, datetime(2026, 1, 1, tzinfo=UTC)).at(catalog.revision)
        return store.apply(tenant, document, applied_at=APPLIED_AT)

    return apply_document


@pytest.fixture
def mistakes_of() -> Callable[..., list[str]]:
    """The mistakes of a document, against an empty catalog if none is given."""

    def read(text: str, catalog: Catalog | None = None) -> list[str]:
        with pytest.raises(CatalogDocumentError) as caught:
            read_document(text, "llm.yaml").resources(
                catalog or Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC)
            )
        return [str(mistake) for mistake in caught.value.mistakes]

    return read
