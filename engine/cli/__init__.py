"""The command line. A folder for each family of commands; what they share is in `terminal`.

A command's module is loaded when it is called: `meterline spend` need not wait for all that `serve` is made of.
"""

import importlib
import importlib.metadata

import click

from engine.cli.terminal.connection import CommandError
from engine.errors import MeterlineError

_HELP = """Meterline: usage metering and rating.

\b
meterline serve --data DIR           run the engine
meterline apply examples/llm.yaml    say what is metered and what it costs
meterline diff FILE                  what applying a catalog would change; exits with 1 if anything
meterline catalog                    what is applied
meterline export -o DIR/             what is applied as YAML, to keep under version control
meterline customers ...              one at a time: create, get, update, list, archive, delete, history;
                                     subscriptions, plans, meters, coupons, tax-regions, sellers, credit-grants,
                                     revenue-splits, exchange-rates, top-up-rules, alerts alike
meterline migrate-subscriptions ...  who runs on a plan to another version of it; --dry-run shows the money
meterline import usage.csv           load usage from files
meterline spend                      who has spent what, right now
meterline alert-crossings            which thresholds of alerts were reached, and by whom
meterline spend-link ID --for 7d     a link to the page where a customer sees its spend live
meterline lines --customer ID        the rated line items, tier by tier
meterline close --period 2026-11     billing periods that are over made invoices
meterline billing-settings           who closes billing periods, and when: --close automatic leaves it to the engine
meterline drafts ...                 invoices before their issue: list, show, hold, release, approve
meterline invoices ...               what was billed: list, show, lines, document, export, void, write-off
meterline items ...                  one-off charges and credits of the next invoice: create, list, show, delete
meterline payments ...               money that came in, failed or went back: record, fail, refund, list
meterline credit-notes ...           what invoices billed given back: create, list, show, void
meterline statement ID --currency C  what a customer was billed and paid, and owes
meterline journal --format ledger    what was billed and paid as a double-entry journal: CSV, beancount, ledger
meterline simulate -f new.yaml ...   what another catalog would have made of past usage
meterline explain INV-000001/2       why a line comes to what it comes to: usage, tiers, terms, in plain words
meterline compare old-bills.csv ...  bills of another system beside what the same usage comes to here
meterline access ID                  what a customer may use now, why not, and what is left of its limits
meterline reservations               what running work holds of limits
meterline usage --meter ID ...       what a meter comes to, by day, customer or property
meterline events --customer ID       the events behind a number: of a line item, a meter, a correction
meterline problems                   why events were rejected, or in conflict
meterline conflicts                  event ids that were used twice, and what was voided
meterline void --event-id ID         recorded usage that is to count no more; --dry-run shows the money,
meterline amend --event-id ID        ... or is to count with other properties, for another customer or time
meterline undo CORRECTION_ID         a correction taken back
meterline corrections                who corrected what, when and why
meterline restore --event-id ID      a voided event of `conflicts` that is to count all the same
meterline reconcile --from D --to D  settle a period's event ids now
meterline expire --before D          delete raw events of closed periods; what they came to stays
meterline customers export ID        everything that is held about one customer
meterline customers erase ID         its personal data erased; every amount stays
meterline keys create ...            API keys: made, listed, rotated, revoked
meterline tenants                    who shares the engine without seeing each other
meterline webhooks create URL        hear what happens, by signed posts; list, test, rotate, deliveries, replay
meterline audit                      who changed what, by which key
meterline config check --config F    what an engine would run with, and whether it can; needs no engine
meterline doctor --config F          a whole deployment checked, and what to do; needs no engine
meterline backup create NAME         all of it at one point; backup verify and restore need no engine
meterline migrate                    the catalog store brought to this version's schema; needs no engine
meterline quote -f FILE --plan ID    what quantities would cost; needs no engine

A command that fails says why on standard error, at its end in one line, and exits with 2; an import that left rows
out, a doctor that finds something wrong, and a diff that is not empty, exit with 1.
"""


