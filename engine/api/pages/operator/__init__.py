"""The operator's page: how a company's metering and billing stand, in a browser.

sign_in         an API key exchanged for a session in a cookie, and the way out
look            one request of whoever is signed in, and what it asks of the table of operations
operator_pages  the addresses of the page, and what each of them answers
overview        recorded and refused usage, webhooks, alerts, closing
top_spend       who spends most in a billing period, and what all come to
story           one customer: spend, lines, invoices

Nothing is changed here but who is signed in, and no amount is worked out: every figure is one that an operation of the table gave.
"""
