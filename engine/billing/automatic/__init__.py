"""What the engine bills by itself, for tenants that say so.

billing_settings how a tenant's billing periods are closed, and how far the engine itself has come
automatic_close  billing periods that are over
part_watch       of periods that run usage, once it comes to a subscription's invoicing threshold, and fees in advance
"""
