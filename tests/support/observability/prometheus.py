"""A Prometheus of one's own that scrapes an engine and evaluates rules."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import yaml

_START_S = 60


class PrometheusProcess:
    """Listens on a free port; its data is in `directory`."""

    def __init__(self, program: str, directory: Path, target: str, rules: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "meterline", "static_configs": [{"targets": [target]}]}],
        }
        directory.mkdir()
        file = directory / "prometheus.yaml"
        file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
        self._command = [
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=error",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query. Raises AssertionError with Prometheus' own words if it takes it for wrong."""
        return self._get("query", query=expression)["result"]

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=120) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                # It listens before it is ready.
                raise
            raise AssertionError(f"{parameters}: {json.load(error)['error']}") from error

    def until(self, expression: str) -> list[dict[str, Any]]:
        """Its series, as soon as there are any."""
        give_up_at = time.monotonic() + _START_S
        while True:
            try:
                if found := self.query(expression):
                    return found
            except (OSError, urllib.error.URLError):
                pass
            assert time.monotonic() < give_up_at, f"Prometheus has nothing of {expression}"
            time.sleep(0.2)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
