"""Logs: one event a line, console style on a terminal, JSON otherwise; always on standard error."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

# Without the values of local variables: they hold customers' events.
_dict_tracebacks = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
LogFormat = Literal["auto", "console", "json"]


def configure_logs(log_format: LogFormat, level: str) -> None:
    """Sets up structlog, and sends the standard library's warnings through it."""
    console = sys.stderr.isatty() if log_format == "auto" else log_format == "console"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [_dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
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
    # Migrations and the driver speak at INFO about what is not news to an operator.
    for chatty in ("alembic", "sqlalchemy"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # What they warn of comes as an error to whoever asked, and is logged there, in one line.
    for chatty in ("clickhouse_connect", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
