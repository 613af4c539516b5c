"""ReceivablesService: payments and refunds reported in, write-offs, accounts and their statements."""
