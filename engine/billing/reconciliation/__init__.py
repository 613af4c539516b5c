"""Reconciliation: what closed periods come to, worked out a second time, by other code than what billed them.

billing_reconciliation   one step: some customers, judged
daily_reconciliation     all tenants once a day, in the background
findings                 what was judged, what could not be, and the differences
booked_documents         headers and booked lines read, and what is wrong between them
booked_line              a booked line as an object. Pure
last_billed              up to which watermark documents bill a period together. Pure
expected_lines           what the lines of a period should be, from the catalog's definitions. Pure
billing_calendar         billing periods one at a time. Pure
raw_usage                usage from the log of events alone; raw_filters: a meter's filters
judged_lines             lines beside what they should be; judged_terms: discounts, credits and taxes. Pure
price_arithmetic         one charge at a time, in fractions: what a price makes of a quantity. Pure
"""
