"""Ids are unique without coordination."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from meterline.sending.identifiers import EventIds


def test_an_id_is_the_runs_prefix_and_a_counter():
    """80 random bits in base 32, the same for the run, so that ids compress well."""
    ids = EventIds(lambda count: bytes(range(count)))
    # 0x00010203040506070809 in base 32 (RFC 4648), lower case.
    assert [ids.new(), ids.new()] == ["aaaqeayeaudaocaj-1", "aaaqeayeaudaocaj-2"]


def test_two_generators_share_no_prefix():
    """Each run draws its own 10 random bytes."""
    first, second = EventIds(os.urandom).new(), EventIds(os.urandom).new()
    assert re.fullmatch(r"[a-z2-7]{16}-1", first)
    assert first != second


def test_ids_are_unique_over_threads():
    """8 threads draw 5,000 ids each: 40,000 different ones."""
    ids = EventIds(os.urandom)
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: [ids.new() for _ in range(5_000)], range(8)))
    assert len({event_id for thread in drawn for event_id in thread}) == 40_000


FORKING = """
import os, sys
from meterline import Client

def ids(client):
    return [client.record("acme", "llm.completion", {"tokens": 1}) for _ in range(100)]

client = Client(sys.argv[1])
before = ids(client)
client.flush(60) if sys.argv[2] == "connected" else None
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.write(writer, " ".join(ids(client)).encode())
    sys.exit(0 if client.close(10).accepted == 100 else 3)
os.close(writer)
after = ids(client)
with os.fdopen(reader) as pipe:
    in_child = pipe.read().split()
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(len(set(before + after + in_child)), client.close(10).accepted, status)
"""


def fork_with(target, state):
    ran = subprocess.run(
        [sys.executable, "-c", FORKING, target, state],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split(), ran.stderr


def test_a_fork_shares_no_ids_and_no_events(engine):
    """A child of a connected client: 300 different ids, 200 accepted for the parent, 100 for the child."""
    assert fork_with(engine.target, "connected")[0] == ["300", "200", "0"]
    assert len(engine.stored) == 300


def test_what_waited_at_the_fork_is_sent_by_the_parent_alone(engine):
    """The child starts with an empty buffer: no event of the parent arrives twice."""
    assert fork_with(engine.target, "waiting")[0] == ["300", "200", "0"]
    assert len(engine.stored) == 300
    assert sum(len(engine.events_of(payload)) for payload in engine.payloads) == 300
