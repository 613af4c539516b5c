"""The annex of an invoice: usage by day behind its lines, read from the usage store at the invoice's watermark.

usage_annex  what of which meter is behind which lines
"""
