"""Closing: billing periods that are over become invoices, and what changes later becomes lines of the next ones.

settled_lines    settled lines as the rows that are booked. Pure
adjustments      what earlier closed periods come to now, less what is booked of them. Pure
going_on         whose corrections wait for an invoice that will come. Pure
due_invoices     which invoices a run issues of some customers, and their lines. Pure
invoice          the header of an invoice, its key, its sums
invoice_terms    when an invoice is due, and who bought and sold: frozen at its issue. Pure
invoice_store    runs, headers and numbers in the catalog store
booked_lines     lines in the usage store
unchanged        which customers' closed periods can't have changed since they were settled
closer           one run: rated, settled, booked, issued, some subscriptions at a time
billing_settings how a tenant's billing periods are closed, and how far the engine itself has come
automatic_close  what the engine closes by itself
"""
