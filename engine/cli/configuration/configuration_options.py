"""The options of an engine, made from the table of settings, and what they come to with environment and file."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.files import FileType
from engine.cli.terminal.options import Decorator, PairType, each_once, together
from engine.configuration.effective import Effective, Given, effective
from engine.configuration.settings import SettingRow, settings
from engine.errors import ConfigurationError
from fields import shown

_LIMIT: Final = PairType("NAME=NUMBER")


class _FlagType(click.types.BoolParamType):
    """True or false, as a variable says it; what is neither is told in one line, with the variable's name."""

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        """Raises CommandError for any other text."""
        try:
            return bool(super().convert(value, param, ctx))
        except click.BadParameter:
            raise CommandError(f"{self._variable} must be true or false, is {shown(value)}") from None


def configured(*names: str, checks_files: bool = False) -> Decorator:
    """Gives a command the options of these settings (of all, without names), and calls it with what holds: its first
    argument, an Effective. The file may have other settings beside. `checks_files`: a file that a start needs and that
    is not there is a mistake, told with the others.
    """
    rows = tuple(row for row in settings() if not names or row.name in names)

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_configuration(*, config: Path | None, **options: Any) -> None:  # noqa: ANN401 - whatever the command has
            own = {row.name for row in rows}
            others = {name: value for name, value in options.items() if name not in own}
            command(_effective(config, rows, checks_files=checks_files), **others)

        return together(_config_option, *map(_option, rows))(with_configuration)

    return decorated


_config_option: Final = click.option(
    "--config",
    type=FileType(path_type=Path),
    envvar="METERLINE_CONFIG",
    show_envvar=True,
    metavar="FILE",
    help="A YAML file of settings. An option comes before the environment, the environment before the file: docs/configuration.md.",
)


def _option(row: SettingRow) -> Decorator:
    if row.is_limits:
        return click.option(
            row.option,
            row.name,
            type=_LIMIT,
            multiple=True,
            metavar=row.about.metavar,
            envvar=row.variable,
            show_envvar=True,
            help=row.about.help,
        )
    if row.is_flag:
        return click.option(
            row.option,
            row.name,
            is_flag=True,
            type=_FlagType(row.variable),
            envvar=row.variable,
            show_envvar=True,
            help=row.about.help,
        )
    # A text, whatever it stands for: the table's own kinds read it, from wherever it comes.
    return click.option(
        row.option,
        row.name,
        type=str,
        default=None if row.default is None else str(row.default),
        show_default=True,
        metavar=_metavar(row),
        envvar=row.variable,
        show_envvar=True,
        help=f"{row.about.help} {row.bounds} {row.about.unit}." if row.about.unit else row.about.help,
    )


def _metavar(row: SettingRow) -> str:
    if row.about.unit:
        return "NUMBER"
    return row.about.metavar or f"[{row.bounds.replace(', ', '|')}]"


def _effective(file: Path | None, rows: tuple[SettingRow, ...], *, checks_files: bool) -> Effective:
    given: dict[tuple[str, ...], Given] = {}
    context = click.get_current_context()
    parameters = {each.name: each for each in context.command.get_params(context)}
    for row in rows:
        if row.is_limits:
            given |= _limits(context, row, parameters[row.name])
            continue
        source = context.get_parameter_source(row.name)
        if source is ParameterSource.COMMANDLINE:
            given[row.name,] = Given(context.params[row.name], row.option)
        elif source is ParameterSource.ENVIRONMENT:
            given[row.name,] = Given(context.params[row.name], row.variable, from_environment=True)
    try:
        return effective(file, given, checks_files=checks_files)
    except ConfigurationError as error:
        tell_mistakes(error.mistakes)
        raise


def tell_mistakes(mistakes: Sequence[str]) -> None:
    """Raises CommandError unless there are none: one in its own line, several above it."""
    if len(mistakes) == 1:
        raise CommandError(mistakes[0])
    for each in mistakes:
        click.echo(each, err=True)
    if mistakes:
        raise CommandError("the configuration has the mistakes above")


def _limits(
    context: click.Context, row: SettingRow, parameter: click.Parameter
) -> dict[tuple[str, ...], Given]:
    """Those of the environment, and over them those of the command line."""
    texts = parameter.value_from_envvar(context) or ()
    named = each_once((_LIMIT.convert(text, parameter, context) for text in texts), row.variable)
    found: dict[tuple[str, ...], Given] = {
        (row.name, name): Given(number, row.variable, from_environment=True) for name, number in named.items()
    }
    if context.get_parameter_source(row.name) is ParameterSource.COMMANDLINE:
        options = each_once(context.params[row.name], row.option)
        found |= {(row.name, name): Given(number, row.option) for name, number in options.items()}
    return found
