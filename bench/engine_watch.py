"""Watches a process from outside: its CPU time, and its memory over time."""

import os
import threading
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Self

_INTERVAL_S = 0.25
_MIB = 1024 * 1024


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB


def peak_memory_mib(pid: int) -> float:
    """The most resident memory that a process ever had, or since `reset_peak_memory`."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = next(line for line in status if line.startswith("VmHWM:")).split()[1]
    return int(kib) / 1024


def reset_peak_memory(pid: int) -> None:
    """Lets the high-water mark begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


class MemoryWatch:
    """Samples a process's memory while it is entered: `samples` are pairs of monotonic seconds and MiB."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[tuple[float, float]] = []

    @property
    def peak_mib(self) -> float:
        return max(mib for _, mib in self.samples)

    def between(self, began_s: float, ended_s: float) -> float | None:
        """The last sample of a span of time."""
        found = [mib for at_s, mib in self.samples if began_s <= at_s < ended_s]
        return found[-1] if found else None

    def _run(self) -> None:
        while True:
            self.samples.append((perf_counter(), memory_mib(self._pid)))
            if self._over.wait(_INTERVAL_S):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
