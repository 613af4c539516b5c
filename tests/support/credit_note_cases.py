"""Lines of invoices that are credited."""

from engine.billing.receivables.credit_note import LineAmounts


def line(amount, discount=0, credit=0, included_tax=0, tax=0):
    return LineAmounts(
        amount, discount, credit, included_tax, tax, amount - discount - credit - included_tax + tax
    )


def random_line(rng):
    """Discounted, paid by credit, with tax inside, on top, or both."""
    amount = rng.choice([1, 2, 3, 7, 99, 100, 1_000, 12_345, 10**15])
    discount = rng.randint(0, amount) if rng.random() < 0.5 else 0
    credit = rng.randint(0, amount - discount) if rng.random() < 0.3 else 0
    base = amount - discount - credit
    included = rng.randint(0, base) if rng.random() < 0.4 else 0
    tax = rng.choice([0, included, base * 19 // 100, rng.randint(0, base + 5)])
    return line(amount, discount, credit, included, tax)
