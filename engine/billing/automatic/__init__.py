"""What the engine bills by itself, for tenants that say so.

billing_settings how a tenant's billing periods are closed, and how far the engine itself has come
automatic_close  billing periods that are over
threshold_watch  usage of periods that run, once it comes to a subscription's invoicing threshold
"""
