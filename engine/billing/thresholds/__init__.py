"""Threshold invoices: usage of a billing period that runs is billed once what is not billed of it comes to a bound.

invoicing_thresholds  which subscriptions have a threshold at an instant
part_lines            what is to be billed of running periods: rules, and lines. Pure
threshold_biller      one run: rated, settled, booked, issued, some subscriptions at a time
"""
