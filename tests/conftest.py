"""What every test file shares: the option that runs the long forms, and the seed of random tests."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from examples.engine_process import EngineProcess
from tests.support.command_processes import start_command

# A failing example prints the line that repeats it; a shared machine's pace says nothing about the code.
hypothesis.settings.register_profile("meterline", print_blob=True, deadline=None)
hypothesis.settings.load_profile("meterline")
# Engines and commands start by the hundred, and each worker rewrites the asserts of every test: let sources be compiled
# once, whatever the machine prefers.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Started with nohup or in the background of a script, a run ignores SIGINT, and so would every engine and command that it
# starts; some tests interrupt one. What has a handler here has the default in a child.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What an engine is made of is loaded once for all engines of a worker.
EngineProcess.start_command = staticmethod(start_command)

# One key for every engine, client and command of a run. None of them looks at what the user of this machine has.
API_KEY = "mlk_7e57000000ab_000102030405060708090a0b0c0d0e0f1011121314151617"
_OWN_FILES = Path(tempfile.mkdtemp(prefix="meterline-tests-"))
atexit.register(shutil.rmtree, _OWN_FILES, ignore_errors=True)
(_OWN_FILES / "admin.key").write_text(API_KEY, encoding="ascii")
os.environ["METERLINE_API_KEY"] = API_KEY
_KEPT = {"METERLINE_API_KEY", "METERLINE_ADMIN_KEY_FILE", "METERLINE_SEED"}
os.environ["METERLINE_ADMIN_KEY_FILE"] = str(_OWN_FILES / "admin.key")
os.environ["XDG_CONFIG_HOME"] = str(_OWN_FILES / "config")
for name in [each for each in os.environ if each.startswith("METERLINE_") and each not in _KEPT]:
    os.environ.pop(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-long", action="store_true", help="run the tests marked `long` too")
    parser.addoption(
        "--require-tools",
        action="store_true",
        help="fail rather than skip where a program of the operating system's packages is missing",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `--run-long` the tests marked `long` are deselected: their short form runs."""
    if config.getoption("--run-long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[object]:
    """A PostgreSQL for the tests of this process, which starts in a moment."""
    # Loaded for those who ask for it.
    from tests.support.postgres import postgres

    with postgres() as server:
        yield server


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """What decides a random test: METERLINE_SEED, or else the seed of the whole run."""
    value = os.environ.get("METERLINE_SEED") or str(request.config.getoption("randomly_seed"))
    request.node.user_properties.append(("seed", value))
    return value


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the seeds that were used, so that any run can be repeated."""
    for value in sorted(set(_seeds(terminalreporter))):
        terminalreporter.write_line(f"random tests used METERLINE_SEED={value}")


def _seeds(reporter: pytest.TerminalReporter) -> Iterator[str]:
    for reports in reporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "seed":
                    yield value
