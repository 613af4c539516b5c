"""Accounts on both catalog stores."""

import pytest

from tests.support.accounts_world import AccountsWorld


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request, tmp_path_factory):
    """One for all tests of a store: each has customers of its own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('accounts') / 'catalog.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").new_url()
    made = AccountsWorld(url)
    yield made
    made.database.close()


@pytest.fixture
def customer(request):
    return request.node.originalname.removeprefix("test_")
