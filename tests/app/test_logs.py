"""How the process writes its log: what is said of exceptions, in both forms, and what is below the level."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SCRIPT = """
import logging
import sys

import structlog

from engine.app.logs import configure_logs
from engine.current_call import CURRENT_CALL, CurrentCall
from engine.errors import InvalidRequestError, FieldMistake, StoreUnavailableError

configure_logs(sys.argv[1], "info")
log = structlog.get_logger("engine.some")
CURRENT_CALL.set(CurrentCall("r-1", "GetSpend", "acme", "key:1"))
log.debug("below the level")
def fails():
    try:
        try:
            raise InvalidRequestError(FieldMistake("properties", "'secret' is not a number"))
        except InvalidRequestError as error:
            raise StoreUnavailableError("the disk is full", retry_after_ms=1) from error
    except StoreUnavailableError as error:
        raise ExceptionGroup("secret", [ValueError("INSERT secret"), OSError(28, "no space")]) from error
try:
    fails()
except ExceptionGroup:
    log.exception("it failed", secret_of_nobody=1)
    logging.getLogger("some.library").exception("a library failed")
"""


def _logged(log_format):
    command = [sys.executable, "-c", _SCRIPT, log_format]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "below the level" not in done.stderr
    assert "secret'" not in done.stderr
    assert "INSERT" not in done.stderr
    return done.stderr


def test_json_has_a_line_for_each_event_with_the_frames_of_its_exception():
    """The kind of each exception and where it came from; the text of those alone that repeat nothing that was sent."""
    ours, library = map(json.loads, _logged("json").splitlines())
    for line in (ours, library):
        assert (line["request_id"], line["method"], line["tenant"]) == ("r-1", "GetSpend", "acme")
        kinds = {each["type"]: each.get("text") for each in line["exception"]}
        assert kinds == {
            "ExceptionGroup": None,
            "ValueError": None,
            "OSError": "[Errno 28] no space",
            "StoreUnavailableError": "the disk is full",
            "InvalidRequestError": None,
        }
        assert any(frame.endswith(" fails") for each in line["exception"] for frame in each["frames"])
    assert (ours["level"], ours["logger"], library["logger"]) == ("error", "engine.some", "some.library")


def test_the_console_says_the_same():
    """For people."""
    text = _logged("console")
    for told in (
        "it failed",
        "a library failed",
        "r-1",
        "ValueError",
        "StoreUnavailableError: the disk is full",
    ):
        assert told in text
    assert " fails" in text


@pytest.mark.parametrize("logger", ["sqlalchemy.engine", "clickhouse_connect", "urllib3", "asyncio"])
def test_libraries_that_repeat_statements_stay_quiet_at_debug(logger):
    """SQL would be in it."""
    code = (
        "import logging; from engine.app.logs import configure_logs; configure_logs('json', 'debug'); "
        f"print(logging.getLogger({logger!r}).getEffectiveLevel())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) >= logging.WARNING
