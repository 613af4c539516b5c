"""Invoices before their issue: what billing periods that are over come to, to be looked at, held back, and approved.

draft_invoices   a tenant's drafts, and what people do with them
"""
