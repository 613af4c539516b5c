"""One-off items: what a customer is charged, or given back, once.

invoice_item  the kind of resource, and how lines name an item
billed_item   an item as what is rated: a plan of one price, and a subscription to it
"""
