"""The store, and the worlds of one customer, of tests of parts of periods."""

import pytest

from engine.usage.store.usage_store import UsageStore
from tests.support.part_worlds import PartWorlds


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = UsageStore.open_embedded(tmp_path_factory.mktemp("usage") / "usage")
    yield opened
    opened.close()


@pytest.fixture
def made(tmp_path, store):
    worlds = PartWorlds(tmp_path, store)
    yield worlds
    worlds.finish()
