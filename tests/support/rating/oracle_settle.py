"""The oracle's reading of what follows the lines: commitments, credits, taxes and revenue splits, one by one.

All amounts are whole minor units (ints); shares and factors are Fractions.

Rules:
1. Commitment: a line counts toward the last commitment of its subscription, in its currency, that names its price, else
   toward the last one for all prices. Spend below what was committed is made up for in the last part
   of the period (true-up); spend beyond costs `overage_factor` times as much in all. Both are worked out for
   the period so far, less what is booked.
2. Credits: grants are used by priority (the lower number first), then the earliest expiry (none is last), then
   promotional before paid, then the oldest. Each line, in order, takes from the first grant that has a balance,
   is its customer's, in its currency, for its price and valid at its instant. Invoices take in the order of their ids. Only a positive amount takes.
3. Tax: a rate comes to its percent of the net, a compound one also to its percent of the taxes before it. An
   amount is the net and the inclusive taxes. Each tax is an exact share of the amount, rounded once: on the line,
   or on the invoice and then allocated to its lines by the largest remainder. The net is the amount less the rounded
   inclusive taxes. Under reverse charge no tax is due; the inclusive ones stay in the net or are stripped.
4. Split: shares with a fixed amount take it, one after another, as long as something is left. Of that the platform takes
   percent + fixed, rounded once and never more than it. The rest is allocated to the shares by weight; the platform's, if
   none has a weight. Of a refund the same, fixed amounts only if it says so.
5. Order: commitments add lines, credits pay, taxes follow, splits are last; credits may come after taxes instead.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from tests.support.rating.oracle_models import HUNDRED, Fields
from tests.support.rating.oracle_numbers import ZERO, allocated, rounded


class Tax(NamedTuple):
    """One tax of a line: the rate's id, what it is charged on, what it comes to."""

    line: int
    rate: str
    taxable: int
    amount: int


class Taxed(NamedTuple):
    """The taxes of all lines, and the net and gross of each line."""

    taxes: list[Tax]
    net: list[int]
    gross: list[int]


def whole(value: Fraction, mode: str) -> int:
    """An exact amount as whole minor units."""
    return int(rounded(value, 0, mode))


# --- commitments -------------------------------------------------------------------------------------


def counted_by(line: Fields, commitments: Sequence[Fields]) -> int:
    """Which commitment a line counts toward, -1 for none."""
    own = [
        i
        for i, terms in enumerate(commitments)
        if terms["subscription"] == line["subscription"] and terms["currency"] == line["currency"]
    ]
    named = [i for i in own if commitments[i]["price_ids"] and line["price"] in commitments[i]["price_ids"]]
    general = [i for i in own if commitments[i]["price_ids"] is None]
    return (named or general or [-1])[-1]


def commitment_charges(terms: Fields, spend: int) -> tuple[int, int]:
    """(overage, true-up) to charge now, for the spend of the period so far."""
    mode = terms["rounding"]
    committed = whole(terms["amount"] * terms["proration"], mode)
    overage = whole(max(0, spend - committed) * (terms["overage_factor"] - 1), mode) - terms["booked_overage"]
    true_up = 0
    if terms["final"] and terms["true_up"]:
        true_up = max(0, committed - spend) - terms["booked_true_up"]
    return overage, true_up


def with_adjustments(lines: Sequence[Fields], commitments: Sequence[Fields]) -> list[Fields]:
    """The lines, and after them a line for every amount that a commitment adds."""
    spends = [terms["spent"] for terms in commitments]
    for line in lines:
        counts = counted_by(line, commitments)
        if counts >= 0:
            spends[counts] += line["amount"]
    result = [{**line, "kind": "rated", "commitment": -1} for line in lines]
    for row, (terms, spend) in enumerate(zip(commitments, spends, strict=True)):
        for kind, amount in zip(("overage", "true_up"), commitment_charges(terms, spend), strict=True):
            if amount:
                own = {"kind": kind, "commitment": row, "amount": amount, "price": None}
                same = {"subscription": terms["subscription"], "currency": terms["currency"]}
                result.append({**terms["columns"], **own, **same})
    return result


# --- credits ----------------------------------------------------------------------------------------


def draws(
    lines: Sequence[Fields], amounts: Sequence[int], grants: Sequence[Fields]
) -> list[tuple[int, int, int]]:
    """(line, grant, amount) of each consumption, line by line."""
    left = [grant["balance"] for grant in grants]
    order = sorted(range(len(grants)), key=lambda index: (*turn(grants[index]), index))
    result = []
    for row in sorted(range(len(lines)), key=lambda row: lines[row]["invoice"]):
        line, owed = lines[row], amounts[row]
        for grant in order:
            taken = min(owed, left[grant]) if pays_for(grants[grant], line) else 0
            if taken > 0:
                result.append((row, grant, taken))
                left[grant] -= taken
                owed -= taken
    return sorted(result, key=lambda each: each[0])


