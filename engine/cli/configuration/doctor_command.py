"""`meterline doctor`: a whole deployment checked, line by line, with what to do."""

import json
from collections import Counter
from pathlib import Path
from typing import Final

import click

from engine.cli.configuration.configuration_options import configured
from engine.cli.configuration.environment import unread_variables
from engine.cli.terminal.options import json_option
from engine.cli.terminal.text import counted, visible
from engine.configuration.configuration import Configuration
from engine.configuration.effective import Effective

_COLOURS: Final = {"ok": "green", "warning": "yellow", "wrong": "red"}


class SomethingWrongError(click.ClickException):
    """The examination came to its end, and has said what is wrong. Exit code 1."""

    exit_code = 1

    def show(self, file: object = None) -> None:
        """All is said."""


@click.command()
@json_option
@configured()
def doctor(effective: Effective, *, as_json: bool) -> None:
    """Check a deployment and say, line by line, what is well, what is not, and what to do; needs no engine.

    It takes the configuration of meterline serve, and changes nothing. The exit code is 1 where something is wrong, and
    2 where the configuration itself can't be read. Run it as the engine's user, on its machine. Embedded usage that an
    engine has open is left to that engine.

    \b
    meterline doctor --config meterline.yaml
    """  # noqa: D301 - click itself reads the mark
    # The heavy parts load for this command only.
    from engine.app.logs import configure_logs  # noqa: PLC0415
    from engine.app.offline.examining import examine  # noqa: PLC0415
    from engine.cli.serve_command import serving_options  # noqa: PLC0415

    # What a store that does not answer said itself is in the finding.
    configure_logs("auto", "error")
    for line in unread_variables():
        click.echo(f"meterline: warning: {line}", err=True)
    configuration = effective.configuration
    levels: Counter[str] = Counter()
    for each in examine(serving_options(configuration), _secret_files(configuration)):
        levels[each.level] += 1
        if as_json:
            click.echo(
                json.dumps(
                    {"level": each.level, "about": each.about, "what": each.what, "what_to_do": each.todo}
                )
            )
            continue
        todo = f": {each.todo}" if each.todo else ""
        level = click.style(f"{each.level:8}", fg=_COLOURS[each.level])
        click.echo(f"{level} {each.about:15} {visible(each.what)}{visible(todo)}")
    if not as_json:
        click.echo(f"{levels['wrong']} wrong, {counted(levels['warning'], 'warning')}, {levels['ok']} ok")
    if levels["wrong"]:
        raise SomethingWrongError("the deployment has something wrong")


def _secret_files(configuration: Configuration) -> list[Path]:
    named = (
        configuration.usage_store_file,
        configuration.catalog_store_file,
        configuration.admin_key_file,
        configuration.tls_key,
    )
    return [each for each in named if each is not None]
