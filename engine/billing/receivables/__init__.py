"""Receivables: what becomes of invoices after their issue. Above closing; what is owed is counted in engine.billing.accounts.

overdue            what has become overdue, told to the outbox
payment            payments and refunds as they are reported, and what a repeated report is known by. Pure
payment_store      payments and refunds into accounts and out of them, each once
statement          what an account comes to, and its statement, which adds up or isn't given
write_offs         invoices that nobody expects to be paid
credit_note        what a credit note gives back of each line, to the minor unit. Pure
credit_note_store  credit notes with their numbers, lines and entries
journal            entries of accounts as postings of a double-entry journal, which balance. Pure
journal_reader     the journal out of the stores
"""