def turn(grant: Fields) -> tuple[Any, ...]:
    """What decides when a grant's turn comes."""
    never = grant["expires_at"] is None
    return (
        grant["priority"],
        never,
        0 if never else grant["expires_at"],
        not grant["promotional"],
        grant["created_at"],
    )


def pays_for(grant: Fields, line: Fields) -> bool:
    """Whether a grant may pay for a line."""
    valid = grant["effective_at"] <= line["at"] and (
        grant["expires_at"] is None or line["at"] < grant["expires_at"]
    )
    own = grant["customer"] == line["customer"] and grant["currency"] == line["currency"]
    return valid and own and (grant["price_ids"] is None or line["price"] in grant["price_ids"])


# --- taxes --------------------------------------------------------------------------------------------


def factors(profile: Fields) -> list[Fraction]:
    """Each rate's tax as a share of an amount that contains the inclusive taxes."""
    on_net: list[Fraction] = []
    for rate in profile["rates"]:
        on_net.append(rate["percent"] / HUNDRED * (1 + (sum(on_net, ZERO) if rate["compound"] else ZERO)))
    contained = sum(
        (tax for tax, rate in zip(on_net, profile["rates"], strict=True) if rate["inclusive"]), ZERO
    )
    return [tax / (1 + contained) for tax in on_net]


def tax_amounts(
    lines: Sequence[Fields], amounts: Sequence[int], profiles: Sequence[Fields], mode: str, scope: str
) -> list[list[int]]:
    """What each rate of each line's profile comes to, before reverse charge is looked at."""
    exact = [
        [amount * factor for factor in factors(profiles[line["tax_profile"]])]
        if line["tax_profile"] >= 0
        else []
        for line, amount in zip(lines, amounts, strict=True)
    ]
    if scope == "line":
        return [[whole(tax, mode) for tax in taxes] for taxes in exact]
    result = [[0] * len(taxes) for taxes in exact]
    together: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for row, (line, taxes) in enumerate(zip(lines, exact, strict=True)):
        for place in range(len(taxes)):
            profile = profiles[line["tax_profile"]]
            key = (line["invoice"], profile["rates"][place]["id"], profile["reverse_charge"])
            together.setdefault(key, []).append((row, place))
    for places in together.values():
        shares = [exact[row][place] for row, place in places]
        for (row, place), share in zip(
            places, shared_out(shares, whole(sum(shares, ZERO), mode)), strict=True
        ):
            result[row][place] = share
    return result


def shared_out(shares: Sequence[Fraction], total: int) -> list[int]:
    """Exact shares of any sign as ints that add up to `total`, by the largest remainder in the direction left over."""
    result = [int(share) for share in shares]
    left = total - sum(result)
    direction = 1 if left > 0 else -1
    remainders = [(share - cut) * direction for share, cut in zip(shares, result, strict=True)]
    for row in sorted(range(len(shares)), key=lambda row: (-remainders[row], row))[: abs(left)]:
        result[row] += direction
    return result


def taxed(
    lines: Sequence[Fields], amounts: Sequence[int], profiles: Sequence[Fields], mode: str, scope: str
) -> Taxed:
    """All taxes, and what each line comes to without and with them."""
    found = Taxed([], [], [])
    each = tax_amounts(lines, amounts, profiles, mode, scope)
    for row, (line, amount, taxes) in enumerate(zip(lines, amounts, each, strict=True)):
        profile = (
            profiles[line["tax_profile"]]
            if line["tax_profile"] >= 0
            else {"rates": [], "reverse_charge": False}
        )
        rates = profile["rates"]
        contained = sum(tax for tax, rate in zip(taxes, rates, strict=True) if rate["inclusive"])
        reverse = profile["reverse_charge"]
        net = amount if reverse and profile["inclusive_reverse_charge"] == "keep" else amount - contained
        due = [0] * len(taxes) if reverse else taxes
        for place, rate in enumerate(rates):
            taxable = net + (sum(due[:place]) if rate["compound"] else 0)
            found.taxes.append(Tax(row, rate["id"], taxable, due[place]))
        found.net.append(net)
        found.gross.append(net + sum(due))
    return found


# --- splits --------------------------------------------------------------------------------------------


def split(amount: int, terms: Fields) -> tuple[int, list[int]]:
    """(platform fee, each recipient's share) of an amount."""
    left, sign = abs(amount), -1 if amount < 0 else 1
    has_fixed = amount > 0 or terms["refund_fixed"]
    parts = []
    for share in terms["shares"]:
        parts.append(min(left, share["fixed"] if has_fixed else 0))
        left -= parts[-1]
    weights = [share["weight"] for share in terms["shares"]]
    if not any(weights):
        return sign * left, [sign * part for part in parts]
    fixed = terms["platform_fixed"] if has_fixed else 0
    fee = min(left, whole(left * terms["platform_percent"] / HUNDRED + fixed, terms["rounding"]))
    shares = allocated(Fraction(left - fee), weights, 0)
    return sign * fee, [sign * (part + int(share)) for part, share in zip(parts, shares, strict=True)]
