"""One engine for all tests of the page."""

import contextlib

import pytest

from examples.engine_process import EngineProcess
from tests.support.observability.tools import outside_tool
from tests.support.pages.browser import Visit, chromium
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


@pytest.fixture(scope="module")
def browser(request):
    with chromium(outside_tool(request, "chromium", "chromium")) as started:
        yield started


@pytest.fixture
def visit(browser, world):
    """Opens tabs, which end with the test."""
    with contextlib.ExitStack() as stack:

        def opened(**options):
            made = Visit(browser, world, **options)
            stack.callback(made.close)
            return made

        yield opened
