"""What all documents of a tenant come to, line by line, and their numbers."""

from tests.support.closing_world import TENANT

AMOUNTS = ("amount_minor", "discount_minor", "credit_minor", "included_tax_minor", "tax_minor", "due_minor")


def numbers(world):
    return sorted(each.number for each in world.invoices.invoices(TENANT, "", 0, 10_000))


def booked(world):
    """What each line comes to over all documents that stand; without those that come to nothing."""
    found = {}
    for invoice in world.standing():
        for line in world.lines(invoice):
            key = invoice.key.customer_id, line["currency"], line["line_item_id"], line["period_start"]
            own = found.setdefault(key, dict.fromkeys(AMOUNTS, 0))
            for name in AMOUNTS:
                own[name] += line[name]
    return {key: own for key, own in found.items() if any(own.values())}
