"""Discounts, credits and taxes of the lines of one invoice, in fractions, where they are simple. Pure.

Rules: what is judged, and all else is counted as not judged.
1. Discounts: of an invoice without a plan's discount that has no coupon, or one. A coupon for some periods is judged where it has
   not begun; a percentage is of the sum of its positive lines, rounded once, half away from zero; an amount is at most that sum.
   Both are shared out in proportion: no share is a whole unit away from its exact one.
2. Credits: of a customer without a grant in the currency there are none.
3. Taxes: by the rates of the customer's region that hold at the period's last instant, on top or contained, each rounded on each
   line; none of a customer without a region, or exempt. Not those that are charged on others, summed by invoice, owed by the
   customer (reverse charge), or paid by credit that comes after them. An invoice item that isn't taxed has none.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from engine.billing.reconciliation.booked_line import BookedLine, minor_text
from engine.billing.reconciliation.findings import Check, DifferenceKind, Findings
from engine.billing.reconciliation.judged_lines import JudgedDocument
from engine.billing.reconciliation.price_arithmetic import rounded
from engine.catalog.kinds.coupon import Coupon, Redemption
from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.items.invoice_item import named_item
from engine.catalog.snapshots.snapshot import Catalog
from engine.times import datetime_us, us_datetime
from rating import CreditsApply, TaxRate, TaxScope, minor_unit_digits

_HUNDRED: Final = 100


class TermsJudge:
    """Judges the terms of one document's lines, all of them."""

    def __init__(self, of: JudgedDocument, catalog: Catalog, findings: Findings) -> None:
        self._of = of
        self._catalog = catalog
        self._findings = findings

    def judge(self, lines: Sequence[BookedLine]) -> None:
        customer = self._catalog.customers.get(self._of.key.customer_id)
        if customer is None:
            for check in (Check.DISCOUNTS, Check.CREDITS, Check.TAXES):
                self._findings.leave(check, "a customer that the catalog doesn't have", len(lines))
            return
        self._judge_discounts(customer.resource, lines)
        self._judge_credits(lines)
        self._judge_taxes(customer.resource, lines)

    def _judge_discounts(self, customer: Customer, lines: Sequence[BookedLine]) -> None:
        if any(self._has_plan_discount(each) for each in lines):
            self._findings.leave(Check.DISCOUNTS, "a plan's discount", len(lines))
            return
        coupons = list(self._coupons(customer, lines))
        if any(coupon.periods is not None for coupon, _ in coupons):
            self._findings.leave(Check.DISCOUNTS, "a coupon for some periods", len(lines))
            return
        if len(coupons) > 1:
            self._findings.leave(Check.DISCOUNTS, "several coupons", len(lines))
            return
        self._findings.judged[Check.DISCOUNTS] += len(lines)
        within = [each for each in lines if coupons and each.amount > 0 and _is_off(*coupons[0], each)]
        base = sum(each.amount for each in within)
        total = self._discounted(coupons[0][0], base) if base else Fraction(0)
        shares = {each.line_item_id: total * each.amount / base for each in within}
        for each in lines:
            share = shares.get(each.line_item_id, Fraction(0))
            if each.discount != share and abs(each.discount - share) >= (1 if share else 0):
                self._differs(DifferenceKind.DISCOUNT, each, share, each.discount)
        found = sum(each.discount for each in lines)
        if found != total:
            self._differs(DifferenceKind.DISCOUNT, None, total, found)

    def _coupons(self, customer: Customer, lines: Sequence[BookedLine]) -> Iterator[tuple[Coupon, str]]:
        """Those that are off the invoice by its end, each with the subscription whose lines it is off; empty for all."""
        redemptions: list[tuple[Redemption, str]] = [(each, "") for each in customer.coupons]
        for each in dict.fromkeys(line.subscription_id for line in lines):
            if each in self._catalog.subscriptions:
                own = self._catalog.subscriptions[each].resource.coupons
                redemptions += [(redemption, each) for redemption in own]
        for redemption, subscription_id in redemptions:
            coupon = self._catalog.coupons[redemption.coupon].resource
            has_begun = datetime_us(redemption.start) < self._of.key.end_us
            if has_begun and coupon.currency in (None, self._of.key.currency):
                yield coupon, subscription_id

    def _discounted(self, coupon: Coupon, base: int) -> Fraction:
        if coupon.percent_off is not None:
            return rounded(Fraction(base) * Fraction(coupon.percent_off) / _HUNDRED, 0, "half_up")
        digits = minor_unit_digits(self._of.key.currency)
        off: Fraction = Fraction(coupon.amount_off or 0) * 10**digits
        return min(Fraction(base), off)

    def _has_plan_discount(self, line: BookedLine) -> bool:
        versions = self._catalog.plan_versions.get(line.plan_id)
        found = () if versions is None else versions.versions
        return any(each.version == line.plan_version and each.resource.discount is not None for each in found)

    def _judge_credits(self, lines: Sequence[BookedLine]) -> None:
        key = self._of.key
        grants = self._catalog.credit_grants_of.get(key.customer_id, ())
        if any(each.currency == key.currency for each in grants):
            self._findings.leave(Check.CREDITS, "a customer with credit", len(lines))
            return
        self._findings.judged[Check.CREDITS] += len(lines)
        for each in lines:
            if each.credit:
                self._differs(DifferenceKind.CREDIT, each, Fraction(0), each.credit)

    def _judge_taxes(self, customer: Customer, lines: Sequence[BookedLine]) -> None:
        catalog, seller = self._catalog, self._catalog.seller
        rates: tuple[TaxRate, ...] = ()
        if customer.tax_region is not None and not customer.tax_exempt:
            region = catalog.tax_regions[customer.tax_region].resource
            rates = region.rates_at(us_datetime(self._of.key.end_us - 1))
            if seller is not None and seller.tax_region and region.union and customer.tax_ids:
                self._findings.leave(Check.TAXES, "perhaps owed by the customer", len(lines))
                return
        if any(each.compound for each in rates):
            self._findings.leave(Check.TAXES, "taxes on taxes", len(lines))
            return
        if rates and seller is not None and seller.tax_rounding_scope is not TaxScope.LINE:
            self._findings.leave(Check.TAXES, "taxes that are rounded by invoice", len(lines))
            return
        is_after = seller is not None and seller.credits_apply is CreditsApply.AFTER_TAX
        if is_after and any(each.credit for each in lines):
            self._findings.leave(Check.TAXES, "credit that pays taxes", len(lines))
            return
        mode = "half_up" if seller is None else str(seller.tax_rounding)
        contained = sum((Fraction(each.percent) for each in rates if each.inclusive), Fraction(0)) / _HUNDRED
        self._findings.judged[Check.TAXES] += len(lines)
        for line in lines:
            item = catalog.invoice_items.get(named_item(line.subscription_id) or "")
            own = rates if item is None or item.resource.taxed else ()
            taxable = line.amount - line.discount - line.credit
            taxes = [
                (rounded(taxable * Fraction(each.percent) / _HUNDRED / (1 + contained), 0, mode), each)
                for each in own
            ]
            included = sum((tax for tax, each in taxes if each.inclusive), Fraction(0))
            if included != line.included_tax:
                self._differs(DifferenceKind.TAX, line, included, line.included_tax, "included tax of ")
            total = sum((tax for tax, _ in taxes), Fraction(0))
            if total != line.tax:
                self._differs(DifferenceKind.TAX, line, total, line.tax)

    def _differs(
        self,
        kind: DifferenceKind,
        line: BookedLine | None,
        expected: Fraction,
        found: int,
        prefix: str = "",
    ) -> None:
        currency = self._of.key.currency
        what = prefix + ("all lines" if line is None else line.what)
        shown = minor_text(rounded(expected, 0, "half_up"), currency)
        self._findings.differs(self._of.difference(kind, line, what, shown, minor_text(found, currency)))


def _is_off(coupon: Coupon, subscription_id: str, line: BookedLine) -> bool:
    """Commitments are settled after discounts; no coupon is off an invoice item."""
    return (
        line.kind == "charge"
        and named_item(line.subscription_id) is None
        and subscription_id in ("", line.subscription_id)
        and (not coupon.plans or line.plan_id in coupon.plans)
        and (not coupon.prices or line.price_id in coupon.prices)
    )
