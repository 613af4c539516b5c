"""The operator's page: how a company's metering and billing stand, in a browser.

sign_in         an API key exchanged for a session in a cookie, and the way out
look            one request of whoever is signed in, and what it asks of the table of operations
operator_pages  the addresses of the page, and what each of them answers
overview        recorded and refused usage, webhooks, alerts, closing
top_spend       who spends most in a billing period, and what all come to
movers          whose spend changed most since a month before
revenue         fees by month, usage so far, payments by month
run_rate        how those are added up
customer_list   customers by the beginning of their id
story           one customer: subscriptions, spend, invoices, account, payments, alerts, events
reconciled      closed periods worked out a second time
sections        tables, or why there is none

Nothing is changed here but who is signed in, and no amount is worked out: every figure is one that an operation of the table gave, or
a sum of those that run_rate says how it is made.
"""
