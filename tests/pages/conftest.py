"""One engine for all tests of the page."""

import pytest

from examples.engine_process import EngineProcess
from tests.support.pages.page_world import PageWorld


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    data = tmp_path_factory.mktemp("engine") / "data"
    options = ("--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0")
    with EngineProcess(data, *options) as engine:
        made = PageWorld(engine, data)
        try:
            yield made
        finally:
            made.close()