# Where each command is: the module, and its name there.
_COMMANDS = {
    "access": ("entitlements.access_command", "access"),
    "alert-crossings": ("alerts.alert_crossings_command", "alert_crossings"),
    "alerts": ("catalog.resource_commands", "alerts"),
    "amend": ("corrections.correct_commands", "amend"),
    "apply": ("catalog.apply_command", "apply"),
    "audit": ("access.tenants_command", "audit"),
    "backup": ("backup.backup_command", "backup"),
    "billing-settings": ("invoices.billing_settings_command", "billing_settings"),
    "catalog": ("catalog.catalog_command", "catalog"),
    "close": ("invoices.close_command", "close"),
    "compare": ("comparison.compare_command", "compare"),
    "config": ("configuration.config_command", "config"),
    "conflicts": ("corrections.conflicts_command", "conflicts"),
    "corrections": ("corrections.corrections_command", "corrections"),
    "coupons": ("catalog.resource_commands", "coupons"),
    "credit-notes": ("receivables.credit_notes_command", "credit_notes"),
    "credit-grants": ("catalog.resource_commands", "credit_grants"),
    "customers": ("customers.customers_command", "customers"),
    "diff": ("catalog.apply_command", "diff"),
    "doctor": ("configuration.doctor_command", "doctor"),
    "events": ("usage.events_command", "events"),
    "exchange-rates": ("catalog.resource_commands", "exchange_rates"),
    "explain": ("explanations.explain_command", "explain"),
    "expire": ("corrections.expire_command", "expire"),
    "export": ("catalog.export_command", "export"),
    "import": ("imports.import_command", "import_"),
    "invoices": ("invoices.invoices_command", "invoices"),
    "drafts": ("invoices.drafts_command", "drafts"),
    "items": ("invoices.items_command", "items"),
    "journal": ("receivables.journal_command", "journal"),
    "keys": ("access.keys_command", "keys"),
    "lines": ("billing.lines_command", "lines"),
    "meters": ("catalog.resource_commands", "meters"),
    "problems": ("usage.problems_command", "problems"),
    "migrate": ("configuration.migrate_command", "migrate"),
    "migrate-subscriptions": ("catalog.migrate_subscriptions", "migrate_subscriptions"),
    "payments": ("receivables.payments_command", "payments"),
    "plans": ("catalog.resource_commands", "plans"),
    "quote": ("quote.quote_command", "quote"),
    "reconcile": ("corrections.conflicts_command", "reconcile"),
    "reconcile-billing": ("reconciliation.reconcile_billing_command", "reconcile_billing"),
    "reservations": ("entitlements.reservations_command", "reservations"),
    "restore": ("corrections.correct_commands", "restore"),
    "revenue-splits": ("catalog.resource_commands", "revenue_splits"),
    "sellers": ("catalog.resource_commands", "sellers"),
    "serve": ("serve_command", "serve"),
    "simulate": ("simulation.simulate_command", "simulate"),
    "spend": ("billing.spend_command", "spend"),
    "spend-link": ("spend_links.spend_link_command", "spend_link"),
    "statement": ("receivables.statement_command", "statement"),
    "subscriptions": ("catalog.subscription_commands", "subscriptions"),
    "tax-regions": ("catalog.resource_commands", "tax_regions"),
    "tenants": ("access.tenants_command", "tenants"),
    "top-up-rules": ("catalog.resource_commands", "top_up_rules"),
    "undo": ("corrections.correct_commands", "undo"),
    "usage": ("usage.usage_command", "usage"),
    "webhooks": ("webhooks.webhooks_command", "webhooks"),
    "void": ("corrections.correct_commands", "void"),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Raises CommandError for what the engine's own code in this process refuses."""
        try:
            return super().invoke(ctx)
        except MeterlineError as error:
            raise CommandError(str(error)) from None


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
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    return code if isinstance(code, int) else 0
