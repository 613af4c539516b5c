"""Receivables: what becomes of invoices after their issue. Above closing; what is owed is counted in engine.billing.accounts.

overdue  what has become overdue, told to the outbox
"""
