"""Alerts: who has reached a threshold of usage, spend, credit or a commitment, told once.

    measured     what customers' rated lines come to, as alerts measure it
    measuring    measures them, and tells of whom that may have changed
    crossings    which thresholds that reaches, and what is told of it
    store        the crossings, and up to which watermark all of them are known
    alert_pass   the upkeep: whose spend may have changed is measured again

Rated lines in, crossings and facts of the outbox out: an alert sees the same amounts as GetSpend at its watermark.
"""
