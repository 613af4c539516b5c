"""Writes docs/reference.md, the schema of the configuration file, and the chart's settings, from the code: `make reference`.

A test compares them.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import click
from prometheus_client import CollectorRegistry

from docs import chart_settings
from engine.access.tenant_limits import Limit
from engine.api.operations import Services, operations
from engine.cli import cli
from engine.configuration.settings import SettingRow, configuration_schema, limit_rows, settings
from engine.metrics import REGISTRY

PAGE = Path(__file__).parent / "reference.md"
SCHEMA = Path(__file__).parent / "configuration.schema.json"
_HEAD = """# Reference

Made from the code by `make reference`: every command with its options, every setting, every environment variable, every RPC, every metric.

- The catalog's fields: [catalog.md](catalog.md) and [meters.md](meters.md). Bounds of ingestion: [ingest.md](ingest.md#bounds).
- Messages, errors and their codes: the comments in [proto/meterline/v1](../proto/meterline/v1).
"""
_SETTINGS = (
    "What an engine runs with, by its name in the configuration file: [configuration.md](configuration.md). The option of a "
    "setting is its name with hyphens. The limits are set by `--limit NAME=NUMBER` and METERLINE_LIMIT; "
    "[ingest.md](ingest.md#bounds) has their reasons."
)


def page() -> str:
    """The whole page."""
    return (
        "\n".join([_HEAD, *_commands(), *_settings(), *_variables(), *_rpcs(), *_metrics()]).rstrip() + "\n"
    )


def _commands() -> list[str]:
    lines = ["## Commands", ""]
    for name, command in _every_command():
        context = click.Context(command, info_name=f"meterline {name}")
        lines += [f"### meterline {name}", "", _sentence(command), ""]
        records = [param.get_help_record(context) for param in command.get_params(context)]
        shown = [record for record in records if record is not None and "--help" not in record[0]]
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [f"`meterline {name} {usage}`", ""]
        if shown:
            lines += ["| option | |", "|---|---|"]
            lines += [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in shown]
            lines += [""]
    return lines


def schema() -> str:
    """The JSON Schema of the configuration file, as it is committed."""
    return json.dumps(configuration_schema(), indent=2) + "\n"


def _settings() -> list[str]:
    lines = [
        "## Settings",
        "",
        _SETTINGS,
        "",
        "| setting | variable | values | unit | default | why that default | secret |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in settings():
        lines += [_setting(each) for each in limit_rows()] if row.is_limits else [_setting(row)]
    return [*lines, ""]


def _setting(row: SettingRow) -> str:
    variable = "" if "." in row.name else f"`{row.variable}`"
    default = "" if row.default is None else f"`{json.dumps(row.default).strip(chr(34))}`"
    secret = "yes" if row.about.secret else ""
    cells = [
        f"`{row.name}`",
        variable,
        _cell(row.bounds),
        row.about.unit,
        default,
        _cell(row.about.reason),
        secret,
    ]
    return f"| {' | '.join(cells)} |"


def _variables() -> list[str]:
    found: dict[str, list[str]] = {}
    for name, command in _every_command():
        for param in command.params:
            if isinstance(param.envvar, str):
                found.setdefault(param.envvar, []).append(f"`meterline {name} {param.opts[0]}`")
    lines = ["## Environment variables", "", "| variable | stands for |", "|---|---|"]
    return [*lines, *(f"| `{name}` | {_few(options)} |" for name, options in sorted(found.items())), ""]


def _few(options: list[str]) -> str:
    return (
        ", ".join(options)
        if len(options) < 4
        else f"{options[0]} and the same option of every command that has it"
    )


def _rpcs() -> list[str]:
    # The table is made of the services' methods; here nobody calls them.
    table = operations(Services(**{name: MagicMock() for name in Services.__dataclass_fields__}))
    lines = [
        "## RPCs",
        "",
        "The scope is what an API key must hold for the call: [operations.md](operations.md#api-keys).",
        "",
    ]
    lines += ["| RPC | scope | audited | limits of the tenant |", "|---|---|---|---|"]
    return [
        *lines,
        *(
            f"| `{each.name}` | {each.scope} | {'yes' if each.audit else ''} | "
            f"{', '.join(limit for limit in Limit if limit in each.charges)} |"
            for each in table
        ),
        "",
    ]


def _metrics() -> list[str]:
    lines = [
        "## Metrics",
        "",
        "Served for Prometheus at `/metrics` of the metrics port. What to watch, and the probes beside it:",
        "[operations.md](operations.md#monitor).",
        "",
    ]
    lines += ["| metric | type | |", "|---|---|---|"]
    metrics = sorted(_collected(REGISTRY), key=lambda each: each.name)
    for each in metrics:
        name = f"{each.name}_total" if each.type == "counter" else each.name
        lines.append(f"| `{name}` | {each.type} | {_cell(each.documentation)} |")
    return lines


def _collected(registry: CollectorRegistry) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(name=metric.name, type=metric.type, documentation=metric.documentation)
        for metric in registry.collect()
        if metric.name.startswith("meterline_")
    ]


def _every_command(group: click.Group = cli, above: str = "") -> list[tuple[str, click.Command]]:
    """Each command by its words; a group stands before its own."""
    found: list[tuple[str, click.Command]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            found.append((f"{above}{name}", command))
            if isinstance(command, click.Group):
                found += _every_command(command, f"{above}{name} ")
    return found


def _sentence(command: click.Command) -> str:
    text = (command.help or "").split("\n\n")[0].replace("\n", " ")
    return " ".join(text.split())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
    chart_settings.write()
    sys.stdout.write(f"wrote {PAGE.name}, {SCHEMA.name} and the settings of the chart\n")
