"""The family of commands about what becomes of invoices: payments, refunds, statements."""
