"""Pages: what one customer spends, live, in a browser; and in `operator` all of them.

asking        what a page needs of the HTTP face: calls of the table of operations, and what it hears of them
visitor       who looks: the token of a signed link, in the address once and then in a cookie
visit         one request of whoever looks
page_settings where the page is, and what browsers are told of it
spend_pages   the addresses of the page, and what each of them answers
page_words    the reader's language, and numbers and dates as it writes them
figures       GetSpend's answer as texts: totals, lines, credits, commitments
ladders       the tiers of a line and what is left of allowances, where the customer stands in them
standing      where the customer stands now: limits, features, alerts
budget_form   the form of the customer's own budget
usage_days    usage by day as tables, which the script draws
document_rows earlier invoices and credit notes, and what is asked for a document of one
page_html     templates to HTML
operator      the page of whoever runs the company's billing, of all its customers
static_files  what pages are made of: script, style, the vendored chart

No amount is worked out here: every figure is one that an operation of the table gave.
"""

__all__ = ["asking", "operator", "page_settings", "spend_pages"]
