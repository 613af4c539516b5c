"""`meterline migrate`: the catalog store brought to this version's schema, before its engines start."""

import click

from engine.cli.configuration.configuration_options import configured
from engine.configuration.effective import Effective


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@configured("data", "catalog_store", "catalog_store_file")
def migrate(effective: Effective, *, dry_run: bool) -> None:
    """Bring the catalog store to the schema of this version, or say that it is there already; needs no engine.

    An engine does the same when it starts. Where several start at once, or where only this command may change tables,
    run it before them. It makes all steps or none.

    \b
    meterline migrate --dry-run --catalog-store-file catalog-store.url
    """  # noqa: D301 - click itself reads the mark
    from engine.app.offline.migrating import migrate as migrated  # noqa: PLC0415 - the heavy parts load for this command only

    configuration = effective.configuration
    shown, schema = migrated(configuration.data, configuration.catalog_database(), dry_run=dry_run)
    if schema.found == schema.current:
        click.echo(f"{shown}: the catalog store has schema {schema.current} already")
    else:
        done = "would be brought" if dry_run else "was brought"
        before = "nothing" if schema.found is None else f"schema {schema.found}"
        click.echo(f"{shown}: the catalog store {done} from {before} to schema {schema.current}")
