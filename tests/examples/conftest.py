"""A running engine for each catalog store: one of each a test session, a tenant of it for each example."""

import pytest

from examples.engine_process import EngineProcess


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def engine(request, tmp_path_factory):
    """Takes events of any age, as the usage of the examples has fixed dates."""
    options = ["--event-age-max-days", "36525"]
    if request.param == "postgresql":
        options += ["--catalog-store", request.getfixturevalue("postgres_server").new_url()]
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data", *options) as running:
        yield running
