"""Prices to amounts: pure, arrays in, arrays out.

Construct prices once with `Price.read(fields)`, put n charges into columns, and rate them:

    lines = rate(Charges(prices=[a, b], price_index=np.array([0, 1, 1]), quantity=DecimalColumn.of(["5", "7.5", 0])))
    lines.amount.to_decimals()      # n rounded amounts; lines.amount.sum_by_group(invoice, invoices) adds them up
    lines.line(0).formula           # '5 x 0.1 = 0.5 -> 0.50 USD', with the tiers, stages and rounding beside it
    lines.breakdown()               # every tier of every line as ragged columns

`quantity` is a `DecimalColumn(mantissa, scale)`: straight from a store's decimals as int64 mantissas, or `of(...)`
Decimals, ints and texts; `column_of_wide` takes integers of 256 bits. To bill a period in parts give the cumulative quantity, `booked` (what earlier parts
billed) and `final` (false on all but the last part, where a minimum counts). Tiers that count on another clock
than the invoice take `consumed_before`; charges for a part of their period, whose quantity isn't metered, `proration`;
percentage prices with terms per event `events`; matrix prices
`dimensions`; capacity prices `quantities`. `rate` is the only rating path: live spend, drafts, invoices and
simulations call it alike. It raises `RatingError` rather than bill a charge that its price says nothing about:
`unrateable_rows(charges)` finds those, to be shown with `unrateable_reason` and left out.

`converted(quantity, conversion)` converts one quantity by itself, as a meter does before anything is priced, and
`converted_column` a column of them.

What follows the lines (discounts, commitments, credit grants, taxes, revenue splits) has one way in as well:

    settled = settle(lines_of_rated(lines, price_ids, subscription, columns), SettlementTerms(...))
    settled.due_minor               # what each line leaves to pay, in minor units; the trace of each stage beside it
    invoice_totals(settled)         # the sums of each invoice
"""

from rating.kernels.breakdown import TierBreakdown
from rating.kernels.charges import Charges, Dimension, EventAmounts, RatingError
from rating.kernels.events import FeeSums
from rating.kernels.parts import PartColumns
from rating.lines.line import RatedEvent, RatedLine, RatedTier
from rating.lines.lines import RatedLines
from rating.numbers.allocate import round_to_total
from rating.numbers.currency import CurrencyCode, minor_unit_digits, whole_minor_units
from rating.numbers.decimals import EXACT, DecimalColumn
from rating.numbers.rounding import RoundingMode
from rating.numbers.running_sums import sums_before
from rating.numbers.wide_integers import column_of_wide
from rating.prices.conversion import Conversion, converted, converted_column
from rating.prices.matrix import Cell, CellTerms
from rating.prices.models import AMOUNT_FIELDS, BlockScope, Boundary, Model, Scope, Timing, Whole
from rating.prices.price import Price, Rounding
from rating.prices.proration import Part, TierProration, free, prorated, times
from rating.prices.schedule import tier_spans
from rating.prices.tiers import Tier
from rating.rate import rate, unrateable_reason, unrateable_rows
from rating.settlement.adjustments import LineKind, adjustment_formula
from rating.settlement.commitments import Commitment, Commitments, InconsistentTermsError, prorated_minor
from rating.settlement.discounts import Discount, Discounts, discount_problems
from rating.settlement.grants import CreditGrant, CreditGrants, GrantCategory
from rating.settlement.invoice_lines import InvoiceLines, LineColumns, lines_of_rated
from rating.settlement.plan_discounts import PlanDiscount, PlanDiscounts, SpendDiscount
from rating.settlement.settle import (
    CreditsApply,
    Settlement,
    SettlementTerms,
    invoice_totals,
    settle,
)
from rating.settlement.splits import Share, Split, SplitBase, SplitResult, SplitScope
from rating.settlement.tax import tax_totals
from rating.settlement.tax_rates import (
    InclusiveReverseCharge,
    TaxProfile,
    TaxRate,
    TaxRounding,
    TaxScope,
)

__all__ = [
    "AMOUNT_FIELDS",
    "EXACT",
    "BlockScope",
    "Boundary",
    "Cell",
    "CellTerms",
    "Charges",
    "Commitment",
    "Commitments",
    "Conversion",
    "CreditGrant",
    "CreditGrants",
    "CreditsApply",
    "CurrencyCode",
    "DecimalColumn",
    "Dimension",
    "Discount",
    "Discounts",
    "EventAmounts",
    "FeeSums",
    "GrantCategory",
    "InclusiveReverseCharge",
    "InconsistentTermsError",
    "InvoiceLines",
    "LineColumns",
    "LineKind",
    "Model",
    "Part",
    "PartColumns",
    "PlanDiscount",
    "PlanDiscounts",
    "Price",
    "RatedEvent",
    "RatedLine",
    "RatedLines",
    "RatedTier",
    "RatingError",
    "Rounding",
    "RoundingMode",
    "Scope",
    "Settlement",
    "SettlementTerms",
    "Share",
    "SpendDiscount",
    "Split",
    "SplitBase",
    "SplitResult",
    "SplitScope",
    "TaxProfile",
    "TaxRate",
    "TaxRounding",
    "TaxScope",
    "Tier",
    "TierBreakdown",
    "TierProration",
    "Timing",
    "Whole",
    "adjustment_formula",
    "column_of_wide",
    "converted",
    "converted_column",
    "discount_problems",
    "free",
    "invoice_totals",
    "lines_of_rated",
    "minor_unit_digits",
    "prorated",
    "prorated_minor",
    "rate",
    "round_to_total",
    "settle",
    "sums_before",
    "tax_totals",
    "tier_spans",
    "times",
    "unrateable_reason",
    "unrateable_rows",
    "whole_minor_units",
]
