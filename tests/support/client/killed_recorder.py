"""A process that records and is killed."""

import subprocess
import sys

RECORD_AND_DIE = """
import os, sys
from meterline import Client

client = Client(sys.argv[1], spool=sys.argv[2])
for number in range(int(sys.argv[3])):
    print(client.record("acme", "llm.completion", {"number": number}), flush=True)
os.kill(os.getpid(), 9)
"""


def record_and_die(target, spool, count):
    """The ids that a process recorded before SIGKILL."""
    ran = subprocess.run(
        [sys.executable, "-c", RECORD_AND_DIE, target, str(spool), str(count)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == -9, ran.stderr
    return ran.stdout.split()
