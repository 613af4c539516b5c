"""The whole engine, killed and stopped under load: acknowledged is stored exactly once, stored was sent, usage agrees."""

import random

import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from tests.support.engine.killed_under_load import CATALOG, Producers, read_usage, stored_ids


def _engine(data, durability):
    engine = EngineProcess(data, "--event-age-max-days", "36525", "--durability", durability).start()
    with open_channel(engine.target) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
    return engine


def _judge(producers, stored):
    assert producers.wrong == []
    assert len(stored) == len(set(stored)), "an event is there twice"
    assert producers.acknowledged - set(stored) == set(), "acknowledged, and lost"
    assert set(stored) - producers.sent.keys() == set(), "stored, and never sent"


@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_kills_at_random_moments_neither_lose_nor_double(tmp_path, seed, durability, kills):
    """Between them the usage is read; what was read as of a watermark is read again after every later kill."""
    moments = random.Random(f"{seed} {durability}")
    engine = _engine(tmp_path / "data", durability)
    reads = []
    with Producers(engine.target, moments) as producers:
        for _ in range(kills):
            producers.wait_for_acknowledgements(moments.randint(1, 400))
            acknowledged = set(producers.acknowledged)
            usage, as_of = read_usage(engine.target)
            # What was acknowledged before a read is in it; no more was sent than by now.
            at_least = producers.usage(acknowledged)
            at_most = producers.usage(list(producers.sent))
            assert all(low <= read <= high for low, read, high in zip(at_least, usage, at_most, strict=True))
            reads.append((usage, as_of))
            engine.kill()
            engine.start()
            for before, at in reads[-5:]:
                assert read_usage(engine.target, at)[0] == before
        producers.wait_for_acknowledgements(1)
    assert producers.retries > 0
    usage, _ = read_usage(engine.target)
    assert engine.stop() == 0
    stored = stored_ids(tmp_path / "data" / "usage")
    _judge(producers, stored)
    assert usage == producers.usage(stored)


@pytest.mark.parametrize("stops", [1, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_a_stop_under_load_drains(tmp_path, seed, stops):
    """SIGTERM while producers send: the engine ends by itself, with what it acknowledged stored."""
    moments = random.Random(seed)
    engine = _engine(tmp_path / "data", "process")
    with Producers(engine.target, moments) as producers:
        for _ in range(stops):
            producers.wait_for_acknowledgements(moments.randint(1, 400))
            assert engine.stop() == 0
            engine.start()
        producers.wait_for_acknowledgements(1)
        assert engine.stop() == 0
    stored = stored_ids(tmp_path / "data" / "usage")
    _judge(producers, stored)
    engine.start()
    assert read_usage(engine.target)[0] == producers.usage(stored)
    assert engine.stop() == 0
