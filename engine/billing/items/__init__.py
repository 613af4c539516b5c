"""Invoice items given and taken back: by whoever bills, not by who applies catalogs.

item_periods   in which billing period an item is billed. Pure
billed_items   which invoices have which items
invoice_items  creates and deletes them
"""
