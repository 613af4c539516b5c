"""A `meterline serve` process of one's own: start, wait until it serves, stop or kill, start again."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

_START_TIMEOUT_S = 120


class RunningCommand(Protocol):
    """What of subprocess.Popen is asked for."""

    @property
    def pid(self) -> int: ...

    @property
    def stderr(self) -> Iterable[str] | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


def start_python(words: Sequence[str]) -> RunningCommand:
    """`meterline` with these words, in a new Python. A Ctrl-C at the terminal is for the caller, who then stops it."""
    # gRPC's own log lines repeat what a peer sent, whatever bytes those are.
    return subprocess.Popen(
        [sys.executable, "-m", "engine", *words],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


class EngineProcess:
    """Runs the engine on a data directory (None: the options say where its stores are) and, after the first start, on
    the port that it got then.
    """

    # Tests have a faster way.
    start_command: Callable[[Sequence[str]], RunningCommand] = staticmethod(start_python)

    def __init__(self, data: Path | None, *options: str) -> None:
        self._data = data
        self._options: Sequence[str] = options
        self._process: RunningCommand | None = None
        self._said_enough = threading.Event()
        self._serves = False
        self._reader = threading.Thread()
        self.target = "127.0.0.1:0"
        self.metrics_port: int | None = None
        self.http_port: int | None = None
        self._key_file: Path | None = None
        self.log: list[str] = []

    def start(self) -> Self:
        """Starts the process and returns when it serves.

        Raises:
            RuntimeError: it ended, or did not serve in time; the text is the last line of its log.
        """
        self._said_enough.clear()
        self._serves = False
        data = () if self._data is None else ("--data", str(self._data))
        words = [
            "serve",
            *data,
            "--listen",
            self.target,
            "--metrics-listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ]
        self._process = self.start_command([*words, *self._options])
        self._reader = threading.Thread(target=self._read_log, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._said_enough.wait(_START_TIMEOUT_S) or not self._serves:
            self.kill()
            raise RuntimeError(f"the engine did not start: {self.log[-1] if self.log else 'it said nothing'}")
        return self

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def api_key(self) -> str:
        """The key that the engine began with: it allows everything."""
        if self._key_file is None:
            raise RuntimeError("the engine was never started")
        return self._key_file.read_text(encoding="ascii").strip()

    def stop(self) -> int:
        """SIGTERM, and waits for the drain; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL: nothing is drained; the exit code."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        process = self._running()
        if process.poll() is None:
            os.kill(process.pid, number)
        code = process.wait(timeout=60)
        self._reader.join(timeout=60)
        return code

    def _running(self) -> RunningCommand:
        if self._process is None:
            raise RuntimeError("the engine was never started")
        return self._process

    def _read_log(self, process: RunningCommand) -> None:
        for line in process.stderr or ():
            self.log.append(line.rstrip())
            entry = _entry(line)
            if entry.get("event") == "serving":
                self.target = str(entry["address"])
                port = entry["metrics_port"]
                self.metrics_port = port if isinstance(port, int) else None
                self.http_port = entry["http_port"] if isinstance(entry["http_port"], int) else None
                self._key_file = Path(str(entry["admin_key_file"]))
                self._serves = True
                self._said_enough.set()
        # It ended, perhaps without ever serving.
        self._said_enough.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _entry(line: str) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
