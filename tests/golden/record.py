"""Asks an engine for everything that the golden files hold. `python -m tests.golden.record` writes them."""

import shutil
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

from examples.engine_process import EngineProcess
from tests.golden.chart import record_chart
from tests.golden.demo import record_demo
from tests.golden.events import BATCH
from tests.golden.faces import Calls, help_of_every_command, now, without_what_no_run_repeats
from tests.golden.models import record_models

FILES = Path(__file__).parent / "files"
_LIMITS = (
    "request_events_max",
    "columns_events_max",
    "insert_events_max",
    "queue_events_max",
    "hot_window_events_max",
)
_OPTIONS = ("--event-age-max-days", "36525", *(f"--limit={name}={BATCH}" for name in _LIMITS))


def record_help():
    """File name -> text."""
    return {f"help/{name}.txt": text for name, text in help_of_every_command().items()}


@contextmanager
def _engine():
    with tempfile.TemporaryDirectory(prefix="meterline-golden-") as name:
        directory = Path(name)
        with (
            EngineProcess(directory / "data", *_OPTIONS) as engine,
            closing(Calls(engine.target, engine.api_key)) as calls,
        ):
            yield calls, engine, directory


def _of_an_engine(record):
    def recording():
        with _engine() as asked:
            return record(*asked)

    return recording


RECORDINGS = {
    "help": record_help,
    "chart": record_chart,
    "demo": _of_an_engine(record_demo),
    "models": _of_an_engine(record_models),
}


def recorded(name):
    """The files of one recording: name -> text."""
    since = now()
    return {file: without_what_no_run_repeats(text, since) for file, text in RECORDINGS[name]().items()}


def main():
    for name in sys.argv[1:] or RECORDINGS:
        files = recorded(name)
        shutil.rmtree(FILES / name, ignore_errors=True)
        for file, text in files.items():
            path = FILES / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{name}: {len(files)} files, {sum(map(len, files.values())):,} characters")


if __name__ == "__main__":
    main()
