"""A usage store for tests that keep to tenants of their own."""

import pytest

from engine.usage.store.usage_store import UsageStore


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    opened = UsageStore.open_embedded(tmp_path_factory.mktemp("shared") / "usage")
    yield opened
    opened.close()
