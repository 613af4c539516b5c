"""The command line. One file for each command; what they share is in connection and show."""

import importlib.metadata

import click

from engine.cli.amend import amend
from engine.cli.apply import apply
from engine.cli.catalog import catalog
from engine.cli.conflicts import conflicts
from engine.cli.corrections import corrections
from engine.cli.expire import expire
from engine.cli.import_command import import_
from engine.cli.lines import lines
from engine.cli.quote import quote
from engine.cli.reconcile import reconcile
from engine.cli.restore import restore
from engine.cli.serve import serve
from engine.cli.spend import spend
from engine.cli.undo import undo
from engine.cli.usage import usage
from engine.cli.void import void

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
meterline expire --before D             delete raw events of closed periods; what they came to stays
meterline quote -f FILE --plan ID     what quantities would cost; needs no engine

A command that fails says why in one line, and exits with 2.
"""


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(importlib.metadata.version("meterline"), prog_name="meterline")
def cli() -> None:
    pass


for command in (
    serve,
    apply,
    catalog,
    import_,
    spend,
    lines,
    usage,
    conflicts,
    reconcile,
    expire,
    quote,
    void,
    amend,
    restore,
    undo,
    corrections,
):
    cli.add_command(command)


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
