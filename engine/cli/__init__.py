"""The command line. One file for each command; what they share is in connection and show.

A command's module is loaded when it is called: `meterline spend` need not wait for all that `serve` is made of.
"""

import importlib
import importlib.metadata

import click

_HELP = """Meterline: usage metering and rating.

\b
meterline serve --data DIR            run the engine
meterline apply -f examples/llm.yaml  say what is metered and what it costs
meterline catalog                     what is applied
meterline import usage.csv            load usage from files
meterline spend                       who has spent what, right now
meterline lines --customer ID         the rated line items, tier by tier
meterline usage --meter ID ...        what a meter comes to, by day, customer or property
meterline conflicts                   event ids that were used twice, and what was voided
meterline void --event-id ID          recorded usage that is to count no more; --dry-run shows the money,
meterline amend --event-id ID         ... or is to count with other properties, for another customer or time
meterline undo CORRECTION_ID          a correction taken back
meterline corrections                 who corrected what, when and why
meterline restore --event-id ID       a voided event of `conflicts` that is to count all the same
meterline reconcile --from D --to D   settle a period's event ids now
meterline expire --before D           delete raw events of closed periods; what they came to stays
meterline quote -f FILE --plan ID     what quantities would cost; needs no engine

A command that fails says why on standard error, at its end in one line, and exits with 2; an import that left rows
out exits with 1.
"""


# Where a command is, if not as its own name in the module of its name.
_ELSEWHERE = {"import": ("import_command", "import_")}
_NAMES = (
    "amend",
    "apply",
    "catalog",
    "conflicts",
    "corrections",
    "expire",
    "import",
    "lines",
    "quote",
    "reconcile",
    "restore",
    "serve",
    "spend",
    "undo",
    "usage",
    "void",
)


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _NAMES:
            return None
        module, name = _ELSEWHERE.get(cmd_name, (cmd_name, cmd_name))
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return command


@click.group(
    cls=_Commands,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(importlib.metadata.version("meterline"), prog_name="meterline")
def cli() -> None:
    pass


def run() -> int:
    """Runs the command line of this process; its exit code.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C.
    """
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    return 0
