"""Prices to amounts: pure, arrays in, arrays out.

Construct prices once with `Price.read(fields)`, put n charges into columns, and rate them:

    lines = rate(Charges(prices=[a, b], price_index=np.array([0, 1, 1]), quantity=DecimalColumn.of(["5", "7.5", 0])))
    lines.amount.to_decimals()      # n rounded amounts; lines.amount.sum_by_group(invoice, invoices) adds them up
    lines.line(0).formula           # '5 x 0.1 = 0.5 -> 0.50 USD', with the tiers, stages and rounding beside it
    lines.breakdown()               # every tier of every line as ragged columns

`quantity` is a `DecimalColumn(mantissa, scale)`: straight from a store's decimals as int64 mantissas, or `of(...)`
Decimals, ints and texts; `column_of_wide` takes integers of 256 bits. To bill a period in parts give the cumulative quantity, `booked` (what earlier parts
billed) and `final` (false on all but the last part, where a minimum counts). Tiers that count on another clock
than the invoice take `consumed_before`; percentage prices with terms per event `events`; matrix prices
`dimensions`; capacity prices `quantities`. `rate` is the only rating path: live spend, drafts, invoices and
simulations call it alike. It raises `RatingError` rather than bill a charge that its price says nothing about:
`unrateable_rows(charges)` finds those, to be shown with `unrateable_reason` and left out.

`converted(quantity, conversion)` converts one quantity by itself, as a meter does before anything is priced, and
`converted_column` a column of them.

What follows the lines (commitments, credit grants, taxes, revenue splits) has one way in as well:

    settled = settle(lines_of_rated(lines, price_ids, subscription, columns), SettlementTerms(...))
    settled.due_minor               # what each line leaves to pay, in minor units; the trace of each stage beside it
    invoice_totals(settled)         # the sums of each invoice
"""

from rating.kernels.breakdown import TierBreakdown
from rating.kernels.charges import Charges, Dimension, EventAmounts, RatingError
from rating.lines.line import RatedEvent, RatedLine, RatedTier
from rating.lines.lines import RatedLines
from rating.numbers.currency import CurrencyCode
from rating.numbers.decimals import DecimalColumn
from rating.numbers.rounding import RoundingMode
from rating.numbers.wide_integers import column_of_wide
from rating.prices.conversion import Conversion, converted, converted_column
from rating.prices.matrix import Cell
from rating.prices.models import BlockScope, Boundary, Model, Scope, Timing, Whole
from rating.prices.price import Price, Rounding
from rating.prices.tiers import Tier
from rating.rate import rate, unrateable_reason, unrateable_rows
from rating.settlement.adjustments import LineKind, adjustment_formula
from rating.settlement.commitments import Commitment, Commitments
from rating.settlement.grants import CreditGrant, CreditGrants, GrantCategory
from rating.settlement.invoice_lines import InvoiceLines, LineColumns, lines_of_rated
from rating.settlement.settle import (
    CreditsApply,
    Settlement,
    SettlementTerms,
    SplitBase,
    invoice_totals,
    settle,
)
from rating.settlement.splits import Share, Split
from rating.settlement.tax import tax_totals
from rating.settlement.tax_rates import (
    InclusiveReverseCharge,
    TaxProfile,
    TaxRate,
    TaxRounding,
    TaxScope,
)

__all__ = [
    "BlockScope",
    "Boundary",
    "Cell",
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
    "EventAmounts",
    "GrantCategory",
    "InclusiveReverseCharge",
    "InvoiceLines",
    "LineColumns",
    "LineKind",
    "Model",
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
    "Split",
    "SplitBase",
    "TaxProfile",
    "TaxRate",
    "TaxRounding",
    "TaxScope",
    "Tier",
    "TierBreakdown",
    "Timing",
    "Whole",
    "adjustment_formula",
    "column_of_wide",
    "converted",
    "converted_column",
    "invoice_totals",
    "lines_of_rated",
    "rate",
    "settle",
    "tax_totals",
    "unrateable_reason",
    "unrateable_rows",
]
