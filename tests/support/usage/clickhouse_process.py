"""The ClickHouse front (clickhouse_front) as a process of one's own: start, break, kill, start again."""

import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.support.command_processes import RunningCommand, start_module
from tests.support.usage.clickhouse_front import PASSWORD, USER


class ClickHouseProcess:
    """A ClickHouse server on a directory and, after the first start, on the ports that it got then."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: RunningCommand | None = None
        self._ports = [0, 0]

    def start(self) -> Self:
        self._process = start_module("tests.support.usage.clickhouse_front", self._directory, *self._ports)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the ClickHouse front did not start")
        said = json.loads(line)
        self._ports = [said["port"], said["control_port"]]
        return self

    def url(self, database: str = "metering", **query: int) -> str:
        options = "&".join(f"{name}={value}" for name, value in query.items())
        return f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self._ports[0]}/{database}?{options}"

    def option(self, database: str = "metering", **query: int) -> tuple[str, str]:
        """For `meterline serve`, which takes no password in an option."""
        file = self._directory.parent / f"{self._directory.name}-{database}.url"
        file.write_text(self.url(database, **query), encoding="ascii")
        return "--usage-store-file", str(file)

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait(60)
        self._process.stdout.close()

    def fault(self, kind: str, only: str = "any", **options: object) -> None:
        self._control("fault", {"kind": kind, "only": only} | options)

    def clear(self) -> None:
        self._control("clear")

    def outage(self) -> None:
        self._control("outage")

    def resume(self) -> None:
        self._control("resume")

    def seen(self) -> dict[str, int]:
        """How often each kind of fault met a request."""
        return self._control("nothing")["seen"]

    def _control(self, command: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._ports[1]}/{command}",
            data=json.dumps(body or {}).encode(),
            method="POST",
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as answer:
            return json.loads(answer.read())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
