import pytest
from scripted_engine import ScriptedEngine

from meterline import Client


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
