"""What tests of access share: an empty catalog database, of each kind."""

from contextlib import closing

import pytest

from engine.sql.database import open_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """Opened, with its tables made."""
    url = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").new_url()
    with closing(open_database(url)) as opened:
        yield opened
