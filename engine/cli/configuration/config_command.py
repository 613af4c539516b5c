"""`meterline config`: what an engine would run with, and whether it can; needs no engine."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.access.api_keys import key_id_of
from engine.api.certificates import Certificates
from engine.cli.configuration.configuration_options import configured, tell_mistakes
from engine.cli.configuration.environment import unread_variables
from engine.cli.terminal.options import json_option
from engine.cli.terminal.tables import TextTable
from engine.cli.terminal.text import counted
from engine.configuration.effective import DEFAULT, Effective
from engine.configuration.settings import configuration_schema
from engine.errors import MeterlineError, StartupError
from engine.whole_files import read_secret

if TYPE_CHECKING:
    from engine.app import serving


@click.group()
def config() -> None:
    """See and check the configuration of an engine: options, environment, file and defaults as `meterline serve` takes them.

    \b
    meterline config check --config meterline.yaml
    meterline config show --config meterline.yaml
    """  # noqa: D301 - click itself reads the mark


@config.command()
@json_option
@configured()
def show(effective: Effective, *, as_json: bool) -> None:
    """Show every setting as it holds, and where it came from: an option, a variable, a line of the file, or the default.

    Passwords are never shown.
    """
    values = effective.values()
    if as_json:
        for each in values:
            click.echo(json.dumps({"name": each.name, "value": each.value, "source": each.source}))
        return
    table = TextTable("SETTING", "VALUE", "SOURCE")
    for each in values:
        table.add(each.name, _shown(each.value), each.source, style="dim" if each.source == DEFAULT else "")
    table.show()


@config.command()
@configured(checks_files=True)
def check(effective: Effective) -> None:
    """Check a configuration as `meterline serve` would, without starting anything.

    Every mistake is reported as file:line: setting: what is wrong, or by its option or variable; then the exit code is 2.
    """
    from engine.app.serving import start_checks  # noqa: PLC0415 - the heavy parts load for this command only
    from engine.cli.serve_command import serving_options  # noqa: PLC0415 - as above

    for line in unread_variables():
        click.echo(f"meterline: warning: {line}", err=True)
    options = serving_options(effective.configuration)
    _judge([*start_checks(options), *_file_checks(options)])
    given = [each for each in effective.values() if each.source != DEFAULT]
    click.echo(
        f"the configuration is valid: {counted(len(given), 'setting')} given, the others at their defaults"
    )


@config.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    click.echo(json.dumps(configuration_schema(), indent=2))


def _judge(checks: list[Callable[[], object]]) -> None:
    """Raises CommandError after every mistake was told."""
    mistakes: list[str] = []
    for each in checks:
        try:
            each()
        except MeterlineError as error:
            mistakes.append(str(error))
    tell_mistakes(mistakes)


def _file_checks(options: "serving.Options") -> Iterator[Callable[[], object]]:
    """Certificate and key that fit together, and a first API key that is one. Each raises StartupError."""
    if options.tls is not None:
        yield partial(Certificates, options.tls)
    if options.admin_key_file is not None:
        yield partial(_check_admin_key, options.admin_key_file)


def _check_admin_key(file: Path) -> None:
    if key_id_of(read_secret(file)) is None:
        raise StartupError(f"{file}: does not hold an API key: make one with meterline keys generate")


def _shown(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
