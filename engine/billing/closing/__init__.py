"""Closing: billing periods that are over become invoices, and what changes later becomes lines of the next ones.

settled_lines    settled lines as the rows that are booked. Pure
adjustments      what periods come to now, less what is booked of them. Pure
billed_parts     what was billed of periods while they ran, set against the invoices that close them. Pure
run_customers    some customers of a run, with what is known of them
going_on         whose corrections wait for an invoice that will come. Pure
due_invoices     which invoices a run issues of some customers, and their lines. Pure
assembled        headers and numbered lines from rows. Pure
invoice          the header of an invoice, its key, its sums
invoice_terms    when an invoice is due, and who bought and sold: frozen at its issue. Pure
invoice_rows     headers and runs to rows of the catalog store, and back
invoice_store    runs, headers and numbers in the catalog store
booked_lines     lines in the usage store
unchanged        which customers' closed periods can't have changed since they were settled
closer           one run: rated, settled, booked, issued, some subscriptions at a time
"""
