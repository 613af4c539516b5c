"""A running engine for the tests of its face: one a test session, in a process of its own."""

import pytest

from examples.engine_process import EngineProcess
from meterline import Client, open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from tests.support.engine.api_world import CATALOG


@pytest.fixture(scope="session")
def sqlite_engine(tmp_path_factory):
    """Takes events of any age, so that tests may use fixed dates."""
    with EngineProcess(
        tmp_path_factory.mktemp("engine") / "data", "--event-age-max-days", "36525", "--reflection"
    ) as running:
        yield running


@pytest.fixture(scope="session")
def engine(sqlite_engine):
    return sqlite_engine


@pytest.fixture(scope="session")
def channel(engine):
    with open_channel(engine.target) as opened:
        yield opened


@pytest.fixture(scope="session")
def postgresql_engine(tmp_path_factory, postgres_server):
    """As `sqlite_engine`, with its catalog in a PostgreSQL."""
    url = postgres_server.new_url().replace("+psycopg", "")
    data = tmp_path_factory.mktemp("engine-postgresql") / "data"
    with EngineProcess(data, "--event-age-max-days", "36525", "--catalog-store", url) as running:
        yield running


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def either_engine(request):
    """Both, for tests of what the catalog store holds."""
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture(scope="session")
def either_channel(either_engine):
    with open_channel(either_engine.target, api_key=either_engine.api_key) as opened:
        yield opened


@pytest.fixture
def client(engine):
    with Client(engine.target) as made:
        yield made


@pytest.fixture
def apply(channel):
    """Applies a catalog document."""

    def applied(document, **options):
        request = ApplyCatalogRequest(document=document, file_name="test.yaml", **options)
        return CatalogServiceStub(channel).ApplyCatalog(request, timeout=120)

    return applied


@pytest.fixture
def name(request, apply):
    """A world of its own for the test: meters, plan and customers that no other test uses."""
    name = request.node.originalname.removeprefix("test_")[:40]
    apply(CATALOG.replace("NAME", name))
    return name
