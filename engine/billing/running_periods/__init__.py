"""Invoices of billing periods that run: fees in advance, and usage once what is not billed of it comes to a threshold.

fees_in_advance       which subscriptions have some, since when, and which lines are
invoicing_thresholds  which subscriptions have a threshold at an instant
part_lines            what is to be billed of running periods: rules, and lines. Pure
part_biller           one run: rated, settled, booked, issued, some subscriptions at a time
"""
