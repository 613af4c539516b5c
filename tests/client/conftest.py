import pytest

from meterline import Client
from tests.support.client.scripted_engine import ScriptedEngine


@pytest.fixture
def engine():
    """A door of an engine whose faults the test scripts."""
    engine = ScriptedEngine()
    yield engine
    engine.script.clear()
    engine.stop()


@pytest.fixture
def connect(engine):
    """Make clients of that engine; they are closed at the end, without patience."""
    clients = []

    def make(**keywords) -> Client:
        clients.append(Client(keywords.pop("target", engine.target), **keywords))
        return clients[-1]

    yield make
    for client in clients:
        client.close(timeout_s=0)


@pytest.fixture
def spool(tmp_path):
    """A directory for a spool, not made yet."""
    return tmp_path / "spool"


@pytest.fixture(params=["memory", "spool"])
def keeping(request, spool):
    """The keywords of a client that keeps events in memory, or on disk."""
    return {} if request.param == "memory" else {"spool": spool}
