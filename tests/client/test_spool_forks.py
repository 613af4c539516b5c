"""The spool after a fork: the child has a place of its own, and the parent's files are the parent's."""

import os
import signal
import subprocess
import sys
import threading
import time

from meterline import Client, Delivery


def in_script(script, *arguments):
    ran = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


PREFORK = """
import os, sys
from meterline import Client

target, spool, end = sys.argv[1:]
client = Client(target, spool=spool, close_timeout_s=20)
client.record("acme", "llm.completion", {"who": "before"}, event_id="before")
for worker in range(3):
    if os.fork() == 0:
        for number in range(100):
            client.record("acme", "llm.completion", {"who": worker}, event_id=f"{worker}-{number}")
        if end == "killed":
            os.kill(os.getpid(), 9)
        left = client.close()
        os._exit(0 if (left.accepted, left.pending) == (100, 0) else 1)
statuses = [os.wait()[1] for _ in range(3)]
client.record("acme", "llm.completion", {"who": "after"}, event_id="after")
delivery = client.close()
print(delivery.accepted, delivery.pending, *statuses)
"""
ALL = {"before", "after", *(f"{worker}-{number}" for worker in range(3) for number in range(100))}


def test_forked_workers_record_into_places_of_their_own(engine, spool):
    """A preloading server with three workers: each sends its hundred events, the parent its two."""
    assert in_script(PREFORK, engine.target, spool, "closed") == ["2", "0", "0", "0", "0"]
    assert set(engine.stored) == ALL
    assert sum(len(engine.events_of(payload)) for payload in engine.payloads) == 302


def test_what_killed_workers_left_is_sent_by_the_next_start(engine, connect, spool):
    """Workers die by SIGKILL without an engine; the next client on the directory takes their places over."""
    engine.stop()
    script = PREFORK.replace("close_timeout_s=20", "close_timeout_s=0.2")
    assert in_script(script, engine.target, spool, "killed") == ["0", "2", "9", "9", "9"]
    client = connect(spool=spool)
    assert client.delivery().pending == 302
    engine.start()
    assert client.flush(60) == Delivery(accepted=302)
    assert set(engine.stored) == ALL
    client.close()
    assert [path.name for path in spool.rglob("*") if path.name[0].isdigit()] == []


RESPAWN = """
import os, sys
from meterline import Client

client = Client(sys.argv[1], spool=sys.argv[2], close_timeout_s=0)
if os.fork() == 0:
    client.record("acme", "llm.completion", event_id="of the first")
    os.kill(os.getpid(), 9)
os.wait()
if os.fork() == 0:
    client.record("acme", "llm.completion", event_id="of the second")
    print(client.delivery().pending, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_worker_that_takes_the_place_of_a_killed_one_sends_what_it_left(spool):
    """The second child finds the first one's event in its place."""
    assert in_script(RESPAWN, "127.0.0.1:9", spool) == ["2"]
    assert [path.name for path in spool.iterdir() if path.is_dir()] == ["forked-1"]


def test_a_fork_neither_writes_to_the_parents_files_nor_keeps_its_lock(engine, spool):
    """The child lives on after the parent: the directory is free for the next process, the place is not."""
    script = """
import os, sys, time
from meterline import Client

client = Client(sys.argv[1], spool=sys.argv[2], close_timeout_s=0)
client.record("acme", "llm.completion")
before = {path: os.path.getsize(f"{sys.argv[2]}/{path}") for path in os.listdir(sys.argv[2])}
ready, told = os.pipe()
child = os.fork()
if child == 0:
    os.close(1)
    client.record("acme", "llm.completion")
    os.write(told, b"x")
    time.sleep(60)
    os._exit(0)
os.read(ready, 1)
after = {path: os.path.getsize(f"{sys.argv[2]}/{path}") for path in before}
print(child, before == after, flush=True)
os.kill(os.getpid(), 9)
"""
    engine.stop()
    ran = subprocess.Popen(
        [sys.executable, "-c", script, engine.target, str(spool)], stdout=subprocess.PIPE, text=True
    )
    output, _ = ran.communicate(timeout=180)
    child, unchanged = output.split()
    try:
        assert unchanged == "True"
        with Client(engine.target, spool=spool, close_timeout_s=0) as client:
            assert client.delivery().pending == 1  # the parent's; the child holds its own
    finally:
        os.kill(int(child), signal.SIGKILL)
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        with Client(engine.target, spool=spool, close_timeout_s=0) as client:
            if client.delivery().pending == 2:
                return
        time.sleep(0.05)
    raise AssertionError("the child's event did not come back")


def test_a_child_that_does_not_record_takes_no_place(engine, spool):
    """For instance the helper process of another library."""
    script = """
import os, sys
from meterline import Client

client = Client(sys.argv[1], spool=sys.argv[2])
if os.fork() == 0:
    client.close()
    os._exit(0)
os.wait()
"""
    in_script(script, engine.target, spool)
    assert [path.name for path in spool.iterdir()] == ["lock"]


def test_a_signal_handler_may_record(engine, connect, spool):
    """In the middle of a write of the same thread, a thousand times: nothing is lost, torn or deadlocked."""
    client = connect(spool=spool)
    ids, handled, over = [], [], threading.Event()
    main = threading.get_ident()

    def handle(_number, _frame):
        handled.append(client.record("acme", "llm.completion", {"from": "handler"}))

    def interrupt():
        for count in range(1_000):
            signal.pthread_kill(main, signal.SIGUSR1)
            while len(handled) <= count and not over.is_set():
                time.sleep(0.0002)

    before = signal.signal(signal.SIGUSR1, handle)
    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    try:
        while interrupting.is_alive():
            ids.append(client.record("acme", "llm.completion", {"from": "main"}))
    finally:
        over.set()
        interrupting.join()
        signal.signal(signal.SIGUSR1, before)
    assert len(handled) == 1_000
    assert client.flush(60) == Delivery(accepted=len(ids) + len(handled))
    assert set(engine.stored) == {*ids, *handled}
