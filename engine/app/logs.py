"""Logs: one event a line, console style on a terminal, JSON otherwise; always on standard error.

Rules:
1. Each line that a call causes has its request id, its method, and who called (engine.current_call).
2. No secret, no property of an event and no SQL gets into it. What an exception says may repeat any of them: the log has
   its kind and its frames, and its text where it is an error of the engine's own tree or the operating system's.
3. What is below the level costs next to nothing.
"""

import logging
import sys
from collections.abc import Iterator
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

import engine.errors
from engine.current_call import current_call_fields

LogFormat = Literal["auto", "console", "json"]
# Without the values of local variables: they hold customers' events.
_in_frames = ExceptionDictTransformer(show_locals=False)
# Whose text the log has: the engine's own, unless they repeat a request, and the operating system's.
_TELLING: Final = {
    *(
        name
        for name, each in vars(engine.errors).items()
        if name.endswith("Error") and isinstance(each, type)
    ),
    *("OSError", "PermissionError", "FileNotFoundError", "TimeoutError", "BrokenPipeError"),
    *("ConnectionRefusedError", "ConnectionResetError"),
} - {"InvalidRequestError", "CatalogDocumentError"}


def configure_logs(log_format: LogFormat, level: str) -> None:
    """Sets up structlog, and sends the standard library's warnings through it."""
    console = sys.stderr.isatty() if log_format == "auto" else log_format == "console"
    shared: list[Processor] = [
        _add_call,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=_print_exception)]
        if console
        else [structlog.processors.ExceptionRenderer(_exception), structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Migrations and the driver speak at INFO about what is not news to an operator, and at DEBUG about statements.
    for chatty in ("alembic", "sqlalchemy"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # What they warn of comes as an error to whoever asked, and is logged there, in one line.
    for chatty in ("clickhouse_connect", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    # At DEBUG asyncio tells of every loop that it makes.
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _add_call(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**current_call_fields(), **event}


def _exception(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """The exception and what it came from, newest first, each with its kind and its frames."""
    return [
        {
            "type": stack["exc_type"],
            **({"text": stack["exc_value"]} if stack["exc_type"] in _TELLING else {}),
            "frames": [f"{each['filename']}:{each['lineno']} {each['name']}" for each in stack["frames"]],
        }
        for stack in _every_stack(_in_frames(exc_info))
    ]


def _every_stack(stacks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for stack in stacks:
        yield stack
        for inner in stack.get("exceptions", ()):
            yield from _every_stack(inner)


def _print_exception(stream: TextIO, exc_info: ExcInfo) -> None:
    for each in _exception(exc_info):
        lines = [": ".join(filter(None, (each["type"], each.get("text")))), *each["frames"]]
        stream.write("\n    ".join(lines) + "\n")
