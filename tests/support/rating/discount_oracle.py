"""Discounts of invoices the slow and obvious way: one after another, in fractions."""

from fractions import Fraction


def discounted(lines, discounts):
    """What each line comes to, in minor units.

    lines: mappings of amount (minor units), invoice, subscription, price, currency. discounts: of invoice, subscription (-1: any),
    prices (None: any), and percent, or amount and currency.
    """
    left = [each["amount"] for each in lines]
    ordered = sorted(discounts, key=lambda each: "amount" in each)
    for discount in ordered:
        own = [
            row
            for row, line in enumerate(lines)
            if left[row] > 0
            and line["invoice"] == discount["invoice"]
            and discount["subscription"] in (-1, line["subscription"])
            and (discount["prices"] is None or line["price"] in discount["prices"])
            and discount.get("currency", line["currency"]) == line["currency"]
        ]
        total = sum(left[row] for row in own)
        if "percent" in discount:
            exact = [left[row] * discount["percent"] / 100 for row in own]
            off = half_up(sum(exact, Fraction(0)))
        else:
            off = min(discount["amount"], total)
            exact = [Fraction(off * left[row], total) for row in own]
        for row, part in zip(own, largest_remainders(exact, off), strict=True):
            left[row] -= part
    return left


def half_up(exact):
    """Half away from zero."""
    size = int((abs(exact) * 2 + 1) // 2)
    return size if exact >= 0 else -size


def largest_remainders(exact, total):
    """Parts of a total near their exact values, none of which is negative."""
    parts = [int(each) for each in exact]
    by_remainder = sorted(range(len(exact)), key=lambda row: (parts[row] - exact[row], row))
    for row in by_remainder[: total - sum(parts)]:
        parts[row] += 1
    return parts
