"""`meterline customers`: what is done with single customers, as with resources of every kind, and with their data."""

from engine.cli.catalog.resource_commands import customers
from engine.cli.customers.erase_customer import erase, erasures
from engine.cli.customers.export_customer import export

__all__ = ["customers"]

for command in (export, erase, erasures):
    customers.add_command(command)
